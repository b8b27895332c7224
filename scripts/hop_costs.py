"""What a hop costs: the figures of adr/0002, 0005 and 0013. CPU microseconds, best of three.

python scripts/hop_costs.py [--uvloop]
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio
import uvloop

ROUNDS = 30_000


async def reply() -> int:
    """Stand for a service."""
    return 1


async def await_it() -> None:
    """The answer is what the awaited function returns."""
    for _ in range(ROUNDS):
        await reply()


async def over_streams() -> None:
    """Request and answer travel over two anyio memory streams, to a task and back."""
    send_request, requests = anyio.create_memory_object_stream[int](10)
    send_answer, answers = anyio.create_memory_object_stream[int](10)

    async def serve() -> None:
        async for request in requests:
            await send_answer.send(request)

    async with send_request, requests, send_answer, answers, anyio.create_task_group() as group:
        group.start_soon(serve)
        for number in range(ROUNDS):
            await send_request.send(number)
            await answers.receive()
        group.cancel_scope.cancel()


async def over_queues() -> None:
    """The same over two asyncio queues."""
    requests: asyncio.Queue[int] = asyncio.Queue()
    answers: asyncio.Queue[int] = asyncio.Queue()

    async def serve() -> None:
        while True:
            answers.put_nowait(await requests.get())

    task = asyncio.create_task(serve())
    for number in range(ROUNDS):
        requests.put_nowait(number)
        await answers.get()
    task.cancel()


async def group_of_anyio() -> None:
    """A task group with one task."""
    for _ in range(ROUNDS):
        async with anyio.create_task_group() as group:
            group.start_soon(reply)


async def group_of_asyncio() -> None:
    """A task group with one task."""
    for _ in range(ROUNDS):
        async with asyncio.TaskGroup() as group:
            group.create_task(reply())


async def deadline_of_anyio() -> None:
    """A deadline that is not reached."""
    for _ in range(ROUNDS):
        with anyio.fail_after(5):
            await reply()


async def deadline_of_asyncio() -> None:
    """A deadline that is not reached."""
    for _ in range(ROUNDS):
        async with asyncio.timeout(5):
            await reply()


async def turn_of_the_loop() -> None:
    """One turn, which the two watchers below contain."""
    for _ in range(ROUNDS):
        await asyncio.sleep(0)


async def watcher_as_task() -> None:
    """A task that waits for the peer to go away, cancelled when the call is done."""
    gone = asyncio.Event()
    for _ in range(ROUNDS):
        watcher = asyncio.create_task(gone.wait())
        await asyncio.sleep(0)
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher


async def watcher_as_timer() -> None:
    """A timer that would start such a task later, cancelled when the call is done."""
    loop = asyncio.get_running_loop()
    for _ in range(ROUNDS):
        timer = loop.call_later(0.05, print)
        await asyncio.sleep(0)
        timer.cancel()


CASES: tuple[Callable[[], Awaitable[None]], ...] = (
    await_it,
    over_streams,
    over_queues,
    group_of_anyio,
    group_of_asyncio,
    deadline_of_anyio,
    deadline_of_asyncio,
    turn_of_the_loop,
    watcher_as_task,
    watcher_as_timer,
)


def cost(case: Callable[[], Awaitable[None]], *, fast_loop: bool) -> float:
    """Return the CPU microseconds of one round."""

    async def run() -> None:
        await case()

    started = time.process_time()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if fast_loop else None) as runner:
        runner.run(run())
    return (time.process_time() - started) / ROUNDS * 1e6


def main() -> None:
    """Print one line per case."""
    fast_loop = "--uvloop" in sys.argv
    for case in CASES:
        best = min(cost(case, fast_loop=fast_loop) for _ in range(3))
        print(f"{case.__name__.replace('_', ' '):24} {best:6.2f} us")


if __name__ == "__main__":
    main()
