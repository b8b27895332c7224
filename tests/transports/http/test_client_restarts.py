"""A server that goes away under the client and comes back: what was sent, what is lost, the next call (D01, S05)."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from anyport.protocol.calls import META_CLIENT_CAPABILITIES, META_VERSION
from anyport.protocol.errors import ConnectError, SessionLost
from anyport.protocol.jsonrpc import Notification, Request, Response
from anyport.protocol.limits import Limits
from anyport.protocol.revisions import LATEST_LEGACY, LATEST_MODERN
from anyport.protocol.types.json import JsonObject
from anyport.transports.http.client import HttpClient
from tests.client.incoming import WAIT, Taken
from tests.drivers.http_server import HttpProcess

SERVED = Path(__file__).parent.parent.parent / "serving" / "served.py"
OPENING: JsonObject = {
    "protocolVersion": LATEST_LEGACY.name,
    "capabilities": {},
    "clientInfo": {"name": "t", "version": "1"},
}
MODERN: JsonObject = {META_VERSION: LATEST_MODERN.name, META_CLIENT_CAPABILITIES: {}}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def serve(port: int) -> HttpProcess:
    given = {"on": "http", "run": {"port": port}}
    return await asyncio.to_thread(HttpProcess, SERVED, json.dumps(given))


async def kill(server: HttpProcess) -> None:
    if server.process.poll() is None:
        server.signal(signal.SIGKILL)
    await asyncio.to_thread(server.__exit__, None, None, None)


def echo(number: int, *, modern: bool) -> Request:
    params: JsonObject = {"name": "echo", "arguments": {"text": str(number)}}
    return Request(number, "tools/call", {**params, "_meta": MODERN} if modern else params)


def last(number: int, *, modern: bool) -> Request:
    params: JsonObject = {"name": "last", "arguments": {"seconds": 60}}
    return Request(number, "tools/call", {**params, "_meta": MODERN} if modern else params)


@asynccontextmanager
async def client_of(port: int, taken: Taken, *, modern: bool) -> AsyncGenerator[HttpClient]:
    client = HttpClient(f"http://127.0.0.1:{port}/mcp", {}, Limits())
    await open_client(client, taken, modern=modern)
    try:
        yield client
    finally:
        await client.aclose()


async def open_client(client: HttpClient, taken: Taken, *, modern: bool) -> None:
    await client.start(taken.incoming)
    client.settle(LATEST_MODERN if modern else None)
    if not modern:
        assert isinstance(await client.request(Request(1, "initialize", OPENING)), Response)
        client.settle(LATEST_LEGACY)
        await client.notify(Notification("notifications/initialized", {}))


@pytest.mark.slow
@pytest.mark.parametrize("modern", [True, False], ids=["modern", "legacy"])
async def test_a_server_that_is_killed_and_started_again(modern: bool) -> None:
    """In flight: nobody knows; while it is away: not sent; then a modern call works, and a legacy session is lost."""
    port, taken = free_port(), Taken()
    first = await serve(port)
    async with client_of(port, taken, modern=modern) as client, asyncio.timeout(2 * WAIT):
        answer = await client.request(echo(2, modern=modern))
        assert isinstance(answer, Response)
        calling = asyncio.create_task(client.request(last(3, modern=modern)))
        await asyncio.to_thread(first.says, "[began]")
        await kill(first)
        with pytest.raises(ConnectError, match="broke") as caught:
            await calling
        assert not caught.value.unsent
        with pytest.raises(ConnectError, match="Cannot connect to") as caught:
            await client.request(echo(4, modern=modern))
        assert caught.value.unsent
        with await serve(port):
            if modern:
                assert isinstance(await client.request(echo(5, modern=True)), Response)
                assert taken.lost == []
            else:
                with pytest.raises(SessionLost) as lost:
                    await client.request(echo(5, modern=False))
                assert lost.value.unsent
                await taken.until_lost()
                await client.aclose()
                await open_client(client, taken, modern=False)
                assert isinstance(await client.request(echo(6, modern=False)), Response)
                assert len(taken.lost) == 1
            await client.aclose()


@pytest.mark.slow
@pytest.mark.parametrize("modern", [True, False], ids=["modern", "legacy"])
async def test_a_restart_that_nobody_was_told_of(modern: bool) -> None:
    """A connection that waited is not used blindly: what follows is certainly not sent, and then sent once."""
    port, taken = free_port(), Taken()
    first = await serve(port)
    async with client_of(port, taken, modern=modern) as client, asyncio.timeout(2 * WAIT):
        for number in range(2, 7):
            assert isinstance(await client.request(echo(number, modern=modern)), Response)
        # The loop stands still meanwhile, so that the client cannot have heard of it before its next call.
        first.signal(signal.SIGKILL)
        first.ended()
        with pytest.raises(ConnectError, match="Cannot connect to") as caught:
            await client.request(echo(7, modern=modern))
        assert caught.value.unsent
        await kill(first)
        with await serve(port):
            if modern:
                assert isinstance(await client.request(echo(8, modern=True)), Response)
            else:
                with pytest.raises(SessionLost) as lost:
                    await client.request(echo(8, modern=False))
                assert lost.value.unsent
            await client.aclose()
