"""Calls that wait for their answers: how long, how many, and what is left behind when they end (MRTR-05, META-07)."""

from __future__ import annotations

import asyncio
import logging
from typing import cast

import msgspec
import pytest

from anyport import Context, Limits, McpError, Server
from anyport.protocol.errors import BUSY, INVALID_PARAMS
from anyport.protocol.types.json import JsonObject
from anyport.transports.memory import MemoryReply
from tests.drivers.memory import traced, traced_bytes
from tests.server.asking import (
    Asker,
    Client,
    asking_call,
    closing,
    send,
    value,
)

# --- time and number --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", ["greet", "blocking"])
async def test_a_call_that_gets_no_answer_is_unwound(tool: str, caplog: pytest.LogCaptureFixture) -> None:
    """Within ``answer_s``: its clean-up runs, on threads too, and its state is good for nothing."""
    asker = Asker(Limits(answer_s=0.01))
    client = Client(asker.server, tool)
    with caplog.at_level(logging.DEBUG, "anyport.server"):
        await client.call()
        await asker.ended.wait()
    assert len(asker.server.rounds) == 0
    assert "limit answer_s" in caplog.text
    assert (await client.refused(name=value("Ada"))).code == INVALID_PARAMS


@pytest.mark.parametrize("most", [1, 3])
async def test_parked_calls_are_limited(most: int) -> None:
    """Limit ``parked``: one less and as many wait, one more is refused by name, and a place that is free is taken."""
    async with closing(Asker(Limits(parked=most)).server) as server:
        clients = [Client(server, "greet") for _ in range(most + 1)]
        for client in clients[:most]:
            await client.call()
        with pytest.raises(McpError, match="limit parked") as caught:
            await clients[most].call()
        assert caught.value.code == BUSY
        await clients[0].answer(name=value("Ada"))
        await clients[most].call()
        assert len(server.rounds) == most


@pytest.mark.parametrize("room", [-1, 0, 1])
async def test_what_parked_calls_hold_is_limited(room: int) -> None:
    """Limit ``parked_bytes``: what fits waits, a byte more is refused by name, and room that is free is taken."""
    size = len(msgspec.json.encode(asking_call("greet", meta={"note": "x" * 1000}).params))
    async with closing(Asker(Limits(parked_bytes=2 * size + room)).server) as server:
        first, second = Client(server, "greet"), Client(server, "greet")
        await first.call({"note": "x" * 1000})
        if room < 0:
            with pytest.raises(McpError, match="limit parked_bytes") as caught:
                await second.call({"note": "x" * 1000})
            assert caught.value.code == BUSY
            await second.call({"note": "x" * 999})
        else:
            await second.call({"note": "x" * 1000})
        await first.answer(name=value("Ada"))
        await Client(server, "greet").call({"note": "x" * 1000})


@pytest.mark.parametrize("most", [1, 3])
async def test_parked_calls_of_a_principal_are_limited(most: int) -> None:
    """Limit ``parked_per_principal``; callers without a name share ``parked`` alone."""
    async with closing(Asker(Limits(parked_per_principal=most)).server) as server:
        alice = Client(server, "greet", principal="alice")
        for _ in range(most):
            await alice.call()
        await Client(server, "greet", principal="bob").call()
        for _ in range(most + 1):
            await Client(server, "greet").call()
        with pytest.raises(McpError, match="limit parked_per_principal") as caught:
            await Client(server, "greet", principal="alice").call()
        assert caught.value.code == BUSY
        await alice.answer(name=value("Ada"))
        await Client(server, "greet", principal="alice").call()


@pytest.mark.slow
async def test_ten_thousand_calls_without_an_answer_leave_nothing() -> None:
    """Memory is flat, and no task is left."""
    asker = Asker(Limits(answer_s=0.0, parked=100))
    before = asyncio.all_tasks()

    async def some(number: int) -> None:
        for _ in range(number):
            asker.ended.clear()
            await Client(asker.server, "greet").call()
            await asker.ended.wait()

    await some(200)
    with traced():
        first = traced_bytes()
        await some(10_000)
        assert traced_bytes() - first < 64 * 2**10
    assert (len(asker.server.rounds), asyncio.all_tasks()) == (0, before)


# --- ends -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("retried", [False, True])
async def test_who_gives_the_request_up_gives_the_body_up(retried: bool) -> None:
    """Cancelled while it works, in its first request or a later one."""
    server, working, ended = Server("slow"), asyncio.Event(), asyncio.Event()

    @server.tool
    async def slow(ctx: Context) -> str:
        try:
            if retried:
                await ctx.elicit("Go on?", bool, key="go")
            working.set()
            await asyncio.Event().wait()
            return ""
        finally:
            assert ctx.cancelled
            ended.set()

    client, reply = Client(server, "slow"), MemoryReply()
    more: dict[str, object] = {}
    if retried:
        await client.call()
        more = {"requestState": client.state, "inputResponses": {"go": value(True)}}
    task = asyncio.ensure_future(send(server, asking_call("slow", more=more), reply))
    await working.wait()
    reply.cancelled = True
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_a_server_that_ends_unwinds_what_is_parked() -> None:
    asker = Asker()
    await asker.server.lifespan.start()
    await Client(asker.server, "greet").call()
    await Client(asker.server, "both").call()
    await asker.server.lifespan.aclose()
    assert (len(asker.server.rounds), asker.ended.is_set()) == (0, True)


async def test_a_body_that_ends_while_it_is_parked_has_its_result_kept() -> None:
    """As one that waits for whichever comes first."""
    server, gate = Server("racing"), asyncio.Event()

    @server.tool
    async def race(ctx: Context) -> str:
        async def ask() -> str:
            return str((await ctx.elicit("Quick?", bool, key="quick")).data)

        async def work() -> str:
            await gate.wait()
            return "worked"

        tasks = [asyncio.create_task(ask()), asyncio.create_task(work())]
        done, late = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in late:
            task.cancel()
        return done.pop().result()

    client = Client(server, "race")
    await client.call()
    gate.set()
    for _ in range(5):
        await asyncio.sleep(0)
    await client.answer(quick=value(True))
    assert client.text == "worked"


async def test_a_key_that_comes_again_is_numbered() -> None:
    """MRTR-02: keys are unique in a call; asking until the answer fits is what authors do."""
    server = Server("again")

    @server.tool
    async def again(ctx: Context) -> str:
        found: list[int] = []
        while not found or found[-1] < 10:
            found.append((await ctx.elicit("Ten or more?", int, key="number")).data)
        return str(found)

    client = Client(server, "again")
    await client.call()
    await client.answer(number=value(1))
    await client.answer(**{"number-2": value(2)})
    assert set(client.asked) == {"number-3"}
    await client.answer(**{"number-3": value(30)})
    assert client.text == "[1, 2, 30]"


async def test_an_error_in_the_body_is_its_result() -> None:
    server = Server("failing")

    @server.tool
    async def fail(ctx: Context) -> str:
        await ctx.elicit("Fail?", key="go")
        raise ValueError("as asked")

    client = Client(server, "fail")
    await client.call()
    assert cast("JsonObject", client.asked["go"]["requestedSchema"])["properties"] == {}
    result = await client.answer(go={"action": "accept"})
    assert result["isError"] is True
    assert "as asked" in client.text
