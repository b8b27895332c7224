"""HTTP+SSE: its bounds, slow readers, and the end (D10, D24, S05, S34)."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import cast

import pytest

from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject
from anyport.security.guards import HostGuard
from anyport.serving.asgi import AsgiApp
from anyport.transports.http.asgi import AsgiExchange, Receive, Scope, Send
from anyport.transports.http.fields import KnownFields
from anyport.transports.sse.server import SseEndpoint
from tests.drivers.asgi import WAIT, Event, initialize, legacy, post, start, text_of
from tests.drivers.sse import SseClient
from tests.transports.sse.example import BEGAN, ENDED, GATES, make_server, sse_app, sse_call, until

# --- bounds -----------------------------------------------------------------------------------------------------------


async def test_conversations_are_bounded() -> None:
    """Limit sessions: at the limit, one over it, and again once one has left."""
    app = sse_app(Limits(sessions=2))
    first, second = SseClient(app), SseClient(app)
    await first.open()
    await second.open()
    refused = await post(app, b"", method="GET", path="/sse")
    assert (refused.status, "limit sessions)" in refused.error_text) == (429, True)
    assert refused.headers["retry-after"] == "1"
    await first.leave()
    third = SseClient(app)
    await third.open()
    await second.leave()
    await third.leave()


class Named:
    """An application whose clients say who they are."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.endpoint = SseEndpoint(make_server(limits).service, limits, HostGuard())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = AsgiExchange(scope, receive, send, self.limits, KnownFields(self.limits.header_bytes))
        serve = self.endpoint.converse if scope["path"] == "/sse" else self.endpoint.receive
        exchange.principal = exchange.headers.get("x-name")
        await serve(exchange)


async def test_conversations_of_a_principal_are_bounded() -> None:
    """Limit sessions_per_principal; others are not in its way."""
    app = Named(Limits(sessions_per_principal=1))
    first = SseClient(app, {"x-name": "a"})
    await first.endpoint()
    refused = await post(app, b"", {"x-name": "a"}, method="GET", path="/sse")
    assert (refused.status, "limit sessions_per_principal" in refused.error_text) == (429, True)
    other = SseClient(app, {"x-name": "b"})
    await other.endpoint()
    await first.leave()
    again = SseClient(app, {"x-name": "a"})
    await again.endpoint()
    await again.leave()
    await other.leave()


async def test_the_conversation_of_another_principal() -> None:
    """S05: it is as unknown as one that never was."""
    app = Named(Limits())
    client = SseClient(app, {"x-name": "a"})
    await client.endpoint()
    assert (await client.post(initialize(), {"x-name": "b"})).status == 404
    assert (await client.post(initialize())).status == 404
    assert (await client.post(initialize(), {"x-name": "a"})).status == 202
    assert "result" in await client.message()
    await client.leave()


async def test_calls_of_a_conversation_are_bounded() -> None:
    """Limit calls_per_connection, told on the stream."""
    client = SseClient(sse_app(Limits(calls_per_connection=2)))
    await client.open()
    for number in range(2):
        await client.post(sse_call("wait", {"key": f"call {number}"}, request_id=number))
    refused = await client.ask(legacy("ping", request_id="over"))
    error = cast("JsonObject", refused["error"])
    assert (refused["id"], error["code"]) == ("over", 429)
    assert "limit calls_per_connection" in str(error["message"])
    await client.leave()


async def test_bytes_in_flight_are_counted_over_all_conversations() -> None:
    app = sse_app(Limits(bytes_in_flight=1000))
    first, second = SseClient(app), SseClient(app)
    await first.open()
    await second.open()
    await first.post(sse_call("wait", {"key": "bytes"}, _meta={"filler": "x" * 700}))
    await until(BEGAN["bytes"])
    error = cast("JsonObject", (await second.ask(sse_call("add", {"a": 1, "b": 1}, _meta={"x": "x" * 400})))["error"])
    assert "limit bytes_in_flight" in str(error["message"])
    body = json.dumps(legacy("ping", {"x": "x" * 600})).encode()
    path, _, query = second.url.partition("?")
    pieces = start(app, {}, path=path, chunks=[body[:500], body[500:]], scope={"query_string": query.encode()})
    assert (await pieces.done()).status == 429
    await first.leave()
    assert text_of(await second.ask(sse_call("add", {"a": 1, "b": 1}))) == "2"
    await second.leave()


# --- silence and slow readers -----------------------------------------------------------------------------------------


