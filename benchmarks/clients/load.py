"""What every client of the benchmark does: connect, warm up, call for some seconds, report. Runs in any environment.

A client file gives `main` a function that opens a connection and yields a function that adds two numbers by a call.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

Add = Callable[[int, int], Awaitable[int]]
Connect = Callable[[str | list[str]], AbstractAsyncContextManager[Add]]

_WARM_CALLS = 200


def main(connect: Connect) -> None:
    """Connect to the server of the command line, and for each line of standard input do a round.

    The first argument is a URL, or a command as JSON. A line is `SECONDS WINDOW`; the answer to it is one line of JSON.
    """
    target = sys.argv[1] if sys.argv[1].startswith("http") else json.loads(sys.argv[1])
    asyncio.run(_serve(connect, target))


async def _serve(connect: Connect, target: str | list[str]) -> None:
    async with connect(target) as add:
        for number in range(_WARM_CALLS):
            await _one(add, number)
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            seconds, window = line.split()
            print(json.dumps(await _round(add, float(seconds), int(window))), flush=True)


async def _round(add: Add, seconds: float, window: int) -> dict[str, float]:
    calls = 0
    begin, used = time.perf_counter(), time.process_time()
    deadline = begin + seconds

    async def work() -> None:
        nonlocal calls
        while time.perf_counter() < deadline:
            calls += 1
            await _one(add, calls)

    await asyncio.gather(*(work() for _ in range(window)))
    return {"calls": calls, "seconds": time.perf_counter() - begin, "cpu": time.process_time() - used}


async def _one(add: Add, number: int) -> None:
    if await add(number, 3) != number + 3:
        raise SystemExit("a wrong answer")
