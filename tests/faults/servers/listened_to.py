"""A server over HTTP that is listened to; its first argument is a JSON object of limits."""

from __future__ import annotations

import sys

import msgspec

from anyport import Context, Server
from anyport.protocol.limits import Limits

server = Server("listened-to", limits=msgspec.json.decode(sys.argv[1], type=Limits))


@server.resource("note://{name}")
async def note(name: str) -> str:
    """A note."""
    return name


@server.tool
async def touch(ctx: Context, uri: str, times: int = 1) -> str:
    """Say that a resource was updated, each time in a turn of its own."""
    for _ in range(times):
        await ctx.notify_resource_updated(uri)
    return "touched"


@server.tool
async def change() -> str:
    """Say that the tools have changed."""
    server.notify_tools_changed()
    return "changed"


@server.tool
async def end() -> str:
    """End the streams, as a shutdown does."""
    server.subscriptions.end()
    return "ended"


if __name__ == "__main__":
    server.run(transport="http", port=0)