async def test_a_silent_stream_is_kept_alive() -> None:
    """D24: comments, which a decoder does not see."""
    client = SseClient(sse_app(Limits(first_byte_s=0.02)))
    await client.endpoint()
    await client.stream.until(lambda: client.stream.chunks.count(b":\n\n") >= 3)
    assert "result" in await client.ask(initialize())
    await client.leave()


class Slow:
    """An HTTP server whose client reads only what it is told to."""

    def __init__(self, app: AsgiApp) -> None:
        self.app = app
        self.reads = asyncio.Event()
        self.reads.set()
        self.returned = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def give(event: Event) -> None:
            await self.reads.wait()
            await send(event)

        streams = scope["path"] == "/sse"
        await self.app(scope, receive, give if streams else send)
        if streams:
            self.returned.set()


async def test_a_slow_reader_makes_its_own_calls_wait() -> None:
    """Limit stream_buffer_bytes: notifications and posts wait; nothing is lost once it reads again."""
    slow = Slow(sse_app(Limits(stream_buffer_bytes=5000, write_s=WAIT)))
    client = SseClient(slow)
    await client.open()
    slow.reads.clear()
    await client.post(sse_call("chatter", {"count": 100}, request_id=1, _meta={"progressToken": 1}))
    for _ in range(200):
        await asyncio.sleep(0)
    assert slow.app.sse is not None
    conversation = next(iter(slow.app.sse._conversations.values()))  # pyright: ignore[reportPrivateUsage] - no public view
    assert 5000 < conversation.outlet.size < 8000
    posted = asyncio.ensure_future(client.post(legacy("ping", request_id="late")))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not posted.done()
    slow.reads.set()
    assert (await posted).status == 202
    found: list[JsonObject] = []
    while len(found) < 102:
        found.append(await client.message())
    assert [message.get("id") for message in found if "id" in message] in ([1, "late"], ["late", 1])
    await client.leave()


@pytest.mark.parametrize("offset", [-1, 0, 1])
async def test_stream_buffer_bytes(offset: int) -> None:
    """What waits for a client, line ends and field names included: over the limit nothing more is taken from it."""
    client = SseClient(sse_app())
    await client.open()
    before = len(client.stream.body)
    await client.ask(sse_call("large", {"size": 1000}))
    size = len(client.stream.body) - before
    await client.leave()
    slow = Slow(sse_app(Limits(stream_buffer_bytes=size - offset, write_s=WAIT)))
    client = SseClient(slow)
    await client.open()
    slow.reads.clear()
    assert (await client.post(sse_call("large", {"size": 1000}))).status == 202
    for _ in range(20):
        await asyncio.sleep(0)
    posted = asyncio.ensure_future(client.post(legacy("ping", request_id="late")))
    for _ in range(50):
        await asyncio.sleep(0)
    assert posted.done() is (offset <= 0)
    slow.reads.set()
    assert (await posted).status == 202
    assert [(await client.message())["id"] for _ in range(2)] == [1, "late"]
    await client.leave()


@pytest.mark.parametrize("offset", [-1, 0, 1])
async def test_stream_buffers_bytes(offset: int, caplog: pytest.LogCaptureFixture) -> None:
    """What waits for all clients: over the limit the slowest of them is dropped at once, and the others keep theirs."""
    caplog.set_level(logging.INFO, "anyport")
    client = SseClient(sse_app())
    await client.open()
    sizes: list[int] = []
    for length in (1000, 3000):
        before = len(client.stream.body)
        await client.ask(sse_call("large", {"size": length}))
        sizes.append(len(client.stream.body) - before)
    await client.leave()
    app = sse_app(Limits(stream_buffers_bytes=sum(sizes) - offset, write_s=WAIT))
    slow, slower = Slow(app), Slow(app)
    little, much = SseClient(slow), SseClient(slower)
    await little.open()
    await much.open()
    for one, client, length in ((slow, little, 1000), (slower, much, 3000)):
        one.reads.clear()
        assert (await client.post(sse_call("large", {"size": length}))).status == 202
    for _ in range(20):
        await asyncio.sleep(0)
    assert slower.returned.is_set() is (offset > 0)
    assert ("limit stream_buffers_bytes" in caplog.text) is (offset > 0)
    slow.reads.set()
    slower.reads.set()
    if offset > 0:
        assert (await much.post(legacy("ping"))).status == 404
    else:
        assert len(text_of(await much.message())) == 3000
        await much.leave()
    assert len(text_of(await little.message())) == 1000
    # There is room again.
    assert len(text_of(await little.ask(sse_call("large", {"size": 3000})))) == 3000
    await little.leave()


