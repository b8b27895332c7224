"""Questions of the server over HTTP: on the stream of their call, answered by a POST of their own.

LEG-04, LEG-05, LEG-07, CAN-01, CAN-02, SES-05, S11; the limit answer_s.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import cast

import pytest

from anyport.errors import LocalProtocolError, McpError, Timeout
from anyport.protocol.calls import Call, Reply
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.stores import SqliteStore
from anyport.stores.base import Store
from tests.drivers.asgi import Exchange, legacy, open_session, post, start
from tests.drivers.streams import Play, ask_for, get

RESULT: JsonObject = {"action": "accept", "content": {"name": "ann"}}


class Asking(Play):
    """A server that asks.

    Attributes:
        outcome: What came of the questions.
    """

    def __init__(self, store: Store | None = None, limits: Limits | None = None, *, json_only: bool = False) -> None:
        super().__init__(store, limits, json_only=json_only)
        self.outcome: list[object] = []
        self.strays: list[asyncio.Task[None]] = []
        for function in (self.ask, self.ask_twice, self.leave_asking, self.has_channel):
            self.method(function)

    async def _ask(self, reply: Reply) -> JsonObject:
        assert reply.back_channel is not None
        try:
            answer = await reply.back_channel.request("elicitation/create", {"message": "Your name?"})
        except (McpError, Timeout, LocalProtocolError, asyncio.CancelledError) as error:
            self.outcome.append(error)
            raise
        self.outcome.append(answer)
        return answer

    async def ask(self, call: Call, reply: Reply) -> JsonObject:
        """Ask once; the answer is the result."""
        try:
            return await self._ask(reply)
        except Timeout as error:
            return {"timeout": str(error)}

    async def ask_twice(self, call: Call, reply: Reply) -> JsonObject:
        """Ask two questions at a time."""
        answers = await asyncio.gather(self._ask(reply), self._ask(reply))
        return {"answers": list(answers)}

    async def leave_asking(self, call: Call, reply: Reply) -> JsonObject:
        """Return while a task of ours still asks."""

        async def stray() -> None:
            try:
                await self._ask(reply)
            except LocalProtocolError:
                return

        self.strays.append(asyncio.create_task(stray()))
        # It asks.
        await asyncio.sleep(0)
        await reply.notify("notifications/message", {"level": "info", "data": "x"})
        return {}

    async def has_channel(self, call: Call, reply: Reply) -> JsonObject:
        """Tell whether the client can be asked."""
        return {"can": reply.back_channel is not None}


async def question(call: Exchange, count: int = 1) -> str:
    """Wait for questions on a call's stream and return the id of the last one."""
    await call.until(lambda: len(questions(call)) >= count)
    message = questions(call)[count - 1]
    assert message["params"] == {"message": "Your name?"}
    return cast("str", message["id"])


def questions(call: Exchange) -> list[JsonObject]:
    """Return the requests on a call's stream; the answer to a batch is none."""
    return [event for event in call.events if "method" in event and "id" in event]


def answer(question_id: JsonValue, result: JsonObject | None = None, **members: JsonValue) -> JsonObject:
    """Return the answer to a question."""
    message: JsonObject = {"jsonrpc": "2.0", "id": question_id}
    return {**message, **members} if members else {**message, "result": result or RESULT}


def withdrawn(call: Exchange) -> list[JsonValue]:
    """Return the ids of the questions that were withdrawn."""
    found = [event["params"] for event in call.events if event.get("method") == "notifications/cancelled"]
    return [cast("JsonObject", params)["requestId"] for params in found]


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_a_question_and_its_answer(version: str) -> None:
    """LEG-04: the answer is a POST of its own, accepted with 202; LEG-05: the result follows on the stream."""
    play = Asking()
    async with play.app.lifespan():
        session = await open_session(play.app, version)
        call = ask_for(play.app, "ask", session, "a call")
        accepted = await post(play.app, answer(await question(call)), session)
        assert (accepted.status, accepted.body) == (202, b"")
        await call.done()
        assert call.events[-1] == {"jsonrpc": "2.0", "id": "a call", "result": RESULT}
        assert withdrawn(call) == []


async def test_an_error_for_an_answer() -> None:
    play = Asking()
    async with play.app.lifespan():
        session = await open_session(play.app)
        call = ask_for(play.app, "ask", session)
        error: JsonObject = {"code": -1, "message": "User rejected", "data": {"why": 1}}
        await post(play.app, answer(await question(call), error=error), session)
        await call.done()
        assert call.events[-1]["error"] == error
        (raised,) = play.outcome
        assert isinstance(raised, McpError)
        assert (raised.code, raised.message, raised.data) == (-1, "User rejected", {"why": 1})


async def test_two_questions_of_one_call() -> None:
    play = Asking()
    async with play.app.lifespan():
        session = await open_session(play.app)
        call = ask_for(play.app, "ask_twice", session)
        second, first = await question(call, 2), await question(call, 1)
        await post(play.app, answer(second, {"n": 2}), session)
        await post(play.app, answer(first, {"n": 1}), session)
        await call.done()
        assert call.events[-1]["result"] == {"answers": [{"n": 1}, {"n": 2}]}


async def test_ids_are_unlike_and_answers_of_others_mean_nothing() -> None:
    """SES-05: an answer counts in the session whose question it answers, and nowhere else."""
    play = Asking()
    async with play.app.lifespan():
        sessions = [await open_session(play.app) for _ in range(20)]
        calls = [ask_for(play.app, "ask", session) for session in sessions]
        ids = [await question(call) for call in calls]
        assert len(set(ids)) == 20
        for index, session in enumerate(sessions):
            assert (await post(play.app, answer(ids[index - 1], {"foreign": True}), session)).status == 202
        assert play.outcome == []
        for index, session in enumerate(sessions):
            await post(play.app, answer(ids[index], {"own": index}), session)
        for index, call in enumerate(calls):
            assert (await call.done()).events[-1]["result"] == {"own": index}


