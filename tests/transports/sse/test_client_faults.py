"""The client of HTTP+SSE against servers that do it wrong (SSE-01, D01, D19)."""

from __future__ import annotations

import asyncio
import logging

import pytest

from anyport.protocol.errors import (
    AuthError,
    ConnectError,
    HttpStatusError,
    LocalProtocolError,
    RemoteProtocolError,
    SessionLost,
)
from anyport.protocol.jsonrpc import ErrorResponse, Notification, Response
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject
from anyport.transports.calling import Sending
from anyport.transports.sse.client import SseClient
from tests.client.incoming import Taken, call
from tests.client.peers import Posted, encoded, error, event, http_answer, http_peer, stream_head
from tests.transports.sse.scripted import Scripted, connected, echo


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        (b"http://127.0.0.1:1/messages?key=secret", "names an endpoint of another origin: http://127.0.0.1:1/messages"),
        (b"//elsewhere.example/messages", "names an endpoint of another origin: http://elsewhere.example/messages"),
        (b"javascript:alert(1)", "names an endpoint that is none"),
        (b"http://[::1", "names an endpoint that is none: Not a URL"),
    ],
)
async def test_an_endpoint_that_is_refused(endpoint: bytes, message: str) -> None:
    """SSE-01: header fields with credentials go to no other origin."""
    scripted, taken = Scripted(), Taken()
    scripted.endpoint = endpoint
    with pytest.raises(RemoteProtocolError) as caught:
        async with connected(scripted, taken):
            pass
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)
    assert taken.lost == []


OPENINGS: list[tuple[bytes, type[Exception], str]] = [
    (http_answer(401, b"who?"), AuthError, "HTTP 401 from .*: who"),
    (http_answer(404, b"nothing here", "text/plain"), HttpStatusError, "HTTP 404 from .*: nothing here"),
    (http_answer(405, b""), HttpStatusError, "HTTP 405"),
    (http_answer(421, b"Invalid Host header", "text/plain"), HttpStatusError, "HTTP 421 from .*: Invalid Host header"),
    (http_answer(200, b"<html>", "text/html"), HttpStatusError, "HTTP 200 from .*: <html>"),
    (http_answer(302, b"", location="http://127.0.0.1:1/x"), HttpStatusError, "redirects to another origin"),
    (http_answer(302, b"", location="/mcp"), HttpStatusError, "too many redirects"),
    (stream_head() + b"data: {}\n\n", RemoteProtocolError, "The first event of .* is not `endpoint`"),
    (http_answer(200, b": nothing\n\n", "text/event-stream"), ConnectError, "ended the stream before"),
    (b"SSH-2.0-OpenSSH_9.9\r\n", RemoteProtocolError, "what it sends is not HTTP"),
]


@pytest.mark.parametrize(("opening", "kind", "message"), OPENINGS, ids=lambda value: str(value)[:24])
async def test_a_url_without_a_stream(opening: bytes, kind: type[Exception], message: str) -> None:
    """D01: status, body and URL; nothing is told to be lost that was never there."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(opening)

    taken = Taken()
    async with http_peer(script) as peer:
        client = SseClient(f"{peer.url}?key=secret", {}, Limits())
        with pytest.raises(kind, match=message) as caught:
            await client.start(taken.incoming)
        await client.aclose()
        assert "secret" not in str(caught.value)
    assert taken.lost == []


async def test_nobody_listens() -> None:
    """D01: certainly not sent."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None: ...

    async with http_peer(script) as peer:
        url = peer.url
    client = SseClient(url, {}, Limits())
    with pytest.raises(ConnectError, match=f"Cannot connect to {url}") as caught:
        await client.start(Taken().incoming)
    assert caught.value.unsent
    with pytest.raises(ConnectError, match="was closed"):
        await client.request(call(1))


