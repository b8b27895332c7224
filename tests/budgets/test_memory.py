"""What a registered tool costs in memory, pydantic-core's part included, an idle listen stream, and all operations."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

import anyport
from tests.budgets.growth import Growth
from tests.drivers.asgi import modern
from tests.drivers.http_server import HttpPeer, HttpProcess
from tests.requirements import require_linux

SOURCE = Path(anyport.__file__).parent.parent
MOST_BYTES_PER_TOOL = 48 * 1024
MOST_BYTES_PER_LISTEN = 25 * 1000
OVER_HTTP = Path(__file__).parent.parent / "faults" / "servers" / "over_http.py"

REGISTER = """
import gc, os, pathlib
from anyport import Server

server = Server("x")

def register(first, last):
    for number in range(first, last):
        async def buy(item: str, count: int, tags: list[str] | None = None) -> dict[str, int]:
            return {}
        server.tool(name=f"buy{number}")(buy)
    gc.collect()
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

before = register(0, 50)
print((register(50, 350) - before) // 300)
"""


def test_memory_of_a_tool() -> None:
    """Resident bytes per tool of three parameters, over 300 tools; measured: 14 KiB."""
    require_linux("resident memory is read from /proc")
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", REGISTER], env=environment, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    assert int(done.stdout) < MOST_BYTES_PER_TOOL


def test_memory_of_an_idle_listen_stream() -> None:
    """Resident bytes per stream over HTTP, its connection in uvicorn included, over 300; measured: 18 KB."""
    require_linux("resident memory is read from /proc")
    listen = modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    with HttpProcess(OVER_HTTP, "{}") as server, ExitStack() as peers:

        def resident_with(count: int) -> int:
            for _ in range(count):
                peer = peers.enter_context(HttpPeer(server.port))
                peer.begin(listen)
                assert peer.head().status == 200
                assert b"acknowledged" in peer.chunk()
            return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

        before = resident_with(100)
        assert (resident_with(300) - before) // 300 < MOST_BYTES_PER_LISTEN


@pytest.mark.parametrize(
    ("module", "options", "least"),
    [
        # One process for each: it has a minute, also where others want the processors.
        ("operations", ["--peer", "memory"], 90),
        ("operations", ["--peer", "stdio"], 100),
        ("operations", ["--peer", "socket"], 100),
        ("operations", ["--peer", "http"], 100),
        ("operations", ["--peer", "edge"], 100),
        ("operations", ["--peer", "sse"], 50),
        ("client_operations", ["--local"], 80),
    ],
    ids=["memory", "stdio", "socket", "http", "edge", "sse", "clients"],
)
def test_no_operation_leaves_anything(module: str, options: list[str], least: int) -> None:
    """D11, S12: every method, failures, questions, changes, cancelled calls, garbage, sessions; of servers and clients.

    A leak leaves at least a block of memory each time; `make soak` does each of them 10,000 times, against 64 KiB.
    """
    require_linux("threads, descriptors and children are counted in /proc")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(SOURCE), str(SOURCE.parent)))}
    command = [sys.executable, "-m", f"tests.budgets.{module}", "--count", "120", *options]
    done = subprocess.run(command, env=environment, cwd=SOURCE.parent, capture_output=True, timeout=110, text=True)
    growths = [msgspec.json.decode(line, type=Growth) for line in done.stdout.splitlines()]
    assert [growth for growth in growths if growth.is_leak] == [], done.stderr
    assert done.returncode == 0, done.stderr
    assert len(growths) > least


def test_what_grows_is_seen() -> None:
    """The measure itself: a block each time, and a descriptor, are found."""
    assert Growth("stdio", "x", 120, 120, 0, []).is_leak
    assert Growth("stdio", "x", 10_000, 0, 65 * 1024, []).is_leak
    assert Growth("stdio", "x", 120, 0, 0, ["9 descriptors, 8 before"]).is_leak
    assert not Growth("stdio", "x", 10_000, 900, 60 * 1024, []).is_leak
