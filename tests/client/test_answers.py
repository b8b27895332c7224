"""What a client answers when a server asks: the same callbacks in both eras, on every transport that can ask."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from pydantic import BaseModel

from anyport import Client, Context, Server
from anyport.client.answers import Answers, Elicitation
from anyport.errors import InternalError, InvalidParams, LocalProtocolError, McpError, RemoteProtocolError, ToolError
from anyport.protocol.types import CreateMessageRequestParams, CreateMessageResult, ElicitResult, Root, TextContent
from anyport.protocol.types.json import JsonObject
from tests.client.peers import DISCOVERED, answering, encoded, http_answer, http_peer, result, scripted, text_result
from tests.client.ways import WAIT, Way


async def test_the_user_is_asked(full: Way) -> None:
    """ELI-01, MRTR-06: who asks is said; defaults of what was left out are filled in; a page."""
    asked: list[Elicitation] = []

    async def ask(question: Elicitation) -> object:
        asked.append(question)
        await asyncio.sleep(0)
        if question.url is not None:
            return "accept"
        return {"item": "pen"} if question.message == "What shall it be?" else {"value": "a"}

    async with full.client(on_elicit=ask) as client:
        assert (await client.call_tool("order")).data == "2 pen"
        assert (await client.call_tool("visit")).data == "accept"
    form, page = asked
    assert (form.server, form.mode, form.message) == ("full", "form", "What shall it be?")
    assert form.schema is not None
    assert (page.mode, page.url, page.schema) == ("url", "https://example.org/login", None)
    assert (page.host, page.warnings, form.host, form.warnings) == ("example.org", [], None, [])


def test_a_user_is_warned_of_a_page() -> None:
    """ELI-03: all of the URL is there, its host apart, and what is suspicious about it."""
    page = Elicitation(message="Pay", url="http://bank.example@xn--pple-43d.com/pay")
    assert (page.url, page.host) == ("http://bank.example@xn--pple-43d.com/pay", "xn--pple-43d.com")
    assert len(page.warnings) == 3
    assert Elicitation(message="Pay", url="javascript:alert(1)").host is None


async def test_a_page_is_opened_by_nobody_but_the_user() -> None:
    """ELI-03: the client does not so much as connect to it."""
    connected = asyncio.Event()
    listening = await asyncio.start_server(lambda reader, writer: connected.set(), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    server = Server("pages")

    @server.tool
    async def visit(ctx: Context) -> str:
        return (await ctx.elicit_url("Look", url)).action

    async with listening, Client(server, on_elicit=lambda question: "accept") as client:
        assert (await client.call_tool("visit")).data == "accept"
    assert not connected.is_set()


async def test_questions_in_a_row(full: Way) -> None:
    """MRTR-06: each round goes with the state of the one before it."""
    said = iter([{"value": "a"}, {"value": "d"}])
    async with full.client(on_elicit=lambda question: next(said)) as client:
        assert (await client.call_tool("twice")).data == "ad"


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_the_user_may_refuse(near: Way, action: str) -> None:
    """ELI-01: with the action alone, or with nothing, which is to leave without choosing."""
    async with near.client(on_elicit=lambda question: None if action == "cancel" else {"action": action}) as client:
        assert (await client.call_tool("order")).data == action


async def test_a_model_and_roots(full: Way, tmp_path: Path) -> None:
    """SMP-01, ROOT-01: text is enough of an answer, paths are enough of a root."""
    requests: list[CreateMessageRequestParams] = []

    def think(request: CreateMessageRequestParams) -> str:
        requests.append(request)
        return "Paris"

    async with full.client(roots=[tmp_path, "file:///srv"], on_sample=think) as client:
        assert (await client.call_tool("think")).data == "Paris"
        assert (await client.call_tool("look")).data == [tmp_path.as_uri(), "file:///srv"]
    assert requests[0].max_tokens == 7


async def test_nothing_is_declared_that_was_not_given(near: Way) -> None:
    """S31, LIFE-05, META-05: a tool that needs more is refused, by the server or in its result."""
    async with near.client() as client:
        assert (await client.call_tool("declared")).data == []
        with pytest.raises((McpError, ToolError), match="elicitation"):
            await client.call_tool("order")
    async with near.client(on_sample=lambda request: "x") as client:
        assert (await client.call_tool("declared")).data == ["sampling"]


async def test_a_callback_that_fails(near: Way, caplog: pytest.LogCaptureFixture) -> None:
    """The call ends, with the user's own exception where the answer is part of it; the next call works."""

    def fail(question: Elicitation) -> object:
        raise ZeroDivisionError("out of forms")

    async with near.client(on_elicit=fail) as client:
        with pytest.raises((ZeroDivisionError, McpError)) as caught:
            await client.call_tool("order")
        if near.era == "legacy":
            assert "could not answer elicitation/create" in str(caught.value)
            assert "out of forms" not in str(caught.value)
            assert "out of forms" in caplog.text
        assert (await client.call_tool("meta", {"key": "x"})).data == "None"


