"""The same call over and over, in every cell: what is known of it by then changes nothing of its answer (adr/0061)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest

from anyport import Context, Server
from anyport.protocol.calls import Call, Reply, Service
from anyport.protocol.jsonrpc import ResultLike
from anyport.protocol.types.json import JsonObject
from tests.behaviour.cells import ALL_CELLS, CELLS, Cell, Connect
from tests.behaviour.fixture import make_server
from tests.behaviour.peers.peer import Answer

EVERY = pytest.mark.parametrize("cell", ALL_CELLS, ids=str)
HERE = pytest.mark.parametrize("cell", CELLS, ids=str)
TIMES = 5
"""More often than it takes to know a call."""

CALLS: Sequence[tuple[str, JsonObject]] = [
    ("add", {"a": 2, "b": 40}),
    ("add_sync", {"a": 2, "b": 40}),
    ("add", {"a": "two", "b": 40}),
    ("add", {"a": 2}),
    ("item", {"name": "pen"}),
    ("nothing", {}),
    ("media", {}),
    ("link", {}),
    ("echo", {"text": 'ä "{[" \n\U0001f58a'}),
    ("constrained", {"count": 3, "more": [1]}),
    ("constrained", {"count": 4}),
    ("fails", {"text": "no pens left"}),
    ("breaks", {}),
    ("fails_by_protocol", {}),
    ("nothing at all", {}),
]


def plain(answer: Answer) -> str:
    """An answer without what is new each time."""
    found = {key: value for key, value in answer.message.items() if key != "id"}
    return re.sub(r"error id [\w-]+", "error id", str(found))


@EVERY
async def test_the_answer_stays_the_same(connect: Connect, cell: Cell) -> None:
    async with connect(make_server, cell) as peer:
        for name, arguments in CALLS:
            first, *others = [plain(await peer.call(name, arguments)) for _ in range(TIMES)]
            assert others == [first] * (TIMES - 1), name


@EVERY
async def test_arguments_are_those_of_the_call(connect: Connect, cell: Cell) -> None:
    async with connect(make_server, cell) as peer:
        for number in range(TIMES):
            assert (await peer.call("add", {"a": number, "b": 1})).text == str(number + 1)
            assert (await peer.call("echo", {"text": "x" * number})).text == "x" * number


def make_changing() -> Server:
    """A server with a tool that is replaced, and one that tells of its call."""
    server = Server("changing")

    @server.tool
    async def which() -> str:
        return "first"

    @server.tool
    async def told(ctx: Context, text: str) -> str:
        kept = ctx.meta.get("kept")
        ctx.meta["kept"] = text
        return f"{text} {kept}"

    return server


def replace_tool(server: Server) -> None:
    server.tools.remove("which")

    @server.tool
    async def which() -> str:
        return "second"


def remove_tool(server: Server) -> None:
    server.tools.remove("which")


def wrap(server: Server) -> None:
    @server.middleware
    async def around(call: Call, reply: Reply, behind: Service) -> ResultLike:
        if call.method == "tools/call" and call.params.get("name") == "which":
            return {"content": [{"type": "text", "text": f"around {sorted(call.params)}"}]}
        return await behind(call, reply)


CHANGES: dict[str, tuple[Callable[[Server], None], str]] = {
    "replaced": (replace_tool, "second"),
    "removed": (remove_tool, "Unknown tool: 'which'"),
    "wrapped": (wrap, "around ["),
}


@HERE
@pytest.mark.parametrize("change", CHANGES)
async def test_what_changes_is_seen_by_the_next_call(connect: Connect, cell: Cell, change: str) -> None:
    server = make_changing()
    do, expected = CHANGES[change]
    async with connect(lambda: server, cell) as peer:
        assert {(await peer.call("which")).text for _ in range(TIMES)} == {"first"}
        do(server)
        answer = await peer.call("which")
        assert (answer.reason if "error" in answer.message else answer.text).startswith(expected)


@HERE
async def test_a_call_finds_nothing_of_another(connect: Connect, cell: Cell) -> None:
    async with connect(make_changing, cell) as peer:
        found = [(await peer.call("told", {"text": str(number)})).text for number in range(TIMES)]
        assert found == [f"{number} None" for number in range(TIMES)]
