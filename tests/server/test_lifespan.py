"""Lifespan: entered once, left in the task that entered it, whoever asks (D03, D09)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast  # noqa: TID251 - what a type checker would refuse

import pytest

from anyport import Context, Server
from anyport.protocol.errors import LocalProtocolError
from anyport.server.lifespan import Lifespan
from tests.server.calling import call_tool, text_of


class Diary:
    """What a lifespan did, and in which task."""

    def __init__(self) -> None:
        self.entries: list[str] = []
        self.tasks: list[asyncio.Task[object] | None] = []

    @asynccontextmanager
    async def open(self, server: object) -> AsyncGenerator[str]:
        """Write down the start and the end."""
        self.entries.append("start")
        self.tasks.append(asyncio.current_task())
        await asyncio.sleep(0)
        yield "state"
        self.tasks.append(asyncio.current_task())
        self.entries.append("end")


async def test_started_once_by_many() -> None:
    diary = Diary()
    lifespan = Lifespan(diary.open, None)
    await asyncio.gather(*(lifespan.start() for _ in range(10)))
    assert (diary.entries, lifespan.state) == (["start"], "state")
    await asyncio.create_task(lifespan.aclose())
    assert diary.entries == ["start", "end"]
    assert diary.tasks[0] is diary.tasks[1]
    assert lifespan.state is None


async def test_closing_what_was_not_started() -> None:
    diary = Diary()
    await Lifespan(diary.open, None).aclose()
    assert diary.entries == []
    await Lifespan(None, None).start()


async def test_starting_again_after_the_end() -> None:
    diary = Diary()
    lifespan = Lifespan(diary.open, None)
    for _ in range(2):
        await lifespan.start()
        await lifespan.aclose()
    assert diary.entries == ["start", "end"] * 2


async def test_a_failing_start_is_told_and_may_be_tried_again() -> None:
    attempts: list[int] = []

    @asynccontextmanager
    async def fail_once(server: object) -> AsyncGenerator[int]:
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError("database is away")
        yield 7

    lifespan = Lifespan(fail_once, None)
    results = await asyncio.gather(lifespan.start(), lifespan.start(), return_exceptions=True)
    assert all(isinstance(result, OSError) for result in results)
    await lifespan.start()
    assert lifespan.state == 7
    await lifespan.aclose()


async def test_a_failing_end_is_told() -> None:
    @asynccontextmanager
    async def fail(server: object) -> AsyncGenerator[None]:
        yield
        raise OSError("cannot close")

    lifespan = Lifespan(fail, None)
    await lifespan.start()
    with pytest.raises(OSError, match="cannot close"):
        await lifespan.aclose()


async def test_a_cancelled_start_does_not_stop_the_others() -> None:
    gate = asyncio.Event()

    @asynccontextmanager
    async def slow(server: object) -> AsyncGenerator[int]:
        await gate.wait()
        yield 1

    lifespan = Lifespan(slow, None)
    impatient, patient = asyncio.create_task(lifespan.start()), asyncio.create_task(lifespan.start())
    await asyncio.sleep(0)
    impatient.cancel()
    gate.set()
    await patient
    assert lifespan.state == 1
    await lifespan.aclose()


async def test_tools_see_the_state() -> None:
    diary = Diary()
    server = Server("test", lifespan=diary.open)

    @server.tool
    async def look(ctx: Context[str]) -> str:
        return ctx.state

    await server.lifespan.start()
    assert text_of(await call_tool(server, "look")) == "state"
    await server.lifespan.aclose()


def test_what_is_no_lifespan() -> None:
    """Told where it is written, not when the server starts."""

    async def half(server: Server) -> AsyncGenerator[None]:
        yield

    with pytest.raises(LocalProtocolError, match=r"lifespan needs @contextlib\.asynccontextmanager"):
        Server("test", lifespan=cast(Any, half))
    with pytest.raises(LocalProtocolError, match="lifespan must be a function that takes the server; it is 5"):
        Server("test", lifespan=cast(Any, 5))
    with pytest.raises(LocalProtocolError, match=r"store must be a store, such as SqliteStore\('shop.db'\)"):
        Server("test", store=cast(Any, "shop.db"))
