"""kill -9 of a process that shares a SQLite store loses nothing that was acknowledged (D06)."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from anyport.stores.base import StoreLimits
from anyport.stores.sqlite import SqliteStore
from tests.stores.kinds import Clock
from tests.stores.programs.work import LIMITS
from tests.stores.workers import working

KILLS = 8
"""Times that a writer is killed, each at another moment."""


def ask(path: Path, query: str) -> object:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchone()[0]


async def check_acknowledged(path: Path, acknowledged: list[str]) -> None:
    """Every line that a writer printed is in the file, and the positions of each stream have no gap."""
    store = SqliteStore(path, LIMITS)
    await store.start()
    expected: dict[str, dict[int, str]] = {}
    for line in acknowledged:
        stream, position, event = line.split(" ")
        expected.setdefault(stream, {})[int(position)] = event
        assert await store.sessions.get(event) == b"row"
    for stream, events in expected.items():
        kept = dict(await store.events.read(stream, 0))
        assert list(kept) == list(range(1, len(kept) + 1))
        assert {position: kept[position].decode() for position in events} == events
    await store.aclose()


@pytest.mark.slow
def test_what_was_acknowledged_survives_the_writer(tmp_path: Path) -> None:
    """Killed at any moment, in the middle of a transaction or of a checkpoint; then the next one goes on."""
    path = tmp_path / "a.db"
    acknowledged: list[str] = []
    moments = random.Random(7)
    for kill in range(KILLS):
        with working(path, "append", f"{kill % 2}-{kill}") as writer:
            acknowledged.extend(writer.line() for _ in range(moments.randrange(1, 400)))
            writer.kill()
            acknowledged.extend(writer.lines())
        assert ask(path, "PRAGMA integrity_check") == "ok"
    assert len(acknowledged) > KILLS
    asyncio.run(check_acknowledged(path, acknowledged))


@pytest.mark.slow
def test_who_shares_the_file_goes_on(tmp_path: Path) -> None:
    """A process that is killed while it writes leaves no lock behind."""
    path = tmp_path / "a.db"
    with working(path, "append", "survivor") as survivor:
        acknowledged = [survivor.line()]
        for number in range(3):
            with working(path, "append", f"victim-{number}") as victim:
                acknowledged.extend(victim.line() for _ in range(50))
                victim.kill()
                acknowledged.extend(victim.lines())
            acknowledged.extend(survivor.line() for _ in range(50))
        survivor.kill()
        acknowledged.extend(survivor.lines())
    asyncio.run(check_acknowledged(path, acknowledged))


async def open_after(path: Path, seconds: float) -> bytes | None:
    """Look at the session "a" some time after now."""
    clock = Clock()
    clock.now = time.time() + seconds
    store = SqliteStore(path, StoreLimits(session_idle_s=LIMITS.session_idle_s), clock=clock)
    await store.start()
    row = await store.sessions.get("a")
    await store.aclose()
    return row


@pytest.mark.slow
def test_a_hold_ends_with_its_process(tmp_path: Path) -> None:
    """A session whose call was killed expires as any other, and not before."""
    path = tmp_path / "a.db"

    async def create() -> None:
        store = SqliteStore(path, LIMITS)
        await store.start()
        await store.sessions.create("a", b"row", None)
        await store.aclose()

    asyncio.run(create())
    with working(path, "hold", "a") as holder:
        assert holder.line() == "held"
        holder.kill()
    assert asyncio.run(open_after(path, LIMITS.session_idle_s * 1.1)) is None
    assert asyncio.run(open_after(path, LIMITS.session_idle_s * 0.7)) == b"row"
