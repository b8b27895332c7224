"""A server over HTTP whose options come as JSON in its first argument; its tools last, count and fail."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec

from anyport import Context, Server
from anyport.protocol.limits import Limits
from anyport.serving.application import RunOptions


class Given(msgspec.Struct):
    """What the argument may say: options of `run`, limits, and whether the lifespan fails."""

    run: RunOptions = RunOptions()
    limits: Limits = Limits()
    fails: bool = False


given = msgspec.json.decode(sys.argv[1] if len(sys.argv) > 1 else "{}", type=Given)


@asynccontextmanager
async def live(server: object) -> AsyncGenerator[None]:
    """Say when it starts and ends."""
    if given.fails:
        raise ConnectionError("the database is away")
    yield
    sys.stderr.write("[lifespan closed]\n")


server = Server("over-http", limits=given.limits, lifespan=live)
counts = {"began": 0, "cancelled": 0, "done": 0}


@server.tool
async def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@server.tool
async def echo(text: str) -> int:
    """Tell how long a text is."""
    return len(text)


@server.tool
async def last(seconds: float, ctx: Context) -> str:
    """Take some time."""
    counts["began"] += 1
    sys.stderr.write("[began]\n")
    sys.stderr.flush()
    try:
        await ctx.report_progress(1)
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        counts["cancelled"] += 1
        sys.stderr.write("[cancelled]\n")
        sys.stderr.flush()
        raise
    counts["done"] += 1
    return "done"


@server.tool
async def count(what: str) -> int:
    """Tell how often something happened."""
    return counts[what]


if __name__ == "__main__":
    given.run.setdefault("port", 0)
    server.run(transport="http", **given.run)
    sys.stderr.write("[run returned]\n")
