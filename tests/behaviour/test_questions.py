"""What a tool asks its client: the same in every cell, by requests in the legacy era, in rounds in the modern one.

ELI-01, MRTR-01, MRTR-02.
"""

from __future__ import annotations

from typing import cast

import pytest

from anyport.protocol.types.json import JsonObject
from tests.behaviour.cells import ALL_CELLS, Cell, Connect
from tests.behaviour.fixture import make_server
from tests.behaviour.peers.peer import Answer, Asked, Peer

EVERY = pytest.mark.parametrize("cell", ALL_CELLS, ids=str)
CAPABILITIES: JsonObject = {"elicitation": {"form": {}}, "sampling": {}, "roots": {}}
ROUNDS = 5
ACCEPTED: JsonObject = {"action": "accept", "content": {"name": "pen", "price": 2.5}}


def asked_of(user: JsonObject, heard: list[str]) -> Asked:
    """Return how a client answers, and have it note what it was asked."""

    def elicit(params: JsonObject) -> JsonObject:
        heard.append(str(params["message"]))
        return user

    def sample(params: JsonObject) -> JsonObject:
        heard.append(f"at most {params['maxTokens']}")
        return {"role": "assistant", "model": "m", "content": {"type": "text", "text": "four"}, "stopReason": "endTurn"}

    def roots(params: JsonObject) -> JsonObject:
        heard.append("roots")
        return {"roots": [{"uri": "file:///a"}, {"uri": "file:///b", "name": "b"}]}

    answers = {"elicitation/create": elicit, "sampling/createMessage": sample, "roots/list": roots}
    return Asked(CAPABILITIES, answers)


async def call(peer: Peer, tool: str) -> Answer:
    """Call a tool, and answer what it asks: the peer does that in the legacy era, this in the modern one."""
    params: JsonObject = {"name": tool, "arguments": {}}
    for _ in range(ROUNDS):
        answer = await peer.request("tools/call", params)
        if not peer.modern or answer.result["resultType"] == "complete":
            return answer
        questions = cast("dict[str, JsonObject]", answer.result["inputRequests"])
        responses: JsonObject = {
            key: peer.asked.answers[str(question["method"])](cast("JsonObject", question.get("params", {})))
            for key, question in questions.items()
        }
        params = {**params, "inputResponses": responses}
        if "requestState" in answer.result:
            params["requestState"] = answer.result["requestState"]
    raise AssertionError("it asks without end")


@EVERY
@pytest.mark.parametrize(
    ("user", "said"),
    [(ACCEPTED, "accept pen"), ({"action": "decline"}, "decline"), ({"action": "cancel"}, "cancel")],
    ids=["accept", "decline", "cancel"],
)
async def test_the_user(connect: Connect, cell: Cell, user: JsonObject, said: str) -> None:
    """What counts is what the client declares: one of an older revision that declares forms is asked as well."""
    heard: list[str] = []
    async with connect(make_server, cell, asked_of(user, heard)) as peer:
        answer = await call(peer, "ask_user")
        assert (answer.text, heard) == (said, ["Which item?"])
        assert (await peer.call("add", {"a": 1, "b": 1})).text == "2"


@EVERY
@pytest.mark.parametrize(
    ("tool", "said", "question"),
    [("ask_model", "four", "at most 5"), ("ask_roots", "file:///a file:///b", "roots")],
)
async def test_the_model_and_the_roots(connect: Connect, cell: Cell, tool: str, said: str, question: str) -> None:
    """In every revision."""
    heard: list[str] = []
    async with connect(make_server, cell, asked_of(ACCEPTED, heard)) as peer:
        assert ((await call(peer, tool)).text, heard) == (said, [question])


@EVERY
async def test_three_questions_of_one_call(connect: Connect, cell: Cell) -> None:
    """One after the other, each once, and each answer reaches its question."""
    heard: list[str] = []
    async with connect(make_server, cell, asked_of(ACCEPTED, heard)) as peer:
        assert (await call(peer, "ask_all")).text == "2 four accept"
        assert heard == ["roots", "at most 5", "Which item?"]


@EVERY
async def test_a_client_that_cannot_be_asked(connect: Connect, cell: Cell) -> None:
    """A client that declares nothing is asked nothing; the tool fails, and the next call is served."""
    async with connect(make_server, cell) as peer:
        for tool in ("ask_user", "ask_model", "ask_roots"):
            answer = await peer.call(tool)
            assert "error" in answer.message or answer.result["isError"] is True
        assert (await peer.call("add", {"a": 1, "b": 1})).text == "2"
