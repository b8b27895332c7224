"""What an operation leaves behind, done many times in one process. Linux only.

Each operation runs in a warm-up first, in which caches fill, pools start and the allocator settles. After it, what is
allocated is counted in blocks of the interpreter (a leak is at least one for each time), the rest (pydantic, msgspec)
in resident bytes, and tasks, threads, descriptors and children by number. What seems to have grown is measured again: a
leak grows each time, a table that was made larger once does not.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from anyport.protocol.revisions import Revision
from tests.drivers.memory import settle

ATTEMPTS: Final = 8
MOST_BYTES: Final = 64 * 1024
"""What may be left of an operation, however often it was done."""
CLOCK_S: Final = 0.25
"""Seconds after which what waits for a clock, a thread that looks whether it was cancelled, has ended."""


class Subject(Protocol):
    """What does the operations: a peer of a server, or a client."""

    @property
    def transport(self) -> str:
        """What carries them."""
        ...

    @property
    def revision(self) -> Revision:
        """What is spoken."""
        ...


SubjectT = TypeVar("SubjectT", bound=Subject)
SubjectT_contra = TypeVar("SubjectT_contra", bound=Subject, contravariant=True)
Act = Callable[[SubjectT_contra], Awaitable[object]]


class Operation(msgspec.Struct, Generic[SubjectT], frozen=True):
    """Something that a client does.

    Attributes:
        act: Does it once.
        together: How often it is done at a time: for what waits for a clock.
    """

    act: Act[SubjectT]
    together: int = 1


class Growth(msgspec.Struct):
    """What an operation left behind.

    Attributes:
        peer: Transport and revision.
        operation: Name of the operation.
        count: How often it was done.
        blocks: Blocks that the interpreter allocated and did not free.
        resident: Bytes that the resident memory grew by.
        left: Tasks, threads, descriptors and children.
    """

    peer: str
    operation: str
    count: int
    blocks: int
    resident: int
    left: list[str]

    @property
    def is_leak(self) -> bool:
        """Whether it is more than noise: at most 64 KiB over 10,000 times, and nothing of the system's."""
        return self.blocks > max(100, self.count // 10) or self.resident > MOST_BYTES or bool(self.left)


def held() -> list[str]:
    """Return tasks, threads, descriptors and children of this process."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text("utf-8").split()
    # A thread of the loop that waits for a child ends a moment after the child, which is counted itself.
    threads = [thread for thread in threading.enumerate() if "waitpid" not in thread.name]
    return [
        f"{len(asyncio.all_tasks())} tasks",
        f"{len(threads)} threads",
        f"{len(os.listdir('/proc/self/fd'))} descriptors",  # noqa: PTH208 - a count, as quick as it can be
        f"{len(children)} children",
    ]


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text("utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def measure(peer: SubjectT, name: str, operation: Operation[SubjectT], count: int) -> Growth:
    """Do an operation many times, after a warm-up, and return what is left."""
    await _do(peer, operation, max(20, count // 20))
    growth = await _measure_once(peer, name, operation, count)
    for _ in range(ATTEMPTS - 1):
        if growth.is_leak:
            again = await _measure_once(peer, name, operation, count)
            growth.blocks, growth.resident = min(growth.blocks, again.blocks), min(growth.resident, again.resident)
            growth.left = again.left
    return growth


async def _do(peer: SubjectT, operation: Operation[SubjectT], count: int) -> None:
    for start in range(0, count, operation.together):
        group = min(operation.together, count - start)
        if group == 1:
            await operation.act(peer)
        else:
            await asyncio.gather(*(operation.act(peer) for _ in range(group)))
    if operation.together > 1:
        await asyncio.sleep(CLOCK_S)


async def _measure_once(peer: SubjectT, name: str, operation: Operation[SubjectT], count: int) -> Growth:
    blocks, resident, there = await _settled_blocks(), resident_bytes(), held()
    await _do(peer, operation, count)
    grown = await _settled_blocks() - blocks
    left = [f"{now}, {old} before" for now, old in zip(held(), there, strict=True) if now != old]
    return Growth(f"{peer.transport} {peer.revision.name}", name, count, grown, resident_bytes() - resident, left)


async def _settled_blocks() -> int:
    for _ in range(3):
        await asyncio.sleep(0)
    settle()
    return sys.getallocatedblocks()
