"""The official SDK (`mcp` 2.x): a call as its documentation writes it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from load import Add, main
from mcp import Client, StdioServerParameters


@asynccontextmanager
async def connect(target: str | list[str]) -> AsyncGenerator[Add]:
    """Connect; what is yielded makes a call."""
    server = target if isinstance(target, str) else StdioServerParameters(command=target[0], args=target[1:])
    async with Client(server) as client:

        async def add(a: int, b: int) -> int:
            result = await client.call_tool("add", {"a": a, "b": b})
            return result.structured_content["result"]

        yield add


if __name__ == "__main__":
    main(connect)
