"""What is measured and how it is read: samples, CPU time, memory, cores."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """A contestant could not be measured. The message is for the report."""


@dataclass(frozen=True)
class Sample:
    """One contestant, one round. What a row does not measure stays `None`.

    Attributes:
        cpu_ms: CPU (user and system) of what is measured, a server with its children or a client, for each call or for
            the whole start; milliseconds.
        wall_ms: Wall time of a start or an import; milliseconds.
        calls_per_s: Calls answered in each second.
        p50_ms: Median time of a call as the client sees it; milliseconds.
        worst_ms: The slowest call; milliseconds.
        kib: Memory for each session or stream, or of the process; KiB.
    """

    cpu_ms: float | None = None
    wall_ms: float | None = None
    calls_per_s: float | None = None
    p50_ms: float | None = None
    worst_ms: float | None = None
    kib: float | None = None


@dataclass(frozen=True)
class Cores:
    """Where the two sides run; `None` where the machine has one core and nothing can be separated."""

    server: int | None
    load: int | None

    @classmethod
    def available(cls) -> Cores:
        """Return the first two cores that this process may use."""
        cores = sorted(os.sched_getaffinity(0))
        return cls(cores[0], cores[1]) if len(cores) > 1 else cls(None, None)


@contextmanager
def on_core(core: int | None) -> Generator[None]:
    """Run the block on one core. A process started in it inherits the core, from its first instruction on."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        children = task / "children"
        if children.is_file():  # a kernel may be built without it; then only the server itself is seen
            for child in children.read_text().split():
                yield from _tree(int(child))


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process and its children have used so far.

    Args:
        pid: The root of the process tree.

    Returns:
        Seconds of user and system time. The kernel counts in nanoseconds and shows clock ticks (10 ms).

    Raises:
        BenchError: The process has ended.
    """
    try:
        ticks = 0
        for member in _tree(pid):
            # The name in parentheses may hold spaces; utime is the 12th field after it (proc(5): 14 to 17).
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    except (FileNotFoundError, ProcessLookupError) as gone:
        msg = "the server ended while it was measured"
        raise BenchError(msg) from gone
    return ticks / _TICKS


def resident_kib(pid: int) -> int:
    """Return the resident memory of a process and its children.

    Args:
        pid: The root of the process tree.

    Returns:
        KiB.

    Raises:
        BenchError: The process has ended.
    """
    try:
        return sum(
            int(line.split()[1])
            for member in _tree(pid)
            for line in Path(f"/proc/{member}/status").read_text().splitlines()
            if line.startswith("VmRSS:")
        )
    except (FileNotFoundError, ProcessLookupError) as gone:
        msg = "the server ended while it was measured"
        raise BenchError(msg) from gone
