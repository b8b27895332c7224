"""A server over HTTP that asks; its store is the SQLite file of its first argument, its port the second.

Bodies that begin and end are lines in the file of the third argument.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from anyport import Context, Server
from anyport.stores import SqliteStore

LOG = Path(sys.argv[3])
server = Server("asking", store=SqliteStore(sys.argv[1]), secret=os.environ.get("ANYPORT_SECRET") or "s" * 32)


def note(what: str) -> None:
    """Write down what happens in a body, and where."""
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"{what} {sys.argv[4]}\n")
    sys.stderr.write(f"[{what}]\n")
    sys.stderr.flush()


@server.tool
async def order(item: str, ctx: Context) -> str:
    """Ask twice, with progress between."""
    note("begun")
    color = await ctx.elicit("Color?", str, key="color")
    for number in range(20):
        await ctx.report_progress(number)
    size = await ctx.elicit("Size?", str, key="size")
    note("done")
    return f"{item} {color.data} {size.data}"


@server.tool
async def work(seconds: float, ctx: Context) -> str:
    """Ask, then work."""
    await ctx.elicit("Go?", bool, key="go")
    note("working")
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        note("cancelled")
        raise
    note("worked")
    return "worked"


if __name__ == "__main__":
    server.run(transport="http", port=int(sys.argv[2]))
