"""anyport: the benchmark's tool as its documentation writes it."""

from __future__ import annotations

from anyport import Context, Server

server = Server("bench")


@server.tool
async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


@server.tool
def add_sync(a: int, b: int) -> int:
    """Add two integers, on a thread."""
    return a + b


@server.tool
async def add_told(a: int, b: int, ctx: Context) -> int:
    """Add two integers, and report progress on the way."""
    await ctx.report_progress(1, 1)
    return a + b


@server.tool
async def steps(count: int, ctx: Context) -> str:
    """Report progress so many times."""
    for number in range(count):
        await ctx.report_progress(number, count)
    return "done"


@server.tool
async def blob(size: int) -> str:
    """Return so many bytes."""
    return "x" * size


app = app_sse = server.asgi


if __name__ == "__main__":
    server.run()
