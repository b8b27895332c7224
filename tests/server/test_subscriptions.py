"""Listen streams and legacy subscriptions: what is granted, what is told, and how it ends."""

from __future__ import annotations

import asyncio

import pytest

from anyport import Server
from anyport.protocol.calls import Carrier
from anyport.protocol.errors import Busy, InvalidParams, McpError, MethodNotFound
from anyport.protocol.limits import Limits
from anyport.protocol.revisions import LATEST_MODERN, LEGACY, REVISIONS, Revision
from tests.server.calling import ask, make_call
from tests.server.judging import judged
from tests.server.listening import (
    ACKNOWLEDGED,
    ALL,
    PROMPTS,
    RESOURCES,
    SUBSCRIPTION_ID,
    TOOLS,
    UPDATED,
    Stream,
    change_everything,
    listen_call,
    listening,
    make_server,
    turns,
)

OLD = pytest.mark.parametrize("revision", LEGACY, ids=lambda row: row.name)


# --- what is granted --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_id", [1, 0, "", "1", "listen"])
async def test_acknowledged_first_and_the_id_on_everything(request_id: int | str) -> None:
    """SUB-02, SUB-03, SUB-04: the driver checks the id of every message, and that it is of the request's type."""
    server = make_server()
    async with listening(server, {**ALL, "resourceSubscriptions": ["test://one"]}, request_id) as stream:
        assert stream.granted == {**ALL, "resourceSubscriptions": ["test://one"]}
        change_everything(server)
        assert sorted(await stream.until_count(5)) == sorted([ACKNOWLEDGED, TOOLS, PROMPTS, RESOURCES, UPDATED])
        server.subscriptions.end()
        result = await stream.result()
        assert result["resultType"] == "complete"
        meta = result["_meta"]
        assert isinstance(meta, dict)
        assert meta[SUBSCRIPTION_ID] == request_id
        assert set(result) == {"resultType", "_meta"}


async def test_nothing_comes_before_the_acknowledgement() -> None:
    """SUB-02: a change while it is under way waits behind it, and is not lost."""
    server = make_server()
    stream = Stream(server, listen_call(ALL))
    stream.gate.clear()
    await turns()
    server.notify_tools_changed()
    await turns()
    assert stream.methods == []
    stream.gate.set()
    assert await stream.until_count(2) == [ACKNOWLEDGED, TOOLS]
    server.subscriptions.end()
    await stream.result()


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({}, []),
        ({"toolsListChanged": False}, []),
        ({"toolsListChanged": True}, [TOOLS]),
        ({"promptsListChanged": True}, [PROMPTS]),
        ({"resourcesListChanged": True}, [RESOURCES]),
        ({"resourceSubscriptions": []}, []),
        ({"resourceSubscriptions": ["test://many/1"]}, [UPDATED]),
        ({"toolsListChanged": True, "laterListChanged": True}, [TOOLS]),
    ],
    ids=str,
)
async def test_only_what_was_asked_for(wanted: dict[str, object], told: list[str]) -> None:
    """SUB-01, S31."""
    server = make_server()
    async with listening(server, wanted) as stream:
        change_everything(server)
        await turns()
        assert stream.methods == [ACKNOWLEDGED, *told]


async def test_only_what_the_server_offers() -> None:
    """SUB-01, S31: the acknowledgement says what is granted, and nothing else is told later."""
    server = Server("bare")

    @server.tool
    async def first() -> str:
        return ""

    async with listening(server, {**ALL, "resourceSubscriptions": ["test://one"]}) as stream:
        assert stream.granted == {"toolsListChanged": True}

        @server.prompt
        async def late() -> str:
            return ""

        change_everything(server)
        assert await stream.until_count(2) == [ACKNOWLEDGED, TOOLS]
        await turns()
        assert stream.methods == [ACKNOWLEDGED, TOOLS]


async def test_resources_that_there_are() -> None:
    """SUB-01: a URI that nothing serves is not granted, nor one whose variable does not convert; each counts once."""
    server = make_server()
    asked = ["test://nothing", "test://many/2", "test://one", "no uri", "test://many/x", "test://one", "x" * 100_000]
    async with listening(server, {"resourceSubscriptions": asked}) as stream:
        assert stream.granted == {"resourceSubscriptions": ["test://many/2", "test://one"]}
        for uri in asked:
            server.notify_resource_updated(uri)
        await turns()
        assert [message.params.get("uri") for message in stream.messages[1:]] == ["test://many/2", "test://one"]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"notifications": None},
        {"notifications": []},
        {"notifications": "tools"},
        {"notifications": {"toolsListChanged": 1}},
        {"notifications": {"toolsListChanged": "true"}},
        {"notifications": {"resourceSubscriptions": "test://one"}},
        {"notifications": {"resourceSubscriptions": [1]}},
        {"notifications": {"resourceSubscriptions": {"test://one": True}}},
        {"notifications": {"resourceSubscriptions": ["test://one", None]}},
    ],
    ids=str,
)
async def test_filters_that_are_none(params: dict[str, object]) -> None:
    with pytest.raises(InvalidParams):
        await ask(make_server(), make_call("subscriptions/listen", params))


