"""Sessions with equal request ids on one store: no foreign byte (A13.6, RES-03, RES-04).

The fault of demands.md: "event store keyed by request id: one session resumes another's stream".
"""

from __future__ import annotations

import asyncio
import random
import re
from pathlib import Path

import pytest

from anyport.stores.base import Store, StoreLimits, StreamLost
from tests.stores.kinds import KIND_NAMES, Kind, KindName

SESSIONS = 1_000
EVENTS = 6


@pytest.mark.slow
@pytest.mark.parametrize("name", KIND_NAMES)
async def test_a_thousand_sessions_use_the_same_request_ids(name: KindName, tmp_path: Path) -> None:
    """In random order, many at a time; each reads all of its own from wherever it stopped, and nothing else."""
    order = random.Random(1)
    sessions = [f"{number:04}" for number in range(SESSIONS)]
    turns = [session for session in sessions for _ in range(EVENTS)]
    order.shuffle(turns)
    waiting = iter(turns)

    async with Kind(name, tmp_path).harness.pair(StoreLimits(sessions=SESSIONS)) as (one, other):
        for session in sessions:
            await one.sessions.create(session, session.encode(), None)

        async def append(store: Store) -> None:
            for session in waiting:
                await store.events.append(f"{session}/1", b"of %b;" % session.encode())

        await asyncio.gather(*(append(store) for store in (one, other) for _ in range(16)))
        for session in sessions:
            after = order.randrange(EVENTS)
            events = await other.events.read(f"{session}/1", after)
            assert [position for position, _ in events] == list(range(after + 1, EVENTS + 1))
            assert {event for _, event in events} == {b"of %b;" % session.encode()}

        for session in sessions[::2]:
            await one.sessions.delete(session)
        for session in sessions[::2]:
            with pytest.raises(StreamLost):
                await other.events.read(f"{session}/1", 0)
        for session in sessions[1::2]:
            assert len(await other.events.read(f"{session}/1", 0)) == EVENTS


@pytest.mark.parametrize("name", KIND_NAMES)
async def test_no_made_up_name_reads_anothers_stream(name: KindName, tmp_path: Path) -> None:
    """A client may send any event id: patterns, parts and neighbours of a name are other names (RES-04)."""
    victim = "victim/1"
    tries = [victim[:end] for end in range(len(victim))]
    tries += [f"{victim}{tail}" for tail in ("/", "%", "*", " ", "\x00", "\n", "0", "/../1")]
    tries += [
        re.escape(victim) + "?",
        "victim%",
        "%",
        "*",
        "victim/_",
        "VICTIM/1",
        " victim/1",
        "./victim/1",
        "victim//1",
    ]
    async with Kind(name, tmp_path).harness.running() as store:
        await store.events.append(victim, b"secret")
        for made_up in tries:
            with pytest.raises(StreamLost):
                await store.events.read(made_up, 0)
        assert await store.events.read(victim, 0) == [(1, b"secret")]
