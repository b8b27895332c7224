"""Questions to the client on a shared channel: requests in the legacy era, results in the modern one.

RPC-13, STDIO-04, ELI-06, MRTR-01, CAN-01.
"""

from __future__ import annotations

import asyncio
import threading
from typing import cast

import msgspec
import pytest

from anyport import Context, Limits, McpError, Server
from anyport.errors import Timeout
from anyport.protocol.jsonrpc import encode_request
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.transports.duplex import Duplex
from tests.drivers.stdio import META

HELLO: JsonObject = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}},
    "clientInfo": {"name": "c", "version": "1"},
}


class Channel:
    """A server behind a channel, and what came out of it."""

    def __init__(self, server: Server, limits: Limits | None = None) -> None:
        self.lines: list[JsonObject] = []
        self.full = False
        self.duplex = Duplex(server.service, limits or server.limits, self, "stdio")
        self.arrived = asyncio.Event()

    def write(self, message: bytes, *, last: bool = False) -> None:
        self.lines.append(msgspec.json.decode(message))
        self.arrived.set()

    async def room(self) -> None:
        raise AssertionError("never full")

    def send(self, message: JsonObject | bytes) -> None:
        text = message if isinstance(message, bytes) else msgspec.json.encode({"jsonrpc": "2.0", **message})
        self.duplex.feed(text + b"\n")

    async def next(self) -> JsonObject:
        """The next message that comes out."""
        while not self.lines:
            self.arrived.clear()
            await self.arrived.wait()
        return self.lines.pop(0)

    async def open(self) -> None:
        """Open a legacy session."""
        self.send(encode_request("hello", "initialize", HELLO))
        await self.next()
        self.send({"method": "notifications/initialized"})

    def call(self, tool: str, request_id: int = 1) -> None:
        self.send(encode_request(request_id, "tools/call", {"name": tool}))

    def answer(self, question: JsonObject, result: JsonObject) -> None:
        self.send({"id": question["id"], "result": result})


class Asker:
    """A server that asks, and what became of its tools."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.server = Server("asker", limits=limits or Limits())
        self.raised: list[BaseException] = []
        self.ended = threading.Event()
        self.server.tool(self.greet)
        self.server.tool(self.blocking)
        self.server.tool(self.both)

    async def greet(self, ctx: Context) -> str:
        try:
            answer = await ctx.elicit("Name?", str)
            return f"Hello, {answer.data}" if answer.accepted else answer.action
        except BaseException as error:
            self.raised.append(error)
            raise

    def blocking(self, ctx: Context) -> str:
        try:
            return f"Hello, {ctx.elicit('Name?', str).data}"
        except BaseException as error:
            self.raised.append(error)
            raise
        finally:
            self.ended.set()

    async def both(self, ctx: Context) -> str:
        name, roots = await asyncio.gather(ctx.elicit("Name?", str), ctx.list_roots())
        return f"{name.data} {[root.uri for root in roots]}"


def _text(message: JsonObject) -> str:
    result = cast("dict[str, list[dict[str, str]]]", message["result"])
    return result["content"][0]["text"]


@pytest.mark.parametrize("tool", ["greet", "blocking"])
async def test_a_question_is_a_request_and_its_answer_goes_to_the_tool(tool: str) -> None:
    channel = Channel(Asker().server)
    await channel.open()
    channel.call(tool)
    question = await channel.next()
    assert question["method"] == "elicitation/create"
    assert cast("JsonObject", question["params"])["message"] == "Name?"
    channel.answer(question, {"action": "accept", "content": {"value": "Ada"}})
    assert _text(await channel.next()) == "Hello, Ada"


async def test_questions_of_one_call_are_answered_in_any_order() -> None:
    """Under ids that this side makes up; those of the client's requests are another matter."""
    channel = Channel(Asker().server)
    await channel.open()
    channel.call("both", 1)
    first, second = await channel.next(), await channel.next()
    assert (first["id"], second["id"]) == (1, 2)
    channel.answer(second, {"roots": [{"uri": "file:///a"}]})
    channel.answer(first, {"action": "accept", "content": {"value": "Ada"}})
    assert _text(await channel.next()) == "Ada ['file:///a']"