async def test_roots_may_change(near: Way) -> None:
    """ROOT-01: a function is asked each time."""
    here = ["file:///a"]

    async def roots() -> list[str]:
        return here

    async with near.client(roots=roots) as client:
        assert (await client.call_tool("look")).data == ["file:///a"]
        here.append("file:///b")
        await client.notify_roots_changed()
        assert (await client.call_tool("look")).data == ["file:///a", "file:///b"]
    async with near.client() as client:
        with pytest.raises(LocalProtocolError, match="roots="):
            await client.notify_roots_changed()


# --- what callbacks may return ----------------------------------------------------------------------------------------


class Model(BaseModel):
    """A form."""

    item: str


@dataclass
class Plain:
    """A form."""

    item: str


FORM: JsonObject = {"type": "object", "properties": {"item": {"type": "string"}}}
ACTION_FORM: JsonObject = {"type": "object", "properties": {"action": {"type": "string"}}}


@pytest.mark.parametrize(
    ("said", "schema", "expected"),
    [
        ({"item": "pen"}, FORM, {"action": "accept", "content": {"item": "pen"}}),
        (Model(item="pen"), FORM, {"action": "accept", "content": {"item": "pen"}}),
        (Plain("pen"), FORM, {"action": "accept", "content": {"item": "pen"}}),
        ({}, FORM, {"action": "accept", "content": {}}),
        ({"action": "accept", "content": {"item": "x"}}, FORM, {"action": "accept", "content": {"item": "x"}}),
        ({"action": "decline", "content": {"item": "x"}}, FORM, {"action": "decline"}),
        ({"action": "decline"}, ACTION_FORM, {"action": "accept", "content": {"action": "decline"}}),
        ({"action": "decline", "content": {}}, ACTION_FORM, {"action": "decline"}),
        (ElicitResult(action="accept", content={"item": "x"}), FORM, {"action": "accept", "content": {"item": "x"}}),
        (ElicitResult(action="cancel"), ACTION_FORM, {"action": "cancel"}),
        ("decline", FORM, {"action": "decline"}),
        (None, FORM, {"action": "cancel"}),
    ],
)
async def test_what_may_be_answered(said: object, schema: JsonObject, expected: JsonObject) -> None:
    answers = Answers(on_elicit=lambda question: said)
    assert await answers.answer("elicitation/create", {"message": "?", "requestedSchema": schema}) == expected


@pytest.mark.parametrize("said", ["perhaps", 7, ["x"]])
async def test_what_is_no_answer(said: object) -> None:
    answers = Answers(on_elicit=lambda question: said)
    with pytest.raises(InternalError, match="on_elicit answered with"):
        await answers.answer("elicitation/create", {"message": "?", "requestedSchema": FORM})


@pytest.mark.parametrize(
    "params", [{}, {"message": "?"}, {"message": "?", "mode": "url"}, {"message": "?", "mode": "x"}]
)
async def test_a_question_that_is_none(params: JsonObject) -> None:
    with pytest.raises(InvalidParams):
        await Answers(on_elicit=lambda question: None).answer("elicitation/create", params)


SAMPLE: JsonObject = {"messages": [], "maxTokens": 1}
MESSAGE: JsonObject = {"role": "assistant", "content": {"type": "text", "text": "hi"}, "model": "m"}


@pytest.mark.parametrize(
    "said",
    [
        MESSAGE,
        {"content": "hi", "model": "m"},
        {"content": {"type": "text", "text": "hi"}, "model": "m"},
        CreateMessageResult(role="assistant", content=TextContent(text="hi"), model="m"),
    ],
)
async def test_what_a_model_may_say(said: object) -> None:
    assert await Answers(on_sample=lambda request: said).answer("sampling/createMessage", SAMPLE) == MESSAGE


async def test_what_a_model_may_not_say() -> None:
    """SMP-01: nothing that is no message, and no tools, which were not declared."""
    with pytest.raises(InternalError, match="no message"):
        await Answers(on_sample=lambda request: {"role": "user"}).answer("sampling/createMessage", SAMPLE)
    with pytest.raises(InvalidParams, match="malformed"):
        await Answers(on_sample=lambda request: "x").answer("sampling/createMessage", {})
    with pytest.raises(InvalidParams, match="was not declared"):
        await Answers(on_sample=lambda request: "x").answer("sampling/createMessage", {**SAMPLE, "tools": []})


