"""The HTTP client against servers that do everything in their own way (HTTP-04 to -12, LEG-03 to -08, D01)."""

from __future__ import annotations

import asyncio

import pytest

from anyport import Client, Limits
from anyport.errors import (
    AuthError,
    ConnectError,
    HttpStatusError,
    McpError,
    RemoteProtocolError,
    Timeout,
)
from anyport.protocol.types.json import JsonObject
from tests.client.peers import (
    Posted,
    Reports,
    Script,
    answering,
    encoded,
    error,
    event,
    http_answer,
    http_peer,
    legacy_peer,
    opened,
    result,
    stream_head,
    text_result,
)


def calls(script: Script) -> Script:
    """Return a script that does the modern handshake, and answers the rest as another one does."""

    async def both(posted: Posted, writer: asyncio.StreamWriter) -> None:
        answer = opened(posted, "modern")
        if answer is None:
            await script(posted, writer)
        else:
            writer.write(answer)
        await writer.drain()

    return both


def progress(posted: Posted, number: int) -> JsonObject:
    """Return a progress notification for a request."""
    params: JsonObject = {"progressToken": posted.message["id"], "progress": number}
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}


def fine(posted: Posted) -> JsonObject:
    """Return the response that says that all is fine."""
    return result(posted, text_result("fine"))


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_an_event_stream_in_pieces(size: int) -> None:
    """HTTP-07, HTTP-09, RES-01: comments, an event without data, other events, progress, then the answer."""
    reports = Reports()

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        stream = b": hello\n\nid: 1\ndata:\n\nevent: other\ndata: {\n\n"
        stream += event(progress(posted, 1)) + b":\r\n\r\n" + event(progress(posted, 2)) + event(fine(posted))
        writer.write(stream_head())
        for start in range(0, len(stream), size):
            writer.write(stream[start : start + size])
            await writer.drain()
        writer.close()

    async with http_peer(calls(script)) as peer, Client(peer.url) as client:
        assert (await client.call_tool("any", on_progress=reports)).data == "fine"
    assert reports.told == [(1, None, None), (2, None, None)]


async def test_a_connection_is_used_again() -> None:
    """A stream that ends with its answer, chunked, gives its connection back; so does a JSON answer."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        body = event(fine(posted))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write(b"%x\r\n%s\r\n" % (len(body), body))
        await writer.drain()
        writer.write(b"0\r\n\r\n")

    async with http_peer(calls(script)) as peer, Client(peer.url) as client:
        for _ in range(3):
            assert (await client.call_tool("any")).data == "fine"
        assert {posted.connection for posted in peer.requests} == {1}


async def test_a_stream_that_stays_open_after_its_answer() -> None:
    """HTTP-08: the answer is taken at once, and the connection is given up."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(stream_head() + event(fine(posted)))
        await writer.drain()
        await asyncio.Event().wait()

    async with http_peer(calls(script)) as peer, Client(peer.url) as client:
        async with asyncio.timeout(5):
            assert (await client.call_tool("any")).data == "fine"
            assert (await client.call_tool("any")).data == "fine"


