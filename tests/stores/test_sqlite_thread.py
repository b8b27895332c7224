"""The thread that owns the file: the loop is never blocked, one caller's failure is not another's (D06, D11)."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from anyport.stores.base import StoreClosed, StoreError, StoreUnusable
from anyport.stores.sqlite import SqliteStore
from anyport.stores.sqlite_thread import SqliteThread
from tests.stores.kinds import Clock


@asynccontextmanager
async def running(path: Path, busy_s: float = 5.0) -> AsyncGenerator[SqliteThread]:
    thread = SqliteThread(path, busy_s)
    await thread.start()
    try:
        yield thread
    finally:
        await thread.aclose()


def occupy(thread: SqliteThread) -> threading.Event:
    """Keep the thread busy until the event is set, so that what is submitted meanwhile shares one transaction."""
    free = threading.Event()
    thread.submit(lambda _: free.wait(5), writes=False)
    return free


def insert(name: bytes) -> Callable[[sqlite3.Connection], bytes]:
    def job(connection: sqlite3.Connection) -> bytes:
        connection.execute("INSERT INTO sessions VALUES (?, NULL, x'', 0)", (name,))
        return name

    return job


def names(path: Path) -> list[bytes]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM sessions ORDER BY id")]


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "anyport-sqlite"}


def held() -> tuple[int, int]:
    """Count the threads and the descriptors of this process."""
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


async def test_the_loop_goes_on_while_another_process_writes(tmp_path: Path) -> None:
    """The call waits for the other's transaction; everything else goes on, and then the call is done."""
    store = SqliteStore(tmp_path / "a.db")
    await store.start()
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        append = asyncio.create_task(store.events.append("s/1", b"event"))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not append.done()
        other.execute("ROLLBACK")
    assert await append == 1
    await store.aclose()


async def test_a_file_that_stays_locked_is_an_error_that_names_it(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "a.db", busy_s=0.05)
    await store.start()
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnusable, match="database is locked") as caught:
            await store.events.append("s/1", b"event")
        assert str(tmp_path / "a.db") in str(caught.value)
        other.execute("ROLLBACK")
    assert await store.events.append("s/1", b"event") == 1
    await store.aclose()


async def test_a_refusal_undoes_its_own_job_only(tmp_path: Path) -> None:
    """Though the three shared a transaction."""

    def refuse(connection: sqlite3.Connection) -> None:
        insert(b"2")(connection)
        raise StoreError("no")

    async with running(tmp_path / "a.db") as thread:
        free = occupy(thread)
        jobs = [thread.submit(job, writes=True) for job in (insert(b"1"), refuse, insert(b"3"))]
        free.set()
        results = await asyncio.gather(*jobs, return_exceptions=True)
    assert (results[0], str(results[1]), results[2]) == (b"1", "no", b"3")
    assert names(tmp_path / "a.db") == [b"1", b"3"]


async def test_an_error_of_the_file_undoes_the_transaction(tmp_path: Path) -> None:
    """All who shared it are told; nothing of it stays, and the next one works."""
    async with running(tmp_path / "a.db") as thread:
        free = occupy(thread)
        jobs = [thread.submit(insert(name), writes=True) for name in (b"1", b"2", b"2", b"3")]
        free.set()
        results = await asyncio.gather(*jobs, return_exceptions=True)
        assert [type(result) for result in results] == [StoreUnusable] * 4
        assert names(tmp_path / "a.db") == []
        assert await thread.write(insert(b"4")) == b"4"
    assert names(tmp_path / "a.db") == [b"4"]


async def test_a_result_comes_after_the_commit(tmp_path: Path) -> None:
    async with running(tmp_path / "a.db") as thread:
        free = occupy(thread)
        jobs = [thread.submit(insert(b"%03d" % number), writes=True) for number in range(100)]
        seen: list[int] = []
        for job in jobs:
            job.add_done_callback(lambda _: seen.append(len(names(tmp_path / "a.db"))))
        free.set()
        await asyncio.gather(*jobs)
    assert all(count >= place for place, count in enumerate(seen, 1))
    assert len(seen) == 100


async def test_whoever_is_cancelled_disturbs_nobody(tmp_path: Path) -> None:
    async with running(tmp_path / "a.db") as thread:
        free = occupy(thread)
        cancelled = asyncio.create_task(thread.write(insert(b"1")))
        patient = asyncio.create_task(thread.write(insert(b"2")))
        await asyncio.sleep(0)
        cancelled.cancel()
        free.set()
        assert await patient == b"2"
        with pytest.raises(asyncio.CancelledError):
            await cancelled


async def test_a_bug_in_a_job_leaves_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread ends with the error for all to see; what came after is refused, and so is what comes."""

    def buggy(connection: sqlite3.Connection) -> bytes:
        insert(b"1")(connection)
        raise LookupError("a bug")

    reports: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", reports.append)
    before = threads()
    thread = SqliteThread(tmp_path / "a.db", 5.0)
    await thread.start()
    free = occupy(thread)
    jobs = [thread.submit(buggy, writes=True)] + [thread.submit(insert(b"2"), writes=True) for _ in range(50)]
    free.set()
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert isinstance(results[0], LookupError)
    assert isinstance(results[-1], StoreClosed)
    with pytest.raises(StoreClosed):
        await thread.read(lambda _: None)
    await thread.aclose()
    for each in threads() - before:
        each.join(5)
    assert [report.exc_type for report in reports] == [LookupError]
    assert names(tmp_path / "a.db") == []


async def test_everything_submitted_is_done_before_the_end(tmp_path: Path) -> None:
    thread = SqliteThread(tmp_path / "a.db", 5.0)
    await thread.start()
    jobs = [thread.submit(insert(b"%03d" % number), writes=True) for number in range(100)]
    await thread.aclose()
    assert all(job.done() for job in jobs)
    assert len(names(tmp_path / "a.db")) == 100


async def test_the_watch_is_called_without_jobs_and_beside_many(tmp_path: Path) -> None:
    """It comes round when nothing happens, and when there is never a pause."""
    calls = asyncio.Event()
    async with running(tmp_path / "a.db") as thread:

        def begin(_: sqlite3.Connection) -> None:
            thread.watch = lambda _: thread.tell(calls.set)

        await thread.read(begin)
        for _ in range(3):
            calls.clear()
            await calls.wait()
        calls.clear()
        while not calls.is_set():
            await thread.read(lambda _: None)


def test_a_loop_that_ends_first_keeps_no_process_and_no_store_from_working(tmp_path: Path) -> None:
    """The thread is a daemon; the next loop opens the file again, and nothing is held from before."""
    clock = Clock()
    store = SqliteStore(tmp_path / "a.db", clock=clock)
    hold = store.sessions.hold("a")

    async def leave() -> None:
        await store.start()
        await store.sessions.create("a", b"row", None)
        assert await hold.__aenter__() == b"row"

    async def come_back() -> None:
        await store.start()
        assert await store.sessions.get("a") == b"row"
        await clock.advance(2_000)
        assert await store.sessions.get("a") is None
        await hold.__aexit__(None, None, None)
        await store.aclose()

    before = threads()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave())
    loop.close()
    left = threads() - before
    assert [thread.daemon for thread in left] == [True]
    asyncio.run(come_back())
    for thread in left:
        thread.join(5)
        assert not thread.is_alive()


async def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """No thread, no descriptor, after any number of starts."""
    store = SqliteStore(tmp_path / "a.db")
    await store.start()
    await store.aclose()
    before = held()
    for _ in range(50):
        await store.start()
        await store.events.append("s/1", b"event")
        await store.aclose()
    assert held() == before
