"""Which era a server speaks and how a client finds out (VER-02 to VER-08, LIFE-01 to LIFE-05)."""

from __future__ import annotations

import asyncio
import json
from typing import cast

import pytest

import anyport.transports.http.client as _http_client  # its import would count as a slow callback
from anyport import Client, __version__
from anyport.errors import (
    AuthError,
    ConnectError,
    HttpStatusError,
    McpError,
    RemoteProtocolError,
    ServerExited,
    Timeout,
)
from anyport.protocol.types.json import JsonObject
from anyport.transports.stdio.client import StdioClient
from tests.client.peers import (
    DISCOVERED,
    INFO,
    Posted,
    answering,
    encoded,
    error,
    http_answer,
    http_peer,
    opened,
    result,
    scripted,
    text_result,
)

assert _http_client

ECHO_MODERN = """
for message in modern():
    answer(message, text(message))
"""
ECHO_LEGACY = """
for message in legacy():
    answer(message, text(message))
"""


@pytest.fixture(name="short_silence")
def shorten_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the silence short after which a stdio server counts as legacy."""
    monkeypatch.setattr(StdioClient, "probe_silence_s", 0.2)


async def seen_by(command: list[str]) -> JsonObject:
    """Return the request that a server gets for a call of a tool, as it says itself."""
    async with Client(command) as client:
        result = await client.call_tool("any", {"x": 1})
    return cast(JsonObject, json.loads(result.text))


# --- stdio ------------------------------------------------------------------------------------------------------------


async def test_what_a_modern_request_carries() -> None:
    """META-01, META-03: revision, capabilities and name with each request; a progress token only where it is wanted."""
    request = await seen_by(scripted(ECHO_MODERN))
    assert request["params"] == {
        "name": "any",
        "arguments": {"x": 1},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "anyport", "version": __version__},
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    }


async def test_what_a_legacy_request_carries() -> None:
    request = await seen_by(scripted(ECHO_LEGACY))
    assert request["params"] == {"name": "any", "arguments": {"x": 1}}


async def test_the_legacy_handshake() -> None:
    """LIFE-01, LIFE-03, LIFE-08, VER-04: probe, initialize, initialized, then the call; the probe is not cancelled."""
    body = """
seen = []
for message in messages():
    seen.append(message)
    if message["method"] == "server/discover":
        refuse(message, -32602)
    elif message["method"] == "initialize":
        answer(message, initialized())
    elif message["method"] == "tools/call":
        answer(message, text([[entry["method"], entry["params"]] for entry in seen]))
"""
    async with Client(scripted(body)) as client:
        assert client.revision == "2025-11-25"
        methods = cast(JsonObject, dict(json.loads((await client.call_tool("any")).text)))
    assert list(methods) == ["server/discover", "initialize", "notifications/initialized", "tools/call"]
    assert methods["initialize"] == {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "anyport", "version": __version__},
    }


@pytest.mark.parametrize("version", ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"])
async def test_a_server_that_chooses_an_older_revision(version: str) -> None:
    """LIFE-02: each revision that anyport knows will do."""
    async with Client(scripted(f"for message in legacy({version!r}): answer(message, text('fine'))")) as client:
        assert (client.revision, client.era) == (version, "legacy")
        assert (await client.call_tool("any")).data == "fine"


@pytest.mark.parametrize("version", ["2026-07-28", "1999-01-01"])
async def test_a_server_that_chooses_what_nobody_speaks(version: str) -> None:
    """LIFE-02: the client leaves, and says why."""
    with pytest.raises(ConnectError, match=f"wants to speak '{version}' after the handshake"):
        await Client(scripted(f"for message in legacy({version!r}): pass")).connect()


@pytest.mark.usefixtures("short_silence")
async def test_a_server_that_is_silent_until_it_is_initialized() -> None:
    """VER-05: silence is an answer too."""
    body = """
for message in messages():
    if message["method"] == "initialize":
        answer(message, initialized())
    elif message["method"] == "tools/call":
        answer(message, text("fine"))
