"""anyport: the benchmark's tool as its documentation writes it."""

from __future__ import annotations

from anyport import Server

server = Server("bench")


@server.tool
async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


@server.tool
def add_sync(a: int, b: int) -> int:
    """Add two integers, on a thread."""
    return a + b


app = server.asgi


if __name__ == "__main__":
    server.run()
