"""Changes over one channel that answers go over too: listen streams of the modern era, a legacy session's news."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from anyport import Context, Server
from anyport.protocol.calls import Call, Reply
from anyport.protocol.errors import InternalError
from anyport.protocol.jsonrpc import ResultLike
from anyport.protocol.limits import DEFAULT_LIMITS, Limits
from anyport.protocol.types.json import JsonObject
from anyport.transports.duplex import Duplex
from tests.drivers.stdio import call, cancel, handshake, request

WAIT = 30.0
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
TOOLS = "notifications/tools/list_changed"
PROMPTS = "notifications/prompts/list_changed"
UPDATED = "notifications/resources/updated"
CANCELLED = "notifications/cancelled"
SUBSCRIPTION_ID = "io.modelcontextprotocol/subscriptionId"


class Channel:
    """A server at one end of a channel, whose other end can stop to read.

    Attributes:
        full: The other end does not read.
        roomy: Set when it reads again.
        lines: What was written.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.lines: list[JsonObject] = []
        self.full = False
        self.roomy = asyncio.Event()
        self.roomy.set()
        self.go = asyncio.Event()
        self.server = server = Server("channel", limits=limits)

        @server.tool
        async def change(ctx: Context) -> str:
            await ctx.notify_tools_changed()
            return "changed"

        @server.tool
        async def last() -> str:
            await self.go.wait()
            return "lasted"

        @server.prompt
        async def hello() -> str:
            return ""

        @server.resource("test://{name}")
        async def thing(name: str) -> str:
            return name

        self.duplex = Duplex(self.serve, limits, self, "stdio", server.subscriptions)

    async def serve(self, call: Call, reply: Reply) -> ResultLike:
        """Answer, as the server behind some middleware would."""
        return await self.server.service(call, reply)

    def write(self, message: bytes, *, last: bool = False) -> None:
        self.lines.append(msgspec.json.decode(message))

    async def room(self) -> None:
        await self.roomy.wait()

    def hold(self, *, full: bool) -> None:
        """Let the other end read or not."""
        self.full = full
        self.roomy.clear() if full else self.roomy.set()

    async def feed(self, *messages: bytes) -> list[JsonObject]:
        """Send messages; return what is written then."""
        self.duplex.feed(b"".join(message + b"\n" for message in messages))
        return await self.settle()

    async def settle(self) -> list[JsonObject]:
        """Let everything that can go on go on; return and forget what was written."""
        for _ in range(20):
            await asyncio.sleep(0)
        lines, self.lines[:] = self.lines[:], []
        return lines

    async def open(self) -> None:
        """Open the legacy session."""
        await self.feed(*handshake())

    async def close(self) -> list[JsonObject]:
        """End the input as a client does, within the time for calls; return what is written then."""
        self.duplex.end_of_input()
        async with asyncio.timeout(WAIT):
            await self.duplex.drain(WAIT)
            await self.duplex.aclose(1.0)
        return await self.settle()


def listen(request_id: int | str, **wanted: bool | list[str]) -> bytes:
    notifications: JsonObject = {name: value for name, value in wanted.items() if not isinstance(value, list)}
    notifications |= {name: [*value] for name, value in wanted.items() if isinstance(value, list)}
    return request(request_id, "subscriptions/listen", {"notifications": notifications})


def subscribe(request_id: int, uri: str, *, un: bool = False) -> bytes:
    return request(request_id, f"resources/{'un' if un else ''}subscribe", {"uri": uri}, "legacy")


def brief(lines: list[JsonObject]) -> list[object]:
    """Methods of notifications, ids of answers."""
    return [line.get("method", line.get("id")) for line in lines]


def ids_of(lines: list[JsonObject]) -> list[tuple[object, object]]:
    """Method and subscription id of each notification."""
    found: list[tuple[object, object]] = []
    for line in lines:
        params = line.get("params")
        assert isinstance(params, dict)
        meta = params["_meta"]
        assert isinstance(meta, dict)
        found.append((line["method"], meta[SUBSCRIPTION_ID]))
    return found


# --- the modern era ---------------------------------------------------------------------------------------------------


async def test_streams_share_the_channel() -> None:
    """SUB-02, SUB-03: each message names its stream, and each stream begins with its acknowledgement."""
    channel = Channel()
    assert ids_of(await channel.feed(listen(1, toolsListChanged=True))) == [(ACKNOWLEDGED, 1)]
    lines = await channel.feed(
        listen("1", toolsListChanged=True, promptsListChanged=True, resourceSubscriptions=["test://a"])
    )
    assert ids_of(lines) == [(ACKNOWLEDGED, "1")]
    channel.server.notify_tools_changed()
    channel.server.notify_resource_updated("test://a")
    channel.server.notify_resource_updated("test://b")
    assert sorted(ids_of(await channel.settle()), key=str) == [(UPDATED, "1"), (TOOLS, "1"), (TOOLS, 1)]
    await channel.close()


