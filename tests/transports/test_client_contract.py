"""Every transport of clients does what its contract says: the checks that anybody may run against their own."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
import uvloop

from anyport import Server
from anyport.client.in_memory import MemoryClient
from anyport.protocol.limits import DEFAULT_LIMITS
from anyport.protocol.revisions import Era
from anyport.testing.transports import TRANSPORT_CHECKS, TransportCheck, TransportHarness, check_transport, make_server
from anyport.transports.calling import ClientTransport
from anyport.transports.http.client import HttpClient
from anyport.transports.sockets.client import SocketClient
from anyport.transports.sockets.server import SocketServer
from anyport.transports.sse.client import SseClient
from anyport.transports.stdio.client import StdioClient
from tests.client.peers import run_command
from tests.requirements import require_linux

RELAY: Final = Path(__file__).with_name("relay.py")
Kind = Callable[[Path], AbstractAsyncContextManager[TransportHarness]]


class Listening:
    """A server on a socket, whose connections can be cut.

    Args:
        path: File of a Unix socket; ``None`` for TCP.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._server = make_server()
        self._sockets: SocketServer | None = None
        self.port = 0

    async def __aenter__(self) -> Listening:
        await self._server.lifespan.hold()
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._hang_up()
        await self._server.lifespan.release()

    async def cut(self) -> None:
        """Hang up on everybody, and serve again."""
        await self._hang_up()
        await self._listen()

    async def _hang_up(self) -> None:
        assert self._sockets is not None
        await self._sockets.aclose()

    async def _listen(self) -> None:
        if self._path is None:
            listening = socket.create_server(("127.0.0.1", self.port))
            self.port = listening.getsockname()[1]
        else:
            listening = listen_at(self._path)
        self._sockets = SocketServer(self._server.service, DEFAULT_LIMITS, self._server.subscriptions)
        await self._sockets.start([listening])


def listen_at(path: str) -> socket.socket:
    """Return a Unix socket at a path, in the place of the one before."""
    Path(path).unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    return listening


@asynccontextmanager
async def memory(_: Path) -> AsyncGenerator[TransportHarness]:
    server: Server = make_server()
    yield TransportHarness(lambda: MemoryClient(server))


@asynccontextmanager
async def unix(folder: Path) -> AsyncGenerator[TransportHarness]:
    path = str(folder / "s")
    async with Listening(path) as listening:
        yield TransportHarness(lambda: SocketClient(DEFAULT_LIMITS, path=path), listening.cut)


@asynccontextmanager
async def tcp(_: Path) -> AsyncGenerator[TransportHarness]:
    async with Listening(None) as listening:
        yield TransportHarness(
            lambda: SocketClient(DEFAULT_LIMITS, host="127.0.0.1", port=listening.port), listening.cut
        )


@asynccontextmanager
async def stdio(folder: Path) -> AsyncGenerator[TransportHarness]:
    """Over a process that joins its streams with a socket: it starts ten times as fast as a server."""
    path = str(folder / "s")
    before = children()

    def make() -> ClientTransport:
        return StdioClient([sys.executable, "-I", "-S", str(RELAY), path], dict(os.environ), DEFAULT_LIMITS)

    async def kill() -> None:
        for pid in children() - before:
            os.kill(pid, signal.SIGKILL)

    async with Listening(path):
        yield TransportHarness(make, kill)


def children() -> set[int]:
    """Return the children of this process."""
    require_linux("children in /proc")
    return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text("utf-8").split()}


@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize("check", TRANSPORT_CHECKS)
@pytest.mark.parametrize("kind", [memory, stdio, unix, tcp])
async def test_a_transport_keeps_its_contract(kind: Kind, check: TransportCheck, era: Era, tmp_path: Path) -> None:
    """RPC-03, RPC-04, STDIO-05, CAN-01, PRG-01, D01, D09."""
    async with kind(tmp_path) as harness:
        await check(harness, era)


@pytest.mark.parametrize("kind", [stdio, unix])
def test_a_transport_keeps_its_contract_on_uvloop(kind: Kind, tmp_path: Path) -> None:
    """Its pipes and sockets are other ones."""

    async def check_all() -> None:
        async with kind(tmp_path) as harness:
            await check_transport(harness.make, sever=harness.sever)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(check_all(), 50))


@pytest.fixture(name="urls", scope="module")
def serve_over_http() -> Generator[tuple[str, str]]:
    """Serve Streamable HTTP and HTTP+SSE from one process; yields both URLs."""
    command = run_command(str(Path(__file__).with_name("contract_server.py")), "--http", "0", "--sse", "0")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        found = [line.split()[-1] for line in (process.stderr.readline(), process.stderr.readline())]
        try:
            yield min(found, key=lambda url: url.endswith("/sse")), max(found, key=lambda url: url.endswith("/sse"))
        finally:
            process.kill()


@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize("check", TRANSPORT_CHECKS)
async def test_http_keeps_its_contract(check: TransportCheck, era: Era, urls: tuple[str, str]) -> None:
    """RPC-03, RPC-04, CAN-01, PRG-01, D01, D09."""
    await check(TransportHarness(lambda: HttpClient(urls[0], {}, DEFAULT_LIMITS)), era)


@pytest.mark.parametrize("check", TRANSPORT_CHECKS)
async def test_sse_keeps_its_contract(check: TransportCheck, urls: tuple[str, str]) -> None:
    """RPC-03, RPC-04, CAN-01, PRG-01, SSE-01, D01, D09; there is no modern era over HTTP+SSE."""
    await check(TransportHarness(lambda: SseClient(urls[1], {}, DEFAULT_LIMITS)), "legacy")
