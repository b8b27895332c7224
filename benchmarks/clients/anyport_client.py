"""anyport: a call as its documentation writes it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from load import Add, main

from anyport import Client


@asynccontextmanager
async def connect(target: str | list[str]) -> AsyncGenerator[Add]:
    """Connect; what is yielded makes a call."""
    async with Client(target) as client:

        async def add(a: int, b: int) -> int:
            result = await client.call_tool("add", {"a": a, "b": b})
            return result.data  # pyright: ignore[reportReturnType] - what the tool returned

        yield add


if __name__ == "__main__":
    main(connect)
