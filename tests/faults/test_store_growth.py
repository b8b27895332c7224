"""Stores stay the size of what they hold, whatever came and went (D11)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from anyport.stores.base import Store, StoreLimits
from tests.drivers.memory import traced, traced_bytes
from tests.stores.kinds import KIND_NAMES, Kind, KindName

CYCLES = 10_000
GROWTH = 64 * 2**10
"""Bytes that may be left of all of it."""

Cycle = Callable[[Store, Kind, int], Awaitable[None]]


async def delete(store: Store, kind: Kind, number: int) -> None:
    """A session comes, says something, and is ended."""
    name = f"{number:08}"
    await store.sessions.create(name, bytes(200), f"owner {number}")
    await store.events.append(f"{name}/1", bytes(200))
    await store.sessions.delete(name)


async def expire(store: Store, kind: Kind, number: int) -> None:
    """A session comes, says something, and is never seen again."""
    name = f"{number:08}"
    await store.sessions.create(name, bytes(200), f"owner {number}")
    await store.events.append(f"{name}/1", bytes(200))
    await kind.clock.advance(100)


async def subscribe(store: Store, kind: Kind, number: int) -> None:
    """Somebody listens to a topic of their own for a moment."""
    async with store.bus.subscribe(f"{number:08}"):
        await store.bus.publish(f"{number:08}", bytes(200))


async def hold(store: Store, kind: Kind, number: int) -> None:
    """A session is opened, used for a call, and ended meanwhile."""
    name = f"{number:08}"
    await store.sessions.create(name, bytes(200), None)
    async with store.sessions.hold(name):
        await store.sessions.delete(name)


async def run(cycle: Cycle, store: Store, kind: Kind, numbers: range) -> None:
    """Many at a time, so that a file has fewer commits to make."""
    waiting = iter(numbers)

    async def work() -> None:
        for number in waiting:
            await cycle(store, kind, number)
            await asyncio.sleep(0)  # a store in memory never waits: ten thousand cycles would be one callback

    await asyncio.gather(*(work() for _ in range(32)))


def pages(kind: Kind) -> int:
    return sum(path.stat().st_size for path in kind.folder.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("cycle", [delete, expire, subscribe, hold])
@pytest.mark.parametrize("name", KIND_NAMES)
async def test_nothing_is_left_of_what_has_ended(name: KindName, cycle: Cycle, tmp_path: Path) -> None:
    kind = Kind(name, tmp_path)
    async with kind.harness.running(StoreLimits()) as store:
        await run(cycle, store, kind, range(2_000))
        with traced():
            await run(cycle, store, kind, range(2_000, 2_200))
            before, file = traced_bytes(), pages(kind)
            await run(cycle, store, kind, range(2_200, 2_200 + CYCLES))
            after = traced_bytes()
        assert after - before < GROWTH
        # The log of the file grows to 16 MiB before it is used again from its beginning.
        assert pages(kind) < max(2 * file, 20 * 2**20)
