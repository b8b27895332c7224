"""A server that runs inside a program's own event loop: what is served is the first argument."""

from __future__ import annotations

import asyncio
import gc
import sys

from anyport import Server

server = Server("inside")


@server.tool
async def frozen() -> int:
    """Tell how many objects the garbage collector leaves alone."""
    return gc.get_freeze_count()


@server.tool
def add(a: int, b: int) -> int:
    return a + b


async def main(transport: str) -> None:
    if transport == "stdio":
        await server.run_async()
    else:
        await server.run_async(transport, port=0)
    # The program's loop goes on.
    await asyncio.sleep(0)
    sys.stderr.write("served out\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
