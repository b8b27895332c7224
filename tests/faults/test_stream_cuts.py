"""Streams that break off anywhere, and sessions that look alike: nothing lost, nothing twice, no foreign byte.

S10, RES-03, RES-04, LEG-06, LEG-07, A13.6.
"""

from __future__ import annotations

import asyncio
import random

import pytest

from anyport.protocol.calls import Call, Reply
from anyport.protocol.sse import EventDecoder, ServerSentEvent
from anyport.protocol.types.json import JsonObject
from anyport.stores import MemoryStore
from tests.drivers.asgi import Exchange, legacy, open_session, start
from tests.drivers.streams import Play, get

SESSIONS = 1_000
EVENTS = 200
CUTS = 1_000
AT_A_TIME = 50


class Marked(Play):
    """A server whose every message says whose it is."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.method(self.stream)

    async def stream(self, call: Call, reply: Reply) -> JsonObject:
        """Send as many notifications as the call says, under the mark that it says."""
        mark, count = call.params["mark"], call.params["count"]
        assert isinstance(count, int)
        for number in range(count):
            await reply.notify("notifications/progress", {"progressToken": f"{mark}", "progress": number})
            if number % 8 == 0:
                # The others have their turn: their streams are written in between.
                await asyncio.sleep(0)
        return {"mark": mark}


def request(mark: str, count: int) -> JsonObject:
    """Return a call; its id is that of every other."""
    return legacy("test/stream", {"mark": mark, "count": count}, request_id=1)


def received(body: bytes) -> tuple[list[bytes], str]:
    """Return what a client has of a stream that broke off: whole events, and the id to come back with."""
    decoder = EventDecoder()
    found = [event for event in decoder.feed(body) if isinstance(event, ServerSentEvent)]
    return [event.data for event in found if event.data], decoder.last_event_id


async def begun(stream: Exchange) -> None:
    """Wait for the first event of a stream."""
    await stream.until(lambda: bool(stream.raw_events))


@pytest.mark.slow
async def test_a_thousand_sessions_with_equal_ids() -> None:
    """A13.6: one store, equal request ids, all streaming and resumed at a time: each session gets its own bytes."""
    play = Marked()
    room = asyncio.Semaphore(AT_A_TIME)
    seeds = random.Random(31)
    cuts = [seeds.random() for _ in range(SESSIONS)]

    async def live(index: int) -> None:
        async with room:
            mark = f"mark-{index:04}"
            session = await open_session(play.app)
            call = start(play.app, request(mark, 10), session)
            await call.done()
            whole, _ = received(call.body)
            assert len(whole) == 11
            # From the end of the first event on: before that a client has nothing to come back with.
            least = call.body.index(b"\n\n") + 2
            cut = least + int(cuts[index] * (len(call.body) - least))
            before, last = received(call.body[:cut])
            again = await get(play.app, session, last).done()
            after, _ = received(again.body)
            assert before + after == whole
            for body in (call.body, again.body):
                assert body.count(b"mark-") == body.count(mark.encode())
            # The same id means nothing to a session that it was not given to.
            other = await open_session(play.app)
            foreign = await get(play.app, other, last).done()
            assert (foreign.status, b"mark-" in foreign.body) == (410, False)

    async with play.app.lifespan(), asyncio.TaskGroup() as group:
        for index in range(SESSIONS):
            group.create_task(live(index))


@pytest.mark.slow
async def test_a_stream_that_is_cut_at_any_byte() -> None:
    """S10: 200 events, cut at 1,000 random bytes, one after the other on the same stream."""
    play = Marked()
    async with play.app.lifespan():
        session = await open_session(play.app)
        call = await start(play.app, request("m", EVENTS), session).done()
        whole, _ = received(call.body)
        assert len(whole) == EVENTS + 1
        least = call.body.index(b"\n\n") + 2
        seeds = random.Random(7)
        for cut in sorted(seeds.randrange(least, len(call.body) + 1) for _ in range(CUTS)):
            before, last = received(call.body[:cut])
            again = await get(play.app, session, last).done()
            after, _ = received(again.body)
            assert before + after == whole, f"cut at byte {cut}"


@pytest.mark.slow
async def test_a_live_stream_that_is_cut_again_and_again() -> None:
    """The client leaves after each few events while the call goes on, and comes back at once."""
    play = Marked()
    seeds = random.Random(11)
    async with play.app.lifespan():
        for _ in range(20):
            session = await open_session(play.app)
            call = start(play.app, request("m", EVENTS), session)
            await begun(call)
            size = seeds.randrange(call.body.index(b"\n\n") + 2, len(call.body) + 1)
            got, last = received(call.body[:size])
            call.disconnect()
            while len(got) <= EVENTS:
                again = get(play.app, session, last)
                await begun(again)
                size = seeds.randrange(again.body.index(b"\n\n") + 2, len(again.body) + 1)
                more, last = received(again.body[:size])
                got += more
                again.disconnect()
                await again.done()
            await call.done()
            numbers = [int(message.split(b'"progress":')[1].rstrip(b"}")) for message in got[:-1]]
            assert numbers == list(range(EVENTS))
            assert b'"result"' in got[-1]
