"""Listen streams over HTTP: how they start, what limits them, and how they end."""

from __future__ import annotations

import asyncio

import pytest

from anyport import Context, Server
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject
from anyport.serving.asgi import AsgiApp
from tests.drivers.asgi import Exchange, call, legacy, modern, open_session, post, start, text_of

ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
TOOLS = "notifications/tools/list_changed"
SUBSCRIPTION_ID = "io.modelcontextprotocol/subscriptionId"


class Shop:
    """A server whose tools change, behind its endpoint."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.server = server = Server("listening", limits=limits or Limits(first_byte_s=60))

        @server.tool
        async def change(ctx: Context) -> str:
            await ctx.notify_tools_changed()
            return "changed"

        @server.resource("test://{name}")
        async def thing(name: str) -> str:
            return name

        self.app: AsgiApp = server.asgi()

    def listen(self, request_id: int | str = 1, headers: dict[str, str | None] | None = None) -> Exchange:
        """Begin a stream."""
        wanted: JsonObject = {"toolsListChanged": True, "promptsListChanged": True}
        return start(
            self.app, modern("subscriptions/listen", {"notifications": wanted}, request_id=request_id), headers
        )

    async def open(self, request_id: int | str = 1) -> Exchange:
        """Begin a stream and wait for its acknowledgement."""
        stream = self.listen(request_id)
        await stream.until(lambda: bool(stream.chunks))
        return stream


def methods(stream: Exchange) -> list[object]:
    """Methods of the notifications, and the id of the result."""
    return [message.get("method", message.get("id")) for message in stream.events]


async def test_a_stream_from_its_start_to_its_end() -> None:
    """SUB-01 to SUB-05, S30, HTTP-09: acknowledged at once, told what it asked for, ended with a result and no other
    message: on this transport the end of the stream says the rest."""
    shop = Shop()
    stream = await shop.open("id")
    assert stream.status == 200
    assert stream.headers["content-type"] == "text/event-stream"
    assert (stream.headers["cache-control"], stream.headers["x-accel-buffering"]) == ("no-store", "no")
    assert stream.events == [
        {
            "jsonrpc": "2.0",
            "method": ACKNOWLEDGED,
            "params": {"_meta": {SUBSCRIPTION_ID: "id"}, "notifications": {"toolsListChanged": True}},
        }
    ]
    assert (await post(shop.app, call("change"))).text == "changed"
    await stream.until(lambda: len(stream.events) == 2)
    assert stream.events[1] == {"jsonrpc": "2.0", "method": TOOLS, "params": {"_meta": {SUBSCRIPTION_ID: "id"}}}
    shop.server.subscriptions.end()
    await stream.done()
    assert methods(stream) == [ACKNOWLEDGED, TOOLS, "id"]
    result = stream.events[2]["result"]
    assert isinstance(result, dict)
    assert result["resultType"] == "complete"
    meta = result["_meta"]
    assert isinstance(meta, dict)
    assert meta[SUBSCRIPTION_ID] == "id"
    assert stream.complete


async def test_streams_with_the_same_id() -> None:
    """RPC-03, D14: ids are each client's own."""
    shop = Shop()
    streams = [await shop.open(1) for _ in range(5)]
    streams[0].disconnect()
    await streams[0].done()
    shop.server.notify_tools_changed()
    for stream in streams[1:]:
        await stream.until(lambda stream=stream: len(stream.events) == 2)
    shop.server.subscriptions.end()
    for stream in streams[1:]:
        await stream.done()
        assert methods(stream) == [ACKNOWLEDGED, TOOLS, 1]
    assert methods(streams[0]) == [ACKNOWLEDGED]


async def test_a_client_that_leaves_makes_room() -> None:
    """HTTP-10: the place in the limit is free again, and nothing is said any more."""
    shop = Shop(Limits(first_byte_s=60, listens=1))
    for _ in range(3):
        stream = await shop.open()
        refused = await shop.listen(2).done()
        assert (refused.status, refused.error_code) == (429, 429)
        assert "listens" in refused.error_text
        assert "retry-after" in refused.headers
        stream.disconnect()
        await stream.done()
        assert methods(stream) == [ACKNOWLEDGED]