@pytest.mark.parametrize(
    ("stream", "kind", "message"),
    [
        (b"", RemoteProtocolError, "ended the stream without an answer to tools/call"),
        (b": only a comment\n\n", RemoteProtocolError, "ended the stream without an answer"),
        (b"data: {}\n\n", RemoteProtocolError, "answer is no valid message"),
        (b"data: {\n\n", RemoteProtocolError, "answer is no valid message: Invalid JSON"),
        (b'data: "\xff"\n\n', RemoteProtocolError, "answer is no valid message"),
        (b'data: {"jsonrpc": "2.0", "id": 999, "result": {}}\n\n', RemoteProtocolError, "without an answer"),
        (b'data: {"jsonrpc": "2.0", "id": null, "error": {"code": 7, "message": "m"}}\n\n', McpError, "m"),
        (b"data: " + b"x" * 2000 + b"\n\n", RemoteProtocolError, r"more than 1000 bytes \(limit event_bytes\)"),
        (b"data: " + b"x" * 2000, RemoteProtocolError, r"more than 1000 bytes \(limit event_bytes\)"),
    ],
)
async def test_a_stream_that_goes_wrong(stream: bytes, kind: type[Exception], message: str) -> None:
    """D01, HTTP-12: a typed error, and the next call works."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        broken = posted.headers["mcp-name"] == "bad"
        writer.write(stream_head() + (stream if broken else event(fine(posted))))
        writer.close()

    async with http_peer(calls(script)) as peer, Client(peer.url, limits=Limits(event_bytes=1000)) as client:
        with pytest.raises(kind, match=message):
            await client.call_tool("bad")
        assert (await client.call_tool("good")).data == "fine"


@pytest.mark.parametrize("offset", [-1, 0, 1])
async def test_event_bytes(offset: int) -> None:
    """D11: limit event_bytes, of one event; those before it are not counted, and line_bytes is no limit here."""
    limit = 1000

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(stream_head())
        answer = encoded(fine(posted))
        if posted.headers["mcp-name"] == "bad":
            for number in range(20):
                writer.write(event(progress(posted, number + 1)))
            answer += b" " * (limit + offset - len(b"data: ") - len(answer))
        writer.write(b"data: " + answer + b"\n\n")
        writer.close()

    limits = Limits(event_bytes=limit, line_bytes=500)
    async with http_peer(calls(script)) as peer, Client(peer.url, limits=limits) as client:
        if offset > 0:
            with pytest.raises(RemoteProtocolError, match=r"more than 1000 bytes \(limit event_bytes\)"):
                await client.call_tool("bad")
        else:
            assert (await client.call_tool("bad")).data == "fine"
        assert (await client.call_tool("good")).data == "fine"


BROKEN = [
    http_answer(200, b"{" * 100)[:-50],
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n5\r\ndata",
    b"HTTP/1.1 200 OK\r\ncontent-ty",
    b"",
]


@pytest.mark.parametrize("answer", BROKEN)
async def test_a_connection_that_breaks(answer: bytes) -> None:
    """D01: `ConnectError` that names the URL, and the next call works."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        if posted.headers["mcp-name"] == "bad":
            writer.write(answer)
            writer.close()
        else:
            writer.write(http_answer(200, encoded(fine(posted))))

    async with http_peer(calls(script)) as peer, Client(peer.url) as client:
        with pytest.raises(ConnectError, match=f"The connection to {peer.url} broke: ."):
            await client.call_tool("bad")
        assert (await client.call_tool("good")).data == "fine"


