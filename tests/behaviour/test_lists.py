"""Resources, templates, prompts, completions and pages, in every cell."""

from __future__ import annotations

from typing import cast

import pytest

from anyport.protocol.types.json import JsonObject, JsonValue
from tests.behaviour.cells import ALL_CELLS, Cell, Connect, mirrors
from tests.behaviour.fixture import make_server

EVERY = pytest.mark.parametrize("cell", ALL_CELLS, ids=str)
LISTS = {"tools/list": "tools", "resources/list": "resources", "prompts/list": "prompts"}


def _contents(result: JsonObject) -> list[JsonObject]:
    return cast("list[JsonObject]", result["contents"])


@EVERY
async def test_pages(connect: Connect, cell: Cell) -> None:
    """PAG-01: every entry once, in order, by cursors that stay good."""
    async with connect(make_server, cell) as peer:
        seen: list[JsonValue] = []
        lengths: list[int] = []
        params: JsonObject = {}
        while True:
            result = (await peer.request("resources/list", params)).result
            page = cast("list[JsonObject]", result["resources"])
            seen += [entry["uri"] for entry in page]
            lengths.append(len(page))
            if "nextCursor" not in result:
                break
            params = {"cursor": result["nextCursor"]}
        assert lengths == [20, 20, 10]
        assert seen == ["test://note", "test://bytes", "test://broken", *(f"shelf://{n:02}" for n in range(47))]
        again = (await peer.request("resources/list", params)).result["resources"]
        assert [entry["uri"] for entry in cast("list[JsonObject]", again)] == seen[40:]


@EVERY
async def test_bad_cursors(connect: Connect, cell: Cell) -> None:
    """PAG-01: -32602, with HTTP 200; the cursor of another list is one of them."""
    async with connect(make_server, cell) as peer:
        other = (await peer.request("resources/list")).result["nextCursor"]
        for method in ("tools/list", "prompts/list", "resources/templates/list"):
            for cursor in ("", "no such page", "bm9wZQ==", 7, other):
                answer = await peer.request(method, {"cursor": cursor})
                assert answer.code == -32602, (method, cursor)


@EVERY
async def test_entries_have_the_fields_of_the_revision(connect: Connect, cell: Cell) -> None:
    """D03: titles since 2025-06-18, icons since 2025-11-25."""
    titles, icons = not cell.revision.lacks("2025-06-18"), not cell.revision.lacks("2025-11-25")
    async with connect(make_server, cell) as peer:
        for method, key in (("resources/list", "resources"), ("prompts/list", "prompts")):
            entry = cast("list[JsonObject]", (await peer.request(method)).result[key])[0]
            assert ("title" in entry, "icons" in entry) == (titles, icons), method
        (template,) = cast(
            "list[JsonObject]", (await peer.request("resources/templates/list")).result["resourceTemplates"]
        )
        assert (template["uriTemplate"], "title" in template) == ("test://items/{name}{?lang}", titles)


@EVERY
async def test_read(connect: Connect, cell: Cell) -> None:
    """RSC-02, CCH-01: text, bytes, and templates; cache hints in the modern era alone."""
    async with connect(make_server, cell) as peer:
        note = (await peer.request("resources/read", {"uri": "test://note"})).result
        assert _contents(note) == [{"uri": "test://note", "mimeType": "text/plain", "text": "é note"}]
        assert (note.get("ttlMs"), note.get("cacheScope")) == ((60_000, "public") if cell.modern else (None, None))
        picture = (await peer.request("resources/read", {"uri": "test://bytes"})).result
        assert _contents(picture) == [{"uri": "test://bytes", "mimeType": "image/png", "blob": "AP8="}]
        for uri, text in (("test://items/pen", "pen in en"), ("test://items/%C3%A9?lang=fr", "é in fr")):
            result = (await peer.request("resources/read", {"uri": uri})).result
            assert (_contents(result)[0]["uri"], _contents(result)[0]["text"]) == (uri, text)


@EVERY
async def test_missing_resources(connect: Connect, cell: Cell) -> None:
    """RSC-01, RPC-11: -32002 in the legacy era, -32602 in the modern one, never empty contents."""
    async with connect(make_server, cell) as peer:
        for uri in ("test://nothing", "test://items/gone", "test://items/a/../b"):
            answer = await peer.request("resources/read", {"uri": uri})
            assert answer.code == (-32602 if cell.modern else -32002), uri
            assert answer.status in (None, 200)
        assert (await peer.request("resources/read", {"uri": "nonsense"})).code == -32602
        # Over HTTP a modern client mirrors the URI in a header, and there is none to mirror (HDR-04).
        assert (await peer.request("resources/read", {})).code == (-32020 if mirrors(cell) else -32602)


@EVERY
async def test_a_resource_that_breaks(connect: Connect, cell: Cell) -> None:
    """RPC-17: -32603, without what the exception says in its further lines."""
    async with connect(make_server, cell) as peer:
        answer = await peer.request("resources/read", {"uri": "test://broken"})
        assert answer.code == -32603
        assert "secret-2" not in answer.reason


@EVERY
async def test_prompts(connect: Connect, cell: Cell) -> None:
    """PRM-01."""
    arguments: JsonObject = {"code": "é", "rounds": "2"}
    async with connect(make_server, cell) as peer:
        result = (await peer.request("prompts/get", {"name": "review", "arguments": arguments})).result
        assert result["messages"] == [
            {"role": "user", "content": {"type": "text", "text": "kind 2: é"}},
            {"role": "assistant", "content": {"type": "text", "text": "Gladly."}},
        ]
        assert result.get("resultType") == ("complete" if cell.modern else None)
        assert (await peer.request("prompts/get", {"name": "hello"})).result["messages"] != []


@EVERY
async def test_prompts_refused(connect: Connect, cell: Cell) -> None:
    """PRM-01: -32602 for a name and for arguments that are wrong, with HTTP 200."""
    cases: list[JsonObject] = [
        {"name": "nothing"},
        {"name": "review"},
        {"name": "review", "arguments": {"code": "x", "tone": "loud"}},
        {"name": "review", "arguments": {"code": "x", "rounds": "two"}},
        {"name": "review", "arguments": {"code": "x", "other": "y"}},
        {"name": "review", "arguments": {"code": 7}},
    ]
    async with connect(make_server, cell) as peer:
        for params in cases:
            answer = await peer.request("prompts/get", params)
            assert answer.code == -32602, params
            assert answer.status in (None, 200), params


@EVERY
async def test_completions(connect: Connect, cell: Cell) -> None:
    """CMP-01: at most 100 values, and refusals."""
    items: JsonObject = {"type": "ref/resource", "uri": "test://items/{name}{?lang}"}
    review: JsonObject = {"type": "ref/prompt", "name": "review"}
    async with connect(make_server, cell) as peer:
        typed = await peer.request("completion/complete", {"ref": items, "argument": {"name": "name", "value": "x"}})
        found = cast("JsonObject", typed.result["completion"])
        assert (len(cast("list[str]", found["values"])), found["total"], found["hasMore"]) == (100, 120, True)
        tone = await peer.request("completion/complete", {"ref": review, "argument": {"name": "tone", "value": "s"}})
        assert cast("JsonObject", tone.result["completion"])["values"] == ["strict"]
        for ref, name in (({"type": "ref/prompt", "name": "x"}, "tone"), (review, "nothing"), ({"type": "x"}, "tone")):
            params: JsonObject = {"ref": cast("JsonObject", ref), "argument": {"name": name, "value": ""}}
            assert (await peer.request("completion/complete", params)).code == -32602
