"""A server made with `mcp` 1.x that offers what its library can: runs inside the environment `.interop/mcp1`.

python mcp1_server.py                    # stdio
python mcp1_server.py http|sse PORT      # on 127.0.0.1
"""

import asyncio
import functools
import sys
from typing import Annotated

from mcp import types
from mcp.server.fastmcp import Context, FastMCP, Image
from mcp.server.fastmcp.exceptions import ToolError
from mcp.server.lowlevel import NotificationOptions
from pydantic import BaseModel, Field

transport = sys.argv[1] if len(sys.argv) > 1 else "stdio"
server = FastMCP("peer", instructions="Ask me.", port=int(sys.argv[2]) if transport != "stdio" else 0, log_level="INFO")
low = server._mcp_server
low.create_initialization_options = functools.partial(
    low.create_initialization_options, NotificationOptions(tools_changed=True)
)
cancelled: list[str] = []


class Person(BaseModel):
    name: str
    age: int


class Answer(BaseModel):
    colour: str


@server.tool()
def add(a: int, b: Annotated[int, Field(ge=0)]) -> int:
    """Add two integers."""
    return a + b


@server.tool()
def person(name: str) -> Person:
    """Return an object."""
    return Person(name=name, age=41)


@server.tool()
def fail() -> str:
    """Go wrong."""
    raise ToolError("it went wrong")


@server.tool()
def picture() -> Image:
    """Return an image."""
    return Image(data=b"\x89PNG", format="png")


@server.tool()
async def count(upto: int, ctx: Context) -> str:
    """Report progress, and log."""
    for number in range(1, upto + 1):
        await ctx.report_progress(number, upto, f"step {number}")
        await ctx.info(f"counted {number}")
    return "counted"


@server.tool()
async def ask(ctx: Context) -> str:
    """Ask the user."""
    found = await ctx.elicit("Which colour?", Answer)
    return f"{found.action}: {found.data.colour if found.action == 'accept' else ''}"


@server.tool()
async def think(ctx: Context) -> str:
    """Ask the model of the client."""
    message = types.SamplingMessage(role="user", content=types.TextContent(type="text", text="Say hello."))
    found = await ctx.session.create_message([message], max_tokens=10)
    return found.content.text


@server.tool()
async def where(ctx: Context) -> str:
    """Ask for the roots of the client."""
    return ",".join(str(root.uri) for root in (await ctx.session.list_roots()).roots)


@server.tool()
async def grow(ctx: Context) -> str:
    """Add a tool, and say so."""
    server.add_tool(add, name="late")
    await ctx.session.send_tool_list_changed()
    return "grown"


@server.tool()
async def wait() -> str:
    """Wait until the call is cancelled."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        cancelled.append("wait")
        raise
    return ""


@server.tool()
def cancellations() -> int:
    """Return how many calls were cancelled."""
    return len(cancelled)


@server.resource("note://one", mime_type="text/plain")
def one() -> str:
    """A text."""
    return "first"


@server.resource("note://bytes", mime_type="image/png")
def data() -> bytes:
    """A picture."""
    return b"\x89PNG"


@server.resource("note://of/{name}", mime_type="text/plain")
def note(name: str) -> str:
    """A text for each name."""
    return f"note of {name}"


@server.prompt()
def describe(colour: str) -> str:
    """A prompt."""
    return f"Describe {colour}."


@server.completion()
async def complete(ref, argument, context):
    values = [word for word in ("red", "rose", "blue") if word.startswith(argument.value)]
    return types.Completion(values=values, total=len(values), hasMore=False)


if __name__ == "__main__":
    server.run({"http": "streamable-http"}.get(transport, transport))
