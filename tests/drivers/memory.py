"""What a test that looks for leaks counts: memory that something of ours, or of a library, still holds."""

from __future__ import annotations

import asyncio
import gc
import itertools
import sys
import tracemalloc
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

ATTEMPTS = 3
"""How often something grows before it is a leak: a table that is made larger once is none."""

GROWTH = 16
"""Bytes that may be left of one round: no object is as small, and 4,000 rounds stay under 64 KiB."""


def settle() -> None:
    """Free what nobody holds, and what only the interpreter does.

    Its cache of 4,096 attribute names keeps each string that was looked up on a class. A library that makes its names
    up as it goes (pydantic, those of the methods of its schema generator) fills it for thousands of rounds, which looks
    like a leak of 10 to 100 KiB, as what ran before in the process has it.
    """
    gc.collect()
    _clear_caches()


# The general function is of 3.13, which deprecates the narrow one.
_CLEAR = "_clear_internal_caches" if sys.version_info >= (3, 13) else "_clear_type_cache"
_clear_caches: Callable[[], None] = getattr(sys, _CLEAR)


def traced_bytes() -> int:
    """Return what was allocated since `tracemalloc` was started and is held still."""
    settle()
    return tracemalloc.get_traced_memory()[0]


@contextmanager
def traced() -> Generator[None]:
    """Have allocations counted."""
    tracemalloc.start(1)
    try:
        yield
    finally:
        tracemalloc.stop()


async def growth_of(cycle: Callable[[int], Awaitable[object]], cycles: int) -> float:
    """Return how many bytes one round of something leaves.

    Args:
        cycle: One round; it gets a number that no other round has.
        cycles: How many rounds are counted at a time. What seems to grow is counted again, `ATTEMPTS` times in all.
    """
    numbers = itertools.count()

    async def go(count: int) -> None:
        for number in itertools.islice(numbers, count):
            await cycle(number)
            if not number % 100:
                # A round may wait for nothing, and the loop has others to serve.
                await asyncio.sleep(0)

    await go(200)
    least = float("inf")
    with traced():
        # What was there before anything was counted is replaced by what is: that is no growth either.
        await go(100)
        for _ in range(ATTEMPTS):
            before = traced_bytes()
            await go(cycles)
            least = min(least, (traced_bytes() - before) / cycles)
            if least < GROWTH:
                break
    return least
