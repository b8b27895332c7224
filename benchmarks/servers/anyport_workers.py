"""anyport with a tool that computes; the port is the argument, ANYPORT_WORKERS says how many processes."""

from __future__ import annotations

import sys

from anyport import Server

server = Server("bench", secret="of the benchmark, for every worker")


@server.tool
async def add_slowly(a: int, b: int) -> int:
    """Add two integers, after something else that takes a while."""
    return a + b + sum(number % 2 for number in range(10_000)) - 5_000


if __name__ == "__main__":
    server.run("http", port=int(sys.argv[1]))
