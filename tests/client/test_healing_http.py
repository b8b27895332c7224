"""A client whose server was gone, over connections that remember it: sessions over HTTP, streams, sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest

from anyport import Client
from anyport.errors import AnyportError, ConnectError, SessionLost
from anyport.protocol.types.json import JsonObject
from tests.client.peers import (
    EXAMPLE,
    INFO,
    Posted,
    Script,
    encoded,
    error,
    http_answer,
    http_peer,
    opened,
    result,
    served,
    text_result,
)
from tests.client.ways import WAIT


def losing(calls: list[Posted], lost: Callable[[Posted, int], bool]) -> Callable[[Posted, int], bytes]:
    """Return what a legacy server answers that loses its sessions."""

    def answer(posted: Posted, session: int) -> bytes:
        if lost(posted, session):
            return http_answer(404, encoded(error(posted, -32600, "Session not found")))
        calls.append(posted)
        return http_answer(200, encoded(result(posted, text_result(f"in session {session}"))))

    return answer


@asynccontextmanager
async def session_peer(answer: Callable[[Posted, int], bytes]) -> AsyncGenerator[str]:
    """Serve the legacy handshake, each time with a new session, and the rest with a function."""
    number = 0

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        nonlocal number
        if posted.rpc_method == "initialize":
            number += 1
            opening: JsonObject = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": INFO}
            assert "mcp-session-id" not in posted.headers
            writer.write(http_answer(200, encoded(result(posted, opening)), mcp_session_id=f"s{number}"))
            return
        known = opened(posted, "legacy") if posted.rpc_method != "initialize" else None
        writer.write(known or answer(posted, int(posted.headers.get("mcp-session-id", "s0")[1:])))

    async with http_peer(script) as peer:
        yield peer.url


async def test_a_lost_session_is_opened_again() -> None:
    """SES-03: a 404 means a new session; what was refused had not begun, and is sent again, tool calls too."""
    calls: list[Posted] = []
    lose = False
    answer = losing(calls, lambda posted, session: lose and session == 1)
    async with session_peer(answer) as url, Client(url, era="legacy") as client:
        assert (await client.call_tool("a")).text == "in session 1"
        lose = True
        said = await asyncio.gather(*(client.call_tool("b") for _ in range(10)))
        assert {answer.text for answer in said} == {"in session 2"}
        assert len(calls) == 11


async def test_a_session_that_is_always_lost() -> None:
    """The tries are bounded."""
    async with session_peer(losing([], lambda posted, session: True)) as url, Client(url, era="legacy") as client:
        with pytest.raises(SessionLost):
            async with asyncio.timeout(WAIT):
                await client.call_tool("a")


def living(era: Literal["modern", "legacy"], life: int) -> Script:
    """Return a server that knows the sessions of its own life alone."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        handshake = posted.rpc_method in ("initialize", "server/discover")
        if era == "legacy" and not handshake and posted.headers.get("mcp-session-id") != f"life{life}":
            writer.write(http_answer(404, b"Session not found", "text/plain"))
            return
        answer = opened(posted, era, mcp_session_id=f"life{life}")
        writer.write(answer or http_answer(200, encoded(result(posted, text_result(f"life {life}")))))

    return script


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_server_that_is_restarted(era: Literal["modern", "legacy"]) -> None:
    """The next call works, in both eras; while nobody is there, the error says so, in bounded time."""
    async with http_peer(living(era, 1)) as peer:
        url = peer.url
        client = Client(url, era=era)
        await client.connect()
        assert (await client.call_tool("x")).text == "life 1"
    async with asyncio.timeout(WAIT):
        for _ in range(2):
            with pytest.raises(ConnectError):
                await client.call_tool("x")
        assert client.state == "disconnected"
        async with http_peer(living(era, 2), port_of(url)):
            assert (await client.call_tool("x")).text == "life 2"
            assert client.state == "connected"
        await client.aclose()


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_server_that_is_restarted_unnoticed(era: Literal["modern", "legacy"]) -> None:
    """Nothing was called meanwhile: the next call just works."""
    async with http_peer(living(era, 1)) as peer:
        url = peer.url
        client = Client(url, era=era)
        await client.connect()
        await client.call_tool("x")
    async with http_peer(living(era, 2), port_of(url)):
        assert (await client.call_tool("x")).text == "life 2"
        await client.aclose()


@pytest.mark.parametrize("kind", ["socket", "sse"])
def test_a_connection_that_ends_is_made_again(kind: str, tmp_path: Path) -> None:
    """What remembers its client by the connection: a new one is made, with a new handshake."""
    if kind == "socket":
        target, arguments = f"unix:{tmp_path / 's'}", ("--socket", str(tmp_path / "s"))
    else:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        target, arguments = f"http://127.0.0.1:{port}/sse", ("--sse", str(port))

    async def use(lives: Iterator[AbstractContextManager[str]]) -> list[str]:
        states: list[str] = []
        with next(lives):
            client = Client(target, timeout=20, on_state=lambda change: states.append(change.state))
            await client.connect()
            assert (await client.call_tool("echo", {"text": "first"})).data == "first"
        with pytest.raises((ConnectError, SessionLost)):
            await client.call_tool("echo", {"text": "nobody"})
        with next(lives):
            assert (await client.call_tool("echo", {"text": "second"})).data == "second"
            await client.aclose()
        return states

    states = asyncio.run(use(served(f"{EXAMPLE}:server", *arguments) for _ in range(2)))
    assert states[:2] == ["connecting", "connected"]
    assert states[-2:] == ["connected", "closed"]
    assert "reconnecting" in states


def port_of(url: str) -> int:
    """Return the port of a URL."""
    port = urlsplit(url).port
    assert port is not None
    return port


async def test_a_custom_error_is_no_reason() -> None:
    """What the server answers is an answer, and heals nothing."""
    broken = http_answer(500, b"broken", "text/plain")
    async with session_peer(lambda posted, session: broken) as url, Client(url, era="legacy") as client:
        with pytest.raises(AnyportError, match="HTTP 500"):
            await client.call_tool("a")
        assert client.state == "connected"
