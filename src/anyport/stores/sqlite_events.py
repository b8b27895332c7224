"""The event log of a SQLite store."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import NamedTuple

from anyport.stores.base import EVENT_COST, STREAM_COST, StoreLimits, StreamEnded, StreamLost
from anyport.stores.sqlite_file import key
from anyport.stores.sqlite_thread import SqliteThread

SWEEPS = 10
"""How often per ``stream_idle_s`` a process that appends drops what has expired."""

SWEEP_STREAMS = 500
"""Most streams that are read at a time to be dropped."""

STRIDES = 16
"""A process looks at the size of the log each time it has appended this fraction of ``log_bytes``."""


_COLUMNS = "id, first, last, bytes, ended, used"
_Row = tuple[int, int, int, int, int, float]


class _Stream(NamedTuple):
    id: int
    first: int
    last: int
    bytes: int
    ended: int
    used: float

    @property
    def cost(self) -> int:
        return self.bytes + (self.last - self.first + 1) * EVENT_COST + STREAM_COST


class SqliteEvents:
    """The event log: one row for each stream and one for each event.

    Args:
        thread: Owner of the connection.
        limits: Of the store.
        clock: Seconds that every process and every start agrees on.
    """

    def __init__(self, thread: SqliteThread, limits: StoreLimits, clock: Callable[[], float]) -> None:
        self._thread = thread
        self._limits = limits
        self._clock = clock
        # Both belong to the thread.
        self._sweep_at = 0.0
        self._appended = 0

    async def append(self, stream: str, event: bytes, *, final: bool = False) -> int:
        """Add an event; see `EventLog.append`."""
        name, now = key(stream), self._clock()

        def job(connection: sqlite3.Connection) -> int:
            self._tidy(connection, now, len(event))
            kept = self._find_current(connection, name, now) or _begin(connection, name, now)
            if kept.ended:
                raise StreamEnded("Nothing may follow the final event of a stream")
            position = kept.last + 1
            connection.execute("INSERT INTO events VALUES (?, ?, ?)", (kept.id, position, event))
            kept = kept._replace(last=position, bytes=kept.bytes + len(event), ended=int(final), used=now)
            self._trim(connection, kept)
            return position

        return await self._thread.write(job)

    async def read(self, stream: str, after: int) -> list[tuple[int, bytes]]:
        """Return events; see `EventLog.read`."""
        if after < 0:
            raise ValueError("Positions begin at 1")
        name, now = key(stream), self._clock()

        def job(connection: sqlite3.Connection) -> list[tuple[int, bytes]]:
            kept = _find(connection, name)
            if kept is None or after > kept.last or (kept.ended and self._is_expired(kept, now)):
                raise StreamLost("The stream is unknown, has expired or never came that far")
            if after == kept.last:
                return []
            if self._is_expired(kept, now) or kept.first > kept.last:
                raise StreamLost("The events of the stream were dropped")
            if after + 1 < kept.first:
                raise StreamLost("Events were dropped", kept.first)
            return connection.execute(
                "SELECT position, event FROM events WHERE stream = ? AND position > ? ORDER BY position",
                (kept.id, after),
            ).fetchall()

        return await self._thread.read(job)

    async def forget(self, stream: str) -> None:
        """Drop streams; see `EventLog.forget`."""
        name = key(stream)

        def job(connection: sqlite3.Connection) -> None:
            drop_streams(connection, name)

        await self._thread.write(job)

    def _find_current(self, connection: sqlite3.Connection, name: bytes, now: float) -> _Stream | None:
        stream = _find(connection, name)
        return _retire(connection, stream) if stream is not None and self._is_expired(stream, now) else stream

    def _is_expired(self, stream: _Stream, now: float) -> bool:
        return now - stream.used > self._limits.stream_idle_s

    def _trim(self, connection: sqlite3.Connection, stream: _Stream) -> None:
        """Drop the oldest events until the stream is within its bounds, and write its row."""
        first, size = stream.first, stream.bytes
        keep_from = stream.last if stream.ended else stream.last + 1
        while first < keep_from and (
            stream.last - first + 1 > self._limits.stream_events or size > self._limits.stream_bytes
        ):
            place = (stream.id, first)
            (oldest,) = connection.execute(
                "SELECT length(event) FROM events WHERE stream = ? AND position = ?", place
            ).fetchone()
            connection.execute("DELETE FROM events WHERE stream = ? AND position = ?", place)
            first, size = first + 1, size - oldest
        connection.execute(
            "UPDATE streams SET first = ?, last = ?, bytes = ?, ended = ?, used = ? WHERE id = ?",
            (first, stream.last, size, stream.ended, stream.used, stream.id),
        )

    def _tidy(self, connection: sqlite3.Connection, now: float, size: int) -> None:
        """Drop what has expired or is too much in all, now and then."""
        if now >= self._sweep_at:
            expired = _oldest(connection, "first <= last AND used < ?", now - self._limits.stream_idle_s)
            for stream in expired:
                _retire(connection, stream)
            # The next append goes on where this one found too many.
            if len(expired) < SWEEP_STREAMS:
                self._sweep_at = now + self._limits.stream_idle_s / SWEEPS
        self._appended += size + EVENT_COST
        if self._appended >= self._limits.log_bytes / STRIDES:
            self._appended = 0
            self._shrink(connection)

    def _shrink(self, connection: sqlite3.Connection) -> None:
        """Drop the oldest events until the log is within its bound; then numbers, should they alone be too many."""
        (cost,) = connection.execute(
            "SELECT total(bytes + (last - first + 1) * ? + ?) FROM streams", (EVENT_COST, STREAM_COST)
        ).fetchone()
        for condition in ("first <= last", "first > last"):
            while cost > self._limits.log_bytes and (streams := _oldest(connection, condition)):
                for stream in streams:
                    kept = _retire(connection, stream) if stream.first <= stream.last else _drop(connection, stream)
                    cost -= stream.cost - (0 if kept is None else kept.cost)
                    if cost <= self._limits.log_bytes:
                        return


def drop_streams(connection: sqlite3.Connection, name: bytes) -> None:
    """Drop the stream of a name and those below it, inside the transaction of the caller."""
    rows: list[_Row] = connection.execute(
        # "0" follows "/": the range holds every name that begins with name and "/".
        f"SELECT {_COLUMNS} FROM streams WHERE name = ? OR (name > ? AND name < ?)",  # noqa: S608 - our own constants
        (name, name + b"/", name + b"0"),
    ).fetchall()
    for row in rows:
        _drop(connection, _Stream(*row))


def _find(connection: sqlite3.Connection, name: bytes) -> _Stream | None:
    row: _Row | None = connection.execute(
        f"SELECT {_COLUMNS} FROM streams WHERE name = ?",  # noqa: S608 - our own constants
        (name,),
    ).fetchone()
    return None if row is None else _Stream(*row)


def _oldest(connection: sqlite3.Connection, condition: str, *values: float) -> list[_Stream]:
    rows: list[_Row] = connection.execute(
        f"SELECT {_COLUMNS} FROM streams WHERE {condition} ORDER BY used LIMIT ?",  # noqa: S608 - our own constants
        (*values, SWEEP_STREAMS),
    ).fetchall()
    return [_Stream(*row) for row in rows]


def _begin(connection: sqlite3.Connection, name: bytes, now: float) -> _Stream:
    done = connection.execute("INSERT INTO streams VALUES (NULL, ?, 1, 0, 0, 0, ?)", (name, now))
    return _Stream(done.lastrowid or 0, 1, 0, 0, 0, now)


def _retire(connection: sqlite3.Connection, stream: _Stream) -> _Stream | None:
    """Drop the events of a stream; if more may come keep its numbers, and return it as it is then."""
    if stream.ended:
        return _drop(connection, stream)
    connection.execute("DELETE FROM events WHERE stream = ?", (stream.id,))
    connection.execute("UPDATE streams SET first = last + 1, bytes = 0 WHERE id = ?", (stream.id,))
    return stream._replace(first=stream.last + 1, bytes=0)


def _drop(connection: sqlite3.Connection, stream: _Stream) -> None:
    connection.execute("DELETE FROM events WHERE stream = ?", (stream.id,))
    connection.execute("DELETE FROM streams WHERE id = ?", (stream.id,))
