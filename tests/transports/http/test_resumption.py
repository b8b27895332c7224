"""Streams that outlive their connection: event ids, priming, replay, taking over, polling.

LEG-05, LEG-06, LEG-07, RES-01, RES-02, RES-03, RES-04, S10, D24, A13.6.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import MutableMapping
from pathlib import Path

import pytest

from anyport.protocol.limits import Limits
from anyport.stores import MemoryStore, SqliteStore
from tests.drivers.asgi import LEGACY, Event, Receive, Send, legacy, open_session, post
from tests.drivers.streams import Steps, ask_for, get, messages_of, progress_of

RESUMABLE = ("2025-03-26", "2025-06-18", "2025-11-25")


@pytest.mark.parametrize("version", RESUMABLE)
async def test_the_ids_of_a_stream(version: str) -> None:
    """RES-03: an id is unique in its session and says which stream it is of; RES-01: the first is empty."""
    play = Steps()
    async with play.app.lifespan():
        session = await open_session(play.app, version)
        play.allow(8)
        answers = [await ask_for(play.app, "steps", session, number).done() for number in (1, 2)]
        events = [answer.raw_events for answer in answers]
        ids = [event.id for each in events for event in each]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"c[0-9a-f]{16}-\d+", each) for each in ids)
        for each in events:
            assert len({event.id.partition("-")[0] for event in each}) == 1
            assert [event.data == b"" for event in each] == ([True] if version == LEGACY else []) + [False] * 4
        assert [progress_of(answer) for answer in answers] == [[0, 1, 2, None]] * 2


async def test_a_revision_without_resumption_has_no_ids() -> None:
    play = Steps()
    async with play.app.lifespan():
        session = await open_session(play.app, "2024-11-05")
        play.allow(4)
        answer = await ask_for(play.app, "steps", session).done()
        assert b"id:" not in answer.body
        assert progress_of(answer) == [0, 1, 2, None]
        assert (await get(play.app, session, "c0123456789abcdef-1").done()).status == 400


async def test_a_plain_answer_touches_neither_log_nor_bus() -> None:
    """D19: what is quick costs a look at the session and nothing else."""

    class Untouched:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"{name} was used")

    store = MemoryStore()
    play = Steps(store)
    async with play.app.lifespan():
        session = await open_session(play.app)
        events, bus = store.events, store.bus
        store.events, store.bus = Untouched(), Untouched()  # pyright: ignore[reportAttributeAccessIssue] - nothing may use them
        for number in range(3):
            answer = await post(play.app, legacy("ping", request_id=number), session)
            assert answer.headers["content-type"] == "application/json"
        store.events, store.bus = events, bus


@pytest.mark.parametrize("version", RESUMABLE)
@pytest.mark.parametrize("seen", [0, 1, 2, 3])
async def test_a_client_that_comes_back_gets_the_rest(version: str, seen: int) -> None:
    """LEG-06, RES-04: the call goes on without its connection; nothing is lost, nothing comes twice."""
    play = Steps()
    async with play.app.lifespan():
        session = await open_session(play.app, version)
        call = ask_for(play.app, "steps", session, "the call")
        play.allow(max(seen, 1))
        await call.until(lambda: len(call.events) == max(seen, 1))
        events = call.raw_events
        last = events[0].id if not seen and version == LEGACY else events[-1].id
        call.disconnect()
        again = get(play.app, session, last)
        await again.until(lambda: again.status == 200)
        play.allow(4)
        await again.done()
        await call.done()
        expected = [0, 1, 2, None]
        known = 0 if not seen and version == LEGACY else max(seen, 1)
        assert progress_of(again) == expected[known:]
        assert again.events[-1]["id"] == "the call"
        assert again.complete
        assert [event.id for event in again.raw_events] == sorted({e.id for e in again.raw_events})


@pytest.mark.parametrize("back_after", range(5))
async def test_what_is_over_is_replayed(back_after: int) -> None:
    """The final response is kept; whoever knows all of it gets an empty end."""
    play = Steps()
    async with play.app.lifespan():
        session = await open_session(play.app)
        play.allow(4)
        call = await ask_for(play.app, "steps", session).done()
        ids = [event.id for event in call.raw_events]
        again = await get(play.app, session, ids[back_after]).done()
        assert (again.status, again.complete) == (200, True)
        assert messages_of(again.raw_events) == messages_of(call.raw_events)[back_after:]
        assert [event.id for event in again.raw_events] == ids[back_after + 1 :]


async def test_a_stream_is_of_its_session_alone() -> None:
    """RES-04, A13.6: an id of another session's stream, which is kept in the same store, means nothing here."""
    play = Steps()
    async with play.app.lifespan():
        mine, other = await open_session(play.app), await open_session(play.app)
        play.allow(4)
        call = await ask_for(play.app, "steps", mine).done()
        last = call.raw_events[0].id
        foreign = await get(play.app, other, last).done()
        assert (foreign.status, foreign.error_code) == (410, -32600)
        assert b"progress" not in foreign.body
        assert (await get(play.app, mine, last).done()).status == 200


