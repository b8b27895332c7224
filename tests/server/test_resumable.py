"""Resumable tools: the body runs again with its recorded answers, anywhere; side effects do not (META-07, MRTR-04)."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest

from anyport import Context, Limits, Server
from anyport.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS
from anyport.protocol.revisions import LATEST_LEGACY
from anyport.protocol.types.json import JsonValue
from tests.server.asking import DECLINE, SAID, SECRET, Client, accept, asking_call, send, value
from tests.server.calling import text_of


class Shop:
    """One process: a server with tools that may run again, and what they did."""

    def __init__(self, limits: Limits | None = None, secret: str = SECRET) -> None:
        self.server = Server("shop", secret=secret, limits=limits or Limits())
        self.runs = 0
        self.orders: list[str] = []
        self.unwound: list[str] = []
        self.moody = "Sure?"
        self.server.tool(resumable=True)(self.order)
        self.server.tool(resumable=True)(self.together)
        self.server.tool(resumable=True)(self.loop)
        self.server.tool(resumable=True)(self.vary)
        self.server.tool(resumable=True)(self.forget)
        self.server.tool(resumable=True)(self.blocking)
        self.server.tool(resumable=True)(self.effects)
        self.server.tool(self.waiting)

    def place(self, item: str) -> str:
        self.orders.append(item)
        return f"order {len(self.orders)}"

    async def order(self, item: str, ctx: Context) -> str:
        self.runs += 1
        try:
            count = (await ctx.elicit(f"How many {item}?", int)).data
            number = await ctx.once("order", lambda: self.place(item))
            sure = await ctx.elicit(f"Pay {number}?", bool, key="sure")
            return f"{count} {number} {sure.action} {sure.data}"
        except Exception as error:
            self.unwound.append(type(error).__name__)
            raise

    async def together(self, ctx: Context) -> str:
        name, town = await asyncio.gather(ctx.elicit("Name?", str, key="name"), ctx.sample("Town?", key="town"))
        return f"{name.data} of {town.text}"

    async def loop(self, ctx: Context) -> str:
        found: list[int] = []
        while sum(found) < 10:
            found.append((await ctx.elicit("More?", int, key="more")).data)
        return str(found)

    async def vary(self, ctx: Context) -> str:
        await ctx.elicit(self.moody, bool, key="sure")
        return "never"

    async def forget(self, ctx: Context) -> str:
        self.runs += 1
        if self.runs == 1:
            await ctx.elicit("First?", bool, key="first")
        if self.runs < 3:
            await ctx.elicit("Second?", bool, key=f"second{self.runs}")
        return "done"

    def blocking(self, ctx: Context) -> str:
        self.runs += 1
        try:
            return str(ctx.elicit("Number?", int, key="number").data)
        except Exception as error:
            self.unwound.append(type(error).__name__)
            raise

    async def effects(self, ctx: Context, what: str) -> str:
        async def slow() -> JsonValue:
            self.orders.append(what)
            await asyncio.sleep(0)
            return {"at": [1, 2.5, None]}

        async def bad() -> object:
            return datetime

        found, _ = await asyncio.gather(ctx.once("slow", slow), ctx.elicit("Go on?", bool, key="go"))
        again = await ctx.once("slow", slow)
        if what == "bad":
            await ctx.once("bad", bad)
        return f"{found} {again == found}"

    async def waiting(self, ctx: Context) -> str:
        first = await ctx.once("order", lambda: self.place("pen"))
        await ctx.elicit("Go on?", bool, key="go")
        return f"{first} {await ctx.once('order', lambda: self.place('pen'))}"


async def test_the_body_runs_again_with_its_answers_and_its_side_effects_do_not() -> None:
    """Each round in another process with the same secret, as after a restart; nothing is kept in between."""
    first, second, third = (Shop() for _ in range(3))
    client = Client(first.server, "order", {"item": "pens"})
    before = asyncio.all_tasks()
    await client.call()
    assert (len(first.server.rounds), asyncio.all_tasks()) == (0, before)
    (count,) = client.asked
    client.server = second.server
    await client.answer(**{count: value(3)})
    assert client.asked["sure"]["message"] == "Pay order 1?"
    client.server = third.server
    await client.answer(sure=value(True))
    assert client.text == "3 order 1 accept True"
    assert [shop.orders for shop in (first, second, third)] == [[], ["pens"], []]
    assert [shop.runs for shop in (first, second, third)] == [1, 1, 1]
    assert first.unwound == second.unwound == [], "waiting is not an error that authors catch"


async def test_the_secret_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first seals, all open; what code says goes before."""
    monkeypatch.setenv("ANYPORT_SECRET", f"{'n' * 32}, {SECRET}")
    rotated = Server("shop")
    rotated.tool(resumable=True)(Shop().together)
    client = Client(Shop().server, "together")
    await client.call()
    client.server = rotated
    await client.answer(name=value("Ada"))
    assert set(client.asked) == {"town"}
    client.server = Shop().server
    assert (await client.refused(town=SAID)).code == INVALID_PARAMS