async def test_a_modern_call_on_the_same_channel_sends_no_request() -> None:
    """RPC-13, STDIO-04: what it asks is its result."""
    asker = Asker()
    channel = Channel(asker.server)
    await channel.open()
    meta: JsonObject = {**META, "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}
    params: JsonObject = {"name": "greet", "_meta": meta}
    channel.send(encode_request(1, "tools/call", params))
    message = await channel.next()
    assert "method" not in message
    result = cast("JsonObject", message["result"])
    assert result["resultType"] == "input_required"
    (key,) = cast("JsonObject", result["inputRequests"])
    responses: JsonObject = {key: {"action": "accept", "content": {"value": "Ada"}}}
    retry: JsonObject = {**params, "requestState": result["requestState"], "inputResponses": responses}
    channel.send(encode_request(2, "tools/call", retry))
    assert _text(await channel.next()) == "Hello, Ada"


async def test_an_error_of_the_client_reaches_the_tool() -> None:
    asker = Asker()
    channel = Channel(asker.server)
    await channel.open()
    channel.call("greet")
    question = await channel.next()
    channel.send({"id": question["id"], "error": {"code": -1, "message": "no user here", "data": {"a": 1}}})
    await channel.next()
    (error,) = asker.raised
    assert isinstance(error, McpError)
    assert (error.code, error.message, error.data) == (-1, "no user here", {"a": 1})


WRONG: list[JsonObject] = [{}, {"action": "accept"}, {"action": "accept", "content": {"value": 3}}, {"roots": []}]


@pytest.mark.parametrize("result", WRONG)
async def test_a_wrong_answer_is_an_error_in_the_tool(result: JsonObject) -> None:
    asker = Asker()
    channel = Channel(asker.server)
    await channel.open()
    channel.call("greet")
    channel.answer(await channel.next(), result)
    assert cast("JsonObject", (await channel.next())["error"])["code"] == -32602


async def test_late_and_foreign_answers_are_ignored() -> None:
    channel = Channel(Asker().server)
    await channel.open()
    channel.call("greet")
    question = await channel.next()
    strange: list[JsonValue] = [99, "1", 0]
    for other in strange:
        channel.answer({"id": other}, {"action": "cancel"})
    channel.answer(question, {"action": "decline"})
    assert _text(await channel.next()) == "decline"
    channel.answer(question, {"action": "accept", "content": {"value": "late"}})
    channel.call("greet", 2)
    assert (await channel.next())["method"] == "elicitation/create"
    await channel.duplex.aclose(1)


@pytest.mark.parametrize("tool", ["greet", "blocking"])
async def test_a_call_that_is_given_up_takes_its_question_back(tool: str) -> None:
    """CAN-01: the client is told; a thread that waits is let go."""
    asker = Asker()
    channel = Channel(asker.server)
    await channel.open()
    channel.call(tool)
    question = await channel.next()
    channel.send({"method": "notifications/cancelled", "params": {"requestId": 1}})
    taken_back = await channel.next()
    assert taken_back["method"] == "notifications/cancelled"
    assert cast("JsonObject", taken_back["params"])["requestId"] == question["id"]
    await channel.duplex.drain(5)
    if tool == "blocking":
        assert await asyncio.to_thread(asker.ended.wait, 5)
    assert not isinstance(asker.raised[0], Exception), "what unwinds is not for authors to catch"
    assert channel.lines == []


@pytest.mark.parametrize("tool", ["greet", "blocking"])
async def test_a_user_who_takes_too_long(tool: str) -> None:
    """LIFE-06, limit ``answer_s``: the request of the server is cancelled, and the tool is told."""
    asker = Asker(Limits(answer_s=0.01))
    channel = Channel(asker.server)
    await channel.open()
    channel.call(tool)
    question = await channel.next()
    taken_back = await channel.next()
    assert cast("JsonObject", taken_back["params"])["requestId"] == question["id"]
    assert "limit answer_s" in _text(await channel.next())
    assert isinstance(asker.raised[0], Timeout)


@pytest.mark.parametrize("tool", ["greet", "blocking"])
async def test_a_client_that_leaves_fails_what_waits(tool: str) -> None:
    asker = Asker()
    channel = Channel(asker.server)
    await channel.open()
    channel.call(tool)
    await channel.next()
    channel.duplex.end_of_input()
    assert "left without an answer" in _text(await channel.next())
    await channel.duplex.aclose(1)


async def test_nothing_is_asked_of_a_client_that_has_left() -> None:
    asker, gate = Asker(), asyncio.Event()

    @asker.server.tool
    async def late(ctx: Context) -> str:
        await gate.wait()
        return (await ctx.elicit("Name?", str)).action

    channel = Channel(asker.server)
    await channel.open()
    channel.call("late")
    channel.duplex.end_of_input()
    gate.set()
    assert "left without an answer" in _text(await channel.next())
    assert channel.lines == []


async def test_what_the_client_did_not_declare_is_not_asked() -> None:
    """S31: nothing goes out but the error, which is none of the modern codes."""
    channel = Channel(Asker().server)
    channel.send(encode_request("hello", "initialize", {**HELLO, "capabilities": {"sampling": {}}}))
    await channel.next()
    channel.send({"method": "notifications/initialized"})
    channel.call("greet")
    error = cast("JsonObject", (await channel.next())["error"])
    assert (error["code"], "elicitation" in str(error["message"]), "data" in error) == (-32600, True, False)
    assert channel.lines == []
