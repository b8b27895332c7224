"""Several calls at once, and calls that are given up: in every cell."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from anyport.protocol.types.json import JsonObject, JsonValue
from tests.behaviour.cells import ALL_CELLS, Cell, Connect
from tests.behaviour.fixture import make_server

EVERY = pytest.mark.parametrize("cell", ALL_CELLS, ids=str)
CHANNELS = pytest.mark.parametrize("cell", [cell for cell in ALL_CELLS if cell.transport != "memory"], ids=str)
TOOLS = pytest.mark.parametrize("tool", ["wait", "wait_sync"])


@EVERY
async def test_answers_come_as_they_are_ready(connect: Connect, cell: Cell) -> None:
    """Calls do not wait for each other; the last to come may be the first to be answered (S12)."""
    async with connect(make_server, cell) as peer:
        keys = [str(uuid.uuid4()) for _ in range(5)]
        calls = {key: peer.begin_call("wait", {"key": key}, token=True) for key in keys}
        for pending in calls.values():
            await pending.heard()
        for key in reversed(keys):
            assert (await peer.call("release", {"key": key})).text == "ok"
            assert (await calls[key].answer()).text == f"released {key}"


@EVERY
async def test_many_calls(connect: Connect, cell: Cell) -> None:
    """Each gets its own answer."""
    async with connect(make_server, cell) as peer:
        tools = ("add", "add_sync")
        calls = [peer.begin_call(tools[number % 2], {"a": number, "b": 1000}) for number in range(60)]
        answers = await asyncio.gather(*(pending.answer() for pending in calls))
        assert [answer.text for answer in answers] == [str(number + 1000) for number in range(60)]


@EVERY
async def test_a_blocked_thread_blocks_nobody(connect: Connect, cell: Cell) -> None:
    """D11: while plain functions block their threads, everything else is answered."""
    async with connect(make_server, cell) as peer:
        keys = [str(uuid.uuid4()) for _ in range(8)]
        calls = [peer.begin_call("wait_sync", {"key": key}, token=True) for key in keys]
        for pending in calls:
            await pending.heard()
        assert (await peer.call("add", {"a": 1, "b": 1})).text == "2"
        assert (await peer.call("add_sync", {"a": 1, "b": 1})).text == "2"
        for key, pending in zip(keys, calls, strict=True):
            await peer.call("release", {"key": key})
            assert (await pending.answer()).text == f"released {key}"


@EVERY
@TOOLS
async def test_cancellation(connect: Connect, cell: Cell, tool: str) -> None:
    """CAN-01, STDIO-05, HTTP-10: the tool learns of it, nothing more comes, and the next call is served."""
    async with connect(make_server, cell) as peer:
        key, other = str(uuid.uuid4()), str(uuid.uuid4())
        beside = peer.begin_call("wait", {"key": other}, token=True)
        pending = peer.begin_call(tool, {"key": key}, token=True)
        await beside.heard()
        await pending.heard()
        await peer.cancel(pending)
        assert (await peer.call("end_of", {"key": key})).text == "cancelled"
        assert pending.ended
        with pytest.raises(AssertionError):
            await pending.answer()
        assert len(pending.notifications) <= 1
        await peer.call("release", {"key": other})
        assert (await beside.answer()).text == f"released {other}"


@CHANNELS
async def test_late_and_foolish_cancellations(connect: Connect, cell: Cell) -> None:
    """CAN-01: of what is finished, of what never was, and malformed ones: ignored."""
    async with connect(make_server, cell) as peer:
        done = await peer.call("add", {"a": 1, "b": 1})
        key = str(uuid.uuid4())
        pending = peer.begin_call("wait", {"key": key}, token=True)
        await pending.heard()
        foolish: list[JsonValue] = ["never", 10**6, None, [], {"a": 1}, str(pending.id), 1.5, True]
        for request_id in (done.message["id"], *foolish):
            await peer.notify("notifications/cancelled", {"requestId": request_id})
        await peer.notify("notifications/cancelled", {})
        await peer.call("release", {"key": key})
        assert (await pending.answer()).text == f"released {key}"


@CHANNELS
async def test_an_id_that_is_in_use(connect: Connect, cell: Cell) -> None:
    """D06: refused on a channel and in a session; modern HTTP requests have nothing to do with each other (META-06)."""
    async with connect(make_server, cell) as peer:
        key = str(uuid.uuid4())
        pending = peer.begin_call("wait", {"key": key}, token=True)
        await pending.heard()
        again = await peer.request("tools/call", {"name": "add", "arguments": {"a": 1, "b": 1}}, request_id=pending.id)
        if cell.modern and cell.transport.startswith("http"):
            assert again.text == "2"
        else:
            assert again.code == -32600
            assert "id" in again.reason
        await peer.call("release", {"key": key})
        assert (await pending.answer()).text == f"released {key}"
        assert (await peer.request("tools/list", request_id=pending.id)).result["tools"]


@EVERY
async def test_ids_of_two_types_are_two_ids(connect: Connect, cell: Cell) -> None:
    """RPC-04: 7 and "7" may be in flight together."""
    async with connect(make_server, cell) as peer:
        key = str(uuid.uuid4())
        params: JsonObject = {"name": "wait", "arguments": {"key": key}}
        calls = [peer.start("tools/call", params, request_id=entry, token=True) for entry in (7777, "7777")]
        for pending in calls:
            await pending.heard()
        await peer.call("release", {"key": key})
        for pending, kind in zip(calls, (int, str), strict=True):
            assert type((await pending.answer()).message["id"]) is kind
