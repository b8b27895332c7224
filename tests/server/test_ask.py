"""`Ask` parameters: answered before the body runs, without anything kept on the server (MRTR-04, META-05, META-07)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from anyport import Ask, Context, Limits, McpError, Server
from anyport.protocol.errors import INVALID_PARAMS, MISSING_CLIENT_CAPABILITY
from anyport.protocol.revisions import LATEST_LEGACY
from anyport.protocol.types import CallToolResult, InputRequiredResult
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.security.sealing import Sealer
from anyport.server.declarations import DeclarationError
from anyport.server.rounds import Rounds
from anyport.transports.memory import MemoryBackChannel, MemoryReply
from tests.server.asking import (
    CANCEL,
    DECLINE,
    NOTHING,
    ONLY_ROOTS,
    ONLY_SAMPLING,
    SECRET,
    Client,
    accept,
    asking_call,
    send,
    value,
)
from tests.server.calling import schema_of, text_of


class Size(Enum):
    """How much."""

    SMALL = "small"
    LARGE = "large"


class Address(BaseModel):
    """Where to."""

    street: str
    town: str = "Paris"


@dataclass
class Card:
    """What to write."""

    text: str


def _shop(secret: str | None = None) -> Server:
    server = Server("shop", secret=secret)

    @server.tool
    async def buy(item: str, sure: Annotated[bool, Ask("Really buy {count} {item}?")], count: int = 1) -> str:
        return f"{count} {item}: {sure}"

    @server.tool
    def send(
        item: str,
        to: Annotated[Address, Ask("Where should {item!r} go?")],
        size: Annotated[Size, Ask("How large?")],
        card: Annotated[Card | None, Ask("A card?")],
        wrap: Annotated[Literal["red", "blue"], Ask("Which paper?")] = "red",
    ) -> str:
        return f"{item} {to.town} {size.name} {card and card.text} {wrap}"

    @server.tool
    async def mixed(ctx: Context, first: Annotated[str, Ask("First?")]) -> str:
        return f"{first} {(await ctx.elicit('Second?', str, key='second')).data}"

    @server.prompt
    async def draft(about: str, tone: Annotated[str, Ask("Tone for {about}?")]) -> str:
        return f"{about}: {tone}"

    @server.resource("shop://{item}")
    async def read(item: str, lens: Annotated[str, Ask("Lens for {item}?")]) -> str:
        return f"{item} by {lens}"

    return server


async def test_the_user_gives_the_value() -> None:
    server = _shop()
    client = Client(server, "buy", {"item": "pens", "count": 3})
    await client.call()
    assert client.asked["sure"]["message"] == "Really buy 3 pens?"
    assert len(server.rounds) == 0
    await client.answer(sure=value(True))
    assert client.text == "3 pens: True"


async def test_no_argument_reaches_it() -> None:
    server = _shop()
    assert set(schema_of(server, "buy")["properties"]) == {"item", "count"}  # type: ignore[arg-type]  # an object
    result = await Client(server, "buy", {"item": "pens", "sure": True}).call()
    assert result["isError"] is True


async def test_defaults_of_arguments_are_told_and_no_is_an_answer() -> None:
    client = Client(_shop(), "buy", {"item": "pens"})
    await client.call()
    assert client.asked["sure"]["message"] == "Really buy 1 pens?"
    await client.answer(sure=value(False))
    assert client.text == "1 pens: False"


async def test_all_are_asked_in_one_round_and_what_lacks_is_asked_again() -> None:
    """MRTR-07: given answers travel in the state; any process with the secret goes on, and so does a later one."""
    client = Client(_shop(SECRET), "send", {"item": "pen"})
    await client.call()
    assert set(client.asked) == {"to", "size", "card", "wrap"}
    assert client.asked["to"]["message"] == "Where should 'pen' go?"
    client.server = _shop(SECRET)
    await client.answer(to=accept(street="Rue A"), wrap=value("blue"), other=value(1))
    assert set(client.asked) == {"size", "card"}
    client.server = _shop(SECRET)
    await client.answer(size=value("large"), card=accept(text="Hi"))
    assert client.text == "pen Paris LARGE Hi blue"


@pytest.mark.parametrize("answer", [DECLINE, CANCEL])
async def test_who_does_not_answer_leaves_the_default(answer: JsonObject) -> None:
    """ELI-04: the default, or None where the type takes it."""
    client = Client(_shop(), "send", {"item": "pen"})
    await client.call()
    await client.answer(to=accept(street="Rue A"), size=value("small"), card=answer, wrap=answer)
    assert client.text == "pen Paris SMALL None red"


@pytest.mark.parametrize(("answer", "word"), [(DECLINE, "declined: sure"), (CANCEL, "cancelled: sure")])
async def test_who_does_not_answer_what_is_needed_ends_the_call(answer: JsonObject, word: str) -> None:
    client = Client(_shop(), "buy", {"item": "pens"})
    await client.call()
    result = await client.answer(sure=answer)
    assert result["isError"] is True
    assert word in client.text


async def test_prompts_and_resources() -> None:
    """MRTR-01."""
    client = Client(_shop(), "draft", {"about": "pens"}, method="prompts/get")
    await client.call()
    assert client.asked["tone"]["message"] == "Tone for pens?"
    assert "pens: dry" in str(await client.answer(tone=value("dry")))
    client = Client(_shop(), "shop://pen", method="resources/read")
    await client.call()
    assert "pen by glass" in str(await client.answer(lens=value("glass")))
    client = Client(_shop(), "draft", {"about": "pens"}, method="prompts/get")
    await client.call()
    assert "declined" in (await client.refused(tone=DECLINE)).message


async def test_the_body_asks_on() -> None:
    """What is asked before the body is not parked, what it asks itself is."""
    server = _shop()
    client = Client(server, "mixed")
    await client.call()
    assert (set(client.asked), len(server.rounds)) == ({"first"}, 0)
    await client.answer(first=value("1"))
    assert (set(client.asked), len(server.rounds)) == ({"second"}, 1)
    await client.answer(second=value("2"))
    assert client.text == "1 2"


@pytest.mark.parametrize("wrong", [12345, None, {"action": "accept", "content": {"value": "yes"}}, {"action": "no"}])
async def test_a_wrong_answer_is_an_error_and_may_be_mended(wrong: JsonValue) -> None:
    """MRTR-07."""
    client = Client(_shop(), "buy", {"item": "pens"})
    await client.call()
    assert (await client.refused(sure=wrong)).code == INVALID_PARAMS
    await client.answer(sure=value(True))
    assert client.text == "1 pens: True"


async def test_the_state_is_bound_to_the_arguments() -> None:
    """MRTR-04: a yes to one pen is no yes to a hundred."""
    client = Client(_shop(), "buy", {"item": "pens", "count": 1})
    await client.call()
    client.arguments = {"item": "pens", "count": 100}
    assert (await client.refused(sure=value(True))).code == INVALID_PARAMS
    await client.call()
    assert client.asked["sure"]["message"] == "Really buy 100 pens?"


async def test_answers_that_travel_are_limited() -> None:
    """Limit ``state_bytes``."""
    server = Server("long", limits=Limits(state_bytes=300))

    @server.tool
    async def tell(a: Annotated[str, Ask("A?")], b: Annotated[str, Ask("B?")]) -> str:
        return a + b

    client = Client(server, "tell")
    await client.call()
    await client.answer(a=value("x" * 10))
    await client.answer(b=value("y"))
    assert client.text == "x" * 10 + "y"
    await client.call()
    assert "limit state_bytes" in (await client.refused(a=value("x" * 300))).message


async def test_a_client_that_cannot_ask() -> None:
    """META-05: an error, unless every parameter can do without an answer."""
    server = _shop()

    @server.tool
    async def lenient(a: Annotated[str | None, Ask("A?")], b: Annotated[bool, Ask("B?")] = False) -> str:
        return f"{a} {b}"

    with pytest.raises(McpError) as caught:
        await Client(server, "buy", {"item": "pen"}, capabilities=ONLY_SAMPLING).call()
    assert caught.value.code == MISSING_CLIENT_CAPABILITY
    for capabilities in (NOTHING, ONLY_ROOTS):
        client = Client(server, "lenient", capabilities=capabilities)
        await client.call()
        assert client.text == "None False"


@pytest.mark.parametrize("wrap", [value("blue"), DECLINE])
async def test_a_legacy_client_is_asked_one_thing_after_the_other(wrap: JsonObject) -> None:
    """By the same declaration, over the back-channel."""
    answers = {"Where": accept(street="Rue A"), "How l": value("large"), "A car": DECLINE, "Which": wrap}
    asked: list[str] = []
    open_questions = 0

    async def answerer(method: str, params: JsonObject) -> JsonObject:
        nonlocal open_questions
        open_questions += 1
        assert open_questions == 1
        await asyncio.sleep(0)
        open_questions -= 1
        asked.append(str(params["message"])[:5])
        return answers[asked[-1]]

    reply = MemoryReply()
    reply.back_channel = MemoryBackChannel(answerer, 5)
    result = await send(_shop(), asking_call("send", {"item": "pen"}, revision=LATEST_LEGACY), reply)
    assert text_of(result) == f"pen Paris LARGE None {'red' if wrap is DECLINE else 'blue'}"
    assert asked == list(answers)


async def test_the_time_of_a_state_runs_out() -> None:
    """MRTR-05: the answers of a user are good for ``answer_s``."""
    now = 0.0
    server = _shop()
    parking = Rounds(Limits(answer_s=60), Sealer([SECRET], lambda: now))
    answer = parking.around(server.tools.call, server.tools.manner)
    first = await answer(asking_call("buy", {"item": "pen"}), MemoryReply())
    assert isinstance(first, InputRequiredResult)
    more = {"requestState": first.request_state, "inputResponses": {"sure": value(True)}}
    for now, good in ((60.0, True), (60.002, False)):  # noqa: B007 - the clock reads it
        retry = answer(asking_call("buy", {"item": "pen"}, more=more), MemoryReply())
        if good:
            assert isinstance(await retry, CallToolResult)
        else:
            with pytest.raises(McpError, match="not valid"):
                await retry


async def test_nothing_is_left_running() -> None:
    before = asyncio.all_tasks()
    await Client(_shop(), "buy", {"item": "pens"}).call()
    assert asyncio.all_tasks() == before


# --- declarations -----------------------------------------------------------------------------------------------------


def test_what_cannot_be_asked_is_refused_where_it_stands() -> None:
    server = Server("bad")

    def unknown(item: str, sure: Annotated[bool, Ask("Buy {thing}?")]) -> str:
        return item

    def context(ctx: Context, sure: Annotated[bool, Ask("Buy {ctx}?")]) -> str:
        return ""

    def itself(a: Annotated[bool, Ask("A?")], b: Annotated[bool, Ask("After {a}?")]) -> str:
        return ""

    def numbered(a: Annotated[bool, Ask("{0}?")]) -> str:
        return ""

    def stray(a: Annotated[bool, Ask("{a?")]) -> str:
        return ""

    def nested(a: Annotated[dict[str, int], Ask("A?")]) -> str:
        return ""

    def patterned(a: Annotated[str, Field(pattern="^x"), Ask("A?")]) -> str:
        return ""

    reasons = {
        unknown: "names 'thing'",
        context: "names 'ctx'",
        itself: "names 'a'",
        numbered: "names '0'",
        stray: "stray brace",
        nested: "cannot be asked for a",
        patterned: "has no pattern",
    }
    for function, reason in reasons.items():
        with pytest.raises(DeclarationError, match=reason):
            server.tool(function)


def test_a_default_may_be_the_mark() -> None:
    server = Server("marked")

    @server.tool
    def buy(item: str, sure: bool = Ask("Buy {item}?")) -> str:  # type: ignore[assignment]  # as with Depends
        return f"{item} {sure}"

    async def play() -> str:
        client = Client(server, "buy", {"item": "pen"})
        await client.call()
        await client.answer(sure=value(True))
        return client.text

    assert asyncio.run(play()) == "pen True"


def _namesake(name: str) -> Server:
    server = Server(name, secret="s" * 32)

    @server.tool
    async def buy(sure: Annotated[bool, Ask("Really?")]) -> str:
        return "bought" if sure else "left"

    return server


async def test_a_state_of_another_server_is_refused() -> None:
    """MRTR-05: they share a secret, and have the same tool."""
    client = Client(_namesake("one"), "buy")
    await client.call()
    client.server = _namesake("two")
    with pytest.raises(McpError, match="requestState is not valid") as caught:
        await client.answer(sure=value(True))
    assert caught.value.code == INVALID_PARAMS
    client.server = _namesake("one")
    await client.answer(sure=value(True))
    assert client.text == "bought"