"""
    async with Client(scripted(body)) as client:
        assert client.era == "legacy"
        assert (await client.call_tool("any")).data == "fine"


@pytest.mark.usefixtures("short_silence")
async def test_a_modern_server_that_is_slow_to_start() -> None:
    """VER-06, VER-09: it missed the probe and refuses initialize, so it is probed again."""
    body = """
missed = False
for message in messages():
    if message["method"] == "initialize":
        missed = True
        refuse(message, -32601, "supported: 2026-07-28")
    elif message["method"] == "server/discover" and missed:
        answer(message, DISCOVERED)
    elif message["method"] == "tools/call":
        answer(message, text("fine"))
"""
    async with Client(scripted(body)) as client:
        assert client.era == "modern"
        assert (await client.call_tool("any")).data == "fine"


async def test_a_modern_server_that_first_refuses_the_version() -> None:
    """VER-02: one more try in a version that it names."""
    body = """
asked = 0
for message in messages():
    asked += 1
    if asked == 1:
        refuse(message, -32022, "unsupported", supported=["2026-07-28"], requested="x")
    elif message["method"] == "server/discover":
        answer(message, DISCOVERED)
    else:
        answer(message, text(message["method"]))
"""
    async with Client(scripted(body)) as client:
        assert (client.era, (await client.call_tool("any")).data) == ("modern", "tools/call")


async def test_a_server_that_offers_only_older_versions() -> None:
    """VER-02: the version that both speak may be a legacy one."""
    body = """
for message in messages():
    if message["method"] == "server/discover":
        refuse(message, -32022, "unsupported", supported=["2025-06-18"], requested="x")
    elif message["method"] == "initialize":
        answer(message, initialized("2025-06-18"))
"""
    async with Client(scripted(body)) as client:
        assert client.revision == "2025-06-18"


async def test_no_version_in_common() -> None:
    """VER-06: a modern error is never answered with initialize."""
    body = """
for message in messages():
    if message["method"] == "initialize":
        os._exit(9)
    refuse(message, -32022, "unsupported", supported=["2030-01-01"], requested="x")
"""
    with pytest.raises(RemoteProtocolError, match=r"The server speaks .*2030-01-01"):
        await Client(scripted(body)).connect()


async def test_a_modern_server_that_refuses_discovery() -> None:
    """VER-06: another modern error is no reason to fall back."""
    with pytest.raises(McpError, match="needs more") as caught:
        await Client(scripted("for message in messages(): refuse(message, -32021, 'needs more')")).connect()
    assert caught.value.code == -32021


async def test_an_era_that_the_server_does_not_speak() -> None:
    """VER-11: a deterministic failure, each way."""
    with pytest.raises(ConnectError, match=r"no modern revision \(era='modern'\): server/discover: error -32601: no"):
        await Client(scripted(ECHO_LEGACY), era="modern").connect()
    body = "for message in messages(): refuse(message, -32601, 'supported: 2026-07-28')"
    with pytest.raises(McpError, match="supported: 2026-07-28"):
        await Client(scripted(body), era="legacy").connect()


@pytest.mark.parametrize(
    ("discovered", "what"),
    [
        ('{"supportedVersions": ["2026-07-28"]}', "missing required field `capabilities`"),
        ('{"supportedVersions": ["2026-07-28"], "capabilities": {"tools": 1}}', "capabilities"),
    ],
)
async def test_a_discovery_that_is_malformed(discovered: str, what: str) -> None:
    with pytest.raises(RemoteProtocolError, match=f"The answer to server/discover is malformed.*{what}"):
        await Client(scripted(f"for message in messages(): answer(message, {discovered})")).connect()


@pytest.mark.usefixtures("short_silence")
async def test_a_server_that_never_answers() -> None:
    """D01: the time that opening may take is the client's, and the process is gone afterwards."""
    with pytest.raises(Timeout, match=r"No connection to .* within 0\.6 s"):
        await Client(scripted("for message in messages(): pass"), timeout=0.6).connect()


