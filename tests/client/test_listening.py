"""Changes at a server, told to a client: the same events in both eras."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from anyport import Client, Server
from anyport.client.listening import ChangeEvent, Listening
from anyport.errors import LocalProtocolError, McpError, Timeout
from tests.client.peers import scripted
from tests.client.ways import WAIT, Way


def pending_of(listening: Listening) -> list[ChangeEvent]:
    """Return what waits to be read."""
    return list(listening._pending)  # pyright: ignore[reportPrivateUsage] - what it holds


async def heard(events: AsyncIterator[ChangeEvent], count: int) -> list[ChangeEvent]:
    """Return the next events."""
    async with asyncio.timeout(WAIT):
        return [await anext(events) for _ in range(count)]


async def test_changes_are_told(full: Way) -> None:
    """SUB-02, SUB-06, STDIO-06: lists and resources that are listened to, and no others."""
    async with full.client() as client:
        async with client.listen(tools=True, resources=["shop://list", "shop://items/pen"]) as listening:
            assert listening.granted is not None
            assert listening.granted.lists == {"tools"}
            events = aiter(listening)
            for what in ("prompts", "shop://items/cup", "shop://list", "tools", "shop://items/pen"):
                await client.call_tool("change", {"what": what})
            assert await heard(events, 3) == [
                ChangeEvent("resource", "shop://list"),
                ChangeEvent("tools"),
                ChangeEvent("resource", "shop://items/pen"),
            ]
        assert (await client.call_tool("meta", {"key": "x"})).data == "None"


async def test_a_loop_that_is_left_listens_no_more(near: Way) -> None:
    async with near.client() as client:

        async def first() -> ChangeEvent:
            async for event in client.listen(prompts=True):
                return event
            raise AssertionError("it ended")

        loop = asyncio.ensure_future(first())
        while not loop.done():
            # The stream begins with the loop; until then nobody is told.
            await client.call_tool("change", {"what": "prompts"})
        assert await loop == ChangeEvent("prompts")
        for _ in range(100):
            if not client._connection.closing:  # pyright: ignore[reportPrivateUsage] - what it holds
                break
            await asyncio.sleep(0)
        assert not client._connection.closing  # pyright: ignore[reportPrivateUsage] - what it holds


async def test_a_resource_that_is_subscribed_to(near: Way) -> None:
    """Its changes are told to one callback, until it is unsubscribed from."""
    told: asyncio.Queue[ChangeEvent] = asyncio.Queue()
    async with near.client(on_change=told.put_nowait) as client:
        await client.subscribe("shop://list")
        await client.subscribe("shop://list")
        await client.subscribe("shop://items/pen")
        await client.call_tool("change", {"what": "shop://list"})
        async with asyncio.timeout(WAIT):
            assert await told.get() == ChangeEvent("resource", "shop://list")
        await client.unsubscribe("shop://list")
        await client.unsubscribe("shop://list")
        await client.call_tool("change", {"what": "shop://list"})
        await client.call_tool("change", {"what": "shop://items/pen"})
        async with asyncio.timeout(WAIT):
            assert await told.get() == ChangeEvent("resource", "shop://items/pen")
        assert told.empty()


async def test_subscribing_needs_somebody_to_tell(near: Way) -> None:
    async with near.client() as client:
        with pytest.raises(LocalProtocolError, match="on_change="):
            await client.subscribe("shop://list")


async def test_two_listen_to_the_same_resource(near: Way) -> None:
    """The first to leave takes nothing away from the other."""
    async with near.client() as client, client.listen(resources=["shop://list"]) as kept:
        async with client.listen(resources=["shop://list"]) as left:
            await client.call_tool("change", {"what": "shop://list"})
            assert await heard(aiter(left), 1) == [ChangeEvent("resource", "shop://list")]
        events = aiter(kept)
        assert await heard(events, 1) == [ChangeEvent("resource", "shop://list")]
        await client.call_tool("change", {"what": "shop://list"})
        assert await heard(events, 1) == [ChangeEvent("resource", "shop://list")]


async def test_what_is_not_read_is_told_once(near: Way) -> None:
    async with near.client() as client, client.listen(tools=True, prompts=True) as listening:
        for _ in range(5):
            await client.call_tool("change", {"what": "tools"})
        await client.call_tool("change", {"what": "prompts"})
        async with asyncio.timeout(WAIT):
            # Over HTTP a legacy server tells of changes beside its answers; they come in their order.
            while ChangeEvent("prompts") not in pending_of(listening):  # noqa: ASYNC110 - nothing of it says so
                await asyncio.sleep(0)
        assert await heard(aiter(listening), 2) == [ChangeEvent("tools"), ChangeEvent("prompts")]
        assert not pending_of(listening)


async def test_closing_the_client_ends_the_loop(near: Way) -> None:
    """No exception, and no loop that hangs."""
    client = near.client()
    await client.connect()
    ready = asyncio.Event()

    async def loop() -> str:
        async with client.listen(tools=True) as listening:
            ready.set()
            async for event in listening:
                raise AssertionError(event)
        return "ended"

    looping = asyncio.ensure_future(loop())
    async with asyncio.timeout(WAIT):
        await ready.wait()
        await client.aclose()
        assert await looping == "ended"


def test_nothing_to_listen_to() -> None:
    client = Client(Server("x"))
    with pytest.raises(LocalProtocolError, match="Nothing to listen to"):
        client.listen()
    with pytest.raises(LocalProtocolError, match="a list of URIs"):
        client.listen(resources="shop://list")  # a text is a sequence, and a mistake


async def test_listening_without_a_connection() -> None:
    with pytest.raises(LocalProtocolError, match="not connected"):
        await anext(aiter(Client(Server("x")).listen(tools=True)))


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_server_that_tells_of_nothing(era: str) -> None:
    """LIFE-05, S31: legacy, nothing is sent that was not declared; modern, the refusal is the error."""
    body = f"""
