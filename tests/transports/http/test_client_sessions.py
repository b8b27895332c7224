"""Sessions of the HTTP client, and where its requests go (SES-02 to SES-04, D12, D01)."""

from __future__ import annotations

import asyncio

import pytest

import anyport.transports.http.client_conversation as http_conversation
from anyport import Client
from anyport.errors import HttpStatusError, SessionLost
from tests.client.peers import (
    Posted,
    answering,
    encoded,
    http_answer,
    http_peer,
    legacy_peer,
    opened,
    result,
    text_result,
)

# --- sessions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Session not found"}}', "Session not found"),
        (b"no such session", "HTTP 404: no such session"),
        (b"", "HTTP 404: the session is unknown to the server"),
    ],
)
async def test_a_session_that_the_server_forgot(body: bytes, message: str) -> None:
    """SES-03: an error of its own."""

    async def forget(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(http_answer(404, body))

    async with legacy_peer(forget) as peer, Client(peer.url) as client:
        with pytest.raises(SessionLost, match=message):
            await client.call_tool("any")


@pytest.mark.parametrize("answer", [http_answer(405), http_answer(500), b"", None])
async def test_a_session_whose_end_the_server_does_not_want(
    answer: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SES-04: closing succeeds, and in time."""
    monkeypatch.setattr(http_conversation, "_DELETE_S", 0.2)

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        if posted.method != "DELETE":
            writer.write(opened(posted, "legacy", mcp_session_id="s") or b"")
        elif answer is None:
            await asyncio.Event().wait()
        else:
            writer.write(answer)
            writer.close()

    async with http_peer(script) as peer:
        async with asyncio.timeout(5), Client(peer.url):
            pass
        assert peer.requests[-1].method == "DELETE"


async def test_a_refused_notification() -> None:
    """The handshake ends with a notification, and a server that refuses it is not open."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        refused = posted.rpc_method == "notifications/initialized"
        writer.write(http_answer(500, b"no", "text/plain") if refused else opened(posted, "legacy") or b"")

    async with http_peer(script) as peer:
        with pytest.raises(HttpStatusError, match="HTTP 500"):
            await Client(peer.url).connect()


# --- where requests go ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_within_the_origin(status: int) -> None:
    """D12: followed as a POST, and remembered."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        if posted.path == "/mcp":
            writer.write(http_answer(status, location="/mcp/"))
        else:
            writer.write(opened(posted, "modern") or http_answer(200, encoded(result(posted, text_result("fine")))))

    async with http_peer(script) as peer, Client(peer.url) as client:
        assert (await client.call_tool("any")).data == "fine"
        assert [(posted.method, posted.path) for posted in peer.requests] == [
            ("POST", "/mcp"),
            *[("POST", "/mcp/")] * 2,
        ]


async def test_a_redirect_elsewhere_is_not_followed() -> None:
    """The header fields, credentials among them, go to nobody else."""

    async def elsewhere(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(http_answer(500))

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(http_answer(307, location=other.url))

    async with http_peer(elsewhere) as other, http_peer(script) as peer:
        with pytest.raises(
            HttpStatusError, match=f"HTTP 307 from {peer.url}: redirects to another origin: {other.url}"
        ):
            await Client(peer.url, headers={"authorization": "Bearer secret"}).connect()
        assert other.requests == []


async def test_redirects_without_end() -> None:
    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(http_answer(307, location="/mcp"))

    async with http_peer(script) as peer:
        with pytest.raises(HttpStatusError, match="too many redirects"):
            await Client(peer.url).connect()


async def test_a_password_in_the_url_is_sent_and_not_shown() -> None:
    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        if posted.headers.get("authorization") == "Basic bWU6c2VjcmV0" and posted.rpc_method == "server/discover":
            writer.write(opened(posted, "modern") or b"")
        else:
            writer.write(http_answer(500, b"oops", "text/plain"))

    async with http_peer(script) as peer:
        async with Client(peer.url.replace("//", "//me:secret@")) as client:
            with pytest.raises(HttpStatusError, match=f"HTTP 500 from {peer.url}: oops") as caught:
                await client.call_tool("any")
        assert "secret" not in caught.value.url


async def test_headers_of_the_user() -> None:
    """They win over the defaults of the client, not over what the protocol needs."""
    headers = {"Authorization": "Bearer t", "User-Agent": "mine/1", "Mcp-Method": "other", "Accept": "*/*"}
    script = answering("modern", lambda posted: http_answer(500))
    async with http_peer(script) as peer, Client(peer.url, headers=headers):
        (posted,) = peer.requests
    assert posted.headers["authorization"] == "Bearer t"
    assert posted.headers["user-agent"] == "mine/1"
    assert posted.headers["accept"] == "*/*"
    assert posted.headers["mcp-method"] == "server/discover"
