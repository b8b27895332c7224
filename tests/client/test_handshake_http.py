"""Which era an HTTP server speaks and how a client finds out (VER-06, VER-07, LEG-03, SES-02, D01, D20)."""

from __future__ import annotations

import asyncio

import pytest

import anyport.transports.http.client as _http_client  # its import would count as a slow callback
from anyport import Client
from anyport.errors import AuthError, ConnectError, HttpStatusError, Timeout
from anyport.protocol.types.json import JsonObject
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
    text_result,
)

assert _http_client


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
        # The standing stream is asked for on the side.
        requests = [posted for posted in peer.requests if posted.method != "GET"]
        kinds = [posted.rpc_method or posted.method for posted in requests]
        assert kinds == ["server/discover", "initialize", "notifications/initialized", "tools/call", "DELETE"]
        for posted in requests[1:]:
            assert "mcp-method" not in posted.headers
        for posted in requests[2:]:
            assert (posted.headers["mcp-session-id"], posted.headers["mcp-protocol-version"]) == ("s-1", "2025-11-25")
        assert "mcp-session-id" not in requests[1].headers
        assert "mcp-protocol-version" not in requests[1].headers


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
    refusal = f"HTTP 404 from {peer.url}: nothing here"
    assert caught.value.tried == (
        f"Streamable HTTP: server/discover: {refusal}",
        f"Streamable HTTP: initialize: {refusal}",
        f"HTTP+SSE: {refusal}",
    )
    assert str(caught.value) == f"{refusal}; tried {'; '.join(caught.value.tried)}"


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
