"""An HTTP+SSE server that does everything wrong: a typed error in bounded time; the next call works (D19, D01)."""

from __future__ import annotations

import asyncio
import time

import pytest

import anyport.transports.http11.inbox as inbox
import anyport.transports.http11.site as site
import anyport.transports.sse.client as sse_client
from anyport.protocol.errors import ConnectError, HttpStatusError, RemoteProtocolError
from anyport.protocol.jsonrpc import Response
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject
from anyport.transports.sse.client import SseClient
from tests.client.incoming import WAIT, Taken, call
from tests.client.peers import Posted, event, http_answer, http_peer, result, stream_head
from tests.transports.sse.scripted import Scripted, connected, echo


async def test_events_without_end() -> None:
    """The caller's time limit ends the call, others are served meanwhile, and closing ends the flood."""
    scripted, taken = Scripted(), Taken()
    params: JsonObject = {"progressToken": 1, "progress": 1}
    progress = event({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
    floods: set[asyncio.Task[None]] = set()

    async def flood(stream: asyncio.StreamWriter) -> None:
        while not stream.is_closing():
            stream.write(progress * 100)
            try:
                await stream.drain()
            except ConnectionError:
                return
            await asyncio.sleep(0)

    async def said(posted: Posted, stream: asyncio.StreamWriter) -> None:
        if posted.message.get("id") == 1:
            floods.add(asyncio.create_task(flood(stream)))
        else:
            await echo(posted, stream)

    async with connected(scripted, taken) as client, asyncio.timeout(WAIT):
        scripted.said = said
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.request(call(1))
        assert isinstance(await client.request(call(2)), Response)
        await client.aclose()
        count = len(taken.notified)
        await asyncio.wait(floods)
        assert count == len(taken.notified) > 0


async def test_answers_to_nothing() -> None:
    """Wrong ids, the same answer twice, answers to a call that was given up."""
    scripted, taken = Scripted(), Taken()

    async def said(posted: Posted, stream: asyncio.StreamWriter) -> None:
        for wrong in ("1", 98, -1):
            stream.write(event({"jsonrpc": "2.0", "id": wrong, "result": {}}))
        await echo(posted, stream)
        await echo(posted, stream)

    async with connected(scripted, taken) as client, asyncio.timeout(WAIT):
        scripted.said = said
        for number in range(1, 4):
            assert await client.request(call(number, text=str(number))) == Response(
                number, call(number, text=str(number)).params
            )
    assert taken.notified == []


async def test_a_stalled_202(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer counts; the connection that waits for the 202 is given up after a while."""
    monkeypatch.setattr(sse_client, "POST_S", 0.05)
    scripted = Scripted()

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        if posted.method == "GET":
            await scripted(posted, writer)
        else:
            assert scripted.stream is not None
            await echo(posted, scripted.stream)

    async with http_peer(script) as peer, asyncio.timeout(WAIT):
        client = SseClient(peer.url, {}, Limits())
        await client.start(Taken().incoming)
        assert isinstance(await client.request(call(1)), Response)
        await peer.left.wait()
        assert isinstance(await client.request(call(2)), Response)
        await client.aclose()


async def test_a_refusal_whose_body_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "_BODY_S", 0.05)
    scripted = Scripted()
    scripted.said = echo
    async with connected(scripted, Taken()) as client, asyncio.timeout(WAIT):
        scripted.refused = b"HTTP/1.1 500 X\r\ncontent-length: 100\r\n\r\noops"
        with pytest.raises(HttpStatusError, match=r"HTTP 500 from .*: oops"):
            await client.request(call(1))
        scripted.refused = None
        assert isinstance(await client.request(call(2)), Response)


async def test_an_accepted_cancellation_that_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody waits for has a bound too."""
    monkeypatch.setattr(inbox, "POST_S", 0.05)
    scripted = Scripted()

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        if posted.method == "GET":
            await scripted(posted, writer)

    async with http_peer(script) as peer, asyncio.timeout(WAIT):
        client = SseClient(peer.url, {}, Limits())
        await client.start(Taken().incoming)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.request(call(1))
        await peer.wait_for("notifications/cancelled")
        await peer.left.wait()
        await client.aclose()


async def test_a_stream_that_never_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither comments nor silence keep the start waiting for ever."""
    monkeypatch.setattr(sse_client, "_OPEN_S", 0.1)

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(stream_head() + b": comment\n\n")

    async with http_peer(script) as peer, asyncio.timeout(WAIT):
        client = SseClient(peer.url, {}, Limits())
        with pytest.raises(ConnectError, match=r"did not say where messages are posted within 0\.1 s") as caught:
            await client.start(Taken().incoming)
        assert caught.value.unsent
        await peer.left.wait()


@pytest.mark.parametrize(
    ("junk", "message"),
    [
        (b"\x00\xff garbage", "ended"),
        (b"5\r\nhello\r\nzz\r\n", "what it sends is not HTTP"),
        (b"1;" + b"x" * 200_000, r"limit header_bytes\)"),
    ],
)
async def test_a_stream_that_breaks(junk: bytes, message: str) -> None:
    """Bad chunking and death in the middle of an event: what waits fails, and it starts again."""
    taken = Taken()
    healthy = False

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        if posted.method == "GET":
            place = b"event: endpoint\ndata: /post\n\n"
            chunked = b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            if healthy or b"garbage" in junk:
                writer.write(stream_head() + place)
            else:
                writer.write(chunked + b"%x\r\n%s\r\n" % (len(place), place))
            streams.append(writer)
        else:
            writer.write(http_answer(202))
            await writer.drain()
            if healthy:
                await echo(posted, streams[-1])
            else:
                streams[-1].write(junk)
                streams[-1].close()

    streams: list[asyncio.StreamWriter] = []
    async with http_peer(script) as peer, asyncio.timeout(WAIT):
        client = SseClient(peer.url, {}, Limits())
        await client.start(taken.incoming)
        with pytest.raises((ConnectError, RemoteProtocolError), match=message):
            await client.request(call(1))
        assert len(taken.lost) == 1
        await client.aclose()
        healthy = True
        await client.start(taken.incoming)
        assert isinstance(await client.request(call(2)), Response)
        await client.aclose()
    assert len(taken.lost) == 1


async def test_gigantic_events() -> None:
    """Limit event_bytes: thrown away as they come, in time that grows with their size, and with flat memory."""
    scripted = Scripted()

    async def said(posted: Posted, stream: asyncio.StreamWriter) -> None:
        if posted.message["id"] == 1:
            stream.write(b"data: ")
            for _ in range(64):
                stream.write(b"x" * 2**20)
                await stream.drain()
            stream.write(b"\n\n")
        stream.write(event(result(posted, {})))

    async with connected(scripted, Taken()) as client, asyncio.timeout(WAIT):
        scripted.said = said
        began = time.process_time()
        with pytest.raises(RemoteProtocolError, match=r"more than 1048576 bytes \(limit event_bytes\)"):
            await client.request(call(1))
        assert isinstance(await client.request(call(2)), Response)
        assert time.process_time() - began < 5.0