@pytest.mark.parametrize("url", ["ftp://host/x", "http:///x", "not a url", "http://[x"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(LocalProtocolError, match="Not a"):
        SseClient(url, {}, Limits())


@pytest.mark.parametrize("field", ["content-length", "Transfer-Encoding", "a b", "x\r\ny"])
def test_header_fields_that_cannot_be_sent(field: str) -> None:
    with pytest.raises(LocalProtocolError, match="The header "):
        SseClient("http://localhost/x", {field: "1"}, Limits())


async def test_a_header_field_of_one_request_that_cannot_be_sent() -> None:
    scripted = Scripted()
    scripted.said = echo
    async with connected(scripted, Taken()) as client:
        with pytest.raises(LocalProtocolError, match="The header 'x'"):
            await client.request(call(1), Sending(headers={"x": "a\r\nhost: b"}))
        assert isinstance(await client.request(call(2)), Response)


async def test_the_end_of_the_stream() -> None:
    """What waits fails, what comes later was not sent, and that it is lost is told once; then it starts again."""
    scripted, taken = Scripted(), Taken()

    async def hang_up(posted: Posted, stream: asyncio.StreamWriter) -> None:
        stream.close()

    async with connected(scripted, taken) as client:
        scripted.said = hang_up
        with pytest.raises(ConnectError, match="ended") as caught:
            await client.request(call(1))
        assert not caught.value.unsent
        assert str(await taken.until_lost()) == str(caught.value)
        with pytest.raises(ConnectError, match="ended") as caught:
            await client.request(call(2))
        assert caught.value.unsent
        assert len(taken.lost) == 1

        await client.aclose()
        scripted.said = echo
        await client.start(taken.incoming)
        assert isinstance(await client.request(call(3)), Response)
    assert len(taken.lost) == 1


async def test_a_stream_that_the_server_no_longer_knows() -> None:
    """404: certainly not begun with, and everything is lost."""
    scripted, taken = Scripted(), Taken()
    async with connected(scripted, taken) as client:
        scripted.refused = http_answer(404, b"Could not find session", "text/plain")
        with pytest.raises(SessionLost, match="HTTP 404: Could not find session") as caught:
            await client.request(call(1))
        assert caught.value.unsent
        assert isinstance(await taken.until_lost(), SessionLost)


async def test_messages_that_are_refused() -> None:
    """A JSON-RPC error in the body is the answer; anything else is an error of HTTP; the next call works."""
    scripted = Scripted()
    scripted.said = echo

    async with connected(scripted, Taken()) as client:
        refusal: JsonObject = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32600, "message": "no"}}
        scripted.refused = http_answer(400, encoded(refusal))
        answer = await client.request(call(1))
        assert isinstance(answer, ErrorResponse)
        assert (answer.id, answer.error.code) == (1, -32600)
        scripted.refused = http_answer(400, encoded({**refusal, "id": 7}))
        with pytest.raises(HttpStatusError, match="HTTP 400"):
            await client.request(call(2))
        scripted.refused = http_answer(403, encoded({**refusal, "id": 3}))
        with pytest.raises(AuthError, match="HTTP 403"):
            await client.request(call(3))
        scripted.refused = http_answer(503, b"later", "text/plain")
        with pytest.raises(HttpStatusError, match=r"HTTP 503 from .*: later") as caught:
            await client.notify(Notification("notifications/initialized", {}))
        assert caught.value.status == 503
        scripted.refused = None
        assert isinstance(await client.request(call(4)), Response)


async def test_an_answer_before_its_202() -> None:
    """A 202 that never comes is not waited for."""
    scripted = Scripted()

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        if posted.method == "GET":
            await scripted(posted, writer)
        else:
            assert scripted.stream is not None
            await echo(posted, scripted.stream)

    async with http_peer(script) as peer:
        client = SseClient(peer.url, {}, Limits())
        await client.start(Taken().incoming)
        assert isinstance(await client.request(call(1)), Response)
        assert isinstance(await client.request(call(2)), Response)
        await client.aclose()


async def test_junk_on_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    """D19: skipped with a log line; a broken answer fails the call that it was meant for."""
    caplog.set_level(logging.DEBUG, "anyport.client")
    scripted, taken = Scripted(), Taken()

    async def junk(posted: Posted, stream: asyncio.StreamWriter) -> None:
        stream.write(b"event: other\ndata: x\n\n")
        stream.write(b"data: hello\n\ndata:\n\n: comment\n\nid: 7\nretry: 0\n\n")
        stream.write(b'data: {"jsonrpc": "2.0", "id": 99, "result": {}}\n\ndata: [{}, 1]\n\n')
        stream.write(b"data: " + b"x" * 3000 + b"\n\n") if posted.message["id"] == 2 else None
        await echo(posted, stream)

    async with connected(scripted, taken, Limits(event_bytes=2000)) as client:
        scripted.said = junk
        assert isinstance(await client.request(call(1)), Response)
        assert "Skipped output of the server that is no message" in caplog.text
        assert "Ignored an answer to a request that was never sent: id 99" in caplog.text
        with pytest.raises(RemoteProtocolError, match=r"more than 2000 bytes \(limit event_bytes\)"):
            await client.request(call(2))

        async def broken(posted: Posted, stream: asyncio.StreamWriter) -> None:
            stream.write(b'data: {"jsonrpc": "2.0", "id": 3, "result": {"a": "\xff"}}\n\n')

        scripted.said = broken
        with pytest.raises(RemoteProtocolError, match="no valid message: Invalid JSON: not UTF-8"):
            await client.request(call(3))
        scripted.said = echo
        assert isinstance(await client.request(call(4)), Response)
    assert taken.lost == []


async def test_an_error_without_an_id(caplog: pytest.LogCaptureFixture) -> None:
    scripted = Scripted()

    async def refuse(posted: Posted, stream: asyncio.StreamWriter) -> None:
        stream.write(event({**error(posted, -32600, "no"), "id": None}))
        await echo(posted, stream)

    async with connected(scripted, Taken()) as client:
        scripted.said = refuse
        assert isinstance(await client.request(call(1)), Response)
    assert "did not say of what: error -32600: no" in caplog.text
