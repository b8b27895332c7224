"""A server made with `fastmcp` 4.x that offers what its library can, in both eras: runs inside `.interop/fastmcp4`.

python fastmcp4_server.py                    # stdio
python fastmcp4_server.py http|sse PORT      # on 127.0.0.1
"""

import asyncio
import sys
from typing import Annotated

import mcp_types as types
from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.utilities.types import Image
from pydantic import BaseModel, Field

transport = sys.argv[1] if len(sys.argv) > 1 else "stdio"
server = FastMCP("peer", version="1", instructions="Ask me.")
cancelled: list[str] = []


class Person(BaseModel):
    name: str
    age: int


class Answer(BaseModel):
    colour: str


@server.tool
def add(a: int, b: Annotated[int, Field(ge=0)]) -> int:
    """Add two integers."""
    return a + b


@server.tool
def person(name: str) -> Person:
    """Return an object."""
    return Person(name=name, age=41)


@server.tool
def fail() -> str:
    """Go wrong."""
    raise ToolError("it went wrong")


@server.tool
def picture() -> Image:
    """Return an image."""
    return Image(data=b"\x89PNG", format="png")


@server.tool
async def count(upto: int, ctx: Context) -> str:
    """Report progress, and log."""
    for number in range(1, upto + 1):
        await ctx.report_progress(number, upto, f"step {number}")
        await ctx.info(f"counted {number}")
    return "counted"


_FORM = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}


@server.tool
async def ask(ctx: Context) -> types.InputRequiredResult | str:
    """Ask the user, in the way of the era."""
    if ctx.request_context.protocol_version != "2026-07-28":
        found = await ctx.elicit("Which colour?", Answer)
        return f"{found.action}: {found.data.colour if found.action == 'accept' else ''}"
    if ctx.input_responses is None:
        params = types.ElicitRequestFormParams(message="Which colour?", requested_schema=_FORM)
        return types.InputRequiredResult(
            input_requests={"colour": types.ElicitRequest(params=params)}, request_state="state of ask"
        )
    answer = ctx.input_responses["colour"]
    return f"{answer.action}: {answer.content['colour'] if answer.action == 'accept' else ''}"


@server.tool
async def wait() -> str:
    """Wait until the call is cancelled."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        cancelled.append("wait")
        raise
    return ""


@server.tool
def cancellations() -> int:
    """Return how many calls were cancelled."""
    return len(cancelled)


@server.tool
async def grow(ctx: Context) -> str:
    """Add a tool, and say so."""
    server.tool(lambda: "late", name="late")
    await ctx.send_notification(types.ToolListChangedNotification())
    return "grown"


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


@server.prompt
def describe(colour: str) -> str:
    """A prompt."""
    return f"Describe {colour}."


@server.completion
async def complete(ref, argument, context):
    return [word for word in ("red", "rose", "blue") if word.startswith(argument.value)]


if __name__ == "__main__":
    if transport == "stdio":
        server.run(show_banner=False, log_level="INFO")
    else:
        server.run(transport, show_banner=False, port=int(sys.argv[2]), log_level="INFO")