async def test_a_server_that_does_not_speak_http() -> None:
    """D01: an error that says so, and the next call works."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        bad = posted.headers["mcp-name"] == "bad"
        writer.write(b"hello\r\n\r\n" if bad else http_answer(200, encoded(fine(posted))))

    async with http_peer(calls(script)) as peer, Client(peer.url) as client:
        with pytest.raises(
            RemoteProtocolError, match=f"answer of {peer.url} cannot be read: what it sends is not HTTP"
        ):
            await client.call_tool("bad")
        assert (await client.call_tool("good")).data == "fine"


ANSWERS: list[tuple[bytes, type[Exception], str]] = [
    (http_answer(202), RemoteProtocolError, "answered tools/call with an empty HTTP 202"),
    (http_answer(200), RemoteProtocolError, "with an empty HTTP 200"),
    (http_answer(200, b"<html>", "text/html"), HttpStatusError, "HTTP 200 from .*: <html>"),
    (http_answer(200, b"{}"), RemoteProtocolError, "answer is no valid message"),
    (http_answer(200, b"[]"), RemoteProtocolError, "answer is no valid message"),
    (http_answer(200, b'{"jsonrpc": "2.0", "method": "notifications/x"}'), RemoteProtocolError, "is no answer"),
    (http_answer(200, b'{"jsonrpc": "2.0", "id": 99, "result": {}}'), RemoteProtocolError, "is no answer"),
    (http_answer(200, b'"' + b"x" * 1000 + b'"'), RemoteProtocolError, r"larger than 1000 bytes \(limit line_bytes\)"),
    (http_answer(500, b"oops", "text/plain"), HttpStatusError, "HTTP 500 from .*: oops"),
    (http_answer(503, b"", retry_after="1"), HttpStatusError, r"HTTP 503 from .*: \(empty body\)"),
    (http_answer(429, b'{"detail": "slow down"}'), HttpStatusError, "HTTP 429 .*slow down"),
    (http_answer(404, b"gone"), HttpStatusError, "HTTP 404 .*gone"),
    (http_answer(401, b"who?", "text/plain"), AuthError, "HTTP 401 .*who?"),
    (http_answer(403, b'{"jsonrpc": "2.0", "error": {"code": 1, "message": "m"}}'), AuthError, "HTTP 403"),
    (http_answer(400, b'{"jsonrpc": "2.0", "error": {"code": -32600, "message": "bad"}}'), McpError, "bad"),
    (
        http_answer(421, b'{"jsonrpc": "2.0", "error": {"code": 1, "message": "allowed_hosts"}}'),
        McpError,
        "allowed_hosts",
    ),
    (
        http_answer(500, b'{"jsonrpc": "2.0", "id": 99, "error": {"code": 1, "message": "m"}}'),
        HttpStatusError,
        "HTTP 500",
    ),
    (http_answer(500, b"x" * 200_000, "text/plain"), HttpStatusError, "HTTP 500 from .*: x"),
]


@pytest.mark.parametrize(("answer", "kind", "message"), ANSWERS)
async def test_an_answer_that_is_no_result(answer: bytes, kind: type[Exception], message: str) -> None:
    """D01, D04: what the server said is in the error, typed, and the next call works."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        bad = posted.headers["mcp-name"] == "bad"
        writer.write(answer if bad else http_answer(200, encoded(fine(posted)), "application/json; charset=utf-8"))

    async with http_peer(calls(script)) as peer, Client(peer.url, limits=Limits(line_bytes=1000)) as client:
        with pytest.raises(kind, match=message) as caught:
            await client.call_tool("bad")
        if isinstance(caught.value, HttpStatusError):
            assert caught.value.url == peer.url
            assert len(caught.value.body) <= 64 * 1024
        assert (await client.call_tool("good")).data == "fine"


async def test_an_error_with_a_status_of_its_own() -> None:
    """HTTP-11: code, message and data of the body, whatever the status."""

    def refuse(posted: Posted) -> bytes:
        return http_answer(404, encoded(error(posted, -32601, "Method not found", {"a": 1})))

    async with http_peer(answering("modern", refuse)) as peer, Client(peer.url) as client:
        with pytest.raises(McpError, match="Method not found") as caught:
            await client.call_tool("any")
    assert (caught.value.code, caught.value.data) == (-32601, {"a": 1})


# --- giving up --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("started", [False, True])
async def test_giving_a_modern_request_up_closes_its_connection(started: bool) -> None:
    """HTTP-10: before the answer has begun, and in the middle of a stream; nothing else is sent."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        if started:
            writer.write(stream_head() + event(progress(posted, 1)))

    async with http_peer(calls(script)) as peer, Client(peer.url) as client:
        with pytest.raises(Timeout, match=r"No answer to tools/call within 0\.2 s"):
            await client.call_tool("any", timeout=0.2)
        async with asyncio.timeout(5):
            await peer.left.wait()
        assert [posted.rpc_method for posted in peer.requests] == ["server/discover", "tools/call"]


async def test_giving_a_legacy_request_up_says_so() -> None:
    """LEG-06: closing the connection is not enough."""
    async with legacy_peer(never) as peer, Client(peer.url) as client:
        with pytest.raises(Timeout):
            await client.call_tool("any", timeout=0.2)
        cancelled = await peer.wait_for("notifications/cancelled")
        call = next(posted for posted in peer.requests if posted.rpc_method == "tools/call")
        params = cancelled.message["params"]
        assert isinstance(params, dict)
        assert params["requestId"] == call.message["id"]
        assert cancelled.headers["mcp-session-id"] == "s"


async def never(posted: Posted, writer: asyncio.StreamWriter) -> None:
    if posted.rpc_method == "notifications/cancelled":
        writer.write(http_answer(202))
    else:
        await asyncio.Event().wait()
