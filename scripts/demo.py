"""`make demo`: the example server, called over stdio and over HTTP. Ends by itself, with status 0 if all went well."""

from __future__ import annotations

import asyncio
import time

from anyport import Client, ToolError
from scripts.serving import EXAMPLE, http_example, run_command

LIMIT = 60.0
"""Seconds for the whole."""
CALLS = 200


async def refused(client: Client, arguments: dict[str, object]) -> str:
    """Return what the server says to an order that it has to refuse."""
    try:
        await client.call_tool("order", arguments)
    except ToolError as error:
        return str(error).splitlines()[0]
    raise RuntimeError(f"the server took an order of {arguments}")


async def visit(client: Client) -> None:
    """Do what a client does, and say what happened.

    Raises:
        RuntimeError: The server answered something else than it should.
    """
    tools = await client.list_tools()
    print("  tools           ", ", ".join(tool.name for tool in tools))
    found = await client.call_tool("search", {"text": "notebook"})
    print("  search notebook ", found.structured_content)
    receipt = await client.call_tool("order", {"item": "pen", "count": 4})
    print("  order 4 pens    ", receipt.structured_content)
    if receipt.structured_content != {"item": "pen", "count": 4, "total": 6.0}:
        raise RuntimeError("the receipt is wrong")
    print("  order 4 inks    ", "refused:", await refused(client, {"item": "ink", "count": 4}))
    print("  order 0 pens    ", "refused:", await refused(client, {"item": "pen", "count": 0}))
    started = time.perf_counter()
    for _ in range(CALLS):
        await client.call_tool("search", {"text": "pen"})
    print(f"  {CALLS} searches     {(time.perf_counter() - started) / CALLS * 1000:.2f} ms each, one after the other")


async def main() -> None:
    """Visit the example over both transports."""
    async with asyncio.timeout(LIMIT):
        print(f"stdio: anyport run {EXAMPLE}")
        async with Client(run_command()) as client:
            await visit(client)
        async with http_example() as (url, _):
            print(f"\nhttp:  anyport run {EXAMPLE} --http {url.removeprefix('http://').removesuffix('/mcp')}   ({url})")
            async with Client(url) as client:
                await visit(client)
    print("\nBoth transports answered; both servers have ended.")


if __name__ == "__main__":
    asyncio.run(main())
