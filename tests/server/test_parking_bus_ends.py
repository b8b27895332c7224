"""What ends a call that goes on for another process: leaving, draining, silence, a bus that fails.

D06, D07, CAN-01.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from anyport import Limits, McpError, Server
from anyport.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS
from anyport.protocol.types.json import JsonObject
from anyport.server import bus_pipes, parking_bus
from anyport.stores import MemoryStore, SqliteStore
from anyport.stores.base import StoreLimits, StoreUnusable
from anyport.transports.memory import MemoryReply
from tests.server.asking import SAID, SECRET, asking_call, send, value
from tests.server.fleet import WAIT, parked, processes, turn_until, until


async def test_a_slow_client_holds_the_body_up() -> None:
    """No more waits for it than the pipe keeps, and the bus does not give up."""
    store = MemoryStore(StoreLimits(waiting_messages=40))
    async with processes(store=store) as (one, two):
        client = await parked(one, "steps", two)
        gate, came = asyncio.Event(), asyncio.Event()

        async def listen(_: object) -> None:
            came.set()
            await gate.wait()

        more: JsonObject = {"requestState": client.state, "inputResponses": {"first": value("1")}}
        call = asking_call("steps", more=more, meta={"progressToken": 1})
        answering = asyncio.ensure_future(send(two.server, call, MemoryReply(listen)))
        await until(came)
        for _ in range(1000):
            await asyncio.sleep(0)
        assert len(one.server.rounds) == 0
        gate.set()
        assert (await answering)["resultType"] == "input_required"


async def test_a_client_that_leaves_cancels_the_body() -> None:
    """CAN-01: at the process where it runs."""
    async with processes() as (one, two):
        client = await parked(one, "work", two)
        answering = asyncio.ensure_future(client.answer(go=value(True)))
        await until(one.working)
        answering.cancel()
        await until(one.ended)
        with pytest.raises(asyncio.CancelledError):
            await answering


async def test_a_holder_that_ends_finishes_what_it_took() -> None:
    """D07, D10: within ``drain_s``; what only waits is refused from then on."""
    async with processes() as (one, two):
        working, waiting = await parked(one, "work", two), await parked(one, "steps", two)
        answering = asyncio.ensure_future(working.answer(go=value(True)))
        await until(one.working)
        closing = asyncio.ensure_future(one.server.lifespan.aclose())
        one.go_on.set()
        await answering
        assert working.text == "worked"
        await closing
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(parking_bus, "ACK_S", 0.01)
            error = await waiting.refused(first=value("1"))
        assert (error.code, error.message) == (INVALID_PARAMS, parking_bus.NOT_REACHED)


async def test_a_holder_that_cannot_wait_says_so() -> None:
    async with processes(limits=Limits(drain_s=0.05)) as (one, two):
        client = await parked(one, "work", two)
        answering = asyncio.ensure_future(client.refused(go=value(True)))
        await until(one.working)
        await one.server.lifespan.aclose()
        error = await answering
        assert (error.code, error.message) == (INTERNAL_ERROR, parking_bus.STOPPING)
        assert one.ended.is_set()


@pytest.mark.parametrize("mute", ["one", "two"])
async def test_an_end_that_falls_silent(mute: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one notices: the client is told, and the body is cancelled."""
    monkeypatch.setattr(bus_pipes, "BEAT_S", 0.01)
    async with processes() as (one, two):
        client = await parked(one, "work", two)
        answering = asyncio.ensure_future(client.refused(go=value(True)))
        await until(one.working)
        (one if mute == "one" else two).store.bus.lose = lambda topic, message: True
        if mute == "two":
            await until(one.ended)
        error = await answering
        await until(one.ended)
        assert (error.code, error.message) == (INTERNAL_ERROR, parking_bus.BROKEN)


async def test_a_long_call_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither end says anything for longer than a dead one is waited for."""
    monkeypatch.setattr(bus_pipes, "BEAT_S", 0.001)
    async with processes() as (one, two):
        beats = 0
        went = asyncio.Event()

        def count(topic: str, message: bytes) -> bool:
            nonlocal beats
            beats += 1
            if beats > 50:
                went.set()
            return False

        client = await parked(one, "work", two)
        answering = asyncio.ensure_future(client.answer(go=value(True)))
        await until(one.working)
        one.store.bus.lose = count
        await until(went)
        one.go_on.set()
        await answering
        assert client.text == "worked"


async def test_a_bus_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """A clear error, and the state is good again once the bus is: nothing was used up."""
    async with processes() as (one, two):
        client = await parked(one, "work", two)
        two.store.bus.error = StoreUnusable("the disk is full")
        error = await client.refused(go=value(True))
        assert (error.code, error.message) == (INTERNAL_ERROR, parking_bus.NO_STORE)
        assert "the disk is full" in caplog.text
        two.store.bus.error = None
        one.go_on.set()
        await client.answer(go=value(True))
        assert client.text == "worked"


async def test_a_holder_whose_bus_fails_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its body is cancelled: there is nobody to speak to. The client is told when it is missed."""
    monkeypatch.setattr(bus_pipes, "BEAT_S", 0.01)
    async with processes() as (one, two):
        client = await parked(one, "work", two)
        answering = asyncio.ensure_future(client.refused(go=value(True)))
        await until(one.working)
        one.store.bus.error = StoreUnusable("the disk is full")
        await until(one.ended)
        assert (await answering).message == parking_bus.BROKEN


