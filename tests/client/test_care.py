"""What a client does for its user's safety: calls are shown first, URLs are only told, servers are looked after."""

from __future__ import annotations

import asyncio
import logging

import pytest

from anyport import Client
from anyport.client.answers import Elicitation
from anyport.client.states import StateChange
from anyport.client.tool_requests import ToolCall
from anyport.errors import CallDeclined, LocalProtocolError
from anyport.protocol.types.json import JsonObject
from tests.client.peers import (
    DISCOVERED,
    Posted,
    encoded,
    http_answer,
    http_peer,
    load_example,
    result,
    scripted,
    text_result,
)
from tests.client.ways import WAIT


async def test_a_call_is_shown_before_it_is_made() -> None:
    """TOOL-06: with its inputs, and the definition where it is known; only a plain yes lets it go."""
    shown: list[ToolCall] = []
    answers: list[object] = [True, False, None, "yes"]

    async def confirm(call: ToolCall) -> object:
        shown.append(call)
        return answers.pop(0)

    async with Client(load_example(), on_call=confirm) as client:
        assert (await client.call_tool("add", {"a": 1, "b": 2})).data == 3
        await client.list_tools()
        for _ in range(3):
            with pytest.raises(CallDeclined, match="call of 'add' was declined"):
                await client.call_tool("add", {"a": 1, "b": 2})
    first, second, *_ = shown
    assert (first.name, first.arguments, first.server) == ("add", {"a": 1, "b": 2}, "example")
    assert second.tool is not None
    assert second.tool.description == "Add two numbers."


async def test_a_declined_call_is_not_sent() -> None:
    """TOOL-06."""
    body = """
for message in modern():
    say("got " + message["method"])
    answer(message, text("ran"))
"""
    said: list[str] = []
    async with Client(scripted(body), on_call=lambda call: call.name == "good", on_stderr=said.append) as client:
        with pytest.raises(CallDeclined):
            await client.call_tool("bad")
        await client.call_tool("good")
        await client.aclose()
    assert said == ["got tools/call"]


async def test_a_url_is_told_and_not_opened() -> None:
    """ELI-03: all of it, to the callback alone; nothing here fetches it."""
    told: list[str | None] = []

    async def ask(question: Elicitation) -> str:
        told.append(question.url)
        return "accept"

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        question: JsonObject = {"mode": "url", "message": "?", "url": f"{peer.url}/login?next=%2F"}
        asked: JsonObject = {"q": {"method": "elicitation/create", "params": question}}
        answer: JsonObject = {"resultType": "input_required", "inputRequests": asked}
        if posted.rpc_method == "server/discover":
            answer = DISCOVERED
        elif b"inputResponses" in posted.body:
            answer = text_result("in")
        writer.write(http_answer(200, encoded(result(posted, answer))))

    async with http_peer(script) as peer, Client(peer.url, on_elicit=ask) as client:
        assert (await client.call_tool("login")).text == "in"
        assert told == [f"{peer.url}/login?next=%2F"]
        assert {posted.path for posted in peer.requests} == {"/mcp"}


# --- pings ------------------------------------------------------------------------------------------------------------


async def test_a_legacy_server_is_pinged() -> None:
    """LIFE-07: now and then, until the client is closed; that it does not answer is logged."""
    body = """
pings = 0
call = None
for message in legacy():
    if message["method"] == "ping":
        pings += 1
        # Even a refusal says that somebody is there.
        answer(message, {}) if pings % 2 else refuse(message, -32601)
    else:
        call = message
    if call is not None and pings > 4:
        answer(call, text("enough"))
        call = None
"""
    async with Client(scripted(body), era="legacy", ping_interval=0.05) as client, asyncio.timeout(WAIT):
        assert (await client.call_tool("x")).text == "enough"
        assert client.state == "connected"


async def test_a_server_that_is_gone_is_found_out(caplog: pytest.LogCaptureFixture) -> None:
    """LIFE-07: after three pings in a row; whoever listens is connected again by that."""
    lost = asyncio.Event()

    def note(change: StateChange) -> None:
        if change.state == "disconnected":
            lost.set()

    caplog.set_level(logging.WARNING, "anyport.client")
    body = "for message in legacy():\n    pass"
    async with Client(scripted(body), era="legacy", ping_interval=0.05, on_state=note) as client, asyncio.timeout(WAIT):
        await lost.wait()
        assert client.state == "disconnected"
    assert caplog.text.count("did not answer a ping") == 3


@pytest.mark.parametrize("interval", [0, -1, float("inf"), float("nan")])
def test_an_interval_that_is_none(interval: float) -> None:
    with pytest.raises(LocalProtocolError, match="positive number"):
        Client(load_example(), ping_interval=interval)
