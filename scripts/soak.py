"""`make soak`: call the example server over HTTP for a while; fail if what it holds keeps growing. Linux only.

The second half of the time must not add more than a little to memory, threads or open files over the first half:
caches fill in the first half, a leak goes on in the second.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from dataclasses import dataclass
from pathlib import Path

from anyport import Client, ToolError
from scripts.serving import http_example

CONCURRENCY = 16
MEMORY_GROWTH = 3 * 1024
"""Kibibytes that the second half may add: the noise of the allocator."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds.

    Attributes:
        memory: Resident set, KiB.
        threads: Number.
        files: Open descriptors.
    """

    memory: int
    threads: int
    files: int


def held_by(process: int) -> Held:
    """Read what a process holds from /proc."""
    status = Path(f"/proc/{process}/status").read_text("utf-8")
    values = {name: int(value) for name, value in re.findall(r"^(VmRSS|Threads):\s+(\d+)", status, re.MULTILINE)}
    return Held(values["VmRSS"], values["Threads"], len(list(Path(f"/proc/{process}/fd").iterdir())))


async def call_until(end: float, url: str) -> int:
    """Call until `end` (of time.monotonic), a new client after each hundred calls.

    Returns:
        How many calls were answered.
    """
    done = 0
    while time.monotonic() < end:
        async with Client(url) as client:
            for _ in range(50):
                await client.call_tool("search", {"text": "pen"})
                try:
                    await client.call_tool("order", {"item": "ink", "count": 1})
                except ToolError:
                    done += 2
    return done


async def half(seconds: float, url: str) -> int:
    """Keep `CONCURRENCY` clients busy for some seconds; return how many calls were answered."""
    end = time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(call_until(end, url)) for _ in range(CONCURRENCY)]
    return sum(task.result() for task in tasks)


async def soak(seconds: float) -> int:
    """Soak the example for some seconds.

    Returns:
        0 if nothing grew, else 1.
    """
    async with http_example() as (url, process):
        first = await half(seconds / 2, url)
        before = held_by(process)
        second = await half(seconds / 2, url)
        after = held_by(process)
    print(f"{first + second} calls; after the first half {before}, after the second {after}")
    grew = (
        after.memory - before.memory > MEMORY_GROWTH
        or after.threads > before.threads
        or after.files > before.files + CONCURRENCY
    )
    return 1 if grew else 0


def main() -> int:
    """Read the options and soak."""
    parser = argparse.ArgumentParser(description="Call the example server for a while; fail if what it holds grows.")
    parser.add_argument("--seconds", type=float, default=60.0, help="default: 60")
    return asyncio.run(soak(parser.parse_args().seconds))


if __name__ == "__main__":
    raise SystemExit(main())
