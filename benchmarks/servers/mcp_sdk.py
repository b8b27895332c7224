"""The official SDK (`mcp` 2.x): the benchmark's tool as its documentation writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp.server.mcpserver import MCPServer

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


def app() -> Starlette:
    """Return the ASGI application.

    `json_response=True` is its fastest answer to a modern request: the handler runs in the request's own task.
    `stateless_http` has no effect on modern requests and would leave no legacy session to measure: the default stays.
    """
    return server.streamable_http_app(json_response=True)


if __name__ == "__main__":
    server.run()