async def test_a_server_that_dies_during_the_handshake() -> None:
    """D01: exit status and last words."""
    body = "say('no API key: set SHOP_KEY'); sys.exit(4)"
    with pytest.raises(ServerExited, match="exit status 4; it said:\nno API key: set SHOP_KEY") as caught:
        await Client(scripted(body)).connect()
    assert (caught.value.code, caught.value.stderr_tail) == (4, "no API key: set SHOP_KEY")


async def test_requests_of_a_legacy_server() -> None:
    """LIFE-05, LIFE-07: a ping is answered, what was not declared is refused."""
    body = """
for message in legacy():
    heard = []
    for number, method in enumerate(("ping", "sampling/createMessage")):
        send({"id": f"s{number}", "method": method, "params": {}})
        heard.append(json.loads(sys.stdin.readline()))
    answer(message, text(heard))
"""
    async with Client(scripted(body)) as client:
        heard = (await client.call_tool("any")).text
    assert '{"jsonrpc": "2.0", "id": "s0", "result": {}}' in heard
    assert '"id": "s1", "error": {"code": -32601' in heard


async def test_requests_of_a_modern_server_are_ignored(caplog: pytest.LogCaptureFixture) -> None:
    """RPC-13, STDIO-04: nothing is written but the client's own requests."""
    body = """
for message in modern():
    send({"id": "s", "method": "ping"})
    answer(message, text(message["method"]))
"""
    async with Client(scripted(body)) as client:
        for _ in range(2):
            assert (await client.call_tool("any")).data == "tools/call"
    assert "Ignored a request of the server" in caplog.text


# --- HTTP -------------------------------------------------------------------------------------------------------------


async def test_a_modern_http_server() -> None:
    """HTTP-04, HDR-01, HDR-03: headers of each request; no session, nothing to end."""
    async with http_peer(
        answering("modern", lambda posted: http_answer(200, encoded(result(posted, text_result("x")))))
    ) as peer:
        async with Client(peer.url, headers={"X-Token": "t"}) as client:
            await client.call_tool("grüße")
        discover, call = peer.requests
    for posted in (discover, call):
        assert posted.headers["accept"] == "application/json, text/event-stream"
        assert posted.headers["content-type"] == "application/json"
        assert posted.headers["mcp-protocol-version"] == "2026-07-28"
        assert posted.headers["mcp-method"] == posted.rpc_method
        assert posted.headers["x-token"] == "t"
        assert "mcp-session-id" not in posted.headers
    assert call.headers["mcp-name"] == "=?base64?Z3LDvMOfZQ==?="


async def test_a_legacy_http_server() -> None:
    """VER-07, LEG-03, LEG-08, SES-02, SES-04: fall back, then session and version with each request, then DELETE."""

    def answer(posted: Posted) -> bytes:
        return http_answer(200, encoded(result(posted, text_result("x"))))

    async with http_peer(answering("legacy", answer, mcp_session_id="s-1")) as peer:
        async with Client(peer.url) as client:
            assert client.era == "legacy"
            await client.call_tool("any")
        kinds = [posted.rpc_method or posted.method for posted in peer.requests]
        assert kinds == ["server/discover", "initialize", "notifications/initialized", "tools/call", "DELETE"]
        for posted in peer.requests[1:]:
            assert "mcp-method" not in posted.headers
        for posted in peer.requests[2:]:
            assert (posted.headers["mcp-session-id"], posted.headers["mcp-protocol-version"]) == ("s-1", "2025-11-25")
        assert "mcp-session-id" not in peer.requests[1].headers
        assert "mcp-protocol-version" not in peer.requests[1].headers