async def test_streams_do_not_count_among_the_calls_of_an_address() -> None:
    """D11: they have a limit of their own; and calls that wait do not keep a stream from starting."""
    shop = Shop(Limits(first_byte_s=60, calls_per_address=1))
    streams = [await shop.open(number) for number in range(5)]
    assert (await post(shop.app, call("change"))).text == "changed"
    go = asyncio.Event()

    @shop.server.tool
    async def wait() -> str:
        await go.wait()
        return "waited"

    waiting = start(shop.app, call("wait"))
    await asyncio.sleep(0)
    streams.append(await shop.open(5))
    refused = await post(shop.app, call("change"))
    assert refused.status == 429
    assert "calls_per_address" in refused.error_text
    go.set()
    assert text_of((await waiting.done()).json) == "waited"
    shop.server.subscriptions.end()
    for stream in streams:
        await stream.done()
    assert (await post(shop.app, call("change"))).text == "changed"


async def test_a_client_that_takes_no_stream() -> None:
    """It would wait for ever and hear nothing."""
    shop = Shop()
    refused = await shop.listen(headers={"accept": "application/json"}).done()
    assert (refused.status, refused.error_code, refused.json["id"]) == (406, -32600, 1)
    assert "text/event-stream" in refused.error_text


@pytest.mark.parametrize("params", [{}, {"notifications": []}, {"notifications": {"toolsListChanged": "yes"}}], ids=str)
async def test_filters_that_are_none(params: JsonObject) -> None:
    """A13.5: refused by the method, so in plain JSON with HTTP 200."""
    refused = await post(Shop().app, modern("subscriptions/listen", params))
    assert (refused.status, refused.error_code, refused.json["id"]) == (200, -32602, 1)
    assert refused.headers["content-type"] == "application/json"


async def test_sessions_have_no_listen_stream() -> None:
    """VER-10: the method is the modern era's; that of the other era is not there in turn."""
    shop = Shop()
    session = await open_session(shop.app)
    answer = await post(shop.app, legacy("subscriptions/listen", {"notifications": {}}), session)
    assert answer.error_code == -32601
    answer = await post(shop.app, modern("resources/subscribe", {"uri": "test://a"}))
    assert (answer.status, answer.error_code) == (404, -32601)


async def test_subscribing_in_a_session() -> None:
    """S30: the result is empty."""
    shop = Shop()
    session = await open_session(shop.app)
    for method in ("resources/subscribe", "resources/unsubscribe"):
        answer = await post(shop.app, legacy(method, {"uri": "test://a"}), session)
        assert answer.json == {"jsonrpc": "2.0", "id": 1, "result": {}}
    answer = await post(shop.app, legacy("resources/subscribe", {"uri": "nothing:a"}), session)
    assert answer.error_code == -32002


async def test_a_stream_stays_awake() -> None:
    """HTTP-09: comments come while nothing changes, and a change gets through between them."""
    shop = Shop(Limits(first_byte_s=0.01))
    stream = await shop.open()
    await stream.until(lambda: stream.body.count(b"\n:") + stream.body.count(b"\r:") >= 3)
    shop.server.notify_tools_changed()
    await stream.until(lambda: len(stream.events) == 2)
    shop.server.subscriptions.end()
    await stream.done()
    assert methods(stream) == [ACKNOWLEDGED, TOOLS, 1]


async def test_streams_end_with_the_application() -> None:
    """SUB-04, D10: in the lifespan's end, before the author's."""
    shop = Shop()
    async with shop.app.lifespan():
        stream = await shop.open()
    await stream.done()
    assert methods(stream) == [ACKNOWLEDGED, 1]
    # It may be started again.
    async with shop.app.lifespan():
        again = await shop.open()
        shop.server.notify_tools_changed()
        await again.until(lambda: len(again.events) == 2)
    await again.done()
    assert methods(again) == [ACKNOWLEDGED, TOOLS, 1]


async def test_no_stream_begins_while_the_server_drains() -> None:
    shop = Shop()
    shop.app.endpoint.draining = True
    refused = await shop.listen().done()
    assert (refused.status, refused.error_code) == (503, 503)
