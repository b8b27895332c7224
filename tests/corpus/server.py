"""The server that the corpus is sent to: over stdio without an argument, over everything else with one."""

from __future__ import annotations

import sys
from typing import Annotated

from pydantic import Field

from anyport import Server
from anyport.protocol.limits import Limits

LIMITS = Limits(body_bytes=60_000, line_bytes=60_000, header_bytes=8_000)

server = Server("corpus", limits=LIMITS)


@server.tool
async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


@server.tool
async def route(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
    zone: Annotated[int | None, Field(json_schema_extra={"x-mcp-header": "Zone"})] = None,
    fast: Annotated[bool | None, Field(json_schema_extra={"x-mcp-header": "Fast"})] = None,
) -> str:
    """Be routed by header fields."""
    return f"{region} {zone} {fast}"


@server.tool(name="grüße".encode().hex())
async def greet() -> str:
    """Have an odd name."""
    return "hello"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run(["http", "sse", "socket"], port=0, socket_port=0)
    else:
        server.run()
