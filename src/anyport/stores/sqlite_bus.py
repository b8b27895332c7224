"""The bus of a SQLite store: a table that every process with a subscriber watches."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

from anyport.stores.base import StoreError, StoreLimits
from anyport.stores.sqlite_file import key, text
from anyport.stores.sqlite_thread import SqliteThread
from anyport.stores.subscriptions import Subscription, Subscriptions

CHUNK = 256
"""Most messages that are read from the file at a time."""

CHUNK_BYTES = 4 * 2**20
"""Bytes of messages after which no more are read at a time."""

KEPT_S = 10.0
"""Seconds that a message stays in the file: a process that looks less often than that loses its subscriptions."""


class SqliteBus:
    """The bus: each message is a row, which the threads of all processes pass on and a later publisher deletes.

    Args:
        thread: Owner of the connection.
        limits: Of the store.
        clock: Seconds that every process agrees on.
    """

    def __init__(self, thread: SqliteThread, limits: StoreLimits, clock: Callable[[], float]) -> None:
        self._thread = thread
        self._clock = clock
        self._subscriptions = Subscriptions(limits)
        # The last message that a subscription is not for.
        self._since: dict[Subscription, int] = {}
        # These belong to the thread.
        self._seen = 0
        self._version = 0
        self._has_published = False
        self._prune_at = 0.0
        thread.failed = self._fail

    async def publish(self, topic: str, message: bytes) -> None:
        """Send a message; see `Bus.publish`."""
        name, now = key(topic), self._clock()

        def job(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO bus VALUES (NULL, ?, ?, ?)", (name, message, now))
            self._has_published = True
            if now >= self._prune_at:
                self._prune_at = now + KEPT_S / 4
                # In the order of ids, hence of time; the new row ends the search.
                connection.execute(
                    "DELETE FROM bus WHERE id < (SELECT id FROM bus WHERE sent >= ? ORDER BY id LIMIT 1)",
                    (now - KEPT_S,),
                )

        await self._thread.write(job)

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Receive messages; see `Bus.subscribe`."""
        subscription = self._subscriptions.add(topic)
        try:
            await self._thread.read(lambda connection: self._begin(connection, subscription))
            yield subscription
        finally:
            # The thread sees by itself that nobody is left.
            self._subscriptions.remove(subscription)
            self._since.pop(subscription, None)

    def end(self) -> None:
        """End every subscription."""
        self._subscriptions.end()
        self._since.clear()

    def _begin(self, connection: sqlite3.Connection, subscription: Subscription) -> None:
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'bus'").fetchone()
        last = 0 if row is None else row[0]
        if self._thread.watch is None:
            self._version = _version(connection)
            self._seen = last
            self._thread.watch = self._watch
        # Told now and not returned: a later message must not arrive at the loop before this.
        self._thread.tell(self._set_since, subscription, last)

    def _watch(self, connection: sqlite3.Connection) -> None:
        if not self._subscriptions:
            self._thread.watch = None
            return
        # The version tells of the commits of other connections only.
        version = _version(connection)
        if version != self._version or self._has_published:
            self._version = version
            self._has_published = False
            while self._pass_on(connection):
                pass

    def _pass_on(self, connection: sqlite3.Connection) -> bool:
        """Bring new messages from the file to the loop; the result says whether there may be more."""
        messages: list[tuple[int, str, bytes]] = []
        size = 0
        seen = self._seen
        with connection:
            connection.execute("BEGIN")
            rows: list[tuple[int, bytes]] = connection.execute(
                "SELECT id, topic FROM bus WHERE id > ? ORDER BY id LIMIT ?", (seen, CHUNK)
            ).fetchall()
            if rows and rows[0][0] > seen + 1:
                self._thread.tell(self._lose_before, rows[0][0])
            for number, name in rows:
                topic = text(name)
                if topic in self._subscriptions:
                    (message,) = connection.execute("SELECT message FROM bus WHERE id = ?", (number,)).fetchone()
                    messages.append((number, topic, message))
                    size += len(message)
                seen = number
                if size > CHUNK_BYTES:
                    break
        self._seen = seen
        if messages:
            self._thread.tell(self._deliver, messages)
        return len(rows) == CHUNK or size > CHUNK_BYTES

    def _set_since(self, subscription: Subscription, last: int) -> None:
        if subscription in self._subscriptions.of(subscription.topic):
            self._since[subscription] = last

    def _deliver(self, messages: list[tuple[int, str, bytes]]) -> None:
        for number, topic, message in messages:
            for subscription in self._subscriptions.of(topic):
                since = self._since.get(subscription)
                if since is not None and number > since:
                    subscription.put(message)

    def _lose_before(self, number: int) -> None:
        for subscription, since in self._since.items():
            if since < number - 1:
                subscription.lose(f"This process did not look for {KEPT_S:g} s, and messages are gone")

    def _fail(self, error: StoreError) -> None:
        for subscription in self._subscriptions.all():
            subscription.lose(str(error))


def _version(connection: sqlite3.Connection) -> int:
    """Return a number that changes when another connection has changed the file."""
    return connection.execute("PRAGMA data_version").fetchone()[0]
