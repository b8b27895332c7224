"""The stream that GET opens on a session: changes, signs of life, one per session, replay.

LEG-01, LEG-03, LEG-07, RES-01, RES-04, S10, D24, HTTP-02; draining.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from anyport.protocol.changes import Change
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject
from anyport.stores import MemoryStore, SqliteStore, StoreLimits
from tests.drivers.asgi import LEGACY, Exchange, legacy, open_session, post
from tests.drivers.streams import Play, get

TOOLS = Change("notifications/tools/list_changed")
PROMPTS = Change("notifications/prompts/list_changed")


def updated(uri: str) -> Change:
    """Return the change of a resource."""
    return Change("notifications/resources/updated", uri)


def told(stream: Exchange) -> list[str]:
    """Return what a stream has told: a method's name, and the resource where it is of one."""
    found: list[str] = []
    for event in stream.events:
        params = event.get("params")
        uri = params.get("uri") if isinstance(params, dict) else None
        found.append(f"{str(event['method']).removeprefix('notifications/')}{f' {uri}' if uri else ''}")
    return found


async def opened(play: Play, session: dict[str, str], last: str | None = None) -> Exchange:
    """Open a stream and wait until it is."""
    stream = get(play.app, session, last)
    await stream.until(lambda: stream.status != 0)
    return stream


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_changes_ride_the_standing_stream(version: str) -> None:
    """LEG-01, RES-01: ids where the revision has them, the priming event where it has that."""
    play = Play()
    async with play.app.lifespan():
        session = await open_session(play.app, version)
        stream = await opened(play, session)
        assert stream.headers["content-type"] == "text/event-stream"
        assert stream.headers["x-accel-buffering"] == "no"
        await stream.until(lambda: version != LEGACY or len(stream.raw_events) == 1)
        play.changes.tell(TOOLS)
        play.changes.tell(PROMPTS)
        await stream.until(lambda: len(stream.events) == 2)
        assert told(stream) == ["tools/list_changed", "prompts/list_changed"]
        assert [event.data == b"" for event in stream.raw_events][:1] == [version == LEGACY]
        assert (b"id: s" in stream.body) == (version != "2024-11-05")
        stream.disconnect()
        await stream.done()


async def test_only_what_the_session_wants() -> None:
    play = Play()

    @play.server.resource("a://{name}")
    def read(name: str) -> str:
        return name

    play.methods["resources/subscribe"] = _accept
    async with play.app.lifespan():
        session, other = await open_session(play.app), await open_session(play.app)
        stream, theirs = await opened(play, session), await opened(play, other)
        subscribed = await post(play.app, legacy("resources/subscribe", {"uri": "a://b"}), session)
        assert "result" in subscribed.json
        for change in (updated("a://c"), updated("a://b"), TOOLS):
            play.changes.tell(change)
        await stream.until(lambda: len(stream.events) == 2)
        await theirs.until(lambda: len(theirs.events) == 1)
        assert told(stream) == ["resources/updated a://b", "tools/list_changed"]
        assert told(theirs) == ["tools/list_changed"]


async def _accept(*_: object) -> JsonObject:
    return {}


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"accept": "application/json"}, 406),
        ({"accept": "text/event-stream;q=0"}, 406),
        ({"mcp-session-id": None}, 400),
        ({"mcp-session-id": "made-up"}, 404),
        ({"mcp-protocol-version": "2099-01-01"}, 400),
        ({"mcp-session-id": None, "mcp-protocol-version": "2026-07-28"}, 405),
        ({"host": "evil.example"}, 421),
        ({"origin": "https://evil.example"}, 403),
    ],
)
async def test_what_opens_no_stream(fields: dict[str, str | None], status: int) -> None:
    """LEG-01, LEG-03, SES-02, SES-03, LEG-08, HTTP-02, HTTP-13."""
    play = Play()
    async with play.app.lifespan():
        session = await open_session(play.app)
        answer = await get(play.app, session, **fields).done()
        assert (answer.status, answer.error_code) == (status, -32600)
        assert play.changes.listeners == []


async def test_a_newer_stream_replaces_the_older() -> None:
    """D24: one per session; the older one ends, and nothing is told twice."""
    play = Play()
    async with play.app.lifespan():
        session = await open_session(play.app)
        streams = [await opened(play, session)]
        for _ in range(3):
            streams.append(await opened(play, session))
            await streams[-2].done()
            assert streams[-2].complete
        assert len(play.changes.listeners) == 1
        play.changes.tell(TOOLS)
        await streams[-1].until(lambda: len(streams[-1].events) == 1)
        assert [told(each) for each in streams[:-1]] == [[], [], []]
        gone = await get(play.app, session, streams[0].raw_events[0].id).done()
        assert gone.status == 410


