"""What the file of a SQLite store holds, and what two processes make of it (SES-03, RES-04, D06, D11)."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from anyport.stores import sqlite_bus, sqlite_events
from anyport.stores.base import StoreFull, StoreLimits, StreamLost, SubscriptionLost
from anyport.stores.sqlite import SqliteStore
from anyport.stores.sqlite_bus import SqliteBus
from anyport.stores.sqlite_thread import SqliteThread
from tests.stores.kinds import Clock, Kind


def rows(kind: Kind, table: str) -> int:
    return ask(kind.folder / "1.db", f"SELECT count(*) FROM {table}")


def ask(path: Path, query: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchone()[0]


# --- sessions ---------------------------------------------------------------------------------------------------------


async def test_reading_a_session_again_and_again_writes_nothing(sqlite: Kind) -> None:
    """Readers of many processes do not stand in a queue to write."""
    async with sqlite.harness.running() as store:
        await store.sessions.create("a", b"row", None)
        with closing(sqlite3.connect(sqlite.folder / "1.db")) as other:
            before = other.execute("PRAGMA data_version").fetchone()
            for _ in range(100):
                assert await store.sessions.get("a") == b"row"
                async with store.sessions.hold("a"):
                    pass
            assert other.execute("PRAGMA data_version").fetchone() == before
            await sqlite.clock.advance(60)
            assert await store.sessions.get("a") == b"row"
            assert other.execute("PRAGMA data_version").fetchone() != before


async def test_a_session_that_another_process_holds_is_not_reaped(tmp_path: Path) -> None:
    """The holder says so in the file, three times as often as needed, for as long as the call takes."""
    clock = Clock()
    path = tmp_path / "a.db"
    holder, other = (SqliteStore(path, StoreLimits(sessions=1, session_idle_s=0.09), clock=clock) for _ in range(2))
    await holder.start()
    await other.start()
    await holder.sessions.create("a", b"row", None)
    async with holder.sessions.hold("a"):
        for _ in range(5):
            await clock.advance(0.06)
            async with asyncio.timeout(5):
                while not await asyncio.to_thread(ask, path, f"SELECT used >= {clock.now!r} FROM sessions"):
                    pass
            with pytest.raises(StoreFull):
                await other.sessions.create("b", b"", None)
    await clock.advance(0.06)
    assert await other.sessions.get("a") == b"row"
    await clock.advance(0.2)
    await other.sessions.create("b", b"", None)
    await holder.aclose()
    await other.aclose()


async def test_sessions_that_expired_leave_the_file(sqlite: Kind) -> None:
    """Not only when their room is needed."""
    async with sqlite.harness.running() as store:
        for number in range(20):
            await store.sessions.create(f"{number}", b"row", None)
        await sqlite.clock.advance(2_000)
        await store.sessions.create("new", b"row", None)
        assert rows(sqlite, "sessions") == 1


async def test_expired_sessions_are_not_looked_for_each_time(sqlite: Kind) -> None:
    """Where there is room, ten times per idle time are enough."""
    async with sqlite.harness.running(StoreLimits(session_idle_s=100)) as store:
        await store.sessions.create("a", b"row", None)
        await sqlite.clock.advance(99)
        await store.sessions.create("b", b"row", None)
        left: list[int] = []
        for _ in range(4):
            await sqlite.clock.advance(3)
            await store.sessions.create(f"{len(left)}", b"row", None)
            left.append(rows(sqlite, "sessions"))
        assert left == [3, 4, 5, 5]


# --- events -----------------------------------------------------------------------------------------------------------


async def test_events_that_expired_leave_the_file(sqlite: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few at a time; the number of a stream that may go on stays, that of an ended one goes."""
    monkeypatch.setattr(sqlite_events, "SWEEP_STREAMS", 4)
    async with sqlite.harness.running() as store:
        for number in range(10):
            await store.events.append(f"s/{number}", b"event", final=number % 2 == 0)
        await sqlite.clock.advance(700)
        left: list[int] = []
        for _ in range(3):
            await store.events.append("new", b"event")
            left.append(rows(sqlite, "events") - len(left) - 1)
        assert left == [6, 2, 0]
        assert rows(sqlite, "streams") == 5 + 1


async def test_dropped_events_leave_the_file(sqlite: Kind) -> None:
    async with sqlite.harness.running(StoreLimits(stream_events=5)) as store:
        for _ in range(20):
            await store.events.append("s/1", b"event")
        assert rows(sqlite, "events") == 5
        await store.events.forget("s")
        assert (rows(sqlite, "events"), rows(sqlite, "streams")) == (0, 0)


async def test_numbers_are_forgotten_only_when_they_alone_are_too_many(kind: Kind) -> None:
    """A quarter of the log's bound for numbers of silent streams, and not a stream more."""
    async with kind.harness.running(StoreLimits(log_bytes=256 * 20)) as store:
        for number in range(100):
            await store.events.append(f"s/{number:03}", b"event")
            await kind.clock.advance(700)
        known = 0
        for number in range(100):
            try:
                known += await store.events.read(f"s/{number:03}", 1) == []
            except StreamLost:
                assert known == 0, "the oldest go first"
        assert 16 <= known <= 20 * 9 / 8


# --- bus --------------------------------------------------------------------------------------------------------------