REFUSALS = [
    http_answer(400, b"Bad Request", "text/plain"),
    http_answer(400, b""),
    http_answer(400, b'{"jsonrpc": "2.0", "id": null, "error": {"code": -32000, "message": "No session"}}'),
    http_answer(404, b"<html>", "text/html"),
    http_answer(405, b"", allow="GET"),
    http_answer(406, b"{}"),
    http_answer(422, b'{"detail": []}'),
    http_answer(500, b"Internal Server Error", "text/plain"),
    http_answer(202),
    http_answer(200, b"{}"),
    http_answer(200, b"hello", "text/html"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda answer: answer.split(b"\r\n")[0].decode())
async def test_http_answers_that_mean_legacy(refusal: bytes) -> None:
    """VER-05, VER-07: whatever is no modern error; the fallback is not keyed to one code."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        discover = posted.rpc_method == "server/discover"
        writer.write(refusal if discover else opened(posted, "legacy") or http_answer(500))

    async with http_peer(script) as peer, Client(peer.url) as client:
        assert client.era == "legacy"


async def test_a_modern_error_in_an_http_400() -> None:
    """VER-06, VER-07: the body is read before falling back."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        if len(peer.requests) == 1:
            data: JsonObject = {"supported": ["2026-07-28"], "requested": "x"}
            writer.write(http_answer(400, encoded(error(posted, -32022, "unsupported", data))))
        else:
            writer.write(http_answer(200, encoded(result(posted, DISCOVERED))))

    async with http_peer(script) as peer, Client(peer.url) as client:
        assert client.era == "modern"
        assert client.server_info is None


@pytest.mark.parametrize("status", [401, 403])
async def test_credentials_that_are_missing(status: int) -> None:
    """D01: no fallback would help."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(http_answer(status, b'{"error": "invalid_token"}'))

    async with http_peer(script) as peer:
        with pytest.raises(AuthError, match="invalid_token") as caught:
            await Client(peer.url).connect()
        assert (caught.value.status, caught.value.url, len(peer.requests)) == (status, peer.url, 1)


async def test_a_url_where_there_is_no_mcp() -> None:
    """D01, D20: status, body and URL, and what had been tried before."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(http_answer(404, b"nothing here", "text/plain"))

    async with http_peer(script) as peer:
        with pytest.raises(HttpStatusError, match=f"HTTP 404 from {peer.url}: nothing here") as caught:
            await Client(peer.url).connect()
    assert caught.value.body == "nothing here"
    assert caught.value.__notes__ == [f"Tried before: server/discover: HTTP 404 from {peer.url}: nothing here"]


async def test_an_http_server_that_never_answers() -> None:
    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with http_peer(script) as peer:
        with pytest.raises(Timeout, match=f"No connection to {peer.url} within 0.3 s"):
            await Client(peer.url, timeout=0.3).connect()


async def test_nobody_listens() -> None:
    """D01: a connection that is refused, and one that ends without an answer."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with http_peer(script) as peer:
        with pytest.raises(ConnectError, match=f"The connection to {peer.url} broke"):
            await Client(peer.url).connect()
    with pytest.raises(ConnectError, match=f"Cannot connect to {peer.url}"):
        await Client(peer.url).connect()


async def test_requests_of_a_legacy_http_server() -> None:
    """LIFE-07: a ping on the stream is answered with a POST of its own."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        reply = opened(posted, "legacy", mcp_session_id="s")
        if reply is not None:
            writer.write(reply)
        elif posted.rpc_method == "tools/call":
            ping: JsonObject = {"jsonrpc": "2.0", "id": "p", "method": "ping"}
            body = b"data: " + encoded(ping) + b"\n\n"
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n" + body)
            await ponged.wait()
            writer.write(b"data: " + encoded(result(posted, text_result("ponged"))) + b"\n\n")
            writer.close()
        else:
            assert posted.message == {"jsonrpc": "2.0", "id": "p", "result": {}}
            assert posted.headers["mcp-session-id"] == "s"
            writer.write(http_answer(202))
            ponged.set()

    ponged = asyncio.Event()
    async with http_peer(script) as peer, Client(peer.url) as client:
        assert client.server_info is not None
        assert client.server_info.name == INFO["name"]
        assert (await client.call_tool("any")).data == "ponged"
