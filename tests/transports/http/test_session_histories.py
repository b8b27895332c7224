"""Random histories of legacy sessions over HTTP against a small model: their calls, standing streams, subscriptions.

Several sessions on one store, in two processes of one fleet: whatever their clients do, leave and come back, each event
reaches its own session once and in order, and an ended session is nobody's (LEG-07, RES-03, RES-04, SES-03, S10, S11).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import TypeVar, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from anyport.protocol.calls import Call, Reply
from anyport.protocol.changes import Change
from anyport.protocol.types.json import JsonObject
from anyport.stores import MemoryStore
from tests.drivers.asgi import Exchange, legacy, open_session, post
from tests.drivers.streams import Play, Steps, ask_for, get, step

WAIT = 30.0
VERSIONS = ["2025-03-26", "2025-06-18", "2025-11-25"]
"""Those whose streams can be come back to."""
SESSIONS = st.integers(0, 2)
URIS = ["test://a", "test://b"]
TOOLS = "notifications/tools/list_changed"
UPDATED = "notifications/resources/updated"
RESULT = "result"
T = TypeVar("T")


def brief(event: JsonObject) -> object:
    """Return what is compared of an event."""
    if "method" not in event:
        return RESULT
    params = cast("JsonObject", event.get("params", {}))
    return params.get("progress", params.get("uri", event["method"]))


class Stream:
    """A stream as its client has it, whatever connections it came over.

    Attributes:
        expected: What it must have brought, in order.
        now: The connection; ``None`` while the client is away.
        last: Id of the last event, to come back with.
    """

    def __init__(self, now: Exchange) -> None:
        self.expected: list[object] = []
        self.now: Exchange | None = now
        self.last = ""
        self._got: list[object] = []

    @property
    def got(self) -> list[object]:
        """What it has brought."""
        return [*self._got, *([] if self.now is None else map(brief, self.now.events))]

    async def settle(self) -> None:
        """Wait until it has brought everything, where the client is there to see it."""
        now = self.now
        if now is not None:
            await now.until(lambda: len(self.got) >= len(self.expected))
            assert self.got == self.expected

    async def leave(self) -> None:
        """Close the connection."""
        if self.now is not None:
            now, got = self.now, self.got
            self.now = None
            self._got = got
            ids = [event.id for event in now.raw_events if event.id]
            self.last = ids[-1] if ids else self.last
            now.disconnect()


class Session:
    """A session and what is open in it."""

    def __init__(self, fields: dict[str, str]) -> None:
        self.fields = fields
        self.subscribed: set[str] = set()
        self.standing: Stream | None = None
        self.call: Stream | None = None
        self.name = fields["mcp-session-id"]

    @property
    def streams(self) -> list[Stream]:
        """Those that it has."""
        return [stream for stream in (self.standing, self.call) if stream is not None]


class SessionsMachine(RuleBasedStateMachine):
    """Three clients of two processes that share a store."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        store = MemoryStore()
        self.plays = [Play(store), Play(store)]
        self.gates: dict[str, asyncio.Semaphore] = {}
        for play in self.plays:
            play.method(self.steps)
            play.methods["resources/subscribe"] = play.methods["resources/unsubscribe"] = _accept
        self.sessions: dict[int, Session] = {}
        self.ended: list[Session] = []
        self.run(self.enter())

    def run(self, work: Coroutine[object, object, T]) -> T:
        return self.runner.run(work)

    async def enter(self) -> None:
        for play in self.plays:
            await self.stack.enter_async_context(play.app.lifespan())

    async def steps(self, call: Call, reply: Reply) -> JsonObject:
        """Send three notifications, each when it is allowed to."""
        gate = self.gates[str(call.carrier.session_id)]
        for number in range(3):
            await gate.acquire()
            await reply.notify("notifications/progress", step(number))
        await gate.acquire()
        return {}

    async def settle(self) -> None:
        for _ in range(30):
            await asyncio.sleep(0)
        for session in self.sessions.values():
            for stream in session.streams:
                await stream.settle()

    def teardown(self) -> None:
        try:
            self.run(self.finish())
        finally:
            self.runner.close()

    async def finish(self) -> None:
        """Every client comes back for the rest, finds all of it, and nothing is left."""
        await self.settle()
        for number, session in list(self.sessions.items()):
            for stream in session.streams:
                await stream.leave()
                if stream.last:
                    stream.now = get(self.plays[1].app, session.fields, stream.last)
                    await stream.settle()
            await self.end(number)
        await self.stack.aclose()

    # --- sessions -----------------------------------------------------------------------------------------------------

    @rule(number=SESSIONS, version=st.sampled_from(VERSIONS), process=st.integers(0, 1))
    def open(self, number: int, version: str, process: int) -> None:
        if number not in self.sessions:
            session = Session(self.run(open_session(self.plays[process].app, version)))
            self.gates[session.name] = asyncio.Semaphore(0)
            self.sessions[number] = session

    @precondition(lambda self: bool(self.sessions))
    @rule(number=SESSIONS)
    def delete(self, number: int) -> None:
        if number in self.sessions:
            self.run(self.end(number))

    async def end(self, number: int) -> None:
        """Its streams end with it, and its name is worth nothing any more."""
        session = self.sessions.pop(number)
        assert (await post(self.plays[0].app, b"", session.fields, method="DELETE")).status == 204
        for stream in session.streams:
            if stream.now is not None:
                await stream.now.done()
                assert stream.got[: len(stream.expected)] == stream.expected
        self.ended.append(session)

    @precondition(lambda self: bool(self.ended))
    @rule(process=st.integers(0, 1), which=st.integers(0, 9), last=st.booleans())
    def use_what_has_ended(self, process: int, which: int, last: bool) -> None:
        """SES-03: 404, for calls, streams and those who come back."""
        session, app = self.ended[which % len(self.ended)], self.plays[process].app
        assert self.run(post(app, legacy("ping"), session.fields)).status == 404
        past = next((stream.last for stream in session.streams if stream.last), None) if last else None
        assert self.run(get(app, session.fields, past).done()).status == 404

    @rule(number=SESSIONS, process=st.integers(0, 1))
    def ping(self, number: int, process: int) -> None:
        if number in self.sessions:
            answer = self.run(
                post(self.plays[process].app, legacy("ping", request_id="ping"), self.sessions[number].fields)
            )
            assert (answer.status, answer.json["result"]) == (200, {})

    # --- calls that stream --------------------------------------------------------------------------------------------

    @rule(number=SESSIONS)
    def begin(self, number: int) -> None:
        session = self.sessions.get(number)
        if session is not None and (session.call is None or RESULT in session.call.expected):
            # The same id in every session, and again in this one (S10, S11).
            session.call = Stream(ask_for(self.plays[0].app, "steps", session.fields, request_id=1))
            self.run(self.let_go_on(session, session.call))

    @rule(number=SESSIONS)
    def go_on(self, number: int) -> None:
        session = self.sessions.get(number)
        if session is not None and session.call is not None:
            self.run(self.let_go_on(session, session.call))

    async def let_go_on(self, session: Session, call: Stream) -> None:
        if RESULT not in call.expected:
            call.expected.append(len(call.expected) if len(call.expected) < 3 else RESULT)
            self.gates[session.name].release()
        await self.settle()

    # --- what changes -------------------------------------------------------------------------------------------------

    @rule(number=SESSIONS, process=st.integers(0, 1))
    def stand(self, number: int, process: int) -> None:
        """A standing stream; a newer one ends the older."""
        if number in self.sessions:
            self.run(self.open_standing(self.sessions[number], self.plays[process]))

    async def open_standing(self, session: Session, play: Play) -> None:
        older = session.standing
        session.standing = Stream(get(play.app, session.fields))
        now = session.standing.now
        assert now is not None
        await now.until(lambda: now.status != 0)
        assert now.status == 200
        if older is not None and older.now is not None:
            await older.now.done()
        await self.settle()

    @rule(number=SESSIONS, uri=st.sampled_from(URIS), un=st.booleans())
    def subscribe(self, number: int, uri: str, un: bool) -> None:
        session = self.sessions.get(number)
        if session is not None:
            (session.subscribed.discard if un else session.subscribed.add)(uri)
            method = "resources/unsubscribe" if un else "resources/subscribe"
            for play in self.plays:
                # Each process knows, whichever has the stream.
                self.run(post(play.app, legacy(method, {"uri": uri}, request_id="subscribe"), session.fields))

    @rule(uri=st.none() | st.sampled_from(URIS))
    def change(self, uri: str | None) -> None:
        """Every process hears of every change."""
        for session in self.sessions.values():
            if session.standing is not None and (uri is None or uri in session.subscribed):
                session.standing.expected.append(uri or TOOLS)
        self.run(self.tell(Change(TOOLS) if uri is None else Change(UPDATED, uri)))

    async def tell(self, change: Change) -> None:
        for play in self.plays:
            play.changes.tell(change)
        await self.settle()

    # --- connections --------------------------------------------------------------------------------------------------

    @rule(number=SESSIONS, which=st.integers(0, 1))
    def leave(self, number: int, which: int) -> None:
        streams = self.sessions[number].streams if number in self.sessions else []
        if streams:
            self.run(self.with_settled(streams[which % len(streams)].leave))

    @rule(number=SESSIONS, which=st.integers(0, 1), process=st.integers(0, 1))
    def come_back(self, number: int, which: int, process: int) -> None:
        session = self.sessions.get(number)
        streams = [] if session is None else [each for each in session.streams if each.now is None and each.last]
        if session is not None and streams:
            stream = streams[which % len(streams)]
            self.run(self.return_to(session, stream, self.plays[process]))

    async def return_to(self, session: Session, stream: Stream, play: Play) -> None:
        stream.now = get(play.app, session.fields, stream.last)
        await self.settle()

    async def with_settled(self, do: Callable[[], Coroutine[object, object, None]]) -> None:
        await do()
        await self.settle()

    @rule(number=SESSIONS, other=SESSIONS)
    def come_back_to_another_ones(self, number: int, other: int) -> None:
        """RES-04: an id of another session leads nowhere."""
        if number != other and number in self.sessions and other in self.sessions:
            for stream in self.sessions[other].streams:
                if stream.last:
                    answer = self.run(get(self.plays[0].app, self.sessions[number].fields, stream.last).done())
                    assert answer.status == 410


@pytest.mark.parametrize("turns", range(12))
async def test_the_end_of_a_session_that_a_client_follows(turns: int, caplog: pytest.LogCaptureFixture) -> None:
    """SES-04: ended in one process, its stream ends in the other, whenever that is, and nothing is wrong."""
    store = MemoryStore()
    first, second = Steps(store), Steps(store)
    async with first.app.lifespan(), second.app.lifespan():
        fields = await open_session(first.app, "2025-03-26")
        call = ask_for(first.app, "steps", fields)
        first.allow(1)
        await call.until(lambda: len(call.events) == 1)
        call.disconnect()
        again = get(second.app, fields, call.raw_events[-1].id)
        for _ in range(turns):
            await asyncio.sleep(0)
        assert (await post(first.app, b"", fields, method="DELETE")).status == 204
        await again.done()
        await call.done()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def _accept(*_: object) -> JsonObject:
    return {}


@pytest.mark.slow
def test_any_history_of_sessions() -> None:
    """Nothing is lost, nothing comes twice, and nothing reaches another one."""
    checked = settings(
        max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    run_state_machine_as_test(SessionsMachine, settings=checked)