class Watcher:
    """A process that reads the bus, whose thread can be stopped for a while."""

    def __init__(self, path: Path, limits: StoreLimits, clock: Clock) -> None:
        self.thread = SqliteThread(path, 5.0)
        self.bus = SqliteBus(self.thread, limits, clock)

    @asynccontextmanager
    async def stopped(self) -> AsyncGenerator[None]:
        free = threading.Event()
        stopped = self.thread.submit(lambda _: free.wait(5), writes=False)
        try:
            yield
        finally:
            free.set()
            await stopped


@asynccontextmanager
async def watching(kind: Kind, limits: StoreLimits | None = None) -> AsyncGenerator[tuple[SqliteBus, Watcher]]:
    """A bus to publish on, and one of another process to read."""
    limits = limits or StoreLimits()
    one, other = (Watcher(kind.folder / "1.db", limits, kind.clock) for _ in range(2))
    await one.thread.start()
    await other.thread.start()
    yield one.bus, other
    await one.thread.aclose()
    other.bus.end()
    await other.thread.aclose()


async def test_a_message_of_this_process_does_not_wait_for_the_next_look(sqlite: Kind) -> None:
    """It is there when publish returns."""
    async with watching(sqlite) as (bus, _), bus.subscribe("topic") as messages:
        for _ in range(10):
            await bus.publish("topic", b"message")
            reading = asyncio.ensure_future(anext(messages))
            await asyncio.sleep(0)
            assert reading.done()
            assert await reading == b"message"


async def test_old_messages_leave_the_file(sqlite: Kind) -> None:
    async with watching(sqlite) as (publisher, _):
        for _ in range(10):
            await publisher.publish("topic", b"old")
        await sqlite.clock.advance(sqlite_bus.KEPT_S + 1)
        await publisher.publish("topic", b"new")
        assert rows(sqlite, "bus") == 1


async def test_a_process_that_did_not_look_in_time_is_told(sqlite: Kind) -> None:
    """Silence would be a message lost; who subscribes again is served again."""
    async with watching(sqlite) as (publisher, watcher):
        async with watcher.bus.subscribe("topic") as messages:
            async with watcher.stopped():
                await publisher.publish("topic", b"1")
                await sqlite.clock.advance(sqlite_bus.KEPT_S + 1)
                await publisher.publish("topic", b"2")
            with pytest.raises(SubscriptionLost, match=r"did not look for 10 s"):
                await anext(messages)
        async with watcher.bus.subscribe("topic") as messages:
            await publisher.publish("topic", b"3")
            assert await anext(messages) == b"3"


async def test_a_process_that_looked_last_in_time_loses_nothing(sqlite: Kind) -> None:
    """Old messages that it has seen may go."""
    async with watching(sqlite) as (publisher, watcher), watcher.bus.subscribe("topic") as messages:
        for number in range(5):
            await publisher.publish("topic", b"%d" % number)
            assert await anext(messages) == b"%d" % number
            await sqlite.clock.advance(sqlite_bus.KEPT_S + 1)


async def test_a_message_on_its_way_is_not_for_who_subscribes_meanwhile(sqlite: Kind) -> None:
    """It was sent by another process before the subscription, and this one comes upon it after."""
    async with watching(sqlite) as (publisher, watcher), watcher.bus.subscribe("topic") as early:
        async with watcher.stopped():
            await publisher.publish("topic", b"1")
            late = watcher.bus.subscribe("topic")
            entering = asyncio.create_task(late.__aenter__())
            await asyncio.sleep(0)
        messages = await entering
        await publisher.publish("topic", b"2")
        assert [await anext(early), await anext(early)] == [b"1", b"2"]
        assert await anext(messages) == b"2"
        await late.__aexit__(None, None, None)


@pytest.mark.parametrize(("count", "size"), [(600, 10), (12, 2**20)])
async def test_much_at_once_is_delivered_in_order(sqlite: Kind, count: int, size: int) -> None:
    """More than is read at a time, by number and by size."""
    limits = StoreLimits(waiting_bytes=2**30)
    async with watching(sqlite, limits) as (publisher, watcher), watcher.bus.subscribe("topic") as messages:
        async with watcher.stopped():
            for number in range(count):
                await publisher.publish("topic", b"%d " % number + bytes(size))
        for number in range(count):
            assert (await anext(messages)).startswith(b"%d " % number)


async def test_a_file_that_fails_under_a_subscription_is_named(sqlite: Kind) -> None:
    async with watching(sqlite) as (_, watcher), watcher.bus.subscribe("topic") as messages:
        with closing(sqlite3.connect(sqlite.folder / "1.db")) as other:
            other.execute("DROP TABLE bus")
        with pytest.raises(SubscriptionLost, match=r"1\.db: no such table: bus"):
            await anext(messages)


async def test_nobody_looks_when_nobody_subscribes(sqlite: Kind) -> None:
    """Nor after a subscription that was given up before it began."""
    async with watching(sqlite) as (_, watcher):
        async with watcher.stopped():
            hasty = asyncio.create_task(watcher.bus.subscribe("topic").__aenter__())
            await asyncio.sleep(0)
            hasty.cancel()
            with pytest.raises(asyncio.CancelledError):
                await hasty
        async with watcher.bus.subscribe("topic"):
            assert watcher.thread.watch is not None
        async with asyncio.timeout(5):
            while watcher.thread.watch is not None:
                await watcher.thread.read(lambda _: None)
