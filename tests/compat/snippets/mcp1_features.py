"""What servers for ``mcp.server.fastmcp`` are made of."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mcp.server.fastmcp import Context, FastMCP, Icon, Image
from mcp.server.fastmcp.prompts import base
from mcp.server.session import ServerSession
from mcp.types import CallToolResult, SamplingMessage, TextContent, ToolAnnotations
from pydantic import BaseModel, Field


@dataclass
class AppContext:
    db: str


@asynccontextmanager
async def app_lifespan(server: FastMCP) -> AsyncIterator[AppContext]:
    yield AppContext(db=f"the database of {server.name}")


mcp = FastMCP(
    "Features",
    instructions="Everything at once.",
    lifespan=app_lifespan,
    host="127.0.0.1",
    port=0,
    streamable_http_path="/api/mcp",
    log_level="WARNING",
)


class Weather(BaseModel):
    temperature: float = Field(description="in Celsius")
    condition: str


class Preferences(BaseModel):
    checkAlternative: bool = Field(description="Another date?")
    alternativeDate: str = Field(default="2026-12-26", description="Which one")


@mcp.tool(title="Weather", annotations=ToolAnnotations(readOnlyHint=True), icons=[Icon(src="https://x/i.png")])
def get_weather(city: str) -> Weather:
    """The weather of a city."""
    return Weather(temperature=22.5, condition=f"fine in {city}")


@mcp.tool()
def query(ctx: Context[ServerSession, AppContext]) -> str:
    """Use what the lifespan opened."""
    return ctx.request_context.lifespan_context.db


@mcp.tool("long")
async def long_running(name: str, ctx: Context[ServerSession, None], steps: int = 3) -> str:
    """Log and report."""
    await ctx.info(f"Starting: {name}")
    await ctx.log("warning", "halfway", logger_name="long")
    for step in range(steps):
        await ctx.report_progress(progress=(step + 1) / steps, total=1.0, message=f"Step {step + 1}/{steps}")
        await ctx.debug(f"Completed step {step + 1}")
    return f"Task '{name}' completed"


@mcp.tool()
async def book(date: str, ctx: Context) -> str:
    """Ask the user."""
    result = await ctx.elicit(message=f"No tables on {date}. Another date?", schema=Preferences)
    if result.action == "accept" and result.data:
        return f"[SUCCESS] {result.data.alternativeDate}" if result.data.checkAlternative else "[CANCELLED]"
    return "[CANCELLED]"


@mcp.tool()
async def poem(topic: str, ctx: Context) -> str:
    """Ask the client's model."""
    message = SamplingMessage(role="user", content=TextContent(type="text", text=f"A poem about {topic}"))
    result = await ctx.session.create_message(messages=[message], max_tokens=100)
    return result.content.text if result.content.type == "text" else str(result.content)


@mcp.tool()
async def read(ctx: Context) -> str:
    contents = list(await ctx.read_resource("config://app"))
    return contents[0].content


@mcp.tool()
def direct() -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text="direct")], structuredContent={"a": 1})


@mcp.tool()
def thumbnail() -> Image:
    return Image(data=b"png", format="png")


@mcp.tool(structured_output=False)
def plain() -> dict[str, str]:
    return {"a": "b"}


@mcp.tool()
async def change(ctx: Context) -> str:
    await ctx.session.send_resource_list_changed()
    await ctx.session.send_resource_updated("config://app")
    await ctx.session.send_log_message(level="info", data="changed")
    return "changed"


@mcp.resource("config://app")
def get_config() -> str:
    """The settings."""
    return "settings"


@mcp.resource("file://documents/{name}", mime_type="text/markdown")
def read_document(name: str) -> str:
    return f"Content of {name}"


@mcp.prompt(title="Code Review")
def review_code(code: str) -> str:
    return f"Please review this code:\n\n{code}"


@mcp.prompt(title="Debug Assistant")
def debug_error(error: str) -> list[base.Message]:
    return [
        base.UserMessage("I'm seeing this error:"),
        base.UserMessage(error),
        base.AssistantMessage("I'll help debug that. What have you tried so far?"),
    ]


if __name__ == "__main__":
    transport = sys.argv[1] if len(sys.argv) > 1 else "stdio"
    if len(sys.argv) > 2:
        mcp.settings.sse_path = sys.argv[2]
    mcp.run(transport=transport)
