"""How a conversation begins, in every cell: what the server says of itself, and who speaks when."""

from __future__ import annotations

from typing import cast

import pytest

from anyport import Server
from anyport.protocol.types.json import JsonObject
from tests.behaviour.cells import ALL_CELLS, CELLS, Cell, Connect
from tests.behaviour.fixture import make_server, opened
from tests.behaviour.peers.peer import CLIENT

EVERY = pytest.mark.parametrize("cell", ALL_CELLS, ids=str)
HERE = pytest.mark.parametrize("cell", CELLS, ids=str)


def _info(opening: JsonObject, cell: Cell) -> JsonObject:
    where = cast("JsonObject", opening["_meta"])["io.modelcontextprotocol/serverInfo"] if cell.modern else None
    return cast("JsonObject", where or opening["serverInfo"])


@EVERY
async def test_opening(connect: Connect, cell: Cell) -> None:
    """LIFE-02, VER-03: the revision asked for, instructions, and what the server is."""
    async with connect(make_server, cell) as peer:
        said = peer.opening
        assert said["instructions"] == "Behave."
        info = _info(said, cell)
        assert (info["name"], info["version"]) == ("behaviour", "1.0")
        if cell.modern:
            assert cell.revision.name in cast("list[str]", said["supportedVersions"])
        else:
            assert said["protocolVersion"] == cell.revision.name


@EVERY
async def test_server_info_has_the_fields_of_the_revision(connect: Connect, cell: Cell) -> None:
    """D03: a title since 2025-06-18, icons since 2025-11-25."""
    async with connect(make_server, cell) as peer:
        info = _info(peer.opening, cell)
        assert ("title" in info) is not cell.revision.lacks("2025-06-18")
        assert ("icons" in info) is not cell.revision.lacks("2025-11-25")


@EVERY
async def test_capabilities(connect: Connect, cell: Cell) -> None:
    """TOOL-01, CMP-01: each that is there; one for completions since 2025-03-26."""
    async with connect(make_server, cell) as peer:
        found = set(cast("JsonObject", peer.opening["capabilities"]))
        wanted = {"tools", "resources", "prompts", "logging"}
        assert found == (wanted if cell.revision.lacks("2025-03-26") else wanted | {"completions"})


@HERE
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/list", {}),
        ("tools/call", {"name": "add"}),
        ("resources/list", {}),
        ("resources/templates/list", {}),
        ("resources/read", {"uri": "test://note"}),
        ("prompts/list", {}),
        ("prompts/get", {"name": "hello"}),
        (
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": "hello"}, "argument": {"name": "a", "value": ""}},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_server_of_nothing(connect: Connect, cell: Cell, method: str, params: JsonObject) -> None:
    """RPC-17, TOOL-01, S31: what is not declared is unknown, list or not; the rest works."""
    async with connect(lambda: Server("empty"), cell) as peer:
        assert peer.opening["capabilities"] == {}
        answer = await peer.request(method, params)
        assert answer.code == -32601
        assert answer.reason == f"Method not found: {method}"
        assert (await peer.request("server/discover" if cell.modern else "ping")).result is not None


@EVERY
async def test_ping(connect: Connect, cell: Cell) -> None:
    """LIFE-07: an empty result, and unknown to the modern era."""
    async with connect(make_server, cell) as peer:
        answer = await peer.request("ping")
        if cell.modern:
            assert answer.code == -32601
        else:
            assert answer.result == {}


@HERE
async def test_a_session_is_opened_once(connect: Connect, cell: Cell) -> None:
    """LIFE-01: a second handshake is refused, and the session goes on."""
    async with connect(make_server, cell) as peer:
        again: JsonObject = {"protocolVersion": cell.revision.name, "capabilities": {}, "clientInfo": CLIENT}
        answer = await peer.request("initialize", again)
        assert answer.code == (-32601 if cell.modern else -32600)
        assert (await peer.call("add", {"a": 1, "b": 2})).text == "3"


@EVERY
async def test_methods_of_the_other_era_are_unknown(connect: Connect, cell: Cell) -> None:
    """VER-10, RPC-17."""
    async with connect(make_server, cell) as peer:
        for method in ("logging/setLevel", "ping") if cell.modern else ("server/discover",):
            assert (await peer.request(method, {"level": "info"} if method.startswith("log") else {})).code == -32601


@EVERY
async def test_what_a_call_knows_of_its_caller(connect: Connect, cell: Cell) -> None:
    """META-06: transport, revision, client and session, from the request or its session."""
    async with connect(make_server, cell) as peer:
        answer = await peer.call("who", meta={"example.org/trace": "t 1"})
        said = cast("JsonObject", answer.structured) if cell.revision.structured_output else None
        if said is None:
            assert f'"revision":"{cell.revision.name}"' in answer.text.replace(" ", "")
            return
        assert said == {
            "transport": peer.transport,
            "revision": cell.revision.name,
            "client": "behaviour",
            "id": answer.message["id"],
            "session": not cell.modern and cell.transport.startswith(("http", "sse")),
            "meta": {"example.org/trace": "t 1"},
            "state": {"lives": 1},
        }


@HERE
async def test_one_lifespan(connect: Connect, cell: Cell) -> None:
    """Entered once before the first call, left after the last, whatever the number of calls (S12)."""
    assert opened == []
    async with connect(make_server, cell) as peer:
        for _ in range(3):
            await peer.call("add", {"a": 1, "b": 1})
        assert opened == ["behaviour"]
    assert opened == []