@pytest.mark.parametrize(
    ("last", "status"),
    [
        ("1", 400),
        ("x" * 9000, 400),
        ("c0123456789abcdef", 400),
        ("c0123456789abcdef-0", 400),
        ("c0123456789abcdef--1", 400),
        ("c0123456789abcdef-" + "9" * 16, 400),
        ("C0123456789ABCDEF-1", 400),
        ("../c0123456789abcdef-1", 400),
        ("c0123456789abcdef-1", 410),
        ("s0123456789abcdef-1", 410),
        ("c0123456789abcdef-" + "9" * 15, 410),
    ],
)
async def test_ids_that_are_none(last: str, status: int) -> None:
    play = Steps()
    async with play.app.lifespan():
        answer = await get(play.app, await open_session(play.app), last).done()
        assert (answer.status, answer.error_code) == (status, -32600)


async def test_a_position_that_never_was() -> None:
    play = Steps()
    async with play.app.lifespan():
        session = await open_session(play.app)
        play.allow(4)
        call = await ask_for(play.app, "steps", session).done()
        name = call.raw_events[0].id.partition("-")[0]
        assert (await get(play.app, session, f"{name}-99").done()).status == 410


async def test_the_newest_connection_wins() -> None:
    """D24, LEG-07: a stream is read on one connection at a time; the ones before end."""
    play = Steps()
    async with play.app.lifespan():
        session = await open_session(play.app)
        call = ask_for(play.app, "steps", session)
        play.allow(1)
        await call.until(lambda: len(call.events) == 1)
        last = call.raw_events[-1].id
        second = get(play.app, session, last)
        await call.until(lambda: call.complete)
        third = get(play.app, session, last)
        await second.done()
        play.allow(4)
        await third.done()
        await call.done()
        assert [progress_of(each) for each in (call, second, third)] == [[0], [], [1, 2, None]]


async def test_another_process_replays_and_goes_on(tmp_path: Path) -> None:
    """S10, S11: log and bus are the store's, so any process that shares it can be come back to."""
    first, second = (Steps(SqliteStore(tmp_path / "a.db")) for _ in range(2))
    async with first.app.lifespan(), second.app.lifespan():
        session = await open_session(first.app)
        call = ask_for(first.app, "steps", session)
        first.allow(1)
        await call.until(lambda: len(call.events) == 1)
        again = get(second.app, session, call.raw_events[-1].id)
        # The process that serves the call hears of it and lets go.
        await call.until(lambda: call.complete)
        first.allow(4)
        await again.done()
        await call.done()
        assert progress_of(again) == [1, 2, None]
        assert progress_of(call) == [0]