async def test_a_client_that_was_away_is_told_what_changed() -> None:
    """S10, RES-04: what came meanwhile is replayed, in order and once."""
    play = Play()
    async with play.app.lifespan():
        session = await open_session(play.app)
        stream = await opened(play, session)
        play.changes.tell(TOOLS)
        await stream.until(lambda: len(stream.events) == 1)
        last = stream.raw_events[-1].id
        stream.disconnect()
        await stream.done()
        play.changes.tell(PROMPTS)
        again = await opened(play, session, last)
        play.changes.tell(TOOLS)
        await again.until(lambda: len(again.events) == 2)
        assert told(again) == ["prompts/list_changed", "tools/list_changed"]
        assert len(play.changes.listeners) == 1


async def test_a_client_that_was_away_for_too_long_is_told_so() -> None:
    """Limit stream_idle_s: it opens a new stream and looks at its lists again."""
    play = Play(limits=Limits(stream_idle_s=0.01))
    async with play.app.lifespan():
        session = await open_session(play.app)
        stream = await opened(play, session)
        await stream.until(lambda: len(stream.raw_events) == 1)
        stream.disconnect()
        await stream.done()
        async with asyncio.timeout(10):
            await play.changes.left.wait()
        refused = await get(play.app, session, stream.raw_events[0].id).done()
        assert refused.status == 410
        assert play.changes.listeners == []


async def test_a_stream_moves_to_another_process(tmp_path: Path) -> None:
    """S11: the process that the client came to writes from there on."""
    first, second = (Play(SqliteStore(tmp_path / "a.db")) for _ in range(2))
    async with first.app.lifespan(), second.app.lifespan():
        session = await open_session(first.app)
        stream = await opened(first, session)
        first.changes.tell(TOOLS)
        await stream.until(lambda: len(stream.events) == 1)
        again = await opened(second, session, stream.raw_events[-1].id)
        await stream.done()
        assert (first.changes.listeners, len(second.changes.listeners)) == ([], 1)
        second.changes.tell(PROMPTS)
        await again.until(lambda: len(again.events) == 1)
        assert told(again) == ["prompts/list_changed"]
        fresh = await opened(first, session)
        await again.done()
        assert (len(first.changes.listeners), second.changes.listeners) == (1, [])
        assert fresh.status == 200


async def test_what_another_process_changes_in_the_session_counts(tmp_path: Path) -> None:
    first, second = (Play(SqliteStore(tmp_path / "a.db")) for _ in range(2))
    first.methods["resources/subscribe"] = second.methods["resources/subscribe"] = _accept
    async with first.app.lifespan(), second.app.lifespan():
        session = await open_session(first.app)
        stream = await opened(first, session)
        await stream.until(lambda: len(stream.raw_events) == 1)
        await post(second.app, legacy("resources/subscribe", {"uri": "a://b"}), session)
        # The note reaches the first process on the topic of the session; a ping there reads the row in any case.
        await post(first.app, legacy("ping"), session)
        first.changes.tell(updated("a://b"))
        await stream.until(lambda: len(stream.events) == 1)
        assert told(stream) == ["resources/updated a://b"]


async def test_silence_is_broken() -> None:
    """D24: a comment each first_byte_s."""
    play = Play(limits=Limits(first_byte_s=0.02))
    async with play.app.lifespan():
        stream = await opened(play, await open_session(play.app))
        await stream.until(lambda: stream.body.count(b":\n\n") >= 2)
        assert stream.events == []


async def test_an_attached_stream_keeps_its_session() -> None:
    """D11: a session that is listened to is in use."""
    now = [1000.0]
    play = Play(MemoryStore(StoreLimits(session_idle_s=100), clock=lambda: now[0]))
    async with play.app.lifespan():
        session = await open_session(play.app)
        stream = await opened(play, session)
        now[0] += 1000
        assert (await post(play.app, legacy("ping"), session)).status == 200
        stream.disconnect()
        await stream.done()
        now[0] += 101
        assert (await post(play.app, legacy("ping"), session)).status == 404


async def test_delete_ends_the_stream() -> None:
    play = Play()
    async with play.app.lifespan():
        session = await open_session(play.app)
        stream = await opened(play, session)
        await post(play.app, b"", session, method="DELETE")
        await stream.done()
        assert stream.complete
        assert play.changes.listeners == []


async def test_a_server_that_drains_ends_its_streams() -> None:
    """D10: in good order, and with the word to come back."""
    play = Play()
    async with play.app.lifespan():
        session = await open_session(play.app)
        stream = await opened(play, session)
        play.app.endpoint.draining = True
        await stream.done()
        assert stream.complete
        assert stream.body.endswith(b"retry: 1000\n\n")
        refused = await get(play.app, session).done()
        assert (refused.status, refused.headers["retry-after"]) == (503, "5")


async def test_the_end_of_the_server_leaves_nothing_behind() -> None:
    """No task, no listener: also of a client that is away."""
    play = Play()
    async with play.app.lifespan():
        session, other = await open_session(play.app), await open_session(play.app)
        stream = await opened(play, session)
        away = await opened(play, other)
        away.disconnect()
        await away.done()
        assert len(play.changes.listeners) == 2
    await stream.done()
    assert stream.complete
    assert play.changes.listeners == []