async def test_another_secret_opens_nothing() -> None:
    """MRTR-04."""
    client = Client(Shop().server, "order", {"item": "pens"})
    await client.call()
    client.server = Shop(secret="t" * 32).server
    assert (await client.refused()).code == INVALID_PARAMS


async def test_one_round_for_what_is_asked_at_once_and_missing_answers_again() -> None:
    """MRTR-07."""
    client = Client(Shop().server, "together")
    await client.call()
    assert set(client.asked) == {"name", "town"}
    await client.answer(name=value("Ada"), extra=3)
    assert set(client.asked) == {"town"}
    await client.answer(town=SAID)
    assert client.text == "Ada of Paris"


async def test_the_same_question_again_is_another_one() -> None:
    client = Client(Shop().server, "loop")
    await client.call()
    for key, number in [("more", 2), ("more-2", 3), ("more-3", 20)]:
        assert set(client.asked) == {key}
        await client.answer(**{key: value(number)})
    assert client.text == "[2, 3, 20]"


async def test_a_body_that_asks_something_else_is_told_so() -> None:
    shop = Shop()
    client = Client(shop.server, "vary")
    await client.call()
    shop.moody = "Really?"
    result = await client.answer(sure=value(True))
    assert result["isError"] is True
    assert "asked something else" in client.text
    assert "'sure'" in client.text


async def test_a_body_that_does_not_ask_again_is_told_so() -> None:
    client = Client(Shop().server, "forget")
    await client.call()
    error = await client.refused(first=value(True))
    assert error.code == INTERNAL_ERROR
    assert "'first'" in error.message


async def test_a_wrong_answer_may_be_mended() -> None:
    """MRTR-07: the body, which could catch it, does not see it."""
    shop = Shop()
    client = Client(shop.server, "order", {"item": "pens"})
    await client.call()
    (count,) = client.asked
    wrongs: list[JsonValue] = [value("three"), {"action": "?"}, 3]
    for wrong in wrongs:
        assert (await client.refused(**{count: wrong})).code == INVALID_PARAMS
    assert shop.unwound == []
    await client.answer(**{count: value(3)})
    await client.answer(sure=DECLINE)
    assert client.text == "3 order 1 decline None"


async def test_a_plain_function_is_unwound_on_its_thread() -> None:
    shop = Shop()
    client = Client(shop.server, "blocking")
    await client.call()
    await client.answer(number=value(4))
    assert (client.text, shop.runs, shop.unwound) == ("4", 2, [])


async def test_a_side_effect_is_recorded_before_the_body_is_unwound() -> None:
    """Although a question waits already; its value is what its JSON reads, the first time as later."""
    shop = Shop()
    client = Client(shop.server, "effects", {"what": "a"})
    await client.call()
    await client.answer(go=value(True))
    assert (client.text, shop.orders) == ("{'at': [1, 2.5, None]} True", ["a"])
    client = Client(shop.server, "effects", {"what": "bad"})
    await client.call()
    await client.answer(go=value(True))
    assert "once records JSON" in client.text


async def test_once_in_a_call_that_is_parked_or_legacy() -> None:
    """There the body runs once anyway; a name that comes again gives the same."""
    shop = Shop()
    client = Client(shop.server, "waiting")
    await client.call()
    await client.answer(go=accept(value=True))
    assert (client.text, shop.orders) == ("order 1 order 1", ["pen"])

    @shop.server.tool
    async def plain(ctx: Context) -> str:
        return f"{await ctx.once('a', lambda: shop.place('a'))} {await ctx.once('a', lambda: shop.place('b'))}"

    result = await send(shop.server, asking_call("plain", revision=LATEST_LEGACY))
    assert text_of(result) == "order 2 order 2"
    assert shop.orders == ["pen", "a"]


async def test_what_travels_is_limited() -> None:
    """Limit ``state_bytes``: as many bytes as it says, and none more."""
    sizes: list[int] = []
    for most in (10**6, 0):
        shop = Shop(Limits(state_bytes=most or sizes[0] - 1))
        client = Client(shop.server, "together")
        if most:
            await client.call()
            sizes.append(_size_of(shop, client))
        else:
            assert "limit state_bytes" in (await client.refusal()).message
    client = Client(Shop(Limits(state_bytes=sizes[0])).server, "together")
    await client.call()
    assert set(client.asked) == {"name", "town"}


def _size_of(shop: Shop, client: Client) -> int:
    """Bytes inside the seal: without version, Base64, key id, salt, tag and expiry."""
    return (len(client.state) - 2) * 3 // 4 - 4 - 16 - 16 - 8
