"""A server whose lists and resources change while clients look on, for the clients of other SDKs.

python tests/interop/changing_server.py             # stdio
python tests/interop/changing_server.py --port 0    # Streamable HTTP on 127.0.0.1; the address is told on stderr
"""

import argparse

from anyport import Context, Server

server = Server("changing")
texts = {"one": "first", "two": "first"}


@server.tool
async def add_tool(ctx: Context, name: str) -> str:
    """Register a tool, which is told."""
    server.tool(name=name, description="A late one.")(write)
    return "added"


@server.tool
def remove_tool(name: str) -> str:
    """Take a tool out, from a thread."""
    server.tools.remove(name)
    return "removed"


@server.tool
async def write(ctx: Context, name: str, text: str) -> str:
    """Change what a resource holds."""
    texts[name] = text
    await ctx.notify_resource_updated(f"note://{name}")
    return "written"


@server.tool
def change_prompts(ctx: Context) -> str:
    """Say that the prompts have changed, from a thread."""
    ctx.notify_prompts_changed()
    return "told"


@server.tool
async def end_streams() -> str:
    """End the listen streams, as a shutdown does."""
    server.subscriptions.end()
    return "ended"


@server.resource("note://{name}")
async def note(name: str) -> str | None:
    """A note."""
    return texts.get(name)


@server.prompt
async def hello() -> str:
    """Say hello."""
    return "hello"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve changing lists.")
    parser.add_argument("--port", type=int, help="serve HTTP on this port of 127.0.0.1 instead of stdio")
    port: int | None = parser.parse_args().port
    if port is None:
        server.run()
    else:
        server.run(transport="http", port=port)
