"""What is kept of streams, as a client that comes back to the server finds it: at limit - 1, limit and limit + 1 (D11).

RES-04, S10; the limits stream_events, stream_bytes, log_bytes, stream_idle_s, session_idle_s, sessions. How the stores
keep them is in tests/stores.
"""

from __future__ import annotations

import asyncio

import pytest

from anyport.protocol.calls import Call, Reply
from anyport.protocol.limits import Limits
from anyport.protocol.sse import ServerSentEvent
from anyport.protocol.types.json import JsonObject
from anyport.stores import MemoryStore
from tests.drivers.asgi import Exchange, initialize, legacy, open_session, post
from tests.drivers.streams import Play, ask_for, get, messages_of, step

OFFSETS = pytest.mark.parametrize("offset", [-1, 0, 1])


class Counting(Play):
    """A server with a call that says so many things before its result, and a clock for its store.

    Attributes:
        count: How many.
        now: What the clock of its store says.
    """

    def __init__(self, limits: Limits, count: int = 3) -> None:
        super().__init__(limits=limits)
        self.count = count
        self.now = 0.0
        assert isinstance(self.server.store, MemoryStore)
        self.kept: MemoryStore = self.server.store
        for part in (self.kept.events, self.kept.sessions):
            part._clock = self._read_clock  # pyright: ignore[reportPrivateUsage] - a server makes its own store, whose clock is real
        self.method(self.say)

    async def say(self, call: Call, reply: Reply) -> JsonObject:
        """Send notifications, then the result."""
        for number in range(self.count):
            await reply.notify("notifications/progress", step(number))
        return {"said": self.count}

    async def stream(self, session: dict[str, str], request_id: int = 1) -> list[ServerSentEvent]:
        """Make the call; returns the events of its stream, the priming one first."""
        answer = await ask_for(self.app, "say", session, request_id).done()
        events = answer.raw_events
        assert len(events) == self.count + 2
        return events

    def _read_clock(self) -> float:
        return self.now


def check_rest(again: Exchange, events: list[ServerSentEvent], missing: int) -> None:
    """See that a client that comes back gets what followed the first event, some of it missing; the result never is."""
    assert (again.status, again.complete) == (200, True)
    assert messages_of(again.raw_events) == [event.data for event in events[1 + missing :]]
    said = f"{missing} messages are not kept any more".encode()
    assert (said in again.body) is bool(missing)


@OFFSETS
async def test_stream_events(offset: int) -> None:
    """Events behind the one that the client knows, the result included."""
    limit = 10
    play = Counting(Limits(stream_events=limit), limit - 1 + offset)
    async with play.app.lifespan():
        session = await open_session(play.app)
        events = await play.stream(session)
        check_rest(await get(play.app, session, events[0].id).done(), events, max(offset, 0))


@OFFSETS
async def test_stream_bytes(offset: int) -> None:
    """Of the same; each message takes a byte more than it has."""
    first = Counting(Limits())
    async with first.app.lifespan():
        size = sum(len(event.data) + 1 for event in (await first.stream(await open_session(first.app)))[1:])
    play = Counting(Limits(stream_bytes=size - offset))
    async with play.app.lifespan():
        session = await open_session(play.app)
        events = await play.stream(session)
        check_rest(await get(play.app, session, events[0].id).done(), events, max(offset, 0))


async def test_the_result_is_kept_whatever_its_size() -> None:
    play = Counting(Limits(stream_bytes=10, stream_events=1))
    async with play.app.lifespan():
        session = await open_session(play.app)
        events = await play.stream(session)
        check_rest(await get(play.app, session, events[0].id).done(), events, 3)


@OFFSETS
async def test_log_bytes(offset: int) -> None:
    """Of all streams, whoever's: the one that was silent for longest goes first."""
    first = Counting(Limits())
    async with first.app.lifespan():
        for _ in range(2):
            await first.stream(await open_session(first.app))
        size = first.kept.events._cost  # pyright: ignore[reportPrivateUsage] - nobody else knows what an entry costs
    play = Counting(Limits(log_bytes=size - offset))
    async with play.app.lifespan():
        old, new = await open_session(play.app), await open_session(play.app)
        gone = await play.stream(old)
        kept = await play.stream(new)
        check_rest(await get(play.app, new, kept[0].id).done(), kept, 0)
        again = await get(play.app, old, gone[0].id).done()
        if offset > 0:
            assert (again.status, again.error_code) == (410, -32600)
        else:
            check_rest(again, gone, 0)


@OFFSETS
async def test_stream_idle_s(offset: int) -> None:
    play = Counting(Limits(stream_idle_s=100))
    async with play.app.lifespan():
        session = await open_session(play.app)
        events = await play.stream(session)
        play.now += 100 + offset
        again = await get(play.app, session, events[0].id).done()
        if offset > 0:
            assert (again.status, again.error_code) == (410, -32600)
        else:
            check_rest(again, events, 0)
        assert (await post(play.app, legacy("ping"), session)).status == 200


@OFFSETS
async def test_session_idle_s(offset: int) -> None:
    """SES-03, TOOL-07: counted from the last use; then it is as unknown as one that never was."""
    play = Counting(Limits(session_idle_s=100))
    async with play.app.lifespan():
        session = await open_session(play.app)
        play.now += 60
        assert (await post(play.app, legacy("ping"), session)).status == 200
        play.now += 100 + offset
        answer = await post(play.app, legacy("ping"), session)
        assert answer.status == (404 if offset > 0 else 200)


@OFFSETS
async def test_sessions(offset: int) -> None:
    limit = 3
    play = Counting(Limits(sessions=limit))
    async with play.app.lifespan():
        opened = [await open_session(play.app) for _ in range(limit - 1 + offset)]
        answer = await post(play.app, initialize())
        if offset <= 0:
            assert answer.status == 200
            return
        assert (answer.status, answer.error_code) == (429, 429)
        assert "limit sessions)" in answer.error_text
        assert (await post(play.app, b"", {**opened[0], "content-type": None}, method="DELETE")).status == 204
        await asyncio.wait_for(open_session(play.app), 10)
