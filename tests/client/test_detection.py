"""Which transport and which era lead to a server: found out, remembered, pinned, and told where nothing does."""

from __future__ import annotations

import asyncio
import importlib
from typing import Literal, cast

import pytest

from anyport import Client, Server
from anyport.client import verdicts as verdicts_module
from anyport.client.connect import PinName
from anyport.client.verdicts import VERDICTS, Key, Verdict, Verdicts
from anyport.errors import ConnectError, HttpStatusError, LocalProtocolError, McpError, ServerExited
from tests.client.peers import (
    EXAMPLE,
    HttpPeer,
    Posted,
    Script,
    encoded,
    http_answer,
    http_peer,
    opened,
    result,
    scripted,
    served,
    text_result,
)
from tests.client.ways import WAIT

for _name in ("anyport.transports.http.client", "anyport.transports.sse.client"):
    importlib.import_module(_name)  # later it would count as a slow callback


def asked(peer: HttpPeer) -> list[str]:
    """Return what a peer was asked: methods of JSON-RPC, and of HTTP where it is no POST."""
    return [str(posted.rpc_method) if posted.method == "POST" else posted.method for posted in peer.requests]


# --- HTTP+SSE ---------------------------------------------------------------------------------------------------------


def test_a_server_of_http_sse() -> None:
    """VER-13, SSE-01, S26: a URL that takes no POST is read; the second client knows that at once."""

    async def call(url: str) -> None:
        for _ in range(2):
            async with Client(url) as client:
                assert (await client.call_tool("add", {"a": 1, "b": 2})).data == 3
        async with Client(url, transport="sse") as client:
            assert (await client.call_tool("echo", {"text": "pinned"})).data == "pinned"
        with pytest.raises(McpError, match="POST is not served here"):
            await Client(url, transport="http").connect()
        with pytest.raises((ConnectError, HttpStatusError)):
            await Client(url, era="modern").connect()

    with served(f"{EXAMPLE}:server", "--sse", "0") as url:
        asyncio.run(call(url))


def refusing(status: int) -> Script:
    """Return a server that has no MCP, in any way."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(http_answer(status, b"not here", "text/plain"))

    return script


@pytest.mark.parametrize(("status", "read"), [(400, True), (404, True), (405, True), (403, False), (500, False)])
async def test_when_the_stream_is_tried(status: int, read: bool) -> None:
    """VER-13: only where the status of the POST says that it may be one."""
    async with http_peer(refusing(status)) as peer:
        with pytest.raises(HttpStatusError, match=f"HTTP {status}") as caught:
            await Client(peer.url).connect()
        assert ("GET" in asked(peer)) is read
        assert ("HTTP+SSE" in str(caught.value)) is read


async def test_no_stream_is_tried_for_the_modern_era() -> None:
    """HTTP+SSE belongs to the legacy one; who wants the modern one there says so."""
    async with http_peer(refusing(404)) as peer:
        with pytest.raises(ConnectError, match="no modern revision"):
            await Client(peer.url, era="modern").connect()
        assert asked(peer) == ["server/discover"]


# --- what is remembered -----------------------------------------------------------------------------------------------


def speaking(era: Literal["modern", "legacy"]) -> Script:
    """Return a server of one era."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        answer = opened(posted, era)
        if posted.method == "GET":
            answer = http_answer(405)
        if answer is None and posted.rpc_method == "initialize":
            answer = http_answer(400, b"only modern", "text/plain")
        writer.write(answer or http_answer(200, encoded(result(posted, text_result(era)))))

    return script


async def test_the_second_client_asks_no_more() -> None:
    """VER-08: the era of an origin is kept for the process."""
    async with http_peer(speaking("legacy")) as peer:
        for _ in range(2):
            async with Client(peer.url):
                pass
        assert asked(peer).count("server/discover") == 1
        assert asked(peer).count("initialize") == 2


async def test_what_no_longer_holds_is_forgotten() -> None:
    """VER-08: the server became a modern one; it is asked anew, in the same connect."""
    async with http_peer(speaking("legacy")) as peer:
        url = peer.url
        async with Client(url) as client:
            assert client.era == "legacy"
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    async with http_peer(speaking("modern"), port) as peer:
        for _ in range(2):
            async with Client(url) as client:
                assert client.era == "modern"
        assert asked(peer) == ["initialize", "server/discover", "server/discover"]


