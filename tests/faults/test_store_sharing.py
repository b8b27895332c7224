"""Two processes on one file: one numbering, one order, messages in time (D06)."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from anyport.stores.sqlite import SqliteStore
from tests.stores.programs.work import LIMITS
from tests.stores.workers import working

EACH = 400
"""Events that each process appends."""


@pytest.mark.slow
def test_two_processes_append_to_one_stream(tmp_path: Path) -> None:
    """Every position once, without a gap, to the process that has the event at that place; its own rise."""
    path = tmp_path / "a.db"
    with working(path, "append-all", f"{EACH}") as one, working(path, "append-all", f"{EACH}") as other:
        outputs = [worker.lines() for worker in (one, other)]
    acknowledged = [[(int(line.split(" ")[0]), line.partition(" ")[2].encode()) for line in lines] for lines in outputs]
    assert [len(each) for each in acknowledged] == [EACH, EACH]
    assert all(each == sorted(each) for each in acknowledged)

    async def read() -> list[tuple[int, bytes]]:
        store = SqliteStore(path, LIMITS)
        await store.start()
        events = await store.events.read("shared/1", 0)
        await store.aclose()
        return events

    events = asyncio.run(read())
    assert [position for position, _ in events] == list(range(1, 2 * EACH + 1))
    assert events == sorted(acknowledged[0] + acknowledged[1])


@pytest.mark.slow
async def test_a_message_reaches_the_other_process_in_time(tmp_path: Path) -> None:
    """Within 100 ms there and back again, and every one of them in order."""
    with working(tmp_path / "a.db", "echo") as worker:
        assert await asyncio.to_thread(worker.line) == "listening"
        store = SqliteStore(tmp_path / "a.db", LIMITS)
        await store.start()
        times: list[float] = []
        async with store.bus.subscribe("pong") as answers:
            for number in range(20):
                started = time.perf_counter()
                await store.bus.publish("ping", b"%d" % number)
                assert await anext(answers) == b"%d" % number
                times.append(time.perf_counter() - started)
            for number in range(200):
                await store.bus.publish("ping", b"%d" % number)
            assert [await anext(answers) for _ in range(200)] == [b"%d" % number for number in range(200)]
            await store.bus.publish("ping", b"end")
            assert await anext(answers) == b"end"
        await store.aclose()
    # The middle one: others may need the processors, too.
    assert sorted(times)[len(times) // 2] < 0.1
