"""Results that are kept for as long as their server says, for those that they are for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyport import Client
from anyport.client import cache as cache_module
from anyport.client.cache import ResponseCache, digest_of
from anyport.errors import McpError
from anyport.protocol.jsonrpc import Notification
from anyport.protocol.types.json import JsonObject, JsonValue
from tests.client.peers import (
    HttpPeer,
    Posted,
    Script,
    encoded,
    error,
    http_answer,
    http_peer,
    opened,
    result,
    scripted,
)

PUBLIC: JsonObject = {"ttlMs": 60_000, "cacheScope": "public"}
PRIVATE: JsonObject = {"ttlMs": 60_000, "cacheScope": "private"}


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def serving(answer: Callable[[Posted], JsonObject]) -> Script:
    """Return a modern server with tools, prompts and resources."""
    discovered: JsonObject = {
        "resultType": "complete",
        "supportedVersions": ["2026-07-28"],
        "capabilities": {"tools": {}, "resources": {}, "prompts": {}},
        "ttlMs": 0,
        "cacheScope": "private",
    }

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        if posted.rpc_method == "server/discover":
            writer.write(http_answer(200, encoded(result(posted, discovered))))
            return
        try:
            found = answer(posted)
        except McpError as refusal:
            writer.write(http_answer(200, encoded(error(posted, refusal.code, refusal.message))))
        else:
            writer.write(http_answer(200, encoded(result(posted, found))))

    return script


def asked(peer: HttpPeer, method: str) -> int:
    """Return how often a peer was asked for something."""
    return sum(posted.rpc_method == method for posted in peer.requests)


def tools(posted: Posted, hints: JsonObject) -> JsonObject:
    """Return a list of one tool."""
    return {"tools": [{"name": "t", "inputSchema": {"type": "object"}}], **hints}


async def test_a_list_is_asked_for_once() -> None:
    """CCH-04: for as long as it is fresh; what a caller does to its copy is its own business."""
    async with http_peer(serving(lambda posted: tools(posted, PRIVATE))) as peer:
        async with Client(peer.url) as client:
            first = await client.list_tools()
            first[0].input_schema["type"] = "changed"
            again = await client.list_tools()
            assert again[0].input_schema == {"type": "object"}
            assert asked(peer, "tools/list") == 1
        async with Client(peer.url, cache=False) as client:
            await client.list_tools()
            await client.list_tools()
        assert asked(peer, "tools/list") == 3


@pytest.mark.parametrize(
    "hints",
    [
        {},
        {"ttlMs": 0, "cacheScope": "public"},
        {"ttlMs": -5, "cacheScope": "public"},
        {"ttlMs": True, "cacheScope": "public"},
        {"ttlMs": "60000", "cacheScope": "public"},
        {"ttlMs": 60_000},
        {"ttlMs": 60_000, "cacheScope": "everybody"},
    ],
)
async def test_what_is_not_kept(hints: JsonObject) -> None:
    """CCH-04: absent, zero, negative or no number is stale; so is a scope that nobody knows."""
    async with http_peer(serving(lambda posted: tools(posted, hints))) as peer, Client(peer.url) as client:
        await client.list_tools()
        await client.list_tools()
        assert asked(peer, "tools/list") == 2


async def test_it_becomes_stale() -> None:
    """CCH-04."""
    clock = Clock()
    script = serving(lambda posted: tools(posted, PRIVATE))
    async with http_peer(script) as peer, Client(peer.url, cache=ResponseCache(clock)) as client:
        await client.list_tools()
        clock.now += 59.9
        await client.list_tools()
        assert asked(peer, "tools/list") == 1
        clock.now += 0.2
        await client.list_tools()
        assert asked(peer, "tools/list") == 2


@pytest.mark.parametrize(("hints", "times"), [(PUBLIC, 1), (PRIVATE, 2)])
async def test_who_may_see_it(hints: JsonObject, times: int) -> None:
    """CCH-02: a private result serves nobody who is authorized by something else; a public one serves everybody."""
    shared = ResponseCache()
    async with http_peer(serving(lambda posted: tools(posted, hints))) as peer:
        for _ in range(2):
            for token in ("ada", "alan"):
                async with Client(peer.url, headers={"Authorization": token}, cache=shared) as client:
                    await client.list_tools()
        assert asked(peer, "tools/list") == times


async def test_header_fields_of_a_call_are_another_authorization() -> None:
    """CCH-02."""
    async with http_peer(serving(lambda posted: tools(posted, PRIVATE))) as peer, Client(peer.url) as client:
        await client.list_tools()
        await client.list_tools(headers={"Authorization": "other"})
        await client.list_tools(headers={"authorization": "other"})
        await client.list_tools(meta={"org.example/x": 1})
        assert asked(peer, "tools/list") == 3


async def test_contents_and_pages() -> None:
    """CCH-02: each URI and each page is for itself."""

    def answer(posted: Posted) -> JsonObject:
        params = posted.message["params"]
        assert isinstance(params, dict)
        if posted.rpc_method == "resources/read":
            return {"contents": [{"uri": params["uri"], "text": "x"}], **PRIVATE}
        page: JsonObject = {"resources": [], **PRIVATE}
        return page if "cursor" in params else {**page, "nextCursor": "2"}

    async with http_peer(serving(answer)) as peer, Client(peer.url) as client:
        for _ in range(2):
            for uri in ("x://a", "x://b"):
                assert (await client.read_resource(uri))[0].uri == uri
            await client.list_resources()
        assert asked(peer, "resources/read") == 2
        assert asked(peer, "resources/list") == 2


async def test_a_cursor_that_is_none_any_more() -> None:
    """CCH-04: every page that was kept goes."""
    pages = iter([True, False, True, True])

    def answer(posted: Posted) -> JsonObject:
        params = posted.message["params"]
        assert isinstance(params, dict)
        if not next(pages):
            raise McpError(-32602, "bad cursor")
        page = tools(posted, {} if "cursor" in params else PRIVATE)
        return page if "cursor" in params else {**page, "nextCursor": "2"}

    async with http_peer(serving(answer)) as peer, Client(peer.url) as client:
        with pytest.raises(McpError, match="bad cursor"):
            await client.list_tools()
        await client.list_tools()
        assert asked(peer, "tools/list") == 4


async def test_a_change_makes_it_stale() -> None:
    """CCH-04: as soon as the server tells of it, on a stream that somebody listens to."""
    body = """