async def test_a_pin_remembers_for_itself() -> None:
    """Who wants one era is no witness of the other."""
    async with http_peer(speaking("legacy")) as peer:
        async with Client(peer.url, era="legacy"):
            pass
        async with Client(peer.url):
            pass
        assert asked(peer).count("server/discover") == 1


def test_the_table_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts_module, "MOST", 2)
    table = Verdicts()
    keys: list[Key] = [(name, None, None) for name in "abc"]
    table.remember(keys[0], Verdict("http", "modern"))
    table.remember(keys[1], Verdict("http", "legacy"))
    assert table.recall(keys[0]) == Verdict("http", "modern")
    table.remember(keys[2], Verdict("sse", "legacy"))
    assert [table.recall(key) is None for key in keys] == [False, True, False]
    table.forget(keys[0])
    table.forget(keys[0])
    assert table.recall(keys[0]) is None
    assert len(table) == 1


async def test_a_server_that_is_silent_is_waited_for_once() -> None:
    """VER-05: two seconds of silence mean legacy; the next client of the same command does not wait again."""
    body = """
for message in messages():
    if message.get("method") == "initialize":
        answer(message, initialized())
    elif message.get("method") == "tools/call":
        answer(message, text("here"))
"""
    loop = asyncio.get_running_loop()
    async with Client(scripted(body)) as client:
        assert (await client.call_tool("x")).text == "here"
    assert len(VERDICTS) == 1
    async with Client(scripted(body)) as client:
        started = loop.time()
        assert (await client.call_tool("x")).text == "here"
        assert loop.time() - started < WAIT


# --- stdio ------------------------------------------------------------------------------------------------------------


async def test_a_server_that_dies_of_the_first_question() -> None:
    """VER-05: any non-modern answer, its end too, means legacy: it is started once more and asked as it likes."""
    body = """
for message in messages():
    if message["method"] == "server/discover":
        os._exit(4)
    elif message["method"] == "initialize":
        answer(message, initialized())
    elif message["method"] == "tools/call":
        answer(message, text("alive"))
"""
    async with Client(scripted(body)) as client:
        assert client.era == "legacy"
        assert (await client.call_tool("x")).text == "alive"
    with pytest.raises(ServerExited, match="exit status 4"):
        await Client(scripted(body), era="modern").connect()


async def test_a_server_that_always_dies() -> None:
    with pytest.raises(ServerExited, match="exit status 7"):
        await Client(scripted("os._exit(7)")).connect()


# --- pins -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "pin"),
    [
        ("http://127.0.0.1:1/mcp", "stdio"),
        ("http://127.0.0.1:1/mcp", "socket"),
        (["program"], "http"),
        ("unix:/nowhere", "sse"),
        ("memory", "stdio"),
    ],
)
async def test_a_transport_that_does_not_lead_there(target: str | list[str], pin: PinName) -> None:
    client = Client(Server("x") if target == "memory" else target, transport=pin)
    with pytest.raises(LocalProtocolError, match=f"transport={pin!r} does not lead to .* that takes "):
        await client.connect()


async def test_a_transport_that_there_is_not() -> None:
    with pytest.raises(LocalProtocolError, match="Unknown transport 'telex'; known are stdio, http, streamable-http"):
        await Client("http://127.0.0.1:1/mcp", transport=cast(PinName, "telex")).connect()


@pytest.mark.parametrize("pin", ["http", "streamable-http", None])
async def test_a_pin_of_a_configuration(pin: PinName | None) -> None:
    """S25: what a file says of a URL holds, unless the user says otherwise."""
    async with http_peer(speaking("modern")) as peer:
        entry = {"mcpServers": {"x": {"url": peer.url, "transport": "streamable-http"}}}
        async with Client(entry, transport=pin) as client:
            assert (await client.call_tool("x")).text == "modern"
        entry = {"mcpServers": {"x": {"url": peer.url, "transport": "sse"}}}
        if pin is None:
            with pytest.raises((HttpStatusError, ConnectError, McpError)):
                await Client(entry).connect()
        else:
            async with Client(entry, transport=pin):
                pass


async def test_a_memory_pin() -> None:
    async with Client(Server("x"), transport="memory") as client:
        assert client.era == "modern"
