"""A server over HTTP for crowds; its first argument is a JSON object of limits."""

from __future__ import annotations

import asyncio
import sys

import msgspec

from anyport import Context, Server
from anyport.protocol.limits import Limits

server = Server("crowded", limits=msgspec.json.decode(sys.argv[1], type=Limits))


@server.tool
async def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@server.tool
async def rest(seconds: float) -> str:
    """Take some time."""
    await asyncio.sleep(seconds)
    return "rested"


@server.tool
async def stream(events: int, pause: float, ctx: Context) -> str:
    """Say a lot."""
    for number in range(events):
        await ctx.report_progress(number, message="x" * 40_000)
        await asyncio.sleep(pause)
    return "said"


@server.tool
async def change() -> str:
    """Say that the tools have changed."""
    server.notify_tools_changed()
    return "changed"


if __name__ == "__main__":
    server.run(transport="http", port=0)