for message in {era}():
    refuse(message, -32601, "no such method")
"""
    async with Client(scripted(body)) as client:
        with pytest.raises((LocalProtocolError, McpError), match=r"tools|no such method"):
            await anext(aiter(client.listen(tools=True)))
        with pytest.raises((LocalProtocolError, McpError), match=r"subscribed|no such method"):
            await client.listen(resources=["x://y"]).start()


async def test_a_server_that_does_not_grant_it() -> None:
    """SUB-02: without an acknowledgement there is no stream; the wait for it is bounded."""
    async with Client(scripted("for message in modern(): pass"), timeout=0.5) as client:
        with pytest.raises(Timeout, match=r"did not grant the subscription within 0\.5 s"):
            await client.listen(tools=True).start()


async def test_a_server_that_grants_less(caplog: pytest.LogCaptureFixture) -> None:
    """SUB-06: what was granted is compared with what was asked for."""
    body = """
for message in modern():
    meta = {"io.modelcontextprotocol/subscriptionId": message["id"]}
    granted = {"toolsListChanged": True, "resourceSubscriptions": ["x://a"]}
    send({"method": "notifications/subscriptions/acknowledged", "params": {"_meta": meta, "notifications": granted}})
    send({"method": "notifications/prompts/list_changed", "params": {"_meta": meta}})
    send({"method": "notifications/resources/updated", "params": {"_meta": meta, "uri": "x://a/b"}})
    send({"method": "notifications/resources/updated", "params": {"_meta": {**meta, "x": 1}, "uri": "x://c"}})
    send({"method": "notifications/tools/list_changed", "params": {"_meta": meta}})
"""
    async with (
        Client(scripted(body)) as client,
        client.listen(tools=True, prompts=False, resources=["x://a", "x://b"]) as listening,
    ):
        assert await heard(aiter(listening), 2) == [ChangeEvent("resource", "x://a/b"), ChangeEvent("tools")]
    assert "does not tell of changes of: x://b" in caplog.text


async def test_a_stream_that_ends_begins_again() -> None:
    """SUB-04, SUB-05: after its end, or a cancellation by the server, with word of what may have been missed."""
    body = """
number = 0
for message in modern():
    number += 1
    meta = {"io.modelcontextprotocol/subscriptionId": message["id"]}
    granted = {"toolsListChanged": True}
    send({"method": "notifications/subscriptions/acknowledged", "params": {"_meta": meta, "notifications": granted}})
    if number == 1:
        answer(message, {"resultType": "complete", "_meta": meta})
"""
    async with Client(scripted(body)) as client, client.listen(tools=True) as listening:
        assert await heard(aiter(listening), 1) == [ChangeEvent("tools", missed=True)]


async def test_a_reader_that_is_slow(caplog: pytest.LogCaptureFixture) -> None:
    """What waits to be read is bounded."""
    listening = Client(Server("x")).listen(resources=["x://1"])
    for number in range(10_001):
        listening._tell(ChangeEvent("resource", f"x://{number}"))  # pyright: ignore[reportPrivateUsage] - what it holds
    assert len(listening._pending) == 10_000  # pyright: ignore[reportPrivateUsage] - what it holds
    assert "the oldest is dropped" in caplog.text
