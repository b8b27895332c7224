"""A server over HTTP whose sessions are in the SQLite file of its first argument; its port is the second."""

from __future__ import annotations

import asyncio
import sys

from anyport import Context, Server
from anyport.stores import SqliteStore

server = Server("with-store", store=SqliteStore(sys.argv[1]))


@server.tool
async def count(to: int, ctx: Context) -> str:
    """Count aloud, and wait for ever after the last number."""
    for number in range(to):
        await ctx.report_progress(number)
    sys.stderr.write("[counted]\n")
    sys.stderr.flush()
    await asyncio.Event().wait()
    return "never"


@server.tool
async def quick(to: int, ctx: Context) -> str:
    """Count aloud."""
    for number in range(to):
        await ctx.report_progress(number)
    return "done"


@server.tool
async def let_go(ctx: Context) -> str:
    """Let go of the connection, then go on."""
    await ctx.close_stream(retry=0.1)
    await asyncio.sleep(0.05)
    return "went on"


if __name__ == "__main__":
    server.run(transport="http", port=int(sys.argv[2]))
