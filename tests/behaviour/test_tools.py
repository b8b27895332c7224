"""Tools in every cell: what is listed, results of every kind, arguments and failures (S14)."""

from __future__ import annotations

from typing import cast

import pytest

from anyport import Server
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.server.functions import ErrorDetail
from tests.behaviour.cells import ALL_CELLS, CELLS, Cell, Connect, mirrors
from tests.behaviour.fixture import make_server
from tests.behaviour.peers.peer import Answer, Peer

EVERY = pytest.mark.parametrize("cell", ALL_CELLS, ids=str)
HERE = pytest.mark.parametrize("cell", CELLS, ids=str)


async def _listed(peer: Peer) -> dict[str, JsonObject]:
    found: dict[str, JsonObject] = {}
    result = (await peer.request("tools/list")).result
    found.update({str(tool["name"]): tool for tool in cast("list[JsonObject]", result["tools"])})
    while "nextCursor" in result:
        result = (await peer.request("tools/list", {"cursor": result["nextCursor"]})).result
        found.update({str(tool["name"]): tool for tool in cast("list[JsonObject]", result["tools"])})
    return found


def _blocks(answer: Answer) -> list[JsonObject]:
    return cast("list[JsonObject]", answer.result["content"])


@EVERY
async def test_list(connect: Connect, cell: Cell) -> None:
    """TOOL-01, TOOL-02: in the order of registration, each with an object schema."""
    async with connect(make_server, cell) as peer:
        tools = await _listed(peer)
        assert list(tools)[:4] == ["add", "add_sync", "item", "nothing"]
        assert all(cast("JsonObject", tool["inputSchema"])["type"] == "object" for tool in tools.values())
        assert list(await _listed(peer)) == list(tools)


@EVERY
async def test_list_has_the_fields_of_the_revision(connect: Connect, cell: Cell) -> None:
    """D03."""
    since = {
        "annotations": "2025-03-26",
        "title": "2025-06-18",
        "_meta": "2025-06-18",
        "outputSchema": "2025-06-18",
        "icons": "2025-11-25",
    }
    async with connect(make_server, cell) as peer:
        tool = (await _listed(peer))["add"]
        assert {field: field in tool for field in since} == {
            field: not cell.revision.lacks(revision) for field, revision in since.items()
        }


@EVERY
async def test_envelope(connect: Connect, cell: Cell) -> None:
    """RPC-06, META-03, CCH-01: type, server and cache hints of a result belong to the modern era."""
    async with connect(make_server, cell) as peer:
        listed, called = (await peer.request("tools/list")).result, (await peer.call("add", {"a": 1, "b": 2})).result
        for result in (listed, called):
            assert result.get("resultType") == ("complete" if cell.modern else None)
            assert ("_meta" in result) is cell.modern
        assert {"ttlMs", "cacheScope"} <= listed.keys() if cell.modern else not {"ttlMs", "cacheScope"} & listed.keys()
        assert not {"ttlMs", "cacheScope"} & called.keys()


@EVERY
@pytest.mark.parametrize("tool", ["add", "add_sync"])
async def test_a_number(connect: Connect, cell: Cell, tool: str) -> None:
    """TOOL-03: wrapped in an object, with its text beside it; structured since 2025-06-18."""
    async with connect(make_server, cell) as peer:
        answer = await peer.call(tool, {"a": 2, "b": 40})
        assert answer.text == "42"
        assert answer.result.get("structuredContent") == ({"result": 42} if cell.revision.structured_output else None)
        assert not answer.result.get("isError")


@EVERY
async def test_a_model(connect: Connect, cell: Cell) -> None:
    """TOOL-03."""
    async with connect(make_server, cell) as peer:
        answer = await peer.call("item", {"name": "pen"})
        wanted = {"name": "pen", "price": 1.5, "tags": ["new"]}
        assert answer.result.get("structuredContent") == (wanted if cell.revision.structured_output else None)
        assert answer.text.replace(" ", "") == '{"name":"pen","price":1.5,"tags":["new"]}'


@EVERY
async def test_nothing_and_a_block(connect: Connect, cell: Cell) -> None:
    async with connect(make_server, cell) as peer:
        nothing = await peer.call("nothing")
        assert nothing.result.get("isError") in (None, False)
        assert (await peer.call("block")).text == "block"


