"""Kills a stdio server with -9 at eight points of its life; the client has to say so, and start it again. Linux only.

python -m tests.faults.server_kills --cycles 1000
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import threading
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec

from anyport.protocol.errors import AnyportError, ConnectError, ServerExited
from anyport.protocol.jsonrpc import Notification, Request, Response
from anyport.protocol.limits import DEFAULT_LIMITS
from anyport.protocol.revisions import LATEST_LEGACY
from anyport.transports.calling import Answer, Incoming
from anyport.transports.stdio.client import StdioClient

SERVER: Final = Path(__file__).parent / "servers" / "at_points.py"
Point = Literal["starting", "handshake", "idle", "call", "mid-answer", "question", "progress", "closing"]
POINTS: Final[tuple[Point, ...]] = get_args(Point)
AGAIN_S: Final = 1.0
PATIENCE_S: Final = 20.0


class Death(msgspec.Struct):
    """One server that was killed.

    Attributes:
        point: Where it was.
        seconds: From the kill to an answer of the server that was started in its place.
        wrong: What should not be; ``""`` for nothing.
    """

    point: Point
    seconds: float
    wrong: str


class Victim:
    """A client of a server that is killed again and again."""

    def __init__(self) -> None:
        command = [sys.executable, "-I", "-S", str(SERVER)]
        self.transport = StdioClient(command, dict(os.environ), DEFAULT_LIMITS, on_stderr=lambda _: self._there.set())
        self._there = asyncio.Event()
        self._asked = asyncio.Event()
        self._told = asyncio.Event()
        self._gone = asyncio.Event()
        self._last_id = 0
        self._others = set(children())

    async def start(self) -> None:
        """Start the server, and see that it answers."""
        for event in (self._there, self._asked, self._told, self._gone):
            event.clear()
        await self.transport.start(Incoming(self._notified, self._answer, self._lost))
        self.transport.settle(LATEST_LEGACY)

    async def ask(self, method: str) -> Answer:
        """Send a request."""
        self._last_id += 1
        return await self.transport.request(Request(self._last_id, method, {}))

    async def die(self, point: Point) -> Death:
        """Bring the server, which runs, to a point; kill it; start it again."""
        began, errors = await self._bring_and_kill(point)
        await self.transport.aclose()
        await self.start()
        answer = await self.ask("ping")
        seconds = time.monotonic() - began
        wanted = ConnectError if point == "closing" else ServerExited
        wrong = "" if isinstance(answer, Response) else f"the next call: {answer}"
        for error in errors:
            if type(error) is not wanted or (isinstance(error, ServerExited) and error.code != -9):
                wrong = f"{type(error).__name__}: {error}"
        return Death(point, seconds, wrong)

    async def _bring_and_kill(self, point: Point) -> tuple[float, list[AnyportError]]:
        """Return when the server was killed, and what its requests came to."""
        if point == "starting":
            await self.transport.aclose()
            await self.start()
            began = self._kill()
            return began, [await failure(self.ask("ping"))]
        if point == "idle":
            began = self._kill()
            await self._gone.wait()
            return began, [await failure(self.ask("ping"))]
        if point == "closing":
            await self.ask(point)
            closing = asyncio.create_task(self.transport.aclose())
            await self._there.wait()
            began = self._kill()
            await closing
            return began, [await failure(self.ask("ping"))]
        waiting = asyncio.create_task(failure(self.ask(point)))
        arrived: dict[Point, asyncio.Event] = {"question": self._asked, "progress": self._told}
        await arrived.get(point, self._there).wait()
        began = self._kill()
        return began, [await waiting]

    def _kill(self) -> float:
        """Kill the server; return the time of it."""
        (pid,) = set(children()) - self._others
        began = time.monotonic()
        os.kill(pid, 9)
        return began

    def _notified(self, notification: Notification) -> None:
        self._told.set()

    async def _answer(self, request: Request) -> Answer:
        self._asked.set()
        await self._gone.wait()
        return Response(request.id, {})

    def _lost(self, error: AnyportError) -> None:
        self._gone.set()


async def failure(request: Awaitable[Answer]) -> AnyportError:
    """Return what a request that must fail fails with."""
    try:
        return ConnectError(f"it was answered: {await request}")
    except AnyportError as error:
        return error


def children() -> list[int]:
    """Return the children of this process, zombies included."""
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text("utf-8").split()]


async def held() -> dict[str, int]:
    """Count descriptors, children and threads, once those that wait for dead children have ended."""
    for thread in threading.enumerate():
        if "waitpid" in thread.name:
            await asyncio.to_thread(thread.join, PATIENCE_S)
    threads = [thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")]
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count
    return {"descriptors": descriptors, "children": len(children()), "threads": len(threads)}


async def deaths(cycles: int) -> tuple[list[Death], str]:
    """Kill a server so many times, at each point in turn.

    Returns:
        The deaths, and what is left of them; ``""`` for nothing.
    """
    victim = Victim()
    found: list[Death] = []
    await victim.start()
    await victim.transport.aclose()
    before = await held()
    await victim.start()
    for number in range(cycles):
        async with asyncio.timeout(PATIENCE_S):
            found.append(await victim.die(POINTS[number % len(POINTS)]))
    await victim.transport.aclose()
    after = await held()
    return found, "" if before == after else f"before: {before}; after: {after}"


def main() -> int:
    """Kill servers and say what came of it; the status tells whether all was well."""
    parser = argparse.ArgumentParser(description="Kill a stdio server at eight points; the client starts it again.")
    parser.add_argument("--cycles", type=int, default=1000, help="default: 1000")
    found, left = asyncio.run(deaths(parser.parse_args().cycles))
    for point in POINTS:
        times = sorted(death.seconds for death in found if death.point == point)
        print(f"{point}: {len(times)} killed, again after {times[len(times) // 2]:.3f} s, at most {times[-1]:.3f} s")
    bad = [death for death in found if death.wrong or death.seconds > AGAIN_S]
    print(f"{len(found) - len(bad)} of {len(found)} as it should be; {left or 'nothing left'}")
    print(*bad[:5], sep="\n", end="")
    return 1 if bad or left else 0


if __name__ == "__main__":
    raise SystemExit(main())
