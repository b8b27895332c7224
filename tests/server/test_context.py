"""Context: what a tool learns about its call, and what it says before its result (S32, PRG-01, LOG-01)."""

from __future__ import annotations

import pytest

from anyport import Context, Server
from anyport.errors import InternalError
from anyport.protocol.calls import Carrier
from anyport.protocol.types import LoggingLevel
from tests.server.calling import Heard, ask, call_tool, make_call


async def test_context_tells_about_the_call() -> None:
    server = Server("test")
    seen: list[object] = []

    @server.tool
    async def look(ctx: Context) -> None:
        seen.extend([ctx.request_id, ctx.session_id, ctx.transport, ctx.revision, ctx.client, dict(ctx.headers)])
        seen.extend([ctx.principal, ctx.state, ctx.server.name, ctx.cancelled, ctx.meta.get("com.example/x")])

    carrier = Carrier(transport="http", headers={"x-a": "b"}, principal="me")
    call = make_call("tools/call", {"name": "look"}, carrier=carrier, meta={"com.example/x": 1})
    await ask(server, call)
    assert seen == [1, None, "http", "2026-07-28", None, {"x-a": "b"}, "me", None, "test", False, 1]


async def test_context_in_a_thread_sends_in_order() -> None:
    """S32: progress and logs of a plain function arrive before its result, in order."""
    server, heard = Server("test"), Heard()

    @server.tool
    def work(ctx: Context) -> None:
        for step in range(3):
            ctx.report_progress(step, 3, f"step {step}")
            ctx.info(f"log {step}", logger="work")

    await call_tool(server, "work", heard=heard, meta={"progressToken": "t"}, log_level="info")
    assert [item.method.removeprefix("notifications/") for item in heard.notifications] == ["progress", "message"] * 3
    assert heard.notifications[4].params == {"progressToken": "t", "progress": 2, "total": 3, "message": "step 2"}
    assert heard.notifications[5].params == {"level": "info", "data": "log 2", "logger": "work"}


async def test_progress_rises_and_only_when_asked_for() -> None:
    """PRG-01: strictly increasing; nothing without a token."""
    server, heard, deaf = Server("test"), Heard(), Heard()

    @server.tool
    async def work(ctx: Context) -> None:
        for progress in (1, 1, 0.5, 2, 2.5):
            await ctx.report_progress(progress)

    await call_tool(server, "work", heard=heard, meta={"progressToken": 0})
    assert [item.params["progress"] for item in heard.notifications] == [1, 2, 2.5]
    await call_tool(server, "work", heard=deaf)
    assert deaf.notifications == []


async def test_logs_follow_the_level() -> None:
    """LOG-01: nothing without a level, nothing below it."""
    server = Server("test")

    @server.tool
    async def work(ctx: Context) -> None:
        await ctx.debug("d")
        await ctx.info("i")
        await ctx.warning({"structured": True})
        await ctx.error("e")
        await ctx.log("emergency", "x")

    expected: list[tuple[LoggingLevel | None, int]] = [(None, 0), ("debug", 5), ("warning", 3), ("emergency", 1)]
    for level, count in expected:
        heard = Heard()
        await call_tool(server, "work", heard=heard, log_level=level)
        assert len(heard.notifications) == count


async def test_a_log_without_json_form_fails_the_tool() -> None:
    server = Server("test")

    @server.tool
    async def work(ctx: Context) -> None:
        await ctx.info(object())  # pyright: ignore[reportArgumentType] - the mistake under test

    with pytest.raises(InternalError):
        await call_tool(server, "work", log_level="info", heard=Heard())
