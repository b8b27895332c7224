"""The official SDK (`mcp` 2.x): the benchmark's tool as its documentation writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp.server.mcpserver import Context, MCPServer

if TYPE_CHECKING:
    from starlette.applications import Starlette

server = MCPServer("bench", log_level="WARNING")


@server.tool()
async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


@server.tool()
def add_sync(a: int, b: int) -> int:
    """Add two integers, on a thread."""
    return a + b


@server.tool()
async def add_told(a: int, b: int, ctx: Context) -> int:
    """Add two integers, and report progress on the way."""
    await ctx.report_progress(1, 1)
    return a + b


@server.tool()
async def steps(count: int, ctx: Context) -> str:
    """Report progress so many times."""
    for number in range(count):
        await ctx.report_progress(number, count)
    return "done"


@server.tool()
async def blob(size: int) -> str:
    """Return so many bytes."""
    return "x" * size


def app() -> Starlette:
    """Return the ASGI application.

    `json_response=True` is its fastest answer to a modern request: the handler runs in the request's own task.
    `stateless_http` has no effect on modern requests and would leave no legacy session to measure: the default stays.
    """
    return server.streamable_http_app(json_response=True)


def app_sse() -> Starlette:
    """Return the ASGI application as it is by default: answers are event streams."""
    return server.streamable_http_app()


if __name__ == "__main__":
    server.run()
