"""Progress and logs of a call: rising, paced, and nothing after the result (PRG-01, PRG-02, LOG-01, LOG-02, D16)."""

from __future__ import annotations

import asyncio
import threading

import pytest

from anyport import Context, Limits, Server, ToolError
from anyport.protocol.types.json import JsonObject
from tests.server.calling import Heard, ask, call_tool, make_call

WAIT = 30.0
TOKEN: JsonObject = {"progressToken": "t"}


def progress_of(heard: Heard) -> list[object]:
    return [item.params["progress"] for item in heard.notifications if item.method == "notifications/progress"]


def logs_of(heard: Heard) -> list[object]:
    return [item.params["data"] for item in heard.notifications if item.method == "notifications/message"]


@pytest.mark.parametrize("plain", [False, True], ids=["async", "plain"])
@pytest.mark.parametrize("reports", [4, 5, 6, 1000])
async def test_a_burst_is_cut_and_the_last_arrives(reports: int, plain: bool) -> None:
    """PRG-02: at limit - 1, limit, limit + 1 and far beyond; what is last is always sent, before the result."""
    server, heard = Server("test", limits=Limits(progress_per_s=5)), Heard()

    if plain:

        @server.tool(name="work")
        def work(ctx: Context) -> None:
            for number in range(reports):
                ctx.report_progress(number, reports)
    else:

        @server.tool(name="work")
        async def work_async(ctx: Context) -> None:
            for number in range(reports):
                await ctx.report_progress(number, reports)

    await call_tool(server, "work", heard=heard, meta=TOKEN)
    seen = progress_of(heard)
    assert seen[:4] == [0, 1, 2, 3]
    assert seen[-1] == reports - 1
    assert seen == sorted(set(map(int, map(str, seen))))
    # On a machine that stands still in between, more than one bucket may be spent.
    assert min(reports, 5) <= len(seen) <= max(6, reports // 10)


async def test_a_tool_that_fails_has_said_its_last_too() -> None:
    server, heard = Server("test", limits=Limits(progress_per_s=1)), Heard()

    @server.tool
    async def work(ctx: Context) -> None:
        await ctx.report_progress(1)
        await ctx.report_progress(2)
        raise ToolError("no")

    await call_tool(server, "work", heard=heard, meta=TOKEN)
    assert progress_of(heard) == [1, 2]


@pytest.mark.parametrize("method", ["prompts/get", "resources/read"])
async def test_prompts_and_resources_are_paced_too(method: str) -> None:
    server, heard = Server("test", limits=Limits(progress_per_s=1, logs_per_s=1)), Heard()

    async def speak(ctx: Context) -> str:
        """Say three things."""
        for number in range(3):
            await ctx.report_progress(number)
            await ctx.warning(f"{number}")
        return "done"

    server.prompt(speak)
    server.resource("test://speak")(speak)
    params = {"name": "speak"} if method == "prompts/get" else {"uri": "test://speak"}
    await ask(server, make_call(method, params, meta={"progressToken": 1}, log_level="info"), heard)
    assert progress_of(heard) == [0, 2]
    assert logs_of(heard) == ["0", "2 log messages were left out (limit logs_per_s: 1)"]


async def test_a_nested_read_does_not_end_the_call() -> None:
    server, heard = Server("test"), Heard()

    @server.resource("test://inner")
    async def inner(ctx: Context) -> str:
        await ctx.report_progress(1)
        return "inner"

    @server.tool
    async def work(ctx: Context) -> None:
        await ctx.read_resource("test://inner")
        await ctx.report_progress(2)

    await call_tool(server, "work", heard=heard, meta=TOKEN)
    assert progress_of(heard) == [1, 2]


async def test_logs_that_come_too_fast_are_counted_by_their_gravest() -> None:
    """LOG-02: what is left out is told in one message, at the severity of the worst of them."""
    server, heard = Server("test", limits=Limits(logs_per_s=2)), Heard()

    @server.tool
    async def work(ctx: Context) -> None:
        for level in ("info", "info", "error", "info"):
            await ctx.log(level, "text")

    await call_tool(server, "work", heard=heard, log_level="info")
    assert [item.params["level"] for item in heard.notifications] == ["info", "info", "error"]
    assert logs_of(heard)[-1] == "2 log messages were left out (limit logs_per_s: 2)"


async def test_nothing_is_said_after_the_result() -> None:
    """PRG-01: neither by a task that the tool left behind, nor by its thread, nor by what was on its way."""
    server, heard = Server("test"), Heard()
    left: list[asyncio.Task[None]] = []
    go = asyncio.Event()

    @server.tool
    async def work(ctx: Context) -> None:
        await ctx.report_progress(1)
        on_its_way = [ctx.report_progress(2), ctx.error("late")]

        async def linger() -> None:
            await go.wait()
            for message in on_its_way:
                await message
            await ctx.report_progress(3)
            await ctx.error("later")

        left.append(asyncio.create_task(linger()))

    await call_tool(server, "work", heard=heard, meta=TOKEN, log_level="debug")
    go.set()
    await left[0]
    assert progress_of(heard) == [1]
    assert logs_of(heard) == []


async def test_a_thread_that_is_out_of_time_says_nothing_more() -> None:
    """PRG-01, D16."""
    server, heard = Server("test"), Heard()
    go, done, loop = threading.Event(), asyncio.Event(), asyncio.get_running_loop()

    @server.tool(timeout=0.02)
    def work(ctx: Context) -> None:
        ctx.report_progress(1)
        go.wait(WAIT)
        ctx.report_progress(2)
        loop.call_soon_threadsafe(done.set)

    assert (await call_tool(server, "work", heard=heard, meta=TOKEN))["isError"] is True
    go.set()
    async with asyncio.timeout(WAIT):
        await done.wait()
    assert progress_of(heard) == [1]


async def test_a_number_that_is_none_is_no_progress() -> None:
    server, heard = Server("test"), Heard()

    @server.tool
    async def work(ctx: Context) -> None:
        await ctx.report_progress(float("nan"))
        await ctx.report_progress(1)

    await call_tool(server, "work", heard=heard, meta=TOKEN)
    assert progress_of(heard) == [1]