async def test_a_reader_that_never_reads_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """Limit write_s: the conversation ends, and with it what it has in flight."""
    caplog.set_level(logging.INFO, "anyport")
    slow = Slow(sse_app(Limits(write_s=0.05)))
    client = SseClient(slow)
    await client.open()
    await client.post(sse_call("wait", {"key": "dropped"}))
    await until(BEGAN["dropped"])
    slow.reads.clear()
    await client.post(sse_call("large", {"size": 10}, request_id=2))
    async with asyncio.timeout(WAIT):
        await slow.returned.wait()
    await until(ENDED["dropped"])
    assert (await client.post(legacy("ping"))).status == 404
    assert "limit write_s" in caplog.text


async def test_a_post_does_not_wait_for_ever() -> None:
    slow = Slow(sse_app(Limits(stream_buffer_bytes=10, write_s=0.1)))
    client = SseClient(slow)
    await client.open()
    slow.reads.clear()
    await client.post(sse_call("large", {"size": 1000}))
    await asyncio.sleep(0)
    answer = await client.post(legacy("ping"))
    assert answer.status in (404, 429)
    assert answer.status == 404 or "limit stream_buffer_bytes" in answer.error_text
    async with asyncio.timeout(WAIT):
        await slow.returned.wait()


async def test_an_answer_larger_than_what_may_wait() -> None:
    client = SseClient(sse_app(Limits(stream_buffer_bytes=100)))
    await client.open()
    assert len(text_of(await client.ask(sse_call("large", {"size": 100_000})))) == 100_000
    await client.leave()


async def test_a_client_that_leaves_during_its_post() -> None:
    app = sse_app()
    client = SseClient(app)
    await client.open()
    path, _, query = client.url.partition("?")
    half = start(app, {}, path=path, chunks=[], scope={"query_string": query.encode()})
    half.give(b'{"jsonrpc"', more=True)
    half.disconnect()
    assert (await half.done()).status == 0
    late = start(app, {}, path=path, chunks=[], scope={"query_string": query.encode()})
    late.give(b'{"jsonrpc":', more=True)
    await asyncio.sleep(0)
    await client.leave()
    late.give(b'"2.0","id":1,"method":"ping"}')
    assert (await late.done()).status == 404


# --- the end ----------------------------------------------------------------------------------------------------------


async def test_draining_answers_everything_and_ends_the_streams() -> None:
    """D10: what finishes is answered, what does not gets an error, then the stream ends; nothing new is begun."""
    app = sse_app()
    assert app.sse is not None
    idle, busy = SseClient(app), SseClient(app)
    await idle.open()
    await busy.open()
    for number, key in enumerate(["finishes", "stuck"]):
        await busy.post(sse_call("wait", {"key": key}, request_id=number))
        await until(BEGAN[key])
    ending = asyncio.ensure_future(app.sse.drain(0.3))
    await idle.stream.done()
    assert idle.stream.complete
    refused = await post(app, b"", method="GET", path="/sse")
    assert (refused.status, refused.error_code) == (503, 503)
    error = cast("JsonObject", (await busy.ask(sse_call("release", {"key": "finishes"}, request_id=9)))["error"])
    assert error["code"] == 503
    GATES["finishes"].set()
    assert text_of(await busy.message()) == "released"
    stuck = await busy.message()
    assert (stuck["id"], cast("JsonObject", stuck["error"])["code"]) == (1, -32603)
    await ending
    await busy.stream.done()
    assert busy.stream.complete


async def test_a_server_that_cancels_its_requests() -> None:
    """As uvicorn does when its own patience ends: the stream is complete, and nothing is raised."""
    client = SseClient(sse_app())
    await client.open()
    client.stream.task.cancel()
    await client.stream.done()
    assert client.stream.complete


async def test_the_notice_of_the_successor(caplog: pytest.LogCaptureFixture) -> None:
    """S34: once, when the first client comes."""
    app = sse_app()
    assert "Streamable HTTP" not in caplog.text
    for _ in range(3):
        client = SseClient(app)
        await client.open()
        await client.leave()
    notices = [record for record in caplog.records if "Streamable HTTP" in record.message]
    assert [record.levelno for record in notices] == [logging.WARNING]
