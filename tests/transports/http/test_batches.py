"""Batches over HTTP (RPC-16): in a session of 2025-03-26, and nowhere else."""

from __future__ import annotations

import asyncio
import json
from typing import cast

import pytest

from anyport import Context, Server
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.serving.asgi import AsgiApp
from tests.drivers.asgi import WAIT, Exchange, call, initialize, legacy, modern, open_session, post, start

BATCHES = "2025-03-26"


class Room:
    """A server whose tools wait.

    Attributes:
        started: Names of the calls that began.
        go: What they wait for.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        server = Server("batches", limits=limits or Limits())
        self.started: list[str] = []
        self.go = asyncio.Event()
        self.changed = asyncio.Event()

        @server.tool
        async def add(a: int, b: int) -> int:
            return a + b

        @server.tool
        async def wait(name: str, ctx: Context) -> str:
            self.started.append(name)
            self.changed.set()
            await self.go.wait()
            await ctx.report_progress(1)
            return name

        self.app: AsgiApp = server.asgi()

    async def until(self, name: str) -> None:
        """Wait until a call has begun."""
        async with asyncio.timeout(WAIT):
            while name not in self.started:
                self.changed.clear()
                await self.changed.wait()


def add(request_id: int | str, a: int = 1) -> JsonObject:
    """Return a call that is quick."""
    return legacy("tools/call", {"name": "add", "arguments": {"a": a, "b": 1}}, request_id=request_id)


def wait(request_id: int, token: int | None = None) -> JsonObject:
    """Return a call that waits."""
    meta: JsonObject = {} if token is None else {"_meta": {"progressToken": token}}
    return legacy(
        "tools/call", {"name": "wait", "arguments": {"name": f"w{request_id}"}, **meta}, request_id=request_id
    )


def answers_of(answer: Exchange) -> dict[JsonValue, JsonObject]:
    """Return the answers of a batch by id."""
    entries = cast("list[JsonObject]", json.loads(answer.body))
    return {entry.get("id"): entry for entry in entries}


def code_of(entry: JsonObject) -> JsonValue:
    """Return the code of an error."""
    return cast("JsonObject", entry["error"])["code"]


async def test_every_request_is_answered_in_one_array() -> None:
    room = Room()
    session = await open_session(room.app, BATCHES)
    answer = await post(room.app, [add(1), add("two", 2), legacy("ping", request_id=3)], session)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    found = answers_of(answer)
    assert set(found) == {1, "two", 3}
    assert cast("JsonObject", found[1]["result"])["content"] == [{"type": "text", "text": "2"}]
    assert found[3]["result"] == {}


async def test_bad_entries_are_answered_beside_good_ones() -> None:
    room = Room()
    session = await open_session(room.app, BATCHES)
    batch: JsonValue = [add(1), 5, {"jsonrpc": "2.0", "id": 2}, legacy("nope", request_id=3), add(1), initialize()]
    answer = await post(room.app, batch, session)
    entries = cast("list[JsonObject]", json.loads(answer.body))
    codes = sorted((str(entry.get("id")), code_of(entry)) for entry in entries if "error" in entry)
    assert codes == [("0", -32600), ("1", -32600), ("2", -32600), ("3", -32601), ("None", -32600)]
    assert [entry["id"] for entry in entries if "result" in entry] == [1]


async def test_a_batch_without_requests_is_accepted() -> None:
    room = Room()
    session = await open_session(room.app, BATCHES)
    batch: JsonValue = [
        legacy("notifications/initialized", request_id=None),
        {"jsonrpc": "2.0", "id": 9, "result": {}},
    ]
    answer = await post(room.app, batch, session)
    assert (answer.status, answer.body) == (202, b"")


@pytest.mark.parametrize("version", ["2024-11-05", "2025-06-18", "2025-11-25"])
async def test_no_other_revision_has_batches(version: str) -> None:
    room = Room()
    session = await open_session(room.app, version)
    answer = await post(room.app, [add(1)], session)
    assert (answer.status, answer.error_code, answer.json.get("id")) == (400, -32600, None)


@pytest.mark.parametrize(
    "batch", [[add(1)], [initialize()], [call("add", {"a": 1, "b": 1})], [modern("tools/list")], []]
)
async def test_no_batch_outside_a_session(batch: JsonValue) -> None:
    answer = await post(Room().app, batch)
    assert (answer.status, answer.error_code, answer.json.get("id")) == (400, -32600, None)


async def test_an_empty_batch() -> None:
    room = Room()
    session = await open_session(room.app, BATCHES)
    answer = await post(room.app, b" []", session)
    assert (answer.status, answer.error_code) == (400, -32600)


async def test_one_call_of_a_batch_is_cancelled() -> None:
    """The running one, and one that has not begun; the rest is answered."""
    room = Room()
    session = await open_session(room.app, BATCHES)
    answer = start(room.app, [wait(1), wait(2), add(3)], session)
    await room.until("w1")
    for request_id in (2, 1):
        cancel = legacy("notifications/cancelled", {"requestId": request_id}, request_id=None)
        assert (await post(room.app, cancel, session)).status == 202
    await answer.done()
    assert set(answers_of(answer)) == {3}
    assert room.started == ["w1"]
    assert (await post(room.app, [add(1), add(2)], session)).status == 200


async def test_a_batch_that_is_cancelled_whole() -> None:
    room = Room()
    session = await open_session(room.app, BATCHES)
    answer = start(room.app, [wait(1)], session)
    await room.until("w1")
    await post(room.app, legacy("notifications/cancelled", {"requestId": 1}, request_id=None), session)
    await answer.done()
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.events == []


async def test_the_end_of_the_session_ends_the_batch() -> None:
    room = Room()
    session = await open_session(room.app, BATCHES)
    answer = start(room.app, [wait(1), wait(2)], session)
    await room.until("w1")
    assert (await post(room.app, b"", session, method="DELETE")).status == 204
    await answer.done()
    assert answer.events == []
    assert room.started == ["w1"]


async def test_a_server_that_stops_answers_the_whole_batch() -> None:
    room = Room()
    session = await open_session(room.app, BATCHES)
    answer = start(room.app, [add(1), wait(2), add(3)], session)
    await room.until("w2")
    answer.task.cancel()
    await answer.done()
    found = answers_of(answer)
    assert "result" in found[1]
    assert (code_of(found[2]), code_of(found[3])) == (-32603, -32603)


async def test_progress_streams_before_the_array() -> None:
    room = Room()
    session = await open_session(room.app, BATCHES)
    room.go.set()
    answer = await post(room.app, [wait(1, 7), add(2)], session)
    assert answer.headers["content-type"] == "text/event-stream"
    first, last = answer.events[0], cast("list[JsonObject]", answer.events[1])
    assert first["method"] == "notifications/progress"
    assert [entry["id"] for entry in last] == [1, 2]


async def test_batches_have_a_limit() -> None:
    room = Room(Limits(batch_messages=3))
    session = await open_session(room.app, BATCHES)
    assert (await post(room.app, [add(n) for n in range(3)], session)).status == 200
    answer = await post(room.app, [add(n) for n in range(4)], session)
    assert (answer.status, answer.error_code) == (400, -32600)
    assert "batch_messages" in answer.error_text


async def test_a_batch_of_too_many_calls() -> None:
    """Limit calls_per_connection: the ones beyond it are refused, one by one."""
    room = Room(Limits(calls_per_connection=2))
    session = await open_session(room.app, BATCHES)
    found = answers_of(await post(room.app, [add(n) for n in range(1, 4)], session))
    assert ["result" in found[n] for n in (1, 2, 3)] == [True, True, False]
    assert code_of(found[3]) == 429
