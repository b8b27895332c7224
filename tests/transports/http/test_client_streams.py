"""Streams of a legacy server as the client sees them: resumed, polled, standing (RES-01 to RES-04, LEG-01, D01)."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

import anyport.transports.http.client_streams as client_streams
from anyport.protocol.errors import ConnectError, RemoteProtocolError, SessionLost
from anyport.protocol.jsonrpc import Notification, Request, Response
from anyport.protocol.limits import Limits
from anyport.protocol.revisions import LATEST_LEGACY
from anyport.protocol.types.json import JsonObject
from anyport.transports.http.client import HttpClient
from tests.client.incoming import WAIT, Taken, call
from tests.client.peers import HttpPeer, Posted, Script, event, http_answer, http_peer, opened, stream_head

INITIALIZED = Notification("notifications/initialized", {})
OPENING: JsonObject = {
    "protocolVersion": LATEST_LEGACY.name,
    "capabilities": {},
    "clientInfo": {"name": "t", "version": "1"},
}


@asynccontextmanager
async def in_session(
    script: Script, taken: Taken, *, standing: bool = False
) -> AsyncGenerator[tuple[HttpClient, HttpPeer]]:
    """Serve the handshake, and the rest with a script; the standing stream is the script's too, or there is none."""

    async def both(posted: Posted, writer: asyncio.StreamWriter) -> None:
        answer = opened(posted, "legacy", mcp_session_id="s")
        if answer is None or (posted.method == "GET" and (standing or "last-event-id" in posted.headers)):
            await script(posted, writer)
        else:
            writer.write(answer)

    async with http_peer(both) as peer:
        client = HttpClient(peer.url, {}, Limits())
        await client.start(taken.incoming)
        try:
            client.settle(None)
            assert isinstance(await client.request(Request(0, "initialize", OPENING)), Response)
            client.settle(LATEST_LEGACY)
            if standing:
                await client.notify(INITIALIZED)
            yield client, peer
        finally:
            await client.aclose()


def chunked(*pieces: bytes) -> bytes:
    """Return a whole event stream on a connection that is kept."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.fixture(name="quick")
def wait_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nearly nothing before a stream is asked for again."""
    monkeypatch.setattr(client_streams, "_LEAST_RETRY_S", 0.0)
    monkeypatch.setattr(client_streams, "_RETRY_S", 0.001)


# --- resuming the stream of a call ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("broken", [False, True], ids=["closed", "broken"])
async def test_a_stream_that_ends_in_the_middle_of_a_call(broken: bool) -> None:
    """RES-01, RES-04: it is asked for behind its last event, within the session, and nothing is lost or doubled."""
    taken = Taken()
    asked: list[str | None] = []

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        said: JsonObject = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"at": len(asked)}}
        asked.append(posted.headers.get("last-event-id"))
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        pieces = [b"id: e%d\ndata:\n\n" % len(asked), event(said)]
        if len(asked) == 3:
            writer.write(chunked(*pieces, event({"jsonrpc": "2.0", "id": 1, "result": {"a": 1}})))
        elif broken:
            writer.write(head + b"%x\r\n%s\r\n" % (len(b"".join(pieces)), b"".join(pieces)) + b"99\r\nid: half")
            writer.close()
        else:
            writer.write(chunked(*pieces))

    async with in_session(script, taken) as (client, peer), asyncio.timeout(WAIT):
        assert await client.request(call(1)) == Response(1, {"a": 1})
        resumed = [posted for posted in peer.requests if posted.method == "GET"]
    assert asked == [None, "e1", "e2"]
    assert [notification.params["at"] for notification in taken.notified] == [0, 1, 2]
    for posted in resumed:
        assert posted.headers["mcp-session-id"] == "s"
        assert posted.headers["mcp-protocol-version"] == LATEST_LEGACY.name
        assert posted.headers["accept"] == "text/event-stream"
        assert posted.body == b""
    assert taken.lost == []