async def test_the_change_that_a_call_makes() -> None:
    channel = Channel()
    await channel.feed(listen(1, toolsListChanged=True))
    assert sorted(map(str, brief(await channel.feed(call(2, "change"))))) == ["2", TOOLS]
    await channel.close()


async def test_a_client_that_cancels_hears_nothing_more() -> None:
    """CAN-01, STDIO-05, SUB-05: neither a result nor a notification."""
    channel = Channel()
    await channel.feed(listen(1, toolsListChanged=True))
    assert await channel.feed(cancel(1)) == []
    channel.server.notify_tools_changed()
    assert await channel.settle() == []
    # The id is free again, and so is the place.
    assert ids_of(await channel.feed(listen(1, toolsListChanged=True))) == [(ACKNOWLEDGED, 1)]
    await channel.close()


async def test_what_a_teardown_says() -> None:
    """SUB-04, SUB-05, A13.1: the result, then the notification that the cancellation page asks for, each once.

    A client that goes by the result has its graceful end; one that goes by the notification alone has that; and either
    ignores the other message.
    """
    channel = Channel()
    await channel.feed(listen(7, toolsListChanged=True), call(8, "last"))
    channel.server.subscriptions.end()
    result, cancelled = await channel.settle()
    assert result["id"] == 7
    body = result["result"]
    assert isinstance(body, dict)
    assert body["resultType"] == "complete"
    meta = body["_meta"]
    assert isinstance(meta, dict)
    assert meta[SUBSCRIPTION_ID] == 7
    assert cancelled["method"] == CANCELLED
    params = cancelled["params"]
    assert isinstance(params, dict)
    assert params == {
        "_meta": {SUBSCRIPTION_ID: 7},
        "requestId": 7,
        "reason": "The server ended the subscription",
    }
    channel.go.set()
    assert brief(await channel.settle()) == [8]
    assert await channel.close() == []


async def test_nothing_else_is_ever_cancelled_by_the_server() -> None:
    """SUB-05: not a call that is given up at the end, and no listen that was refused."""
    channel = Channel(Limits(listens=1))
    await channel.feed(listen(1, toolsListChanged=True))
    refused, failed = await channel.feed(listen(2), request(3, "subscriptions/listen", {"notifications": 1}))
    assert [refused["id"], failed["id"]] in ([2, 3], [3, 2])
    assert all("error" in answer for answer in (refused, failed))
    await channel.feed(call(4, "last"))
    await channel.duplex.aclose(0.2)
    assert brief(await channel.settle()) == [1, CANCELLED]


async def test_the_end_of_input_ends_the_streams_at_once() -> None:
    """STDIO-08: they do not hold the calls in flight, nor the other way round; other channels are not concerned."""
    channel = Channel()
    await channel.feed(listen(1, toolsListChanged=True), call(2, "last"))
    ending = asyncio.ensure_future(channel.close())
    assert brief(await channel.settle()) == [1, CANCELLED]
    assert not ending.done()
    channel.go.set()
    assert brief(await ending) == [2]


async def test_a_stream_has_its_result_however_long_calls_take() -> None:
    """SUB-04, adr/0038: a server that drains gives all the time to the calls, and none is left."""
    channel = Channel()
    await channel.feed(listen(1, toolsListChanged=True), call(2, "last"))
    channel.duplex.draining = True
    await channel.duplex.drain(0.01)
    channel.duplex.end_calls(InternalError("over"))
    lines = await channel.settle()
    assert [(line.get("id"), "result" in line) for line in lines if "id" in line] == [(1, True), (2, False)]
    await channel.duplex.aclose(0.2)


async def test_a_stream_that_is_asked_for_with_the_last_line() -> None:
    """As a shell pipe does: it begins, and ends."""
    channel = Channel()
    channel.duplex.feed(listen(1, toolsListChanged=True))
    assert brief(await channel.close()) == [ACKNOWLEDGED, 1, CANCELLED]