@EVERY
async def test_content_of_every_kind(connect: Connect, cell: Cell) -> None:
    """D03: sound since 2025-03-26, links since 2025-06-18; told in words before."""
    async with connect(make_server, cell) as peer:
        kinds = [block["type"] for block in _blocks(await peer.call("media"))]
        assert kinds == ["text", "image", "text" if cell.revision.lacks("2025-03-26") else "audio", "resource"]
        (link,) = _blocks(await peer.call("link"))
        assert link["type"] == ("text" if cell.revision.lacks("2025-06-18") else "resource_link")
        assert "test://note" in str(link)


@EVERY
async def test_failures_are_results(connect: Connect, cell: Cell) -> None:
    """TOOL-05: what an author says and what goes wrong, as isError; an error of the protocol as an error."""
    async with connect(make_server, cell) as peer:
        said = await peer.call("fails", {"text": "no pens left 🖊"})
        assert (said.text, said.result["isError"]) == ("no pens left 🖊", True)
        broken = await peer.call("breaks")
        assert broken.result["isError"] is True
        assert "secret-2" not in broken.text
        refused = await peer.call("fails_by_protocol")
        assert refused.error == {"code": 4242, "message": "out of paper", "data": {"tray": 2}}


@HERE
@pytest.mark.parametrize("detail", ["safe", "full", "masked"])
async def test_how_much_an_exception_says(connect: Connect, cell: Cell, detail: ErrorDetail) -> None:
    """The type and first line, everything, or nothing but an id."""

    def make() -> Server:
        server = Server("detail", errors=detail)

        @server.tool
        async def breaks() -> str:
            raise ValueError("line-1\nline-2")

        return server

    async with connect(make, cell) as peer:
        answer = await peer.call("breaks")
        assert answer.result["isError"] is True
        assert "error id" in answer.text
        shown = {word: word in answer.text for word in ("ValueError", "line-1", "line-2")}
        assert list(shown.values()) == {"safe": [True, True, False], "full": [True] * 3, "masked": [False] * 3}[detail]


@EVERY
async def test_unknown_tool(connect: Connect, cell: Cell) -> None:
    """TOOL-05: -32602, with HTTP 200."""
    nameless: list[JsonObject] = [{"arguments": {}}, {"name": 7}]
    async with connect(make_server, cell) as peer:
        answer = await peer.call("nothing at all")
        assert (answer.code, answer.status) in ((-32602, None), (-32602, 200))
        for params in nameless:
            # Over HTTP a modern client mirrors the name in a header, and there is none to mirror (HDR-04).
            assert (await peer.request("tools/call", params)).code == (-32020 if mirrors(cell) else -32602)


WRONG: dict[str, tuple[JsonObject, str]] = {
    "missing": ({}, "count"),
    "too large": ({"count": 4}, "count"),
    "wrong type": ({"count": "many"}, "count"),
    "null": ({"count": None}, "count"),
    "not a choice": ({"count": 1, "kind": "c"}, "kind"),
    "nested": ({"count": 1, "more": [1, "x"]}, "more.1"),
    "unknown": ({"count": 1, "other": 1}, "other"),
}


@EVERY
async def test_wrong_arguments_are_named(connect: Connect, cell: Cell) -> None:
    """TOOL-04, S53: refused before the body runs, as a result that names the field and the reason."""
    async with connect(make_server, cell) as peer:
        for case, (arguments, field) in WRONG.items():
            answer = await peer.call("constrained", arguments)
            assert answer.result["isError"] is True, case
            assert answer.text.startswith(f"{field}: "), case
        assert (await peer.call("constrained", {"count": 3, "more": [1]})).text == "3 a [1]"


@EVERY
async def test_arguments_that_are_no_object(connect: Connect, cell: Cell) -> None:
    """TOOL-05, RPC-17."""
    async with connect(make_server, cell) as peer:
        wrong: list[JsonValue] = [[], "x", 7]
        for arguments in wrong:
            answer = await peer.request("tools/call", {"name": "add", "arguments": arguments})
            assert "error" in answer.message or answer.result["isError"] is True
        assert (await peer.call("add", {"a": 1, "b": 1})).text == "2"