number = 0
for message in messages():
    if message["method"] == "server/discover":
        answer(message, {**DISCOVERED, "capabilities": {"tools": {"listChanged": True}}})
    elif message["method"] == "subscriptions/listen":
        meta = {"io.modelcontextprotocol/subscriptionId": message["id"]}
        send({"method": "notifications/subscriptions/acknowledged",
              "params": {"_meta": meta, "notifications": {"toolsListChanged": True}}})
    elif message["method"] == "tools/list":
        number += 1
        tool = {"name": "t" + str(number), "inputSchema": {"type": "object"}}
        answer(message, {"tools": [tool], "ttlMs": 60000, "cacheScope": "private"})
    else:
        send({"method": "notifications/tools/list_changed", "params": {"_meta": meta}})
        answer(message, text("changed"))
"""
    async with Client(scripted(body)) as client, client.listen(tools=True):
        for _ in range(2):
            assert [tool.name for tool in await client.list_tools()] == ["t1"]
        await client.call_tool("change")
        assert [tool.name for tool in await client.list_tools()] == ["t2"]


async def test_what_was_made_from_answers_is_not_kept() -> None:
    """CCH-02: it is this user's alone."""
    rounds = iter(range(100))

    def answer(posted: Posted) -> JsonObject:
        params = posted.message["params"]
        assert isinstance(params, dict)
        if "requestState" not in params:
            return {"resultType": "input_required", "requestState": f"s{next(rounds)}"}
        return {"contents": [{"uri": "x://a", "text": str(params["requestState"])}], **PUBLIC}

    async with http_peer(serving(answer)) as peer, Client(peer.url) as client:
        assert (await client.read_resource("x://a"))[0].text == "s0"
        assert (await client.read_resource("x://a"))[0].text == "s1"
        assert asked(peer, "resources/read") == 4


async def test_the_legacy_era_keeps_nothing() -> None:
    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(opened(posted, "legacy") or http_answer(200, encoded(result(posted, tools(posted, PUBLIC)))))

    async with http_peer(script) as peer, Client(peer.url) as client:
        await client.list_tools()
        await client.list_tools()
        assert asked(peer, "tools/list") == 2


# --- the cache itself -------------------------------------------------------------------------------------------------


