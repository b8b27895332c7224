"""What the tests of HTTP+SSE serve and say."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Final, Unpack

from anyport import Context, Server
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.serving.application import HttpOptions
from anyport.serving.asgi import AsgiApp
from tests.drivers.asgi import legacy

WAIT: Final = 30.0
BEGAN: Final[defaultdict[str, asyncio.Event]] = defaultdict(asyncio.Event)
ENDED: Final[defaultdict[str, asyncio.Event]] = defaultdict(asyncio.Event)
GATES: Final[defaultdict[str, asyncio.Event]] = defaultdict(asyncio.Event)
"""Of the tool `wait`, by its key."""


def make_server(limits: Limits | None = None) -> Server:
    server = Server("sse", limits=limits or Limits())

    @server.tool
    async def add(a: int, b: int) -> int:
        return a + b

    @server.tool
    async def who(ctx: Context) -> dict[str, object]:
        return {
            "transport": ctx.transport,
            "revision": ctx.revision,
            "session": ctx.session_id,
            "agent": ctx.headers.get("user-agent"),
        }

    @server.tool
    async def steps(ctx: Context) -> str:
        await ctx.report_progress(1)
        await ctx.report_progress(2)
        return "done"

    @server.tool
    async def wait(key: str, ctx: Context) -> str:
        BEGAN[key].set()
        await ctx.report_progress(1)
        try:
            await GATES[key].wait()
        finally:
            ENDED[key].set()
        return "released"

    @server.tool
    async def release(key: str) -> str:
        GATES[key].set()
        return "ok"

    @server.tool
    async def large(size: int) -> str:
        return "x" * size

    @server.tool
    async def chatter(count: int, ctx: Context) -> int:
        for number in range(count):
            await ctx.report_progress(number + 1, message="x" * 1000)
        return count

    return server


def sse_app(limits: Limits | None = None, **options: Unpack[HttpOptions]) -> AsgiApp:
    options.setdefault("sse", True)
    return AsgiApp(make_server(limits), **options)


def sse_call(tool: str, arguments: JsonObject | None = None, *, request_id: int = 1, **params: JsonValue) -> JsonObject:
    return legacy("tools/call", {"name": tool, "arguments": arguments or {}, **params}, request_id=request_id)


async def until(event: asyncio.Event) -> None:
    """Wait for something that should happen at once."""
    async with asyncio.timeout(WAIT):
        await event.wait()
