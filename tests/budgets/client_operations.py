"""Every operation of a client, many times in one process, over each transport; says what each grew by. Linux only.

python -m tests.budgets.client_operations --count 10000 [--over TEXT] [OPERATION...]

Over stdio and HTTP the server is a process of its own, so that what is measured is the client alone; over a socket and
in memory it is in the same process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from anyport import Client, McpError, ToolError
from anyport.client.targets import Target
from anyport.errors import ServerExited, Timeout
from anyport.protocol.limits import DEFAULT_LIMITS
from anyport.protocol.revisions import LATEST_LEGACY, LATEST_MODERN, Era, Revision
from anyport.transports.sockets.server import SocketServer
from tests.behaviour.fixture import make_server
from tests.budgets.growth import Growth, Operation, held, measure
from tests.client.peers import Reports
from tests.drivers.http_server import HttpProcess

HOSTILE: Final = Path(__file__).parent.parent / "faults" / "servers" / "hostile.py"
FIXTURE: Final = Path(__file__).parent.parent / "behaviour" / "fixture.py"
WITH_POOL: Final = ("http", "sse")
RARELY: Final = 100
"""How many times fewer something is done that starts a process."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A client, connected.

    Attributes:
        client: The client.
        transport: What carries its calls.
        revision: What is spoken.
    """

    client: Client
    transport: str
    revision: Revision


Act = Callable[[Client], Awaitable[object]]


async def _lists(client: Client) -> None:
    await client.list_tools()
    await client.list_resources()
    await client.list_prompts()


async def _progress(client: Client) -> None:
    reports = Reports()
    await client.call_tool("progress", {"steps": 2}, on_progress=reports)
    assert len(reports.told) == 2


async def _cancelled(client: Client) -> None:
    call = asyncio.ensure_future(client.call_tool("wait", {"key": "cancelled"}))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait((call,))
    # Once this is answered nothing more comes for the other.
    await client.call_tool("add", {"a": 1, "b": 2})


async def _late(client: Client) -> None:
    with contextlib.suppress(Timeout):
        await client.call_tool("add", {"a": 1, "b": 2}, timeout=1e-6)
    await client.call_tool("add", {"a": 1, "b": 2})


async def _failed(client: Client) -> None:
    with contextlib.suppress(ToolError):
        await client.call_tool("fails", {"text": "x"})


async def _refused(client: Client) -> None:
    with contextlib.suppress(McpError):
        await client.call_tool("fails_by_protocol")


async def _large(client: Client) -> None:
    await client.call_tool("echo", {"text": "x" * 100_000})


async def _together(client: Client) -> None:
    await asyncio.gather(*(client.call_tool("add", {"a": n, "b": 2}) for n in range(8)))


async def _listen(client: Client) -> None:
    async with client.listen(tools=True, resources=["test://note"]) as events:
        assert events.granted is not None


async def _subscribe(client: Client) -> None:
    await client.subscribe("test://note")
    await client.unsubscribe("test://note")


async def _pages(client: Client) -> None:
    page = await client.list_resources(cursor=None)
    while page.next_cursor is not None:
        page = await client.list_resources(cursor=page.next_cursor)


async def _reconnect(client: Client) -> None:
    await client.aclose()
    await client.connect()


OPERATIONS: Final[dict[str, Act]] = {
    "lists": _lists,
    "call": lambda client: client.call_tool("add", {"a": 1, "b": 2}),
    "call, model": lambda client: client.call_tool("item", {"name": "pen"}),
    "call, progress": _progress,
    "call, cancelled": _cancelled,
    "call, out of time": _late,
    "call, failed": _failed,
    "call, refused": _refused,
    "call, large": _large,
    "calls, together": _together,
    "question": lambda client: client.call_tool("ask_roots"),
    "resource": lambda client: client.read_resource("test://note"),
    "prompt": lambda client: client.get_prompt("review", {"code": "x"}),
    "pages": _pages,
    "listen": _listen,
    "subscription": _subscribe,
    "ping": lambda client: client.ping(),
    "reconnect": _reconnect,
}


async def _dead(client: Client) -> None:
    """A server that dies, and is started again."""
    with contextlib.suppress(ServerExited):
        await client.call_tool("dies_mid_answer")
    await _reconnect(client)


def make_client(target: Target, era: Era) -> Client:
    """Return a client that answers what it is asked."""
    # A program has to find the modules of this one.
    env = "inherit" if isinstance(target, list) else "minimal"
    pin = "sse" if isinstance(target, str) and target.endswith("/sse") else None
    return Client(
        target,
        transport=pin,
        era=era,
        env=env,
        roots=["file:///work"],
        on_log=len_of,
        on_change=len_of,
        on_state=len_of,
    )


def len_of(told: object) -> int:
    """Take what is told, and keep nothing of it."""
    return len(repr(told))


@asynccontextmanager
async def targets() -> AsyncGenerator[dict[str, Target]]:
    """Serve on every transport; yields what a client is pointed at."""
    server = make_server()
    await server.lifespan.hold()
    sockets = SocketServer(server.service, DEFAULT_LIMITS, server.subscriptions)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/s"
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        await sockets.start([listening])
        with HttpProcess(FIXTURE, "http") as http, HttpProcess(FIXTURE, "sse") as sse:
            yield {
                "memory": server,
                "socket": f"unix:{path}",
                "stdio": [sys.executable, "-m", "tests.behaviour.fixture"],
                "http": f"http://{http.host}:{http.port}{http.path}",
                "sse": f"http://{sse.host}:{sse.port}{sse.path}",
            }
        await sockets.aclose()
    await server.lifespan.release()


async def run(count: int, over: str, names: Sequence[str], *, local: bool) -> list[Growth]:
    """Do every operation over every transport, in both eras."""
    found: list[Growth] = []
    async with targets() as places:
        for name, target in places.items():
            for revision in (LATEST_MODERN, LATEST_LEGACY):
                if over in f"{name} {revision.name}" and not (local and name in WITH_POOL):
                    found += await _over(Caller(make_client(target, revision.era), name, revision), count, names)
    if over in "processes":
        found += await _processes(max(count // RARELY, 5), names)
    return found


async def _over(caller: Caller, count: int, names: Sequence[str]) -> list[Growth]:
    found: list[Growth] = []
    there = held()
    await caller.client.connect()
    # What is there stays: no need to look at it in each collection.
    gc.collect()
    gc.freeze()
    for name, act in OPERATIONS.items():
        if name == "reconnect" and caller.transport == "stdio":
            # Starts a process; see below.
            continue
        if not names or name in names:
            growth = await measure(caller, name, Operation(_of(act)), count)
            if caller.transport in WITH_POOL:
                # Connections come and go; whether one is left is seen at the end.
                growth.left.clear()
            found.append(growth)
    await caller.client.aclose()
    await asyncio.sleep(0)
    left = [f"{now}, {old} before" for now, old in zip(held(), there, strict=True) if now != old]
    if caller.transport in WITH_POOL:
        found.append(Growth(f"{caller.transport} {caller.revision.name}", "everything", count, 0, 0, left))
    return found


async def _processes(count: int, names: Sequence[str]) -> list[Growth]:
    """Start and kill processes, which start quickly."""
    found: list[Growth] = []
    client = make_client([sys.executable, "-I", "-S", str(HOSTILE), "legacy"], "legacy")
    caller = Caller(client, "processes", LATEST_LEGACY)
    await client.connect()
    for name, act in {"reconnect": _reconnect, "dead": _dead}.items():
        if not names or name in names:
            found.append(await measure(caller, name, Operation(_of(act)), count))
    await client.aclose()
    return found


def _of(act: Act) -> Callable[[Caller], Awaitable[object]]:
    return lambda caller: act(caller.client)


def main() -> int:
    """Read the options, run, print each growth as a line of JSON; the status tells of leaks."""
    parser = argparse.ArgumentParser(description="Do every operation of a client many times; print what it leaves.")
    parser.add_argument("--count", type=int, default=10_000, help="default: 10000")
    parser.add_argument("--over", default="", help="part of a transport and revision, such as 'stdio 2025'")
    parser.add_argument("--local", action="store_true", help="nothing over HTTP, whose buffers hide what little leaves")
    parser.add_argument("names", nargs="*", help="which operations; default: all")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    found = asyncio.run(run(options.count, options.over, options.names, local=options.local))
    for growth in found:
        print(msgspec.json.encode(growth).decode())
    leaks = [growth for growth in found if growth.is_leak]
    print(f"{len(found)} operations, each {options.count} times; {len(leaks)} left something", file=sys.stderr)
    return 1 if leaks else 0


if __name__ == "__main__":
    raise SystemExit(main())
