"""A Streamable HTTP server that does everything wrong: a typed error in bounded time; the next call works (D19, D01).

Each script answers the call `bad` in its way, and every other one as it should be answered.
"""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal

import pytest

import anyport.transports.http.client as http_client
import anyport.transports.http11.site as site
from anyport.protocol.errors import AnyportError, ConnectError, HttpStatusError, RemoteProtocolError, Timeout
from anyport.protocol.jsonrpc import Notification, Response
from anyport.protocol.limits import Limits
from anyport.protocol.revisions import LATEST_LEGACY
from anyport.transports.http.client import HttpClient
from tests.client.incoming import WAIT, Taken, call
from tests.client.peers import HttpPeer, Posted, encoded, event, http_answer, http_peer, result, stream_head
from tests.faults.large_times import MOST_TIMES, times_that_64_take_of_16

Bad = Callable[[Posted, asyncio.StreamWriter], Awaitable[None]]
CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n"
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@asynccontextmanager
async def hostile(bad: Bad, limits: Limits | None = None) -> AsyncGenerator[tuple[HttpClient, Taken, HttpPeer]]:
    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        if posted.rpc_method == "tools/call" and b'"bad"' not in posted.body:
            writer.write(http_answer(200, encoded(result(posted, {}))))
        else:
            await bad(posted, writer)

    taken = Taken()
    async with http_peer(script) as peer:
        client = HttpClient(peer.url, {}, limits or Limits())
        await client.start(taken.incoming)
        client.settle(LATEST_LEGACY)
        try:
            async with asyncio.timeout(WAIT):
                yield client, taken, peer
                assert await client.request(call(99, "good")) == Response(99, {})
        finally:
            await client.aclose()
    assert taken.lost == []


