"""Retries that reach another process than the one that holds their call: servers here, which share a store.

D06, MRTR-04, MRTR-05, MRTR-07.
"""

from __future__ import annotations

import asyncio

import pytest

from anyport import Limits, McpError
from anyport.protocol.errors import BUSY, INTERNAL_ERROR, INVALID_PARAMS
from anyport.protocol.types import GetPromptResult, TextContent
from anyport.protocol.types.json import JsonObject
from anyport.server.parking import GONE
from anyport.stores import MemoryStore
from anyport.stores.base import StoreLimits
from anyport.transports.memory import MemoryReply
from tests.server.asking import SAID, Client, asking_call, send, value
from tests.server.calling import Heard
from tests.server.fleet import parked, processes, turn_until


async def test_the_retry_goes_on_where_the_call_waits() -> None:
    """META-07, D06: on whichever process; the body runs once, and what it says comes in order, before the result."""
    async with processes(3) as (one, two, three):
        client = Client(one.server, "steps", principal="alice")
        await client.call()
        client.server = two.server
        await client.answer({"progressToken": "b"}, first=value("1"))
        assert set(client.asked) == {"second"}
        assert [each.params["progress"] for each in client.heard.notifications] == list(range(100))
        assert all(each.params["progressToken"] == "b" for each in client.heard.notifications)
        client.server = three.server
        await client.answer({"note": "last"}, second=value("2"))
        assert client.text == "1 2 last 1"
        assert (one.runs, two.runs, three.runs) == (["steps"], [], [])
        assert len(one.server.rounds) == 0


async def test_the_next_round_is_at_home_again() -> None:
    async with processes() as (one, two):
        client = await parked(one, "both", two)
        await client.answer(town=SAID)
        assert set(client.asked) == {"name"}
        client.server = one.server
        await client.answer(name=value("Ada"))
        assert client.text == "Ada of Paris"


@pytest.mark.parametrize(
    ("method", "name", "arguments", "key"),
    [("prompts/get", "draft", {"about": "pens"}, "tone"), ("resources/read", "ask://pen", None, "which")],
)
async def test_prompts_and_resources(method: str, name: str, arguments: dict[str, object] | None, key: str) -> None:
    """Their results are those of the method."""
    async with processes() as (one, two):
        client = Client(one.server, name, arguments, method=method)
        await client.call()
        client.server = two.server
        result = await client.answer(**{key: value("dry")})
        assert "dry" in str(result)
        assert result["resultType"] == "complete"
        if method == "resources/read":
            assert result["ttlMs"] == 0


async def test_what_utf_8_cannot_carry() -> None:
    """Lone surrogates go as escapes, as they do to a client."""
    async with processes() as (one, two):
        client = Client(one.server, "draft", {"about": "surrogates"}, method="prompts/get")
        await client.call()
        more: JsonObject = {"requestState": client.state, "inputResponses": {"tone": value("dry")}}
        call = asking_call("draft", {"about": "surrogates"}, method="prompts/get", more=more)
        result = await two.server.service(call, MemoryReply())
        assert isinstance(result, GetPromptResult)
        assert result.messages[0].content == TextContent(text="\udcff")


async def test_states_are_good_once_and_for_one_caller() -> None:
    """MRTR-05, ELI-04: whichever process looks at them."""
    async with processes() as (one, two):
        client = await parked(one, "steps", two, principal="alice")
        thief = Client(two.server, "steps", principal="mallory")
        thief.result = client.result
        assert (await thief.refused(first=value("1"))).code == INVALID_PARAMS
        used = client.state
        malformed = await client.refused(first={"action": "accept", "content": {"value": 3}})
        assert malformed.code == INVALID_PARAMS
        assert "value" in malformed.message
        await client.answer(first=value("1"))
        for server in (two.server, one.server):
            client.server = server
            error = await client.refusal(inputResponses={"first": value("1")}, requestState=used)
            assert (error.code, error.message) == (INVALID_PARAMS, GONE)
        await client.answer(second=value("2"))
        assert one.runs == ["steps"]


async def test_what_is_forged_on_the_bus_is_refused() -> None:
    """MRTR-04: the holder opens the state itself, for the caller that the message names."""
    async with processes() as (one, two):
        client = await parked(one, "steps", two, principal="alice")
        (run,) = one.server.rounds.parking._runs  # pyright: ignore[reportPrivateUsage] - what a forger would have to know
        holder = one.server.rounds.parking._holder  # pyright: ignore[reportPrivateUsage] - the same
        others = two.server.rounds.parking._others  # pyright: ignore[reportPrivateUsage] - the same
        assert others is not None
        forged = asking_call("steps", principal="mallory", more={"requestState": client.state, "inputResponses": {}})
        with pytest.raises(McpError, match="not valid") as caught:
            await others.resume(holder, run, forged, MemoryReply())
        assert caught.value.code == INVALID_PARAMS
        await client.answer(first=value("1"))
        assert set(client.asked) == {"second"}


async def test_errors_come_through() -> None:
    """What the tool raised, for the model; what a prompt raised, under an id; a limit of the holder, as busy."""
    async with processes(limits=Limits(parked=1)) as (one, two):
        client = await parked(one, "fail", two)
        result = await client.answer(go=value(True))
        assert result["isError"] is True
        assert "as asked" in str(result)
        client = Client(one.server, "draft", {"about": "pens"}, method="prompts/get")
        await client.call()
        client.server = two.server
        error = await client.refused(tone=value("wrong"))
        assert error.code == INTERNAL_ERROR
        assert "error id" in error.message
        client = await parked(one, "steps", two)
        answering = asyncio.ensure_future(client.refused(first=value("1")))
        await turn_until(lambda: len(one.server.rounds) == 0)
        await Client(one.server, "work").call()
        error = await answering
        assert (error.code, error.http_status) == (BUSY, 429)
        assert (b"retry-after", b"1") in error.headers


async def test_large_answers_and_results() -> None:
    """They go in pieces, so that the bus of no process has more waiting than it keeps."""
    store = MemoryStore(StoreLimits(waiting_messages=100, waiting_bytes=2 * 2**20))
    async with processes(store=store) as (one, two):
        client = Client(one.server, "large", {"size": 8 * 2**20})
        await client.call()
        client.server = two.server
        more: JsonObject = {"requestState": client.state, "inputResponses": {"what": value("y" * 3 * 2**20)}}
        call = asking_call("large", {"size": 8 * 2**20}, more=more)
        call.log_level = "info"
        heard = Heard()
        client.result = await send(two.server, call, MemoryReply(heard.listen))
        assert client.text == f"{3 * 2**20} " + "x" * 8 * 2**20
        assert [len(str(each.params["data"])) for each in heard.notifications] == [200_000] * 5
