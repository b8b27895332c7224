"""The client of Unix and TCP sockets: both eras, a server that hangs up or misbehaves, and the end (STDIO-10)."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from anyport import Client, Context, Server
from anyport.errors import ConnectError, LocalProtocolError, McpError
from anyport.protocol.jsonrpc import ErrorResponse, Notification, Request, Response
from anyport.protocol.limits import DEFAULT_LIMITS, Limits
from anyport.protocol.revisions import Era
from anyport.transports.calling import Answer, Incoming
from anyport.transports.sockets.client import SocketClient
from anyport.transports.sockets.server import SocketServer
from tests.client.peers import Reports

WAIT = 30.0
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def make_server() -> Server:
    server = Server("sockets")

    @server.tool
    async def add(a: int, b: int) -> int:
        return a + b

    @server.tool
    async def steps(ctx: Context, count: int) -> str:
        for number in range(count):
            await ctx.report_progress(number + 1, count)
        return "done"

    return server


@asynccontextmanager
async def serving(address: str, limits: Limits = DEFAULT_LIMITS) -> AsyncGenerator[str]:
    """Serve the server; yields a target."""
    unix = address.startswith("/")
    listening = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
    listening.bind(address if unix else (address, 0))
    server = make_server()
    sockets = SocketServer(server.service, limits, server.subscriptions)
    await server.lifespan.hold()
    await sockets.start([listening])
    try:
        yield f"unix:{address}" if unix else f"tcp://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        await sockets.aclose()
        await server.lifespan.release()


@asynccontextmanager
async def scripted(path: Path, talk: Talk) -> AsyncGenerator[SocketClient]:
    """Serve a Unix socket with a script; yields a client of it, which is not started."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    listening = await asyncio.start_unix_server(serve, path)
    client = SocketClient(DEFAULT_LIMITS, path=str(path))
    try:
        yield client
    finally:
        await client.aclose()
        listening.close()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), WAIT)


class Heard:
    """What a transport hands over."""

    def __init__(self) -> None:
        self.lost: list[Exception] = []
        self.told: list[Notification] = []
        self.incoming = Incoming(self.told.append, self._asked, self.lost.append)

    async def _asked(self, request: Request) -> Answer:
        return Response(request.id, {})


PING = Request(1, "ping", {})


@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize("kind", ["unix", "tcp"])
async def test_a_client_of_a_socket(kind: str, era: Era, tmp_path: Path) -> None:
    """STDIO-10: calls, progress and errors, over both kinds, in both eras, many at once."""
    reports = Reports()
    address = str(tmp_path / "s") if kind == "unix" else "127.0.0.1"
    async with serving(address) as target, Client(target, era=era) as client:
        assert client.era == era
        found = await asyncio.gather(*(client.call_tool("add", {"a": n, "b": 1}) for n in range(50)))
        assert [result.data for result in found] == list(range(1, 51))
        result = await client.call_tool("steps", {"count": 3}, on_progress=reports)
        assert result.data == "done"
        assert reports.told == [(1, 3, None), (2, 3, None), (3, 3, None)]
        with pytest.raises(McpError):
            await client.call_tool("nothing")


async def test_nobody_is_there(tmp_path: Path) -> None:
    """D01: the error says where, and why."""
    with pytest.raises(ConnectError, match=r"Cannot connect to unix:\S+/none: No such file or directory"):
        await Client(f"unix:{tmp_path}/none").connect()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    transport = SocketClient(DEFAULT_LIMITS, host="127.0.0.1", port=port)
    with pytest.raises(ConnectError, match=rf"Cannot connect to tcp://127.0.0.1:{port}: ") as caught:
        await transport.start(Heard().incoming)
    assert caught.value.unsent
    with pytest.raises(ConnectError, match=r"Cannot connect to tcp://127\.0\.0\.1:70000"):
        await SocketClient(DEFAULT_LIMITS, host="127.0.0.1", port=70000).start(Heard().incoming)
    await transport.aclose()


async def test_a_server_that_hangs_up(tmp_path: Path) -> None:
    """D01: what waits fails and says that it may have run, what comes next that it did not; then it starts again."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if json.loads(await reader.readline())["method"] == "ping":
            writer.write(b'{"jsonrpc":"2.0","id":1,"result":{}}\n')
            await reader.readline()

    async with scripted(tmp_path / "s", talk) as client:
        for _ in range(2):
            heard = Heard()
            await client.start(heard.incoming)
            assert await client.request(PING) == Response(1, {})
            with pytest.raises(
                ConnectError, match=r"The connection to unix:\S+ is gone: the server closed it"
            ) as caught:
                await client.request(Request(2, "tools/call", {}))
            assert not caught.value.unsent
            assert [str(error) for error in heard.lost] == [str(caught.value)]
            with pytest.raises(ConnectError) as caught:
                await client.request(PING)
            assert caught.value.unsent
            await client.aclose()


async def test_a_server_with_too_many_connections_says_so(tmp_path: Path) -> None:
    """The error that it sends belongs to no request; it is why the connection ends."""
    async with serving(str(tmp_path / "s"), Limits(connections=1)) as target, Client(target):
        with pytest.raises(ConnectError, match="gone: error 429: 1 connections are open"):
            await Client(target).connect()


async def test_what_a_leaving_server_said_still_counts(tmp_path: Path) -> None:
    """An answer without its newline is an answer."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b'{"jsonrpc":"2.0","id":1,"error":{"code":5,"message":"bye"}}')

    async with scripted(tmp_path / "s", talk) as client:
        await client.start(Heard().incoming)
        answer = await client.request(PING)
        assert isinstance(answer, ErrorResponse)
        assert answer.error.code == 5


async def test_closing_is_bounded_though_the_server_reads_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D09: what it does not take is not waited for; nor is a caller who is cancelled."""
    monkeypatch.setattr("anyport.transports.sockets.client._LEAVE_S", 0.1)
    over = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()

    async with scripted(tmp_path / "s", talk) as client:
        for cancelled in (False, True):
            await client.start(Heard().incoming)
            calls = [
                asyncio.create_task(client.request(Request(number, "x", {"text": "x" * 500_000})))
                for number in range(4)
            ]
            await asyncio.sleep(0)
            async with asyncio.timeout(WAIT):
                closing = asyncio.create_task(client.aclose())
                await asyncio.sleep(0)
                if cancelled:
                    closing.cancel()
                await asyncio.gather(closing, return_exceptions=True)
                failed = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(error, ConnectError) for error in failed)
        over.set()


async def test_a_transport_is_opened_once_at_a_time(tmp_path: Path) -> None:
    async with serving(str(tmp_path / "s")):
        client = SocketClient(DEFAULT_LIMITS, path=str(tmp_path / "s"))
        await client.aclose()
        with pytest.raises(ConnectError, match="The client was closed"):
            await client.request(PING)
        await client.start(Heard().incoming)
        with pytest.raises(LocalProtocolError, match="await aclose"):
            await client.start(Heard().incoming)
        await asyncio.gather(client.aclose(), client.aclose())
        await client.start(Heard().incoming)
        await client.aclose()
