"""Any order of events, departures and returns, in any process that shares the store (S10, S11, RES-03, RES-04)."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from anyport.stores import MemoryStore
from tests.drivers.asgi import Exchange, open_session
from tests.drivers.streams import Steps, ask_for, get, progress_of

VERSIONS = st.sampled_from(["2025-03-26", "2025-06-18", "2025-11-25"])
MOVES = st.lists(st.tuples(st.sampled_from(["step", "leave", "return"]), st.integers(0, 1)), max_size=12)


class Client:
    """A client of one call: what it has, and the connection that it has it from."""

    def __init__(self, call: Exchange) -> None:
        self.now: Exchange | None = call
        self.got: list[object] = []
        self.last = ""

    async def leave(self) -> None:
        """Take what has come, and go."""
        if self.now is None:
            return
        exchange, self.now = self.now, None
        self.got += progress_of(exchange)
        events = exchange.raw_events
        self.last = events[-1].id if events else self.last
        exchange.disconnect()


async def play_out(version: str, moves: list[tuple[str, int]]) -> None:
    """Make the moves; then come back for the rest."""
    store = MemoryStore()
    plays = [Steps(store), Steps(store)]
    async with plays[0].app.lifespan(), plays[1].app.lifespan():
        session = await open_session(plays[0].app, version)
        call = ask_for(plays[0].app, "steps", session)
        client = Client(call)
        plays[0].allow(1)
        await call.until(lambda: len(call.events) == 1)
        for move, where in moves:
            if move == "step":
                plays[0].allow(1)
                await asyncio.sleep(0)
            elif move == "leave":
                await client.leave()
            elif client.now is None:
                client.now = get(plays[where].app, session, client.last)
                await asyncio.sleep(0)
        await client.leave()
        plays[0].allow(4)
        if None not in client.got:
            rest = await get(plays[1].app, session, client.last).done()
            client.got += progress_of(rest)
        await call.done()
        assert client.got == [0, 1, 2, None]


@settings(max_examples=60, deadline=None)
@given(version=VERSIONS, moves=MOVES)
def test_nothing_is_lost_and_nothing_comes_twice(version: str, moves: list[tuple[str, int]]) -> None:
    asyncio.run(play_out(version, moves))