def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """In entries and in bytes; a result that is larger than all of it is not kept."""
    monkeypatch.setattr(cache_module, "MOST_ENTRIES", 3)
    monkeypatch.setattr(cache_module, "MOST_BYTES", 390)
    cache = ResponseCache()
    for number in range(5):
        cache.keep("tools/list", {"cursor": str(number)}, b"-", {"tools": [], **PRIVATE})
    assert len(cache) == 3
    assert cache.recall("tools/list", {"cursor": "4"}, b"-") == {"tools": [], **PRIVATE}
    cache.keep("resources/read", {"uri": "x"}, b"-", {"contents": "x" * 250, **PRIVATE})
    assert len(cache) == 2
    cache.keep("resources/read", {"uri": "y"}, b"-", {"contents": "x" * 500, **PRIVATE})
    assert cache.recall("resources/read", {"uri": "y"}, b"-") is None
    cache.clear()
    assert len(cache) == 0
    assert cache.recall("tools/list", {"cursor": "4"}, b"-") is None


def test_what_changes_reach() -> None:
    """CCH-04: a list its own pages, an update what it is about, what is below that, and what it is below."""
    cache = ResponseCache()

    def fill() -> None:
        for method in ("tools/list", "prompts/list", "resources/list", "resources/templates/list"):
            cache.keep(method, {}, b"-", PRIVATE)
        for uri in ("x://a", "x://a/b", "x://ab"):
            cache.keep("resources/read", {"uri": uri}, b"-", PRIVATE)

    def kept() -> list[str]:
        methods = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")
        found = [method for method in methods if cache.recall(method, {}, b"-")]
        uris = ("x://a", "x://a/b", "x://ab")
        return found + [uri for uri in uris if cache.recall("resources/read", {"uri": uri}, b"-")]

    fill()
    cache.note(Notification("notifications/resources/list_changed", {}))
    assert kept() == ["tools/list", "prompts/list", "x://a", "x://a/b", "x://ab"]
    cache.note(Notification("notifications/prompts/list_changed", {}))
    assert kept() == ["tools/list", "x://a", "x://a/b", "x://ab"]
    for changed, left in (("x://a", ["x://ab"]), ("x://a/b", ["x://ab"]), ("x://a/b/c", ["x://ab"]), (7, [])):
        fill()
        cache.note(Notification("notifications/resources/updated", {"uri": changed}))
        assert [entry for entry in kept() if entry.startswith("x:")] == left


async def test_a_change_on_the_way() -> None:
    """CCH-04: what was asked before the change may be old, and is not kept."""
    async with http_peer(serving(lambda posted: tools(posted, PRIVATE))) as peer:
        cache = ResponseCache()
        async with Client(peer.url, cache=cache) as client:
            listing = asyncio.ensure_future(client.list_tools())
            await peer.wait_for("tools/list")
            cache.note(Notification("notifications/tools/list_changed", {}))
            await listing
            assert len(cache) == 0


_TEXTS = st.text(max_size=8)


@given(st.dictionaries(_TEXTS, _TEXTS, max_size=4), st.dictionaries(_TEXTS, _TEXTS, max_size=4))
def test_digests(one: dict[str, str], other: dict[str, str]) -> None:
    """CCH-02: equal for the same fields, different for others, and nothing of what they say is in it."""
    folded = [sorted((name.lower(), value) for name, value in fields.items()) for fields in (one, other)]
    assert (digest_of(one) == digest_of(other)) is (folded[0] == folded[1])
    assert len(digest_of(one)) in (1, 32)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([b"-", b"k"]), st.booleans()), max_size=20))
def test_nothing_is_told_to_whom_it_is_not_for(steps: list[tuple[str, bytes, bool]]) -> None:
    """CCH-02: what is recalled was kept last for the same request, publicly or for the same caller."""
    cache = ResponseCache()
    last: dict[tuple[str, bytes], JsonValue] = {}
    for number, (name, who, public) in enumerate(steps):
        params: JsonObject = {"cursor": name}
        found = cache.recall("tools/list", params, who)
        expected = last.get((name, who))
        assert found is None or found["n"] == expected
        cache.keep("tools/list", params, who, {"n": number, **(PUBLIC if public else PRIVATE)})
        for caller in (b"-", b"k") if public else (who,):
            last[name, caller] = number
