"""Every limit of a store at limit - 1, limit and limit + 1; each refusal names it (D11, SES-03, RES-04).

`test_contract.py` has the limits of the streams' bounds and of subscriptions with their consequences.
"""

from __future__ import annotations

import pytest

from anyport.stores.base import StoreFull, StoreLimits, StreamLost, SubscriptionLost
from tests.stores.kinds import Kind

AROUND = pytest.mark.parametrize("excess", [-1, 0, 1])


@AROUND
@pytest.mark.parametrize("limit", ["sessions", "sessions_per_owner"])
async def test_sessions(kind: Kind, limit: str, excess: int) -> None:
    limits = StoreLimits(sessions=7) if limit == "sessions" else StoreLimits(sessions_per_owner=7)
    async with kind.harness.running(limits) as store:
        for number in range(6 + excess):
            await store.sessions.create(f"{number}", b"", "owner")
        if excess < 1:
            await store.sessions.create("last", b"", "owner")
        else:
            with pytest.raises(StoreFull, match=rf"^7 sessions .* \(limit {limit}\)$") as caught:
                await store.sessions.create("last", b"", "owner")
            assert caught.value.limit == limit
        assert (await store.sessions.get("last") is None) == (excess == 1)


@AROUND
async def test_the_bytes_of_a_session(kind: Kind, excess: int) -> None:
    async with kind.harness.running(StoreLimits(session_bytes=100)) as store:
        await store.sessions.create("a", b"", None)
        row = bytes(100 + excess)
        if excess < 1:
            assert await store.sessions.update("a", row)
            assert await store.sessions.get("a") == row
        else:
            with pytest.raises(StoreFull, match=r"^The session takes 101 bytes \(limit session_bytes\)$"):
                await store.sessions.update("a", row)


@AROUND
@pytest.mark.parametrize("use", ["get", "update", "hold", "create"])
async def test_the_idle_time_of_a_session(kind: Kind, use: str, excess: int) -> None:
    """It counts from the last use, of whichever kind; the file may end a session a hundredth later."""
    async with kind.harness.running(StoreLimits(session_idle_s=100)) as store:
        await store.sessions.create("a", b"row", None)
        if use != "create":
            await kind.clock.advance(60)
        if use == "get":
            await store.sessions.get("a")
        elif use == "update":
            await store.sessions.update("a", b"row")
        elif use == "hold":
            async with store.sessions.hold("a"):
                await kind.clock.advance(500)
        await kind.clock.advance(100 + excess + (kind.late_s if excess == 1 else 0))
        assert await store.sessions.get("a") == (None if excess == 1 else b"row")


async def test_what_uses_often_is_written_seldom_and_still_counts(kind: Kind) -> None:
    """Uses less than a hundredth of the idle time apart extend the life of a session as any other."""
    async with kind.harness.running(StoreLimits(session_idle_s=100)) as store:
        await store.sessions.create("a", b"row", None)
        for _ in range(9):
            await kind.clock.advance(0.3)
            assert await store.sessions.get("a") == b"row"
        async with store.sessions.hold("a"):
            await kind.clock.advance(0.9)
        await kind.clock.advance(100)
        assert await store.sessions.get("a") == b"row"


async def test_the_room_of_what_has_expired_is_there_at_once(kind: Kind) -> None:
    """Also right after expired sessions were looked for."""
    async with kind.harness.running(StoreLimits(sessions=2, session_idle_s=100)) as store:
        await store.sessions.create("a", b"", None)
        await kind.clock.advance(99)
        await store.sessions.create("b", b"", None)
        await kind.clock.advance(3)
        await store.sessions.create("c", b"", None)
        with pytest.raises(StoreFull):
            await store.sessions.create("d", b"", None)


@AROUND
async def test_the_events_of_a_stream(kind: Kind, excess: int) -> None:
    async with kind.harness.running(StoreLimits(stream_events=1_000)) as store:
        for number in range(1_000 + excess):
            await store.events.append("s/1", b"%d" % number)
        if excess < 1:
            assert len(await store.events.read("s/1", 0)) == 1_000 + excess
        else:
            with pytest.raises(StreamLost):
                await store.events.read("s/1", 0)
            assert len(await store.events.read("s/1", 1)) == 1_000


@AROUND
async def test_the_bytes_of_a_stream(kind: Kind, excess: int) -> None:
    """The default, in a few events."""
    async with kind.harness.running() as store:
        for _ in range(3):
            await store.events.append("s/1", bytes(2**20))
        await store.events.append("s/1", bytes(2**20 + excess))
        if excess < 1:
            assert len(await store.events.read("s/1", 0)) == 4
        else:
            with pytest.raises(StreamLost):
                await store.events.read("s/1", 0)
            assert len(await store.events.read("s/1", 1)) == 3


@AROUND
async def test_the_idle_time_of_a_stream(kind: Kind, excess: int) -> None:
    async with kind.harness.running() as store:
        await store.events.append("s/1", b"event")
        await kind.clock.advance(600 + excess)
        if excess < 1:
            assert await store.events.read("s/1", 0) == [(1, b"event")]
        else:
            with pytest.raises(StreamLost):
                await store.events.read("s/1", 0)


@AROUND
@pytest.mark.parametrize("limit", ["waiting_messages", "waiting_bytes"])
async def test_what_waits_for_a_subscriber(kind: Kind, limit: str, excess: int) -> None:
    limits = StoreLimits(waiting_messages=5) if limit == "waiting_messages" else StoreLimits(waiting_bytes=5)
    async with kind.harness.running(limits) as store, store.bus.subscribe("topic") as messages:
        for _ in range(5 + excess):
            await store.bus.publish("topic", b"x")
        if excess < 1:
            assert [await anext(messages) for _ in range(5 + excess)] == [b"x"] * (5 + excess)
        else:
            with pytest.raises(SubscriptionLost, match=rf"^5 .*\(limit {limit}\)$"):
                await anext(messages)


@AROUND
async def test_the_bytes_of_the_log(memory: Kind, excess: int) -> None:
    """Exactly, where it costs nothing; `check_total_bound` has the file's, which may be an eighth late."""
    cost = 2 * (1_000 + 64 + 256)
    async with memory.harness.running(StoreLimits(log_bytes=cost)) as store:
        await store.events.append("s/1", bytes(1_000))
        await store.events.append("s/2", bytes(1_000 + excess))
        assert await store.events.read("s/2", 0) == [(1, bytes(1_000 + excess))]
        if excess < 1:
            assert await store.events.read("s/1", 0) == [(1, bytes(1_000))]
        else:
            with pytest.raises(StreamLost):
                await store.events.read("s/1", 0)