async def test_a_subscription_that_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    """More knocks at once than wait: those are lost, their senders are told in time, and later ones are heard."""
    store = MemoryStore(StoreLimits(waiting_messages=20))
    async with processes(store=store) as (one, two):
        client = await parked(one, "work", two)
        topic = f"parked/shop/{one.server.rounds.parking._holder}"  # pyright: ignore[reportPrivateUsage] - whom to flood
        with caplog.at_level(logging.WARNING):
            for _ in range(30):
                await store.bus.publish(topic, b"nonsense")
            await turn_until(lambda: "may have been missed" in caplog.text)
            await store.bus.publish(topic, b"[3]")
            one.go_on.set()
            while True:
                try:
                    with pytest.MonkeyPatch.context() as patch:
                        patch.setattr(parking_bus, "ACK_S", 0.2)
                        await client.answer(go=value(True))
                except McpError:
                    continue
                break
        assert client.text == "worked"


async def test_who_only_knocks_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left of it; nor of one that sends what is no retry."""
    monkeypatch.setattr(bus_pipes, "BEAT_S", 0.001)
    store = MemoryStore()
    async with processes(1, store=store) as (one,):
        others = one.server.rounds.parking._others  # pyright: ignore[reportPrivateUsage] - what may leak
        assert others is not None
        topic = f"parked/shop/{one.server.rounds.parking._holder}"  # pyright: ignore[reportPrivateUsage] - whom to knock at
        taking = others._taking  # pyright: ignore[reportPrivateUsage] - the same
        for frame in (None, b"\x93\x00\xc4\x01x\xc2", b"\xc1"):
            await store.bus.publish(topic, b'["t"]')
            async with asyncio.timeout(WAIT):
                await turn_until(lambda: bool(taking))
                if frame is not None:
                    await asyncio.sleep(0)
                    await store.bus.publish("t/holder", frame)
                await asyncio.wait(taking)


async def test_no_process_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """kill -9 and a restart, as another process sees them: refused in bounded time."""
    monkeypatch.setattr(parking_bus, "ACK_S", 0.01)
    async with processes() as (one, two):
        client = await parked(one, "steps", two)
        await one.server.lifespan.aclose()
        assert (await client.refused(first=value("1"))).message == parking_bus.NOT_REACHED
        await one.server.lifespan.start()
        assert (await client.refused(first=value("1"))).message == parking_bus.NOT_REACHED


@pytest.mark.parametrize("secret", [None, SECRET])
async def test_a_shared_store_without_a_shared_secret(
    secret: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D06: told with the first question, once; states of the other process cannot be opened."""
    monkeypatch.delenv("ANYPORT_SECRET", raising=False)
    server = Server("shop", store=SqliteStore(tmp_path / "a.db"), secret=secret)
    await server.lifespan.start()
    await server.lifespan.aclose()
    assert not caplog.text
    async with processes(secret=secret) as (one, two):
        await parked(one, "both", two)
        client = await parked(one, "both", two)
        assert caplog.text.count("ANYPORT_SECRET") == (secret is None)
        if secret is None:
            assert (await client.refused(town=SAID)).code == INVALID_PARAMS
        else:
            await client.answer(town=SAID)


async def test_a_server_on_its_own_does_not_listen() -> None:
    before = asyncio.all_tasks()
    server = Server("alone")
    await server.lifespan.start()
    assert asyncio.all_tasks() == before
    await server.lifespan.aclose()


async def test_a_body_that_will_not_end() -> None:
    """Its client is answered without it, while the author's lifespan still stands."""
    async with processes(limits=Limits(drain_s=0.05)) as (one, two):
        client = await parked(one, "stubborn", two)
        answering = asyncio.ensure_future(client.refused(go=value(True)))
        await until(one.working)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(parking_bus, "STOP_S", 0.05)
            await one.server.lifespan.drain(0.01)
        assert (await answering).message == parking_bus.STOPPING
        assert not one.ended.is_set()
        one.go_on.set()
        await until(one.ended)
