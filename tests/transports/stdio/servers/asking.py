"""A server whose tools ask."""

from anyport import Context, Server

server = Server("asking")


@server.tool
async def greet(ctx: Context) -> str:
    """Ask for a name, and wait for it."""
    return f"Hello, {(await ctx.elicit('Name?', str, key='name')).data}"


@server.tool
def block(ctx: Context) -> str:
    """The same on a thread."""
    return f"Hello, {ctx.elicit('Name?', str, key='name').data}"


@server.tool(resumable=True)
async def resume(ctx: Context) -> str:
    """Ask for a name, and run again with it."""
    return f"Hello, {(await ctx.elicit('Name?', str, key='name')).data}"


if __name__ == "__main__":
    server.run()