async def test_a_stream_that_begins_only_after_the_end_of_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a service that awaits something first."""
    gate = asyncio.Event()

    async def slow(self: Channel, call: Call, reply: Reply) -> ResultLike:
        await gate.wait()
        return await self.server.service(call, reply)

    monkeypatch.setattr(Channel, "serve", slow)
    channel = Channel()
    channel.duplex.feed(listen(1, toolsListChanged=True))
    ending = asyncio.ensure_future(channel.close())
    await channel.settle()
    gate.set()
    assert brief(await ending) == [ACKNOWLEDGED, 1, CANCELLED]


async def test_a_channel_that_ends_leaves_the_others_alone() -> None:
    channel = Channel()
    other = Channel()
    other.duplex = Duplex(channel.serve, DEFAULT_LIMITS, other, "stdio", channel.server.subscriptions)
    await channel.feed(listen(1, toolsListChanged=True))
    await other.feed(listen(1, toolsListChanged=True))
    assert brief(await channel.close()) == [1, CANCELLED]
    assert await other.settle() == []
    channel.server.notify_tools_changed()
    assert brief(await other.settle()) == [TOOLS]
    await other.close()


async def test_a_stream_to_a_client_that_does_not_read() -> None:
    """D19: one message is under way, what follows is told once when there is room."""
    channel = Channel()
    await channel.feed(listen(1, toolsListChanged=True))
    channel.hold(full=True)
    for _ in range(100):
        channel.server.notify_tools_changed()
        await asyncio.sleep(0)
    assert brief(await channel.settle()) == [TOOLS]
    channel.hold(full=False)
    assert brief(await channel.settle()) == [TOOLS]
    await channel.close()


# --- the legacy era ---------------------------------------------------------------------------------------------------


async def test_a_session_is_told_once_it_is_ready() -> None:
    """S30, S31, LIFE-03: not before the handshake is complete, and without any metadata of the modern era."""
    channel = Channel()
    initialize, initialized = handshake()
    await channel.feed(initialize)
    channel.server.notify_tools_changed()
    assert await channel.settle() == []
    await channel.feed(initialized, initialized)
    channel.server.notify_tools_changed()
    channel.server.notify_prompts_changed()
    lines = await channel.settle()
    assert brief(lines) == [TOOLS, PROMPTS]
    assert "_meta" not in str(lines)
    assert await channel.close() == []
    channel.server.notify_tools_changed()
    assert await channel.settle() == []


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_a_session_is_told_of_what_it_subscribed_to(version: str) -> None:
    """S30, S31."""
    channel = Channel()
    await channel.feed(*handshake(version=version))
    channel.server.notify_resource_updated("test://a")
    assert await channel.settle() == []
    subscribed = await channel.feed(subscribe(1, "test://a"), subscribe(2, "test://b"))
    assert [(answer["id"], answer["result"]) for answer in subscribed] == [(1, {}), (2, {})]
    for uri in ("test://a", "test://b", "test://c"):
        channel.server.notify_resource_updated(uri)
    assert [line["params"] for line in await channel.settle()] == [{"uri": "test://a"}, {"uri": "test://b"}]
    assert [answer["result"] for answer in await channel.feed(subscribe(3, "test://a", un=True))] == [{}]
    for uri in ("test://a", "test://b"):
        channel.server.notify_resource_updated(uri)
    assert [line["params"] for line in await channel.settle()] == [{"uri": "test://b"}]
    await channel.close()


async def test_the_change_comes_before_the_result_that_made_it() -> None:
    channel = Channel()
    await channel.open()
    assert brief(await channel.feed(call(1, "change", era="legacy"))) == [TOOLS, 1]
    await channel.close()


async def test_a_session_whose_client_does_not_read() -> None:
    """D19: what waits is a set; an unsubscription counts also for what waits."""
    channel = Channel()
    await channel.open()
    await channel.feed(subscribe(1, "test://a"), subscribe(2, "test://b"))
    channel.hold(full=True)
    for _ in range(100):
        channel.server.notify_tools_changed()
        channel.server.notify_resource_updated("test://a")
        channel.server.notify_resource_updated("test://b")
        await asyncio.sleep(0)
    assert await channel.settle() == []
    assert brief(await channel.feed(subscribe(3, "test://a", un=True))) == [3]
    channel.hold(full=False)
    lines = await channel.settle()
    assert brief(lines) == [TOOLS, UPDATED]
    assert lines[1]["params"] == {"uri": "test://b"}
    channel.server.notify_tools_changed()
    assert brief(await channel.settle()) == [TOOLS]
    channel.hold(full=True)
    channel.server.notify_tools_changed()
    await channel.settle()
    # Nobody reads any more: what waits is given up with the channel.
    assert await channel.close() == []


async def test_both_eras_on_one_channel() -> None:
    """VER-10: each is told in its own way."""
    channel = Channel()
    await channel.open()
    await channel.feed(listen(1, toolsListChanged=True))
    channel.server.notify_tools_changed()
    lines = await channel.settle()
    assert brief(lines) == [TOOLS, TOOLS]
    assert sum("_meta" in str(line) for line in lines) == 1
    await channel.close()


async def test_a_channel_without_changes() -> None:
    """A service that has none, as a proxy may be."""
    channel = Channel()
    channel.duplex = Duplex(channel.serve, DEFAULT_LIMITS, channel, "stdio")
    await channel.open()
    channel.server.notify_tools_changed()
    assert await channel.settle() == []
    assert await channel.close() == []
