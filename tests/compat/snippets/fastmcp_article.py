"""A server as articles about `fastmcp` show it: the transport comes from the command line or the environment."""

import asyncio
import os
import sys

from fastmcp import FastMCP

mcp = FastMCP(name="Calculator")


@mcp.tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@mcp.tool()
async def shout(text: str) -> dict[str, str]:
    """Say it louder."""
    return {"said": text.upper()}


def main(how: str) -> None:
    if how == "plain":
        mcp.run()
    elif how == "stdio":
        mcp.run(transport="stdio")
    elif how == "http":
        mcp.run(transport="http", host="127.0.0.1", port=0)
    elif how == "streamable-http":
        mcp.run(transport="streamable-http", host="127.0.0.1", port=0, path="/v1")
    elif how == "sse":
        mcp.run(transport="sse", host="127.0.0.1", port=0)
    elif how == "sse-path":
        mcp.run(transport="sse", host="127.0.0.1", port=0, path="/events")
    elif how == "async":
        asyncio.run(mcp.run_async(transport="http", host="127.0.0.1", port=0, path="/mcp"))
    elif how == "async-stdio":
        asyncio.run(mcp.run_async())
    else:
        # Nothing changes in the code: the deployment says what it is run on.
        transport = os.environ.get("MCP_TRANSPORT", "stdio")
        if transport == "stdio":
            mcp.run()
        else:
            mcp.run(transport=transport, host=os.environ.get("MCP_HOST", "127.0.0.1"), port=int(os.environ["MCP_PORT"]))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "environment")
