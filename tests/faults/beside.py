"""How long the calls of a healthy client take beside a crowd, and without it.

What is asked is what the server does to the client, not what the machine does. Everybody is a process of their own, and
the server has a core to itself: a crowd that is busy sending would else be measured instead of the server that it sends
to. Without the crowd at the server it stands at a sink and sends as it does there, so the two windows differ in nothing
but whom it is connected to. They alternate, because a machine has moods, and the median of each kind counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import msgspec

from tests.drivers.http_server import HttpProcess
from tests.drivers.stdio import PATIENCE
from tests.faults.standing_crowd import Kind

HEALTHY: Final = Path(__file__).with_name("healthy.py")
CROWD: Final = "tests.faults.standing_crowd"
ROOT: Final = Path(__file__).parents[2]
SETTLED_S: Final = 2.0
"""What those who came, or left, a moment ago may still cost."""


class Beside(msgspec.Struct):
    """99th percentiles of calls, in seconds; medians over some windows.

    Attributes:
        beside: Beside the crowd.
        without: While it stood elsewhere.
    """

    beside: float
    without: float


class Standing:
    """A crowd that stands.

    Args:
        said: What it says.

    Attributes:
        took: Once it has left: seconds after which the last of each kind was hung up on; ``None`` for somebody was not.
    """

    def __init__(self, said: asyncio.StreamReader) -> None:
        self.took: dict[str, float | None] = {}
        self._said = said

    async def says(self, word: bytes, seconds: float) -> None:
        """Wait until it says something.

        Raises:
            TimeoutError: It does not.
        """
        async with asyncio.timeout(seconds):
            assert await self._said.readline() == word + b"\n"

    async def gone(self, seconds: float) -> None:
        """Wait until all were hung up on, but not forever: `took` tells."""
        with contextlib.suppress(TimeoutError):
            await self.says(b"gone", seconds)

    async def left(self) -> None:
        """Read what it says in the end."""
        async with asyncio.timeout(PATIENCE):
            *_, last = (await self._said.read()).splitlines()
        self.took = msgspec.json.decode(last, type=dict[str, float | None])


@contextlib.asynccontextmanager
async def standing(kinds: list[Kind], port: int, core: int | None = None) -> AsyncGenerator[Standing]:
    """Let a crowd stand at a server; all have come when this begins.

    Args:
        kinds: Who it is made of.
        port: Of the server; 0 for a sink.
        core: Where it runs; default: anywhere.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", CROWD, str(port), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        _pin(process.pid, core)
        process.stdin.write(msgspec.json.encode(kinds) + b"\n")
        crowd = Standing(process.stdout)
        await crowd.says(b"up", PATIENCE)
        yield crowd
        process.stdin.close()
        await crowd.left()
        await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def calling(port: int, request: bytes, seconds: float, core: int | None = None) -> list[float]:
    """Let a client in another process call one after the other for some seconds; return how long each call took."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(HEALTHY), str(port), str(seconds), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    _pin(process.pid, core)
    printed, _ = await process.communicate(request)
    assert process.returncode == 0
    return msgspec.json.decode(printed, type=list[float])


async def beside(kinds: list[Kind], server: HttpProcess, request: bytes, *, seconds: float, pairs: int) -> Beside:
    """Measure the calls of a healthy client, beside a crowd and while it stands elsewhere.

    Args:
        kinds: The crowd.
        server: Who is called.
        request: The call.
        seconds: Length of a window.
        pairs: So many windows of each kind.
    """
    cores = sorted(os.sched_getaffinity(0))
    of_server, of_load = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
    _pin(server.process.pid, of_server)
    found: dict[int, list[float]] = {0: [], server.port: []}
    for number in range(2 * pairs):
        # One order in each pair, the other in the next: what gets slower all the while is not taken for the crowd.
        port = (0, server.port, server.port, 0)[number % 4]
        async with standing(kinds, port, of_load):
            await asyncio.sleep(min(SETTLED_S, seconds))
            found[port].append(p99(await calling(server.port, request, seconds, of_load)))
    return Beside(beside=statistics.median(found[server.port]), without=statistics.median(found[0]))


def p99(times: list[float]) -> float:
    """Return the 99th percentile."""
    return statistics.quantiles(times, n=100)[98]


def _pin(process: int, core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(process, {core})
