"""An application for ASGI servers other than uvicorn."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from anyport import Context, Server


def say(text: str) -> None:
    """Write a line to stderr, at once."""
    sys.stderr.write(f"[{text}]\n")
    sys.stderr.flush()


@asynccontextmanager
async def live(server: object) -> AsyncGenerator[None]:
    """Say when it starts and ends."""
    say("started")
    yield
    say("ended")


server = Server("hosted", lifespan=live)


@server.tool
async def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@server.tool
async def last(seconds: float, ctx: Context) -> str:
    """Take some time."""
    await ctx.report_progress(1)
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        say("cancelled")
        raise
    return "done"


@server.tool
async def big(size: int) -> str:
    """Say a lot."""
    return "x" * size


app = server.asgi()