async def test_answers_that_nobody_waits_for() -> None:
    """LEG-04, CAN-01: late ones and made-up ones are accepted and ignored; the second answer changes nothing."""
    play = Asking()
    async with play.app.lifespan():
        session = await open_session(play.app)
        call = ask_for(play.app, "ask", session)
        asked = await question(call)
        for made_up in (1, 0, -1, "", "x", asked + "x"):
            assert (await post(play.app, answer(made_up), session)).status == 202
        await post(play.app, answer(asked, {"n": 1}), session)
        assert (await post(play.app, answer(asked, {"n": 2}), session)).status == 202
        await call.done()
        assert (await post(play.app, answer(asked), session)).status == 202
        assert call.events[-1]["result"] == {"n": 1}
        no_session = await post(play.app, answer(asked))
        assert (no_session.status, no_session.error_code) == (400, -32600)
        unknown = await post(play.app, answer(asked), {"mcp-session-id": "made-up"})
        assert unknown.status == 404


async def test_no_answer_in_time() -> None:
    """CAN-02, limit answer_s: the question is withdrawn, the tool is told, a late answer is ignored."""
    play = Asking(limits=Limits(answer_s=0.05))
    async with play.app.lifespan():
        session = await open_session(play.app)
        call = await ask_for(play.app, "ask", session).done()
        result = call.events[-1]["result"]
        assert isinstance(result, dict)
        assert "limit answer_s" in str(result["timeout"])
        asked = await question(call)
        assert withdrawn(call) == [asked]
        assert (await post(play.app, answer(asked), session)).status == 202


async def test_a_cancelled_call_withdraws_its_question() -> None:
    """CAN-01: the client learns that its user need not answer, and nothing else."""
    play = Asking()
    async with play.app.lifespan():
        session = await open_session(play.app)
        call = ask_for(play.app, "ask", session)
        asked = await question(call)
        await post(play.app, legacy("notifications/cancelled", {"requestId": 1}, request_id=None), session)
        await call.done()
        assert withdrawn(call) == [asked]
        assert "result" not in call.events[-1]
        assert isinstance(play.outcome[0], asyncio.CancelledError)
        assert (await post(play.app, answer(asked), session)).status == 202


async def test_a_call_that_ends_while_something_of_it_asks() -> None:
    play = Asking()
    async with play.app.lifespan():
        session = await open_session(play.app)
        call = await ask_for(play.app, "leave_asking", session).done()
        await asyncio.gather(*play.strays)
        assert isinstance(play.outcome[0], LocalProtocolError)
        assert len(questions(call)) == 1
        assert call.events[-1]["result"] == {}
        assert withdrawn(call) == [each["id"] for each in questions(call)]


async def test_delete_ends_the_wait() -> None:
    play = Asking()
    async with play.app.lifespan():
        session = await open_session(play.app)
        call = ask_for(play.app, "ask", session)
        asked = await question(call)
        await post(play.app, b"", session, method="DELETE")
        await call.done()
        assert isinstance(play.outcome[0], asyncio.CancelledError)
        assert (await post(play.app, answer(asked), session)).status == 404


async def test_a_question_survives_its_connection() -> None:
    """LEG-06: the client comes back, finds the question in the rest of the stream, and answers."""
    play = Asking()
    async with play.app.lifespan():
        session = await open_session(play.app)
        call = ask_for(play.app, "ask", session)
        await question(call)
        call.disconnect()
        again = get(play.app, session, call.raw_events[0].id)
        await post(play.app, answer(await question(again)), session)
        await again.done()
        await call.done()
        assert again.events[-1]["result"] == RESULT


async def test_an_answer_that_reaches_another_process(tmp_path: Path) -> None:
    """S11: no sticky sessions, for answers either."""
    first, second = (Asking(SqliteStore(tmp_path / "a.db")) for _ in range(2))
    async with first.app.lifespan(), second.app.lifespan():
        session = await open_session(first.app)
        other = await open_session(first.app)
        call = ask_for(first.app, "ask", session)
        asked = await question(call)
        assert (await post(second.app, answer(asked, {"foreign": True}), other)).status == 202
        assert (await post(second.app, answer(asked), session)).status == 202
        await call.done()
        assert call.events[-1]["result"] == RESULT


@pytest.mark.parametrize(
    ("json_only", "accept", "can"),
    [
        (False, "application/json, text/event-stream", True),
        (False, "text/event-stream", True),
        (False, "application/json", False),
        (True, "application/json, text/event-stream", False),
    ],
)
async def test_who_can_be_asked(json_only: bool, accept: str, can: bool) -> None:
    play = Asking(json_only=json_only)
    async with play.app.lifespan():
        session = await open_session(play.app)
        call = await start(play.app, legacy("test/has_channel"), {**session, "accept": accept}).done()
        assert f'"can":{str(can).lower()}'.encode() in call.body


async def test_questions_in_a_batch() -> None:
    """2025-03-26: questions and answers on the one stream of a batch; an answer may come in a batch, too."""
    play = Asking()
    async with play.app.lifespan():
        session = await open_session(play.app, "2025-03-26")
        call = start(play.app, [legacy("test/ask", request_id=1), legacy("ping", request_id=2)], session)
        accepted = await post(play.app, [answer(await question(call))], session)
        assert accepted.status == 202
        await call.done()
        final = json.loads(call.raw_events[-1].data)
        assert final == [
            {"jsonrpc": "2.0", "id": 1, "result": RESULT},
            {"jsonrpc": "2.0", "id": 2, "result": {}},
        ]
