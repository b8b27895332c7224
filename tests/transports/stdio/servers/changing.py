"""A server whose lists and resources change when a tool is called."""

from __future__ import annotations

from anyport import Context, Server

server = Server("changing")


@server.tool
async def add_tool(ctx: Context, name: str) -> str:
    """Register a tool."""
    server.tool(name=name)(add_tool)
    return "added"


@server.tool
def touch(ctx: Context, uri: str) -> str:
    """Say that a resource was updated, from a thread."""
    ctx.notify_resource_updated(uri)
    return "touched"


@server.resource("test://{name}")
async def thing(name: str) -> str:
    """A resource."""
    return name


if __name__ == "__main__":
    server.run()
