"""Subscriptions of a legacy session, in every cell of that era: only what was granted counts (RSC-01, S30)."""

from __future__ import annotations

import json
from typing import cast

import pytest

from anyport import Server
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject
from tests.behaviour.cells import CELLS, Cell, Connect
from tests.behaviour.fixture import make_server

WIRED = [cell for cell in CELLS if not cell.modern and cell.transport != "memory"]
"""In memory nothing bounds a session, so that a subscription too many cannot be seen."""
LEGACY = pytest.mark.parametrize("cell", WIRED, ids=str)
BATCHES = pytest.mark.parametrize("cell", [cell for cell in WIRED if cell.revision.batches], ids=str)
SUBSCRIBE, UNSUBSCRIBE = "resources/subscribe", "resources/unsubscribe"
NOTHING, NOTE, PICTURE = "test://nothing", "test://note", "test://bytes"


def make_narrow_server() -> Server:
    return make_server(Limits(subscriptions_per_session=1))


@LEGACY
async def test_what_is_refused_takes_no_place(connect: Connect, cell: Cell) -> None:
    """-32002 for a resource that there is not, again and again; the one place is free afterwards."""
    async with connect(make_narrow_server, cell) as peer:
        for _ in range(3):
            assert (await peer.request(SUBSCRIBE, {"uri": NOTHING})).code == -32002
        assert (await peer.request(SUBSCRIBE, {"uri": NOTE})).result == {}
        assert (await peer.request(SUBSCRIBE, {"uri": PICTURE})).code == 429
        assert (await peer.request(SUBSCRIBE, {"uri": NOTE})).result == {}
        assert (await peer.request(UNSUBSCRIBE, {"uri": NOTE})).result == {}
        assert (await peer.request(SUBSCRIBE, {"uri": PICTURE})).result == {}


@LEGACY
async def test_what_is_refused_ends_nothing(connect: Connect, cell: Cell) -> None:
    """A request that is malformed leaves the subscriptions as they are."""
    async with connect(make_narrow_server, cell) as peer:
        assert (await peer.request(SUBSCRIBE, {"uri": NOTE})).result == {}
        for method in (SUBSCRIBE, UNSUBSCRIBE):
            assert (await peer.request(method, {"uri": 7})).code == -32602
        assert (await peer.request(SUBSCRIBE, {"uri": PICTURE})).code == 429


@BATCHES
async def test_in_a_batch(connect: Connect, cell: Cell) -> None:
    """RPC-16."""
    batch: list[JsonObject] = [
        {"jsonrpc": "2.0", "id": f"b{number}", "method": SUBSCRIBE, "params": {"uri": uri}}
        for number, uri in enumerate((NOTHING, NOTE, PICTURE))
    ]
    async with connect(make_narrow_server, cell) as peer:
        answers = (await peer.raw(json.dumps(batch).encode())).message
        assert isinstance(answers, list)
        found = {str(answer["id"]): answer.get("error") for answer in cast("list[JsonObject]", answers)}
        codes = {name: cast("JsonObject", error)["code"] if error else 0 for name, error in found.items()}
        assert codes == {"b0": -32002, "b1": 0, "b2": 429}