@pytest.mark.parametrize(
    ("retry", "seconds"),
    [
        (b"", 1.0),
        (b"retry: 0\n", 0.1),
        (b"retry: 250\n", 0.25),
        (b"retry: 999999999999\n", 300.0),
        (b"retry: x\n", 1.0),
    ],
)
async def test_how_long_the_server_wants_it_to_take(
    retry: bytes, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RES-02: `retry` is obeyed, from 100 ms to 5 minutes."""
    waited: list[float] = []

    async def wait(conversation: object, delay: float) -> None:
        waited.append(delay)

    monkeypatch.setattr(client_streams, "_wait", wait)

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        if posted.method == "POST":
            writer.write(chunked(retry + b"id: 1\ndata:\n\n"))
        else:
            writer.write(chunked(event({"jsonrpc": "2.0", "id": 1, "result": {}})))

    async with in_session(script, Taken()) as (client, _), asyncio.timeout(WAIT):
        assert isinstance(await client.request(call(1)), Response)
    assert waited == [seconds]


@pytest.mark.usefixtures("quick")
async def test_ten_thousand_closes_in_one_call() -> None:
    """RES-02: polled without end, with flat memory and on one connection."""
    closes, warm = 10_000, 1_000
    count, sizes = 0, list[int]()

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        if count in (warm, closes):
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
            peer.requests.clear()
        if count % 100 == 0:
            peer.requests.clear()
            while not peer.arrived.empty():
                peer.arrived.get_nowait()
        if count > closes:
            writer.write(chunked(event({"jsonrpc": "2.0", "id": 1, "result": {}})))
        else:
            writer.write(chunked(b"id: %d\nretry: 0\ndata:\n\n" % count))

    async with in_session(script, Taken()) as (client, peer):
        tracemalloc.start()
        try:
            assert isinstance(await client.request(call(1)), Response)
        finally:
            tracemalloc.stop()
    assert count == closes + 1
    assert sizes[1] - sizes[0] < 64 * 1024


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (http_answer(405), "ended the stream without an answer .* could not be resumed: HTTP 405"),
        (http_answer(400, b"no events"), "could not be resumed: HTTP 400"),
        (http_answer(200, b"{}"), "could not be resumed: HTTP 200"),
        (http_answer(503), "could not be resumed: HTTP 503"),
        (b"", "could not be resumed: The connection to .* broke"),
    ],
)
async def test_a_stream_that_cannot_be_resumed(answer: bytes, message: str) -> None:
    """D01: both reasons are told, after a bounded number of tries; the next call works."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        if posted.method == "GET":
            writer.write(answer)
            if not answer:
                writer.close()
        elif posted.message["id"] == 1:
            writer.write(chunked(b"id: 1\ndata:\n\n"))
        else:
            writer.write(http_answer(200, b'{"jsonrpc":"2.0","id":2,"result":{}}'))

    taken = Taken()
    async with in_session(script, taken) as (client, peer), asyncio.timeout(WAIT):
        with pytest.raises(ConnectError, match=message) as caught:
            await client.request(call(1))
        assert not caught.value.unsent
        assert len([posted for posted in peer.requests if posted.method == "GET"]) <= 10
        assert isinstance(await client.request(call(2)), Response)
    assert taken.lost == []


@pytest.mark.usefixtures("quick")
async def test_a_session_that_is_forgotten_in_the_middle_of_a_call() -> None:
    """SES-03: the call may have run, unlike one that is refused."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(http_answer(404, b"who?") if posted.method == "GET" else chunked(b"id: 1\ndata:\n\n"))

    taken = Taken()
    async with in_session(script, taken) as (client, _), asyncio.timeout(WAIT):
        with pytest.raises(SessionLost, match=r"HTTP 404: who\?") as caught:
            await client.request(call(1))
        assert not caught.value.unsent
        assert [type(error) for error in taken.lost] == [SessionLost]


@pytest.mark.parametrize("first", [b"", b": hello\n\n", b"data:\n\n"])
async def test_a_stream_without_ids_is_not_resumed(first: bytes) -> None:
    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(chunked(first) if first else chunked())

    async with in_session(script, Taken()) as (client, peer), asyncio.timeout(WAIT):
        with pytest.raises(RemoteProtocolError, match="ended the stream without an answer to tools/call"):
            await client.request(call(1))
        assert [posted for posted in peer.requests if posted.method == "GET"] == []


@pytest.mark.usefixtures("quick")
async def test_closing_while_a_stream_waits_to_be_resumed() -> None:
    """It waits for minutes, if the server wants so; `aclose` does not."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(chunked(b"id: 1\nretry: 300000\ndata:\n\n"))
        closed.set()

    closed = asyncio.Event()
    async with in_session(script, Taken()) as (client, _), asyncio.timeout(WAIT):
        calling = asyncio.create_task(client.request(call(1)))
        await closed.wait()
        await client.aclose()
        with pytest.raises(ConnectError, match="The client was closed"):
            await calling


# --- the standing stream ----------------------------------------------------------------------------------------------


def changed(number: int) -> JsonObject:
    return {"jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": {"number": number}}


@pytest.mark.usefixtures("quick")
async def test_the_standing_stream() -> None:
    """LEG-01, LEG-07, RES-04: opened after the handshake, resumed as it ends; answers on it are nobody's."""
    taken = Taken()
    asked: list[str | None] = []

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        assert posted.headers["mcp-session-id"] == "s"
        assert posted.headers["mcp-protocol-version"] == LATEST_LEGACY.name
        if posted.method == "POST":
            writer.write(http_answer(202))
            answers.put_nowait(posted.message)
            return
        asked.append(posted.headers.get("last-event-id"))
        number = len(asked)
        writer.write(stream_head() + b"id: %d\ndata:\n\n" % number + event(changed(number)))
        writer.write(b"data: junk\n\n" + event({"jsonrpc": "2.0", "id": 0, "result": {}}))
        if number == 3:
            writer.write(event({"jsonrpc": "2.0", "id": "p", "method": "ping"}))
        else:
            writer.close()

    answers: asyncio.Queue[JsonObject] = asyncio.Queue()
    async with in_session(script, taken, standing=True), asyncio.timeout(WAIT):
        notified = await taken.until_notified(3)
        assert await answers.get() == {"jsonrpc": "2.0", "id": "p", "result": {}}
    assert [notification.params["number"] for notification in notified] == [1, 2, 3]
    assert asked == [None, "1", "2"]
    assert taken.lost == []


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "answer", [http_answer(405), http_answer(400, b"no"), http_answer(401), http_answer(200, b"{}")]
)
async def test_a_server_without_a_standing_stream(answer: bytes) -> None:
    """LEG-01: it is asked once."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(answer if posted.method == "GET" else http_answer(200, b'{"jsonrpc":"2.0","id":1,"result":{}}'))

    taken = Taken()
    async with in_session(script, taken, standing=True) as (client, peer), asyncio.timeout(WAIT):
        await peer.wait_for("GET")
        for _ in range(20):
            assert isinstance(await client.request(call(1)), Response)
        assert [posted.method for posted in peer.requests].count("GET") == 1
    assert taken.lost == []


@pytest.mark.usefixtures("quick")
async def test_a_standing_stream_that_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is busy, or away for a moment, is asked again."""
    monkeypatch.setattr(client_streams, "_MOST_RETRY_S", 0.01)
    refusals = [http_answer(503), http_answer(429), http_answer(409, b"one stream only"), b""]

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        if refusals:
            writer.write(refusals.pop(0))
            writer.close()
        else:
            writer.write(stream_head() + event(changed(1)))

    taken = Taken()
    async with in_session(script, taken, standing=True), asyncio.timeout(WAIT):
        await taken.until_notified(1)
    assert taken.lost == []