async def test_what_had_to_go_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """Limit stream_events: the oldest messages go first, and the result is worth more than they are."""
    play = Steps(limits=Limits(stream_events=10))
    async with play.app.lifespan():
        session = await open_session(play.app)
        call = ask_for(play.app, "flood", session)
        await call.until(lambda: len(call.events) == 1)
        last = call.raw_events[-1].id
        play.allow(1)
        await call.done()
        again = await get(play.app, session, last).done()
        assert progress_of(again) == [*range(91, 100), None]
        assert b": 90 messages are not kept any more" in again.body


async def test_a_client_that_does_not_read_holds_nobody_up() -> None:
    """Limit write_s: the call goes on for whoever comes back."""
    play = Steps(limits=Limits(write_s=0.05))
    stuck = asyncio.Event()

    async def serve(scope: MutableMapping[str, object], receive: Receive, send: Send) -> None:
        async def give(event: Event) -> None:
            await send(event)
            if b"progress" in bytes(str(event.get("body")), "utf-8"):
                await stuck.wait()

        await play.app(scope, receive, give)

    async with play.app.lifespan():
        session = await open_session(play.app)
        call = ask_for(serve, "steps", session)
        play.allow(4)
        async with asyncio.timeout(10):
            await play.ended.wait()
        await call.done()
        assert (progress_of(call), call.complete) == ([0], False)
        again = await get(play.app, session, call.raw_events[-1].id).done()
        assert progress_of(again) == [1, 2, None]


async def test_the_end_of_a_session_ends_its_streams() -> None:
    play = Steps()
    async with play.app.lifespan():
        session = await open_session(play.app)
        call = ask_for(play.app, "steps", session)
        play.allow(1)
        await call.until(lambda: len(call.events) == 1)
        again = get(play.app, session, call.raw_events[-1].id)
        await again.until(lambda: again.status == 200)
        assert (await post(play.app, b"", session, method="DELETE")).status == 204
        await again.done()
        await call.done()
        assert play.ended.is_set()
        assert progress_of(again) == []
        assert (await get(play.app, session, call.raw_events[-1].id).done()).status == 404


async def test_a_cancelled_call_ends_its_stream_without_a_message() -> None:
    """CAN-01, also for who follows it elsewhere."""
    play = Steps()
    async with play.app.lifespan():
        session = await open_session(play.app)
        call = ask_for(play.app, "steps", session)
        play.allow(1)
        await call.until(lambda: len(call.events) == 1)
        again = get(play.app, session, call.raw_events[-1].id)
        await again.until(lambda: again.status == 200)
        cancelled = legacy("notifications/cancelled", {"requestId": 1}, request_id=None)
        assert (await post(play.app, cancelled, session)).status == 202
        await again.done()
        await call.done()
        assert (again.complete, again.events) == (True, [])


async def test_a_cancellation_reaches_the_process_that_serves(tmp_path: Path) -> None:
    """CAN-01 across processes: what is not found here is passed on."""
    first, second = (Steps(SqliteStore(tmp_path / "a.db")) for _ in range(2))
    async with first.app.lifespan(), second.app.lifespan():
        session = await open_session(first.app)
        call = ask_for(first.app, "steps", session)
        first.allow(1)
        await call.until(lambda: len(call.events) == 1)
        cancelled = legacy("notifications/cancelled", {"requestId": 1}, request_id=None)
        assert (await post(second.app, cancelled, session)).status == 202
        await call.done()
        assert first.ended.is_set()
        assert call.complete


async def test_delete_at_another_process_ends_what_runs(tmp_path: Path) -> None:
    first, second = (Steps(SqliteStore(tmp_path / "a.db")) for _ in range(2))
    async with first.app.lifespan(), second.app.lifespan():
        session = await open_session(first.app)
        call = ask_for(first.app, "steps", session)
        first.allow(1)
        await call.until(lambda: len(call.events) == 1)
        assert (await post(second.app, b"", session, method="DELETE")).status == 204
        await call.done()
        assert first.ended.is_set()
