"""fastmcp 4.x: the benchmark's tool as its documentation writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastmcp import FastMCP

if TYPE_CHECKING:
    from starlette.applications import Starlette

server = FastMCP("bench")


@server.tool
async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


@server.tool
def add_sync(a: int, b: int) -> int:
    """Add two integers, on a thread."""
    return a + b


def app() -> Starlette:
    """Return the ASGI application, with plain JSON answers (its fastest; see `mcp_sdk.py`)."""
    return server.http_app(path="/mcp", json_response=True)


if __name__ == "__main__":
    server.run(show_banner=False)