async def test_a_session_that_the_standing_stream_misses() -> None:
    """SES-03: it is told although no call waits, and there is nothing to end any more."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(http_answer(404, b"who?"))

    taken = Taken()
    async with in_session(script, taken, standing=True) as (client, peer):
        assert isinstance(await taken.until_lost(), SessionLost)
        await client.aclose()
        assert "DELETE" not in [posted.method for posted in peer.requests]
    assert len(taken.lost) == 1


async def test_a_new_session_on_the_same_transport() -> None:
    """SES-03: `initialize` carries no session, and ends the stream of the last one."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        if posted.method == "GET":
            writer.write(stream_head() + event(changed(1)))
        else:
            writer.write(http_answer(200, b'{"jsonrpc":"2.0","id":1,"result":{}}'))

    taken = Taken()
    async with in_session(script, taken, standing=True) as (client, peer), asyncio.timeout(WAIT):
        await taken.until_notified(1)
        client.settle(None)
        await client.request(Request(5, "initialize", OPENING))
        await peer.left.wait()
        again = [posted for posted in peer.requests if posted.rpc_method == "initialize"][1]
        assert "mcp-session-id" not in again.headers
        assert "mcp-protocol-version" not in again.headers
        client.settle(LATEST_LEGACY)
        await client.notify(INITIALIZED)
        await taken.until_notified(2)
