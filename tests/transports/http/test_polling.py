"""A server that lets go of a connection on purpose: the call goes on, the client polls (RES-02, SEP-1699)."""

from __future__ import annotations

import pytest

from anyport import Context
from tests.drivers.asgi import LEGACY, legacy, open_session, post, start
from tests.drivers.streams import Steps, get


def make_poller(version: str) -> Steps:
    """Return a server with a tool that lets go of its connection."""
    play = Steps()

    @play.server.tool
    async def long(ctx: Context) -> str:
        await ctx.close_stream(retry=0.25)
        await ctx.close_stream(retry=0.25)
        await ctx.report_progress(1)
        await play.allowed.acquire()
        return f"done in {version}"

    @play.server.tool
    def in_a_thread(ctx: Context) -> str:
        ctx.close_stream(0.1)
        return "done"

    return play


LONG = legacy("tools/call", {"name": "long", "_meta": {"progressToken": 1}})


async def test_the_server_lets_go_of_a_connection() -> None:
    """RES-02, SEP-1699: priming event, retry, the end of the connection; the call goes on, the client polls."""
    play = make_poller(LEGACY)
    async with play.app.lifespan():
        session = await open_session(play.app)
        answer = start(play.app, LONG, session)
        await answer.until(lambda: answer.complete)
        (primer,) = answer.raw_events
        assert (primer.data, bool(primer.id)) == (b"", True)
        assert answer.body.endswith(b"retry: 250\n\n")
        again = get(play.app, session, primer.id)
        await again.until(lambda: len(again.events) == 1)
        play.allow(1)
        await again.done()
        assert again.events[-1]["id"] == 1
        assert b"done in" in again.body
        await answer.done()


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18"])
async def test_elsewhere_nothing_is_let_go(version: str) -> None:
    """Before 2025-11-25 a server keeps the stream until the result."""
    play = make_poller(version)
    async with play.app.lifespan():
        session = await open_session(play.app, version)
        play.allow(1)
        answer = await post(play.app, LONG, session)
        assert b"retry" not in answer.body
        assert b"done in" in answer.body


async def test_letting_go_from_a_thread() -> None:
    play = make_poller(LEGACY)
    async with play.app.lifespan():
        session = await open_session(play.app)
        answer = start(play.app, legacy("tools/call", {"name": "in_a_thread"}), session)
        await answer.until(lambda: answer.complete)
        again = await get(play.app, session, answer.raw_events[0].id).done()
        assert b"done" in again.body
        await answer.done()
