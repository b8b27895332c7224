"""The server that the tests of the client call: in memory, as a file, as a command, over HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import defaultdict
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from anyport import Context, Server, ToolError

server = Server("example", version="1.2", instructions="Add up.")
other = Server("other")

_cancelled: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)


@dataclass
class Point:
    """A place."""

    x: int
    y: int


@server.tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool
def point(x: int, y: int) -> Point:
    """Make a point."""
    return Point(x, y)


@server.tool
def points(count: int) -> list[Point]:
    """Make some points."""
    return [Point(index, 0) for index in range(count)]


@server.tool
def echo(text: str) -> str:
    """Say it again."""
    return text


@server.tool
def nothing() -> None:
    """Return nothing."""


@server.tool
def fail(reason: str) -> int:
    """Fail."""
    raise ToolError(reason)


@server.tool
async def steps(count: int, ctx: Context) -> int:
    """Report each of some steps."""
    for step in range(1, count + 1):
        await ctx.report_progress(step, count, f"step {step}")
    return count


@server.tool
async def hang(key: str, ctx: Context) -> None:
    """Report once and never end; `was_cancelled` tells when this is given up."""
    try:
        await ctx.report_progress(1)
        await asyncio.Event().wait()
    finally:
        _cancelled[key].set()


@server.tool
async def was_cancelled(key: str) -> bool:
    """Wait until a `hang` was given up."""
    await _cancelled[key].wait()
    return True


@server.tool
async def give_up() -> None:
    """Cancel the call from inside."""
    raise asyncio.CancelledError


@server.tool
def environment(name: str) -> str:
    """Return a variable of the environment, or a dash."""
    return os.environ.get(name, "-")


@server.tool
def in_region(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})], ctx: Context) -> str:
    """Return what the header says about the region."""
    return (ctx.headers or {}).get("mcp-param-region", region)


@server.tool
def sent_header(name: str, ctx: Context) -> str:
    """Return a header of the request, or a dash."""
    return (ctx.headers or {}).get(name, "-")


@server.tool
async def die(status: int) -> None:
    """End the process in the middle of the call; a negative status is a signal."""
    print("the last words", file=sys.stderr, flush=True)
    if status < 0:
        os.kill(os.getpid(), signal.Signals(-status))
        await asyncio.Event().wait()
    os._exit(status)


@server.tool
def modules() -> list[str]:
    """Return what is imported."""
    return sorted(sys.modules)


if __name__ == "__main__":
    server.run()
