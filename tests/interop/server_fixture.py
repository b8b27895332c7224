"""The server that the other SDKs meet, written with anyport's public API.

python tests/interop/server_fixture.py             # stdio
python tests/interop/server_fixture.py --port 0    # Streamable HTTP on 127.0.0.1; the address is told on stderr
python tests/interop/server_fixture.py --port 0 --transport sse
"""

import argparse
import asyncio
import os
import subprocess
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from argument_tools import ARGUMENT_TOOLS, CALLABLE_OBJECT
from primitives_fixture import PAGE, add_primitives
from pydantic import Field
from result_tools import RESULT_TOOLS, result_model

from anyport import Context, Image, McpError, Server, ToolError
from anyport.protocol.types import Icon, ToolAnnotations
from tests.interop.questions_fixture import add_questions

WAIT_S = 15.0
"""Longest that a tool waits for another call."""


@asynccontextmanager
async def open_state(server: Server) -> AsyncGenerator[dict[str, str]]:
    yield {"opened for": server.name}


server = Server(
    "interop",
    version="1.2.3",
    title="Interop fixture",
    instructions="Call what you like.",
    lifespan=open_state,
    page_size=PAGE,
)

for function in (*ARGUMENT_TOOLS, *RESULT_TOOLS):
    server.tool(function)
server.tool(name="callable_object", description="An object that can be called.")(CALLABLE_OBJECT)
server.tool(name="unstructured_model", structured_output=False)(result_model)


@server.tool(
    name="dressed.up-1",
    title="Dressed up",
    annotations=ToolAnnotations(title="Shown", read_only_hint=True, destructive_hint=False),
    icons=[Icon(src="https://example.org/icon.png", mime_type="image/png", sizes=["48x48"])],
    meta={"example.org/team": "shop"},
)
def dressed_up() -> str:
    """Say little.

    A second paragraph.
    """
    return "dressed"


@server.tool(
    input_schema={
        "type": "object",
        "properties": {"size": {"enum": ["s", "m"]}, "depth": {"type": "integer", "maximum": 3}},
        "required": ["size"],
        "additionalProperties": False,
    }
)
def own_schema(size: str, depth: int = 1) -> str:
    return f"{size}{depth}"


@server.tool
def region(where: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})], count: int = 1) -> str:
    """Take an argument that HTTP headers mirror."""
    return f"{where} x{count}"


# --- errors -----------------------------------------------------------------------------------------------------------


@server.tool
def fails_plainly() -> str:
    raise ToolError("no pens left 🖊")


@server.tool
async def fails_plainly_async() -> int:
    raise ToolError("no ink left")


@server.tool
def fails_by_accident() -> int:
    return {"a": 1}["b"]


@server.tool
async def fails_by_accident_async() -> int:
    raise ValueError("first line\nsecond line with a secret")


@server.tool
def fails_by_protocol() -> str:
    raise McpError(4242, "out of paper", {"tray": 2})


# --- notifications ----------------------------------------------------------------------------------------------------


@server.tool
async def progress(steps: int, ctx: Context) -> str:
    for step in range(1, steps + 1):
        await ctx.report_progress(step, steps, f"step {step} ✓")
    await ctx.report_progress(steps, steps, "not a step forward")
    return "done"


@server.tool
def progress_sync(ctx: Context) -> str:
    ctx.report_progress(0.25)
    ctx.report_progress(0.75, 1.0)
    return "done"


@server.tool
async def logs(ctx: Context) -> str:
    await ctx.debug("a detail")
    await ctx.info({"count": 1, "word": "é"}, logger="shop")
    await ctx.warning("watch out")
    await ctx.error("broken")
    return "logged"


@server.tool
def logs_sync(ctx: Context) -> str:
    ctx.error("from a thread")
    return "logged"


@server.tool
async def who_calls(ctx: Context[dict[str, str]]) -> dict[str, object]:
    return {
        "transport": ctx.transport,
        "revision": ctx.revision,
        "client": (ctx.client or {}).get("name"),
        "in_session": ctx.session_id is not None,
        "has_headers": "user-agent" in ctx.headers,
        "state": ctx.state,
    }


@server.tool
def noisy() -> str:
    """Write to stdout in every way that a careless tool may."""
    print("noise from print")
    os.write(1, b"noise from a descriptor\n")
    subprocess.run(["echo", "noise from a child"], check=True)
    return "quiet"


# --- several calls at once --------------------------------------------------------------------------------------------

_events: dict[str, asyncio.Event] = {}
_barriers: dict[str, asyncio.Barrier] = {}
_thread_barriers: dict[str, threading.Barrier] = {}


@server.tool
async def meet(group: str, party: int, number: int) -> int:
    """Return `number` once `party` calls of the group are here: they must run at the same time."""
    barrier = _barriers.setdefault(group, asyncio.Barrier(party))
    async with asyncio.timeout(WAIT_S):
        await barrier.wait()
    return number


@server.tool
def meet_sync(group: str, party: int, number: int) -> int:
    """The same on threads."""
    _thread_barriers.setdefault(group, threading.Barrier(party)).wait(WAIT_S)
    return number


@server.tool
async def wait_for(key: str, ctx: Context) -> str:
    """Report that it waits, then return once `release` was called with the key; a cancellation is noted under it."""
    await ctx.report_progress(1, message="waiting")
    try:
        async with asyncio.timeout(WAIT_S):
            await _events.setdefault(key, asyncio.Event()).wait()
    except asyncio.CancelledError:
        _events.setdefault(f"{key} cancelled", asyncio.Event()).set()
        raise
    return "released"


@server.tool
async def release(key: str) -> str:
    _events.setdefault(key, asyncio.Event()).set()
    return "ok"


@server.tool
async def was_cancelled(key: str) -> bool:
    """Tell whether `wait_for` with this key was cancelled; waits for that."""
    try:
        async with asyncio.timeout(WAIT_S / 3):
            await _events.setdefault(f"{key} cancelled", asyncio.Event()).wait()
    except TimeoutError:
        return False
    return True


# --- sizes and texts --------------------------------------------------------------------------------------------------


@server.tool
def echo(text: str) -> str:
    return text


@server.tool
async def echo_table(table: dict[str, str]) -> dict[str, str]:
    return table


@server.tool
async def echo_after_progress(text: str, ctx: Context) -> str:
    await ctx.report_progress(1)
    return text


@server.tool
def big_numbers(count: int) -> list[int]:
    return list(range(count))


@server.tool
def big_image(size: int) -> Image:
    return Image(bytes(size))


add_primitives(server)
add_questions(server)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve the interop fixture.")
    parser.add_argument("--port", type=int, help="serve HTTP on this port of 127.0.0.1 instead of stdio")
    parser.add_argument("--transport", choices=["http", "sse"], default="http", help="which, with a port")
    options = parser.parse_args()
    if options.port is None:
        server.run()
    else:
        server.run(transport=options.transport, port=options.port)