@OLD
async def test_legacy_revisions_have_no_listen_stream(revision: Revision) -> None:
    with pytest.raises(MethodNotFound):
        await ask(make_server(), make_call("subscriptions/listen", {"notifications": {}}, revision=revision))


# --- how it ends ------------------------------------------------------------------------------------------------------


async def test_the_end_comes_after_what_was_published_before() -> None:
    """SUB-04."""
    server = make_server()
    async with listening(server, ALL) as stream:
        server.notify_tools_changed()
        server.subscriptions.end()
        await stream.result()
        assert stream.methods == [ACKNOWLEDGED, TOOLS]


async def test_the_end_of_one_connection() -> None:
    """SUB-04: the streams of the others go on."""
    server = make_server()
    mine, other = Carrier(transport="memory"), Carrier(transport="memory")
    async with listening(server, ALL, 1, mine) as first, listening(server, ALL, 1, other) as second:
        server.subscriptions.end(mine)
        await first.result()
        server.notify_tools_changed()
        assert await second.until_count(2) == [ACKNOWLEDGED, TOOLS]
        assert first.methods == [ACKNOWLEDGED]
        server.subscriptions.end()
        await second.result()


async def test_streams_that_begin_after_the_end() -> None:
    """As when a server is started again."""
    server = make_server()
    server.subscriptions.end()
    async with listening(server, ALL) as stream:
        await turns()
        assert not stream.task.done()


async def test_a_client_that_leaves_is_forgotten() -> None:
    """CAN-01: nothing is said any more, and the place is free."""
    server = make_server(Limits(listens=1))
    for _ in range(3):
        async with listening(server, {**ALL, "resourceSubscriptions": ["test://one"]}) as stream:
            with pytest.raises(Busy):
                await ask(server, listen_call(ALL))
        change_everything(server)
        await turns()
        assert stream.methods == [ACKNOWLEDGED]


async def test_the_end_from_a_thread() -> None:
    server = make_server()
    async with listening(server, ALL) as stream:
        await asyncio.to_thread(server.subscriptions.end)
        await stream.result()


# --- the legacy era ---------------------------------------------------------------------------------------------------


@OLD
@pytest.mark.parametrize("uri", ["test://one", "test://many/7"])
async def test_subscribing_to_a_resource(revision: Revision, uri: str) -> None:
    """S30: the result is empty, and so for a resource that is gone when the client lets go of it."""
    server = make_server()
    for method in ("resources/subscribe", "resources/unsubscribe"):
        assert await judged(server, method, {"uri": uri}, revision) == {}
    server.resources.remove("test://one")
    assert await ask(server, make_call("resources/unsubscribe", {"uri": "test://one"}, revision=revision)) == {}


@OLD
@pytest.mark.parametrize("uri", ["test://nothing", "test://many/x"])
async def test_subscribing_to_nothing(revision: Revision, uri: str) -> None:
    """RSC-01: -32002."""
    with pytest.raises(McpError) as caught:
        await ask(make_server(), make_call("resources/subscribe", {"uri": uri}, revision=revision))
    assert caught.value.code == -32002


@OLD
async def test_subscribing_where_there_are_no_resources(revision: Revision) -> None:
    """S31: what is not declared is not there."""
    with pytest.raises(MethodNotFound):
        await ask(Server("bare"), make_call("resources/subscribe", {"uri": "test://one"}, revision=revision))


async def test_the_modern_era_has_no_subscribe() -> None:
    for method in ("resources/subscribe", "resources/unsubscribe"):
        with pytest.raises(MethodNotFound):
            await ask(make_server(), make_call(method, {"uri": "test://one"}))


@pytest.mark.parametrize("revision", REVISIONS, ids=lambda row: row.name)
async def test_what_is_declared(revision: Revision) -> None:
    """S30, TOOL-01: in both eras, and still true when the last one is gone."""
    server = make_server()
    declared = {
        "tools": {"listChanged": True},
        "prompts": {"listChanged": True},
        "resources": {"subscribe": True, "listChanged": True},
    }
    method = "server/discover" if revision is LATEST_MODERN else "initialize"
    assert (await ask(server, make_call(method, revision=revision)))["capabilities"] == declared
    server.tools.remove("first")
    server.prompts.remove("hello")
    server.resources.remove("test://one")
    server.resources.remove("test://many/{number}")
    assert (await ask(server, make_call(method, revision=revision)))["capabilities"] == declared
    assert (await ask(Server("bare"), make_call(method, revision=revision)))["capabilities"] == {}