def test_a_root_is_a_file() -> None:
    """ROOT-01: found at once, and not when a server asks."""
    with pytest.raises(LocalProtocolError, match="a path or a file: URI"):
        Client(["x"], roots=["https://example.org"])
    with pytest.raises(LocalProtocolError, match="a path or a file: URI"):
        Client(["x"], roots=[Root(uri="ftp://x")])


# --- servers that ask what they may not -------------------------------------------------------------------------------


async def asked(*answers: JsonObject) -> str:
    """Call a tool of a modern server that answers so, one after the other; return what the last one says."""
    rest = list(answers)
    script = answering("modern", lambda posted: http_answer(200, encoded(result(posted, rest.pop(0)))))
    async with http_peer(script) as peer, Client(peer.url, on_elicit=lambda question: {"n": 1}) as client:
        said = (await client.call_tool("any")).text
        calls = [posted.message for posted in peer.requests if posted.rpc_method == "tools/call"]
        assert len({str(call["id"]) for call in calls}) == len(calls)
        params = [cast(JsonObject, call["params"]) for call in calls]
        return f"{said} {[sorted(given.keys() - {'_meta'}) for given in params]}"


ASK: JsonObject = {"method": "elicitation/create", "params": {"message": "?", "requestedSchema": FORM}}
ENOUGH = text_result("enough")


async def test_the_state_goes_back_as_it_came() -> None:
    """MRTR-06: with a new id; without a state none is sent, and that of an earlier round is not sent again."""
    rounds: list[JsonObject] = [
        {"resultType": "input_required", "inputRequests": {"k": ASK}, "requestState": "s1"},
        {"resultType": "input_required", "inputRequests": {"k": ASK}},
        {"resultType": "input_required", "requestState": "s2"},
        {**ENOUGH, "resultType": "complete"},
    ]
    assert await asked(*rounds) == (
        "enough [['arguments', 'name'], ['arguments', 'inputResponses', 'name', 'requestState'],"
        " ['arguments', 'inputResponses', 'name'], ['arguments', 'name', 'requestState']]"
    )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({}, "neither"),
        ({"requestState": 7}, "no text"),
        ({"inputRequests": []}, "has to be an object"),
        ({"inputRequests": {"k": 7}}, "there is not"),
        ({"inputRequests": {"k": {"method": "tools/call"}}}, "there is not"),
        ({"inputRequests": {"k": {"method": "roots/list"}}}, "did not declare"),
        ({"inputRequests": {"k": {"method": "elicitation/create", "params": 7}}}, "no object"),
        ({"inputRequests": {str(number): ASK for number in range(65)}}, "at most 64"),
    ],
)
async def test_a_round_that_is_none(answer: JsonObject, message: str) -> None:
    """MRTR-02, MRTR-03."""
    with pytest.raises(RemoteProtocolError, match=message):
        await asked({**answer, "resultType": "input_required"})


async def test_a_server_that_asks_without_end() -> None:
    """The number of rounds is bounded."""
    endless: JsonObject = {"resultType": "input_required", "requestState": "again"}
    with pytest.raises(RemoteProtocolError, match="asked 32 times"):
        await asked(*[endless] * 40)


async def test_only_what_may_ask_is_answered() -> None:
    """MRTR-01, RPC-07: a list cannot ask; and no result of another kind was offered."""
    asking: JsonObject = {"resultType": "input_required", "requestState": "x", "tools": []}
    script = answering("modern", lambda posted: http_answer(200, encoded(result(posted, asking))))
    async with http_peer(script) as peer, Client(peer.url) as client:
        with pytest.raises(RemoteProtocolError, match="not offered: 'input_required'"):
            await client.list_tools()
    assert DISCOVERED["resultType"] == "complete"


async def test_a_legacy_server_asks_what_it_likes() -> None:
    """LIFE-05, LIFE-07, CAN-01: a ping is answered, the undeclared refused; a question may be taken back."""
    body = """
for message in legacy():
    if message.get("method") == "tools/call":
        send({"id": "p", "method": "ping"})
        send({"id": "r", "method": "roots/list"})
        send({"id": "e", "method": "elicitation/create", "params": {"message": "forget it", "requestedSchema": {}}})
        send({"method": "notifications/cancelled", "params": {"requestId": "e"}})
        send({"id": "f", "method": "elicitation/create", "params": {"message": "?", "requestedSchema": {}}})
        call, answers = message, {}
    elif "id" in message:
        answers[message["id"]] = message.get("error", {}).get("code", message.get("result"))
        if len(answers) == 3:
            answer(call, text(answers))
"""

    async def ask(question: Elicitation) -> object:
        if question.message == "forget it":
            await asyncio.Event().wait()
        return "decline"

    async with asyncio.timeout(WAIT), Client(scripted(body), on_elicit=ask) as client:
        said = (await client.call_tool("any")).text
    assert said == '{"p": {}, "r": -32601, "f": {"action": "decline"}}'