def saying(*pieces: bytes, close: bool = False) -> Bad:
    """Return a script that writes bytes."""

    async def bad(posted: Posted, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if close:
            writer.close()

    return bad


def without_end(head: bytes, piece: bytes) -> Bad:
    """Return a script that writes until the client has left."""

    async def bad(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    return bad


# --- HTTP itself ------------------------------------------------------------------------------------------------------

FRAMING: list[tuple[Bad, type[AnyportError], str]] = [
    (saying(b"\x16\x03\x01 this is TLS"), RemoteProtocolError, "cannot be read: what it sends is not HTTP"),
    (saying(b"HTTP/1.1 abc\r\n\r\n"), RemoteProtocolError, "cannot be read: what it sends is not HTTP"),
    (saying(CHUNKED + b"\r\nzz\r\n{}\r\n"), RemoteProtocolError, "cannot be read: what it sends is not HTTP"),
    (saying(CHUNKED + b"\r\n2\r\n{}garbage"), RemoteProtocolError, "cannot be read: what it sends is not HTTP"),
    (saying(CHUNKED + b"\r\nffffffffffffffffff\r\n"), RemoteProtocolError, "Chunk size overflow"),
    (saying(CHUNKED + b"content-length: 5\r\n\r\n"), RemoteProtocolError, "Content-Length"),
    (saying(b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"), RemoteProtocolError, "Content-Length"),
    (
        saying(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n"),
        RemoteProtocolError,
        "Content-Length",
    ),
    (saying(b"HTTP/1.1 101 X\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"), RemoteProtocolError, "switches"),
    (saying(http_answer(200, b"{" * 100)[:-50], close=True), ConnectError, "broke: the server closed it"),
    (saying(http_answer(200, b'{"a": 1}').replace(b": 8", b": 3")), RemoteProtocolError, "no valid message"),
    (saying(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000 + b"\r\n"), RemoteProtocolError, r"limit header_bytes\)"),
    (saying(b"HTTP/1.1 200 OK\r\na: " + b"b" * 100_000 + b"\r\n\r\n"), RemoteProtocolError, r"limit header_bytes\)"),
    (without_end(b"HTTP/1.1 200 OK\r\na: ", b"b" * 1000), RemoteProtocolError, r"limit header_bytes\)"),
    (without_end(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"), RemoteProtocolError, r"limit header_bytes\)"),
    (without_end(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), RemoteProtocolError, "more than 16 interim answers"),
    (without_end(CHUNKED + b"\r\n0\r\n", b"a: b\r\n"), RemoteProtocolError, r"limit header_bytes\)"),
    (without_end(CHUNKED + b"\r\n2;a=", b"x" * 1000), RemoteProtocolError, r"limit header_bytes\)"),
    (without_end(CHUNKED + b"\r\n", b"4000\r\n" + b"x" * 0x4000 + b"\r\n"), RemoteProtocolError, "limit line_bytes"),
    (without_end(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 10_000), RemoteProtocolError, r"limit line_bytes\)"),
]


@pytest.mark.parametrize(("bad", "kind", "message"), FRAMING, ids=[str(number) for number in range(len(FRAMING))])
async def test_what_is_no_http(bad: Bad, kind: type[AnyportError], message: str) -> None:
    """Bad chunking, lying lengths, floods of header fields, bodies without end."""
    async with hostile(bad, Limits(line_bytes=100_000)) as (client, _, _):
        with pytest.raises(kind, match=message):
            await client.request(call(1, "bad"))


async def test_a_length_that_is_never_reached() -> None:
    """The caller's time limit ends it, and the connection."""
    async with hostile(saying(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")) as (client, _, peer):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.request(call(1, "bad"))
        await peer.left.wait()


async def test_more_than_was_asked_for() -> None:
    """A second answer behind the first is nobody's, least of all the next request's."""

    async def bad(posted: Posted, writer: asyncio.StreamWriter) -> None:
        forged = encoded({"jsonrpc": "2.0", "id": 99, "result": {"forged": True}})
        writer.write(http_answer(200, encoded(result(posted, {"a": 1}))) + http_answer(200, forged))

    async with hostile(bad) as (client, _, peer):
        assert await client.request(call(1, "bad")) == Response(1, {"a": 1})
        assert await client.request(call(99, "good")) == Response(99, {})
        assert [posted.connection for posted in peer.requests] == [1, 2]


async def test_an_answer_that_nobody_asked_for() -> None:
    """A 408 on a connection that waits, say, ends it."""

    async def bad(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(http_answer(200, encoded(result(posted, {}))))
        asyncio.get_running_loop().call_soon(writer.write, http_answer(408))

    async with hostile(bad) as (client, _, _):
        for number in range(1, 6):
            assert await client.request(call(number, "bad")) == Response(number, {})


# --- compressed -------------------------------------------------------------------------------------------------------


def packed(body: bytes, coding: bytes = b"gzip") -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: %s\r\ncontent-length: %d\r\n\r\n"
    return head % (coding, len(body)) + body


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_an_answer_that_is_compressed_all_the_same(coding: str) -> None:
    async def bad(posted: Posted, writer: asyncio.StreamWriter) -> None:
        assert posted.headers["accept-encoding"] == "identity"
        body = encoded(result(posted, {"text": "x" * 300_000}))
        writer.write(packed(gzip.compress(body) if coding == "gzip" else zlib.compress(body), coding.encode()))

    async with hostile(bad) as (client, _, _):
        assert await client.request(call(1, "bad")) == Response(1, {"text": "x" * 300_000})


BOMB = gzip.compress(b"x" * 50_000_000)
PACKED = [
    (packed(BOMB), r"larger than 1000000 bytes \(limit line_bytes\)"),
    (packed(gzip.compress(b"{}")[:-4]), "ends in the middle of its content coding gzip"),
    (packed(b"hello"), "is not in its content coding gzip"),
    (packed(b"{}", b"br"), "content coding that was not asked for: 'br'"),
    (packed(b"{}", b"gzip, gzip"), "content coding that was not asked for"),
]


@pytest.mark.parametrize(("answer", "message"), PACKED, ids=["bomb", "cut", "false", "unknown", "twice"])
async def test_what_cannot_be_unpacked(answer: bytes, message: str) -> None:
    """D10: a bomb is unpacked no further than the bound."""
    async with hostile(saying(answer), Limits(line_bytes=1_000_000)) as (client, _, _):
        started = time.process_time()
        with pytest.raises(RemoteProtocolError, match=message):
            await client.request(call(1, "bad"))
        assert time.process_time() - started < 2.0


# --- messages ---------------------------------------------------------------------------------------------------------


async def test_answers_to_nothing() -> None:
    """Wrong ids, the same answer twice, answers and errors to nothing: the right one is taken, once."""

    async def bad(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(stream_head())
        for wrong in (98, "1", 1.5, None):
            writer.write(event({"jsonrpc": "2.0", "id": wrong, "result": {}}) if wrong not in (1.5, None) else b"")
        writer.write(event(result(posted, {"a": 1})) * 2 + event(result(posted, {"a": 2})))
        writer.close()

    async with hostile(bad) as (client, taken, _):
        assert await client.request(call(1, "bad")) == Response(1, {"a": 1})
        assert taken.notified == []


async def test_progress_without_end() -> None:
    """The caller's time limit ends it; others are served meanwhile, and the server is told."""
    progress = event(
        {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}}
    )

    async def bad(posted: Posted, writer: asyncio.StreamWriter) -> None:
        if posted.rpc_method == "notifications/cancelled":
            writer.write(http_answer(202))
        else:
            await without_end(stream_head(), progress * 100)(posted, writer)

    async with hostile(bad) as (client, taken, peer):
        flood = asyncio.create_task(client.request(call(1, "bad")))
        await taken.until_notified(1000)
        assert await client.request(call(2, "good")) == Response(2, {})
        flood.cancel()
        with pytest.raises(asyncio.CancelledError):
            await flood
        await peer.wait_for("notifications/cancelled")
        count = len(taken.notified)
        assert await client.request(call(3, "good")) == Response(3, {})
        assert len(taken.notified) == count


async def test_closes_without_end() -> None:
    """RES-02: `retry: 0` is no way to keep a client busy."""
    polls = 0

    async def bad(posted: Posted, writer: asyncio.StreamWriter) -> None:
        nonlocal polls
        polls += posted.method == "GET"
        body = b"id: %d\nretry: 0\ndata:\n\n" % polls
        writer.write(STREAM + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))

    async with hostile(bad) as (client, _, _):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.55):
                await client.request(call(1, "bad"))
        assert 1 <= polls <= 5


async def test_a_notification_that_is_never_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stalled 202."""
    monkeypatch.setattr(http_client, "_ACCEPT_S", 0.1)
    async with hostile(saying()) as (client, _, peer):
        with pytest.raises(Timeout, match=r"did not accept notifications/x within 0\.1 s"):
            await client.notify(Notification("notifications/x", {}))
        await peer.left.wait()


async def test_an_error_whose_body_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    """What of it came is shown."""
    monkeypatch.setattr(site, "_BODY_S", 0.1)
    async with hostile(saying(b"HTTP/1.1 500 X\r\ncontent-length: 100\r\n\r\noops")) as (client, _, _):
        with pytest.raises(HttpStatusError, match=r"HTTP 500 from .*: oops"):
            await client.request(call(1, "bad"))


async def test_questions_without_end() -> None:
    """Limit calls_per_connection: what a server asks is answered a bounded number at a time."""
    question = event({"jsonrpc": "2.0", "id": 0, "method": "never"})

    async def bad(posted: Posted, writer: asyncio.StreamWriter) -> None:
        if posted.rpc_method == "tools/call":
            writer.write(stream_head())
            for number in range(100):
                writer.write(question.replace(b'"id": 0', b'"id": %d' % number))
            writer.write(event(result(posted, {})))
            writer.close()
        else:
            refused.put_nowait(posted)
            writer.write(http_answer(202))

    refused: asyncio.Queue[Posted] = asyncio.Queue()
    async with hostile(bad, Limits(calls_per_connection=7)) as (client, taken, _):
        assert await client.request(call(1, "bad")) == Response(1, {})
        assert len(taken.asked) == 7
        for number in range(7, 14):
            posted = await refused.get()
            assert posted.message["id"] == number
            assert "limit calls_per_connection" in str(posted.message["error"])
        assert refused.empty()


# --- size -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["body", "event"])
def test_64_mebibytes_take_four_times_as_long_as_16(kind: Literal["body", "event"]) -> None:
    """D19: one body, one event."""
    assert times_that_64_take_of_16(kind) <= MOST_TIMES
