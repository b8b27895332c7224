"""What the tests of several transports at once serve: options as JSON in the first argument."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
from pydantic import BaseModel

from anyport import Context, Server
from anyport.protocol.limits import Limits
from anyport.serving.application import RunOptions


class Given(msgspec.Struct):
    """What the argument may say: transports, options of `run`, limits, and whether the lifespan fails."""

    on: list[str] | str | None = None
    run: RunOptions = RunOptions()
    limits: Limits = Limits()
    fails: bool = False


given = msgspec.json.decode(sys.argv[1] if len(sys.argv) > 1 else "{}", type=Given)


def say(text: str) -> None:
    """Write a line to stderr, at once."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@asynccontextmanager
async def live(server: object) -> AsyncGenerator[dict[str, int]]:
    """Say when it starts and ends; what it yields is one object for all transports."""
    if given.fails:
        raise ConnectionError("the database is away")
    say("[lifespan began]")
    yield {"calls": 0}
    say("[lifespan closed]")


server = Server("several", limits=given.limits, lifespan=live)


@server.tool
async def where(ctx: Context[dict[str, int]]) -> list[object]:
    """Tell the transport, the process, and how many such calls there were on all transports."""
    ctx.state["calls"] += 1
    return [ctx.transport, os.getpid(), ctx.state["calls"]]


@server.tool
async def frozen() -> int:
    """Tell how many objects the garbage collector leaves alone."""
    return gc.get_freeze_count()


@server.tool
async def echo(text: str) -> str:
    """Say it again."""
    return text


@server.tool
async def big(size: int) -> str:
    """Say a lot."""
    say("[big]")
    return "x" * size


@server.tool
async def last(seconds: float) -> str:
    """Take some time."""
    say("[began]")
    await asyncio.sleep(seconds)
    return "done"


@server.tool
def last_sync(seconds: float) -> str:
    """Take some time on a thread."""
    say("[began]")
    time.sleep(seconds)  # noqa: TID251 - a tool that blocks its thread is the case
    return "done"


@server.tool
async def stubborn() -> str:
    """Go on whoever cancels it."""
    say("[began]")
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            continue


class Name(BaseModel):
    """What `ask` wants to know."""

    name: str


@server.tool
async def ask(ctx: Context) -> str:
    """Wait for what the user says."""
    say("[began]")
    answer = await ctx.elicit("Who?", Name)
    return answer.action


@server.tool
def register() -> str:
    """Register a further tool."""
    server.tool(name="where_again")(where)
    return "registered"


if __name__ == "__main__":
    server.run(given.on, **given.run)
    say("[run returned]")
