"""The sessions of a SQLite store."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from anyport.stores.base import StoreClosed, StoreFull, StoreLimits
from anyport.stores.sqlite_events import drop_streams
from anyport.stores.sqlite_file import key
from anyport.stores.sqlite_thread import SqliteThread

REAPS = 10
"""How often per ``session_idle_s`` a process that creates sessions ends those that have expired."""

_log = logging.getLogger(__name__)


class SqliteSessions:
    """Sessions as rows that say when they were used last.

    A use within a hundredth of ``session_idle_s`` after another is not written down, and expiry waits for that much
    longer: most reads are reads of the file, too.

    A session that this process holds is written down as used every third of ``session_idle_s``, for the others.

    Args:
        thread: Owner of the connection.
        limits: Of the store.
        clock: Seconds that every process and every start agrees on.
    """

    def __init__(self, thread: SqliteThread, limits: StoreLimits, clock: Callable[[], float]) -> None:
        self._thread = thread
        self._limits = limits
        self._clock = clock
        self._grain = limits.session_idle_s / 100
        # Counted on the loop, looked up on the thread.
        self._held: Counter[bytes] = Counter()
        self._renewal: asyncio.TimerHandle | None = None
        self._reap_at = 0.0

    async def create(self, session_id: str, row: bytes, owner: str | None) -> None:
        """Keep a new session; see `SessionStore.create`."""
        self._check(row)
        name, of, now = key(session_id), None if owner is None else key(owner), self._clock()

        def job(connection: sqlite3.Connection) -> StoreFull | ValueError | None:
            refusal = self._refusal(connection, name, of)
            if refusal is not None or now >= self._reap_at:
                self._reap(connection, now)
                self._reap_at = now + self._limits.session_idle_s / REAPS
                refusal = self._refusal(connection, name, of)
            if refusal is None:
                connection.execute("INSERT INTO sessions VALUES (?, ?, ?, ?)", (name, of, row, now))
            return refusal

        refusal = await self._thread.write(job)
        # Raised here and not in the job, so that what was reaped stays reaped.
        if refusal is not None:
            raise refusal

    async def get(self, session_id: str) -> bytes | None:
        """Return a row; see `SessionStore.get`."""
        row, _ = await self._use(key(session_id))
        return row

    async def update(self, session_id: str, row: bytes) -> bool:
        """Replace a row; see `SessionStore.update`."""
        self._check(row)
        name, now = key(session_id), self._clock()

        def job(connection: sqlite3.Connection) -> bool:
            done = connection.execute(
                "UPDATE sessions SET row = ?, used = max(used, ?) WHERE id = ? AND used >= ?",
                (row, now, name, self._oldest(now, name)),
            )
            return done.rowcount == 1

        return await self._thread.write(job)

    async def delete(self, session_id: str) -> bool:
        """End a session; see `SessionStore.delete`."""
        name, now = key(session_id), self._clock()

        def job(connection: sqlite3.Connection) -> bool:
            found = _find(connection, name)
            _end(connection, name)
            return found is not None and found[1] >= self._oldest(now, name)

        return await self._thread.write(job)

    @asynccontextmanager
    async def hold(self, session_id: str) -> AsyncGenerator[bytes | None]:
        """Keep a session from expiring; see `SessionStore.hold`."""
        name = key(session_id)
        row, used = await self._use(name)
        if row is None:
            yield None
            return
        self._held[name] += 1
        if self._renewal is None:
            self._plan_renewal()
        try:
            yield row
        finally:
            self._leave(name, used)

    def forget_holds(self) -> None:
        """Hold nothing any more: the store is closed."""
        self._held.clear()
        if self._renewal is not None:
            self._renewal.cancel()
            self._renewal = None

    def _check(self, row: bytes) -> None:
        if len(row) > self._limits.session_bytes:
            raise StoreFull(f"The session takes {len(row)} bytes", "session_bytes")

    def _leave(self, name: bytes, used: float) -> None:
        if name not in self._held:
            return  # closed meanwhile
        if self._clock() - used < self._grain:
            self._release(name)
            return
        try:
            touched = self._touch([name])
        except StoreClosed:
            self._release(name)
        else:
            # Still held until the use is written down: else it could be reaped between the two.
            touched.add_done_callback(lambda _: self._release(name))
            touched.add_done_callback(_report)

    def _release(self, name: bytes) -> None:
        self._held[name] -= 1
        if self._held[name] <= 0:
            del self._held[name]
        if not self._held and self._renewal is not None:
            self._renewal.cancel()
            self._renewal = None

    def _plan_renewal(self) -> None:
        loop = asyncio.get_running_loop()
        self._renewal = loop.call_later(self._limits.session_idle_s / 3, self._renew)

    def _renew(self) -> None:
        self._plan_renewal()
        try:
            self._touch(list(self._held)).add_done_callback(_report)
        except StoreClosed:
            self.forget_holds()

    def _touch(self, names: list[bytes]) -> asyncio.Future[bool]:
        """Write down that sessions are used now; the result says whether there is any of them."""
        now = self._clock()

        def job(connection: sqlite3.Connection) -> bool:
            done = connection.executemany(
                "UPDATE sessions SET used = max(used, ?) WHERE id = ?", [(now, name) for name in names]
            )
            return done.rowcount > 0

        return self._thread.submit(job, writes=True)

    def _oldest(self, now: float, name: bytes) -> float:
        """Return the time of last use below which a session has expired."""
        return float("-inf") if name in self._held else now - self._limits.session_idle_s - self._grain

    async def _use(self, name: bytes) -> tuple[bytes | None, float]:
        """Return the row of a session that is used now, and the time of use that is written down."""
        now = self._clock()
        found = await self._thread.read(lambda connection: _find(connection, name))
        if found is None or found[1] < self._oldest(now, name):
            return None, now
        row, used = found
        if now - used < self._grain:
            return row, used
        # It may have ended between the two.
        return (row if await self._touch([name]) else None), now

    def _refusal(
        self, connection: sqlite3.Connection, name: bytes, owner: bytes | None
    ) -> StoreFull | ValueError | None:
        if _find(connection, name) is not None:
            return ValueError("There is a session of this id")
        (count,) = connection.execute("SELECT count(*) FROM sessions").fetchone()
        if count >= self._limits.sessions:
            return StoreFull(f"{count} sessions are open", "sessions")
        if owner is None:
            return None
        (count,) = connection.execute("SELECT count(*) FROM sessions WHERE owner = ?", (owner,)).fetchone()
        if count >= self._limits.sessions_per_owner:
            return StoreFull(f"{count} sessions of this owner are open", "sessions_per_owner")
        return None

    def _reap(self, connection: sqlite3.Connection, now: float) -> None:
        oldest = now - self._limits.session_idle_s - self._grain
        expired: list[tuple[bytes]] = connection.execute("SELECT id FROM sessions WHERE used < ?", (oldest,)).fetchall()
        for (name,) in expired:
            if name not in self._held:
                _end(connection, name)


def _find(connection: sqlite3.Connection, name: bytes) -> tuple[bytes, float] | None:
    return connection.execute("SELECT row, used FROM sessions WHERE id = ?", (name,)).fetchone()


def _end(connection: sqlite3.Connection, name: bytes) -> None:
    connection.execute("DELETE FROM sessions WHERE id = ?", (name,))
    drop_streams(connection, name)


def _report(future: asyncio.Future[bool]) -> None:
    error = None if future.cancelled() else future.exception()
    if error is not None:
        _log.warning("a session in use could not be marked so: %s", error)
