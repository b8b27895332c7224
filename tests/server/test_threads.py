"""The pool for plain functions: bounded, with a clear refusal, and never in the way of the end (D17)."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable

import pytest

from anyport.errors import Busy
from anyport.server.threads import ThreadPool

WAIT = 30.0


async def test_results_and_errors_come_back() -> None:
    pool = ThreadPool(2, 2)

    def fail() -> None:
        raise ValueError("no")

    assert await pool.run(lambda: 42) == 42
    with pytest.raises(ValueError, match="no"):
        await pool.run(fail)
    assert await pool.run(lambda: 43) == 43


async def test_context_variables_are_the_callers() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("here")
    assert await ThreadPool(1, 1).run(variable.get) == "here"


async def test_busy_at_the_limit_exactly() -> None:
    """Threads and queue at limit - 1, limit and limit + 1."""
    pool, gate = ThreadPool(2, 1), threading.Event()

    def wait() -> bool:
        return gate.wait(WAIT)

    running = [asyncio.ensure_future(pool.run(wait)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Busy, match="sync_threads, sync_queue"):
        await pool.run(wait)
    gate.set()
    assert await asyncio.gather(*running) == [True] * 3
    assert await pool.run(lambda: 1) == 1


async def test_threads_start_when_they_are_needed() -> None:
    pool, before = ThreadPool(8, 8), threading.active_count()
    for _ in range(5):
        await pool.run(lambda: None)
    assert threading.active_count() - before <= 2


async def test_a_blocked_pool_does_not_block_the_loop() -> None:
    pool, gate = ThreadPool(1, 0), threading.Event()
    blocked = asyncio.ensure_future(pool.run(lambda: gate.wait(WAIT)))
    turns = 0
    while turns < 100:
        await asyncio.sleep(0)
        turns += 1
    assert not blocked.done()
    gate.set()
    assert await asyncio.wait_for(blocked, WAIT)


async def test_who_gives_up_leaves_the_thread_alone() -> None:
    """A cancelled wait gives its place back only when the thread is through."""
    pool, begun, gate = ThreadPool(1, 0), threading.Event(), threading.Event()

    def wait() -> bool:
        begun.set()
        return gate.wait(WAIT)

    waiting = asyncio.ensure_future(pool.run(wait))
    await asyncio.sleep(0)
    assert begun.wait(WAIT)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(Busy):
        await pool.run(lambda: None)
    gate.set()
    async with asyncio.timeout(WAIT):
        while True:
            try:
                assert await pool.run(lambda: 7) == 7
                break
            except Busy:
                await asyncio.sleep(0)


async def test_what_was_given_up_in_the_queue_does_not_run() -> None:
    """CAN-01: a call that is cancelled before a thread is free costs no thread."""
    pool, gate, ran = ThreadPool(1, 1), threading.Event(), list[int]()
    first = asyncio.ensure_future(pool.run(lambda: gate.wait(WAIT)))
    second = asyncio.ensure_future(pool.run(lambda: ran.append(1)))
    await asyncio.sleep(0)
    second.cancel()
    gate.set()
    assert await first
    assert await asyncio.wait_for(pool.run(lambda: 3), WAIT) == 3
    assert ran == []


async def test_what_has_to_be_closed_waits_however_full_the_pool_is() -> None:
    pool, gate = ThreadPool(1, 0), threading.Event()
    first = asyncio.ensure_future(pool.run(lambda: gate.wait(WAIT)))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(pool.run(lambda: "closed", always=True))
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.wait_for(closing, WAIT) == "closed"
    assert await first


def test_a_pool_outlives_its_loop() -> None:
    """Threads that finish after their loop has closed do no harm; the next loop has the pool again."""
    pool, begun, gate, done = ThreadPool(1, 1), threading.Event(), threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        gate.wait(WAIT)
        done.set()

    async def give_up() -> None:
        task = asyncio.ensure_future(pool.run(wait))
        await asyncio.sleep(0)
        assert begun.wait(WAIT)
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(give_up())
    gate.set()
    assert done.wait(WAIT)

    async def again() -> int:
        return await asyncio.wait_for(pool.run(lambda: 9), WAIT)

    assert asyncio.run(again()) == 9


def test_threads_are_daemons() -> None:
    """D07: a tool that never returns cannot keep the process."""

    async def ask() -> bool:
        return await ThreadPool(1, 1).run(lambda: threading.current_thread().daemon)

    assert asyncio.run(ask())


# --- few changes of threads -------------------------------------------------------------------------------------------


async def test_short_jobs_share_a_thread_and_a_wake_up() -> None:
    """All that is done when the loop looks comes back at once (ADR 0052)."""
    pool, before, loop = ThreadPool(8, 100), threading.active_count(), asyncio.get_running_loop()
    told: list[object] = []
    done = threading.Event()
    tell = loop.call_soon_threadsafe

    def counted(callback: Callable[..., object], *arguments: object) -> asyncio.Handle:
        told.append(callback)
        return tell(callback, *arguments)

    loop.call_soon_threadsafe = counted  # pyright: ignore[reportAttributeAccessIssue] - the seam of the loop
    running = [asyncio.ensure_future(pool.run(lambda number=number: number)) for number in range(50)]
    running.append(asyncio.ensure_future(pool.run(lambda: done.set() or 50)))
    assert done.wait(WAIT)
    assert await asyncio.gather(*running) == list(range(51))
    assert threading.active_count() - before == 1
    # One, and one more where the loop looked between the end of the last job and its way back.
    assert len(told) <= 2


async def test_jobs_that_wait_for_each_other_all_run() -> None:
    """Threads are woken for all jobs as soon as those that are awake do not get on."""
    pool, barrier = ThreadPool(8, 0), threading.Barrier(8)
    for _ in range(3):
        places = await asyncio.wait_for(asyncio.gather(*(pool.run(lambda: barrier.wait(WAIT)) for _ in range(8))), WAIT)
        assert sorted(places) == list(range(8))


async def test_a_blocked_job_keeps_no_other() -> None:
    pool, gate = ThreadPool(2, 50), threading.Event()
    blocked = asyncio.ensure_future(pool.run(lambda: gate.wait(WAIT)))
    assert await asyncio.wait_for(asyncio.gather(*(pool.run(lambda: 1) for _ in range(20))), WAIT) == [1] * 20
    assert not blocked.done()
    gate.set()
    assert await blocked


async def test_who_waits_long_gets_a_thread_although_others_get_on() -> None:
    """Jobs that each wait a little, one after the other on one thread, would otherwise stay on it for ever."""
    pool, before, at_once, most = ThreadPool(4, 1000), threading.active_count(), [0], [0]
    lock = threading.Lock()

    def brief() -> None:
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        threading.Event().wait(0.0005)
        with lock:
            at_once[0] -= 1

    async with asyncio.timeout(2 * WAIT):
        while most[0] < 2:
            await asyncio.gather(*(pool.run(brief) for _ in range(200)))
    assert 2 <= threading.active_count() - before <= 4


async def test_a_loop_that_ended_leaves_the_pool_to_the_next() -> None:
    """Also where it ended while jobs waited, and the look at them with it."""
    pool, gate = ThreadPool(2, 10), threading.Event()

    async def leave() -> None:
        for _ in range(4):
            asyncio.ensure_future(pool.run(lambda: gate.wait(WAIT)))  # noqa: RUF006 - left behind on purpose
        await asyncio.sleep(0)

    other = threading.Thread(target=lambda: asyncio.run(leave()))
    other.start()
    other.join(WAIT)
    waiting = [asyncio.ensure_future(pool.run(lambda: 1)) for _ in range(3)]
    gate.set()
    assert await asyncio.wait_for(asyncio.gather(*waiting), WAIT) == [1, 1, 1]
