"""What servers for `fastmcp` 2 to 4 are made of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.prompts import Message
from fastmcp.server.elicitation import AcceptedElicitation, CancelledElicitation, DeclinedElicitation
from fastmcp.tools import ToolResult
from fastmcp.utilities.types import Audio, File, Image
from mcp.types import TextContent, ToolAnnotations
from pydantic import BaseModel, Field


@asynccontextmanager
async def lifespan(server: FastMCP) -> AsyncIterator[dict[str, str]]:
    yield {"greeting": f"hello from {server.name}"}


mcp = FastMCP(
    "Features",
    instructions="Everything at once.",
    version="1.2",
    lifespan=lifespan,
    on_duplicate="replace",
    mask_error_details=False,
)
sub = FastMCP("Sub")


class Point(BaseModel):
    x: int
    y: int = 0


@dataclass
class Order:
    item: str
    count: int


@mcp.tool(
    name="sum",
    description="Add up.",
    tags={"maths", "basic"},
    annotations={"readOnlyHint": True, "title": "Sum"},
    meta={"owner": "us"},
)
def sum_of(numbers: Annotated[list[int], Field(description="what to add")]) -> int:
    return sum(numbers)


@mcp.tool("renamed", annotations=ToolAnnotations(destructiveHint=False))
async def some_function(point: Point, mode: Literal["a", "b"] = "a") -> Point:
    """Move a point."""
    return Point(x=point.x + 1, y=point.y if mode == "a" else 0)


@mcp.tool
async def talk(ctx: Context, rounds: int = 2) -> str:
    """Log and report."""
    await ctx.debug("starting")
    await ctx.info("going", logger_name="talk")
    await ctx.warning("careful", extra={"round": rounds})
    await ctx.error("not really")
    await ctx.log("a message", level="notice")
    for done in range(rounds):
        await ctx.report_progress(done + 1, rounds, f"round {done + 1}")
    return f"{ctx.fastmcp.name}: {ctx.lifespan_context['greeting']}"


@mcp.tool
async def read(ctx: Context | None = None) -> str:
    """Read one of our own resources."""
    result = await ctx.read_resource("notes://today/morning")
    return f"{result.contents[0].content} ({result.contents[0].mime_type})"


@mcp.tool
async def choose(ctx: Context) -> str:
    """Ask the user."""
    answer = await ctx.elicit("What do you want?", response_type=Order)
    match answer:
        case AcceptedElicitation(data=order):
            return f"{order.count} {order.item}"
        case DeclinedElicitation():
            return "declined"
        case CancelledElicitation():
            return "cancelled"
    return "?"


@mcp.tool
def blocks() -> list[TextContent]:
    return [TextContent(type="text", text="one"), TextContent(type="text", text="two")]


@mcp.tool
def result() -> ToolResult:
    return ToolResult(content=[TextContent(type="text", text="shown")], structured_content={"kept": 1}, meta={"k": "v"})


@mcp.tool
def media(kind: str) -> Image | Audio | File:
    if kind == "image":
        return Image(data=b"png", format="png")
    return Audio(data=b"wav", format="wav") if kind == "audio" else File(data=b"a,b", format="csv", name="table")


@mcp.tool
def fail(how: str) -> str:
    if how == "tool":
        raise ToolError("try another one")
    raise ValueError("no good")


@mcp.tool(run_in_thread=False)
def here() -> str:
    """Run where the loop is."""
    asyncio.get_running_loop()
    return "on the loop"


@mcp.tool
def twice() -> str:
    return "first"


@mcp.tool(name="twice")
def twice_again() -> str:
    return "second"


@mcp.resource("config://app", mime_type="application/json", tags={"settings"})
def config() -> str:
    """The settings."""
    return '{"debug": true}'


@mcp.resource("users://{user_id}/profile")
async def profile(user_id: int, ctx: Context) -> str:
    return f"user {user_id}"


@mcp.resource("notes://{path*}")
def notes(path: str) -> str:
    """Notes by their path."""
    return f"note {path}"


@mcp.prompt
def summarise(text: str, tone: str = "dry") -> str:
    """Summarise a text."""
    return f"Summarise in a {tone} tone: {text}"


@mcp.prompt("talk_it_over")
def discussion(topic: str) -> list[Message]:
    return [Message(f"Let us talk about {topic}"), Message("Gladly", role="assistant")]


@sub.tool
def ping() -> str:
    return "pong"


@sub.resource("data://one")
def one() -> str:
    return "1"


mcp.mount(sub, namespace="sub")

if __name__ == "__main__":
    mcp.run()
