"""Calls of the modern era that ask and wait: rounds, states, limits, and what is left behind (MRTR, META-07).

MRTR-01, MRTR-02, MRTR-03, MRTR-04, MRTR-05, MRTR-07, META-05, META-07, ELI-04.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from anyport import McpError, Server
from anyport.protocol.errors import INVALID_PARAMS, MISSING_CLIENT_CAPABILITY
from anyport.protocol.types.json import JsonObject, JsonValue
from tests.server.asking import (
    CANCEL,
    DECLINE,
    NOTHING,
    ONLY_SAMPLING,
    SAID,
    Asker,
    Client,
    closing,
    value,
)

# --- rounds -----------------------------------------------------------------------------------------------------------


async def test_a_call_ends_with_its_question_and_the_retry_goes_on() -> None:
    """MRTR-02, META-07: the state that the client carries is all that ties the two requests."""
    asker = Asker()
    client = Client(asker.server, "greet", {"greeting": "Hi"})
    await client.call()
    schema = {"type": "object", "properties": {"value": {"type": "string"}}, "required": ["value"]}
    assert client.asked == {"name": {"message": "Name?", "requestedSchema": schema}}
    assert len(asker.server.rounds) == 1
    await client.answer(name=value("Ada"))
    assert (client.text, asker.started, len(asker.server.rounds)) == ("Hi, Ada", 1, 0)


@pytest.mark.parametrize(("answer", "text"), [(DECLINE, "decline"), (CANCEL, "cancel"), (value("A"), "Hello, A")])
async def test_every_action_is_an_answer(answer: JsonObject, text: str) -> None:
    """ELI-04."""
    client = Client(Asker().server, "greet")
    await client.call()
    await client.answer(name=answer)
    assert client.text == text


async def test_what_is_asked_at_once_goes_in_one_round() -> None:
    client = Client(Asker().server, "both")
    await client.call()
    assert set(client.asked) == {"name", "town"}
    await client.answer(name=value("Ada"), town=SAID)
    assert client.text == "Ada of Paris"


async def test_missing_answers_are_asked_for_again_and_others_are_ignored() -> None:
    """MRTR-07: what was answered is kept; the state changes with every round."""
    async with closing(Asker().server) as server:
        client = Client(server, "both")
        await client.call()
        states = [client.state]
        await client.answer(nobody={"asked": "this"})
        assert set(client.asked) == {"name", "town"}
        states.append(client.state)
        await client.answer(town=SAID, extra=3)
        assert set(client.asked) == {"name"}
        states.append(client.state)
        await client.call(requestState=client.state)
        assert set(client.asked) == {"name"}
        states.append(client.state)
        assert len(set(states)) == 4
        await client.answer(name=value("Ada"))
        assert client.text == "Ada of Paris"


async def test_the_body_speaks_on_the_request_that_drives_it() -> None:
    """Progress goes out under the token of the retry, and the context tells of the retry."""
    client = Client(Asker().server, "steps")
    await client.call({"progressToken": "a"})
    (first,) = client.asked
    await client.answer({"progressToken": "b"}, **{first: value("1")})
    (second,) = client.asked
    assert first != second
    await client.answer({"progressToken": "c", "note": "last"}, **{second: value("2")})
    assert client.text == "1 2 1 last"
    assert [each.params["progressToken"] for each in client.heard.notifications] == ["a", "b"]


@pytest.mark.parametrize(
    ("method", "name", "arguments", "key", "found"),
    [
        ("prompts/get", "draft", {"about": "pens"}, "tone", "pens: dry"),
        ("resources/read", "ask://pen", None, "which", "pen: dry"),
    ],
)
async def test_prompts_and_resources_ask_too(
    method: str, name: str, arguments: dict[str, object] | None, key: str, found: str
) -> None:
    """MRTR-01."""
    client = Client(Asker().server, name, arguments, method=method)
    await client.call()
    assert set(client.asked) == {key}
    result = await client.answer(**{key: value("dry")})
    assert found in str(result)
    if method == "resources/read":
        assert result["ttlMs"] == 0


async def test_a_plain_function_waits_on_its_thread() -> None:
    asker = Asker()
    client = Client(asker.server, "blocking")
    await client.call()
    await client.answer(number=value(3))
    assert client.text == "3 on anyport"
    await asker.ended.wait()


async def test_nothing_runs_apart_where_nothing_can_be_asked() -> None:
    """No task: for a tool without a context, and for a client that declares nothing."""
    asker = Asker()
    before = asyncio.all_tasks()
    assert Client(asker.server, "silent").name == "silent"
    await Client(asker.server, "silent").call()
    with pytest.raises(McpError) as caught:
        await Client(asker.server, "greet", capabilities=NOTHING).call()
    assert (caught.value.code, caught.value.data) == (
        MISSING_CLIENT_CAPABILITY,
        {"requiredCapabilities": {"elicitation": {}}},
    )
    assert asyncio.all_tasks() == before


# --- answers that are none --------------------------------------------------------------------------------------------

MALFORMED: list[JsonValue] = [
    12345,
    None,
    "Ada",
    [],
    {},
    {"action": "maybe"},
    {"action": "accept"},
    {"action": "accept", "content": {"value": 3}},
    {"action": "accept", "content": {"value": None}},
    {"action": "accept", "content": {"value": {"nested": "A"}}},
    {"code": -1, "message": "an error"},
    SAID,
]


@pytest.mark.parametrize("wrong", MALFORMED)
async def test_a_wrong_answer_is_an_error_and_the_question_stays_open(wrong: JsonValue) -> None:
    """MRTR-07: the same state may be sent again with an answer."""
    async with closing(Asker().server) as server:
        client = Client(server, "greet")
        await client.call()
        error = await client.refused(name=wrong)
        assert error.code == INVALID_PARAMS
        assert "elicitation/create" in error.message
        await client.answer(name=value("Ada"))
        assert client.text == "Hello, Ada"


@pytest.mark.parametrize("wrong", [None, 3, "name", ["name"]])
async def test_responses_are_an_object(wrong: JsonValue) -> None:
    """MRTR-07."""
    async with closing(Asker().server) as server:
        client = Client(server, "greet")
        assert (await client.refusal(inputResponses=wrong)).code == INVALID_PARAMS
        await client.call()
        assert (await client.refusal(inputResponses=wrong, requestState=client.state)).code == INVALID_PARAMS
        await client.answer(name=value("Ada"))
        assert client.text == "Hello, Ada"


async def test_answers_without_a_state_are_answers() -> None:
    """MRTR-07: to what is asked under their keys; others are ignored, and wrong ones are errors."""
    async with closing(Asker().server) as server:
        client = Client(server, "greet")
        await client.call(inputResponses={"name": value("Ada"), "extra": 1})
        assert client.text == "Hello, Ada"
        await client.call(inputResponses={"other": value("Ada")})
        assert set(client.asked) == {"name"}
        assert (await client.refusal(inputResponses={"name": 12345})).code == INVALID_PARAMS


# --- states -----------------------------------------------------------------------------------------------------------


async def test_a_state_is_good_once() -> None:
    """MRTR-05: single use, for a call that waits again and for one that is done."""
    async with closing(Asker().server) as server:
        client = Client(server, "steps")
        await client.call()
        used = client.state
        (first,) = client.asked
        await client.answer(**{first: value("1")})
        error = await client.refusal(requestState=used, inputResponses={first: value("2")})
        assert error.code == INVALID_PARAMS
        assert "not waiting" in error.message
        (second,) = client.asked
        last = client.state
        await client.answer(**{second: value("2")})
        assert client.text.startswith("1 2")
        assert (await client.refusal(requestState=last, inputResponses={second: value("3")})).code == INVALID_PARAMS


async def test_two_retries_at_once_are_one_too_many() -> None:
    """MRTR-05."""
    client = Client(Asker().server, "greet")
    await client.call()
    retries = [client.answer(name=value("Ada")), client.answer(name=value("Ada"))]
    found = await asyncio.gather(*retries, return_exceptions=True)
    assert sorted(isinstance(result, McpError) for result in found) == [False, True]


@pytest.mark.parametrize("wrong", [3, None, "", "1.", "1.AAAA", "not a state"])
async def test_what_is_no_state_is_refused(wrong: JsonValue) -> None:
    """MRTR-04."""
    assert (await Client(Asker().server, "greet").refusal(requestState=wrong)).code == INVALID_PARAMS


def _other_principal(client: Client) -> None:
    client.principal = "mallory"


def _other_arguments(client: Client) -> None:
    client.arguments = {"greeting": "Bye"}


def _other_name(client: Client) -> None:
    client.name = "steps"


def _other_method(client: Client) -> None:
    client.method, client.name = "prompts/get", "draft"


@pytest.mark.parametrize("change", [_other_principal, _other_arguments, _other_name, _other_method])
async def test_a_state_is_bound_to_who_asked_for_what(change: Callable[[Client], None]) -> None:
    """MRTR-04, MRTR-05, ELI-04: refused in words that do not say what was wrong, and the call waits on."""
    async with closing(Asker().server) as server:
        client = Client(server, "greet", {"greeting": "Hi"}, principal="alice")
        await client.call()
        before = (client.principal, client.arguments, client.name, client.method)
        change(client)
        error = await client.refused(name=value("Mallory"))
        assert (error.code, "not valid" in error.message) == (INVALID_PARAMS, True)
        tampered = await client.refusal(requestState=client.state + "-TAMPERED", inputResponses={})
        assert tampered.message == error.message
        client.principal, client.arguments, client.name, client.method = before
        await client.answer(name=value("Ada"))
        assert client.text == "Hi, Ada"


async def test_another_process_says_that_it_does_not_hold_the_call() -> None:
    """With one secret for both, the state opens, and the answer says what to do."""
    first, second = (Server("a", secret="s" * 32) for _ in range(2))
    for server in (first, second):
        server.tool(Asker().greet)
    async with closing(first), closing(second):
        client = Client(first, "greet")
        await client.call()
        client.server = second
        assert "not waiting here" in (await client.refused(name=value("Ada"))).message
        client.server = first
        await client.answer(name=value("Ada"))
        assert client.text == "Hello, Ada"


async def test_a_retry_that_declares_less_is_not_asked_again() -> None:
    """MRTR-03: each request says anew what its client can do."""
    client = Client(Asker().server, "both")
    await client.call()
    client.capabilities = ONLY_SAMPLING
    error = await client.refused(town=SAID)
    assert (error.code, error.data) == (MISSING_CLIENT_CAPABILITY, {"requiredCapabilities": {"elicitation": {}}})
    assert len(client.server.rounds) == 0
