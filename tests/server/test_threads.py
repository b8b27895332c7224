"""The pool for plain functions: bounded, with a clear refusal, and never in the way of the end (D17)."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from anyport.errors import Busy
from anyport.server.threads import ThreadPool

WAIT = 5.0


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
    pool, gate = ThreadPool(1, 0), threading.Event()
    waiting = asyncio.ensure_future(pool.run(lambda: gate.wait(WAIT)))
    await asyncio.sleep(0)
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


def test_a_pool_outlives_its_loop() -> None:
    """Threads that finish after their loop has closed do no harm; the next loop has the pool again."""
    pool, gate, done = ThreadPool(1, 1), threading.Event(), threading.Event()

    def wait() -> None:
        gate.wait(WAIT)
        done.set()

    async def give_up() -> None:
        task = asyncio.ensure_future(pool.run(wait))
        await asyncio.sleep(0)
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
    seen: list[bool] = []
    asyncio.run(ThreadPool(1, 1).run(lambda: seen.append(threading.current_thread().daemon)))
    assert seen == [True]
