"""A server made with `mcp` 2.x that offers what its library can, in both eras: runs inside `.interop/mcp2`.

python mcp2_server.py                    # stdio
python mcp2_server.py http|sse PORT      # on 127.0.0.1
"""

import asyncio
import functools
import sys
from typing import Annotated

import mcp_types as types
from mcp.server.lowlevel import NotificationOptions
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import Elicit, ListRoots, Resolve, Sample
from pydantic import BaseModel, Field

transport = sys.argv[1] if len(sys.argv) > 1 else "stdio"
server = MCPServer("peer", version="1", instructions="Ask me.", log_level="INFO")
low = server._lowlevel_server
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


def _question(ctx: Context) -> Elicit[Answer]:
    return Elicit("Which colour?", Answer)


def _thought(ctx: Context) -> Sample:
    message = types.SamplingMessage(role="user", content=types.TextContent(text="Say hello."))
    return Sample([message], max_tokens=10)


def _roots(ctx: Context) -> ListRoots:
    return ListRoots()


@server.tool()
async def ask(answer: Annotated[Answer, Resolve(_question)]) -> str:
    """Ask the user."""
    return f"accept: {answer.colour}"


@server.tool()
async def think(found: Annotated[types.CreateMessageResult, Resolve(_thought)]) -> str:
    """Ask the model of the client."""
    return found.content.text


@server.tool()
async def where(found: Annotated[types.ListRootsResult, Resolve(_roots)]) -> str:
    """Ask for the roots of the client."""
    return ",".join(str(root.uri) for root in found.roots)


@server.tool()
async def grow(ctx: Context) -> str:
    """Add a tool, and say so in both eras."""
    server.add_tool(add, name="late")
    await ctx.notify_tools_changed()
    if ctx.protocol_version != "2026-07-28":
        await ctx.session.send_tool_list_changed()
    return "grown"


@server.tool()
async def touch(uri: str, ctx: Context) -> str:
    """Say that a resource has changed."""
    await ctx.notify_resource_updated(uri)
    return "touched"


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
    return types.Completion(values=values, total=len(values), has_more=False)


if __name__ == "__main__":
    if transport == "stdio":
        server.run()
    else:
        server.run({"http": "streamable-http"}.get(transport, transport), port=int(sys.argv[2]))
