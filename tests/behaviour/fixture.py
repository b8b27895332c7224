"""The server that the behaviour suite calls; as a program it serves stdio, `http`, or `socket PATH`."""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Literal, Protocol, cast

from pydantic import BaseModel, Field

from anyport import AssistantMessage, Audio, Context, Image, McpError, Message, Server, ToolError, UserMessage
from anyport.protocol.limits import DEFAULT_LIMITS, Limits
from anyport.protocol.types import (
    EmbeddedResource,
    Icon,
    ResourceContents,
    ResourceLink,
    TextContent,
    ToolAnnotations,
)

WAIT_S = 10.0
ICON = Icon(src="data:image/png;base64,AA==", mime_type="image/png")
opened: list[str] = []
"""Names of the servers whose lifespan was entered, in this process."""


class Item(BaseModel):
    """A structured result."""

    name: str
    price: float = 1.5
    tags: list[str] = []


class Chosen(BaseModel):
    """What a form asks for."""

    name: str
    price: float = 1.5


@asynccontextmanager
async def lifespan(server: Server) -> AsyncGenerator[dict[str, int]]:
    opened.append(server.name)
    yield {"lives": len(opened)}
    opened.remove(server.name)


@functools.cache
def make_server(limits: Limits = DEFAULT_LIMITS) -> Server:
    """Return the server: one in each process, whatever transports and event loops it is used on."""
    server = Server(
        "behaviour",
        version="1.0",
        title="Behaviour",
        instructions="Behave.",
        icons=[ICON],
        lifespan=lifespan,
        page_size=20,
        limits=limits,
    )
    _add_results(server)
    _add_failures(server)
    _add_speakers(server)
    _add_questions(server)
    _add_waiters(server)
    _add_resources(server)
    _add_prompts(server)
    return server


def _add_results(server: Server) -> None:
    @server.tool(title="Add", annotations=ToolAnnotations(read_only_hint=True), icons=[ICON], meta={"example.org/a": 1})
    async def add(a: int, b: int) -> int:
        """Add two integers."""
        return a + b

    @server.tool
    def add_sync(a: int, b: int) -> int:
        return a + b

    @server.tool
    async def item(name: str) -> Item:
        return Item(name=name, tags=["new"])

    @server.tool
    async def nothing() -> None:
        return

    @server.tool
    async def media() -> list[object]:
        return [
            "text",
            Image(b"\x00\x01"),
            Audio(b"\x02", mime_type="audio/wav"),
            EmbeddedResource(resource=ResourceContents(uri="test://inner", text="inner")),
        ]

    @server.tool
    async def link() -> ResourceLink:
        return ResourceLink(name="note", uri="test://note")

    @server.tool
    async def block() -> TextContent:
        return TextContent(text="block")

    @server.tool
    async def echo(text: str) -> str:
        return text

    @server.tool
    async def constrained(
        count: Annotated[int, Field(ge=1, le=3)], kind: Literal["a", "b"] = "a", more: list[int] | None = None
    ) -> str:
        return f"{count} {kind} {more}"


def _add_failures(server: Server) -> None:
    @server.tool
    async def fails(text: str) -> str:
        raise ToolError(text)

    @server.tool
    def breaks() -> int:
        raise ValueError("secret-1\nsecret-2")

    @server.tool
    async def fails_by_protocol() -> str:
        raise McpError(4242, "out of paper", {"tray": 2})


def _add_speakers(server: Server) -> None:
    @server.tool
    async def progress(steps: int, ctx: Context) -> str:
        for step in range(1, steps + 1):
            await ctx.report_progress(step, steps, f"step {step}")
        await ctx.report_progress(steps, steps, "no step forward")
        await ctx.report_progress(0, steps, "a step back")
        return "done"

    @server.tool
    def progress_sync(ctx: Context) -> str:
        ctx.report_progress(0.5)
        ctx.report_progress(1.0, 1.0)
        return "done"

    @server.tool
    async def logs(ctx: Context) -> str:
        await ctx.debug("d")
        await ctx.info({"n": 1}, logger="shop")
        await ctx.warning("w")
        await ctx.error("e")
        return "logged"

    @server.tool
    async def who(ctx: Context[dict[str, int]]) -> dict[str, object]:
        return {
            "transport": ctx.transport,
            "revision": ctx.revision,
            "client": (ctx.client or {}).get("name"),
            "id": ctx.request_id,
            "session": ctx.session_id is not None,
            "meta": {key: value for key, value in ctx.meta.items() if not key.startswith("io.")},
            "state": ctx.state,
        }


def _add_questions(server: Server) -> None:
    @server.tool
    async def ask_user(ctx: Context) -> str:
        answer = await ctx.elicit("Which item?", Chosen)
        return f"{answer.action} {answer.data.name}" if answer.action == "accept" else answer.action

    @server.tool
    async def ask_model(ctx: Context) -> str:
        return (await ctx.sample("two and two", max_tokens=5)).text

    @server.tool
    async def ask_roots(ctx: Context) -> str:
        return " ".join(root.uri for root in await ctx.list_roots())

    @server.tool
    async def ask_all(ctx: Context) -> str:
        roots = await ctx.list_roots()
        said = await ctx.sample("two and two", max_tokens=5)
        answer = await ctx.elicit("Which item?", Chosen) if len(roots) == 2 else None
        return f"{len(roots)} {said.text} {answer.action if answer else 'unasked'}"


def _add_waiters(server: Server) -> None:
    events: dict[str, asyncio.Event] = {}
    gates: dict[str, threading.Event] = {}
    ends: dict[str, str] = {}
    over: defaultdict[str, threading.Event] = defaultdict(threading.Event)

    @server.tool
    async def wait(key: str, ctx: Context) -> str:
        """Report that it waits, and wait for `release`."""
        await ctx.report_progress(1)
        try:
            async with asyncio.timeout(WAIT_S):
                await events.setdefault(key, asyncio.Event()).wait()
        except asyncio.CancelledError:
            ends[key] = "cancelled"
            await ctx.report_progress(2)
            over[key].set()
            raise
        return f"released {key}"

    @server.tool
    def wait_sync(key: str, ctx: Context) -> str:
        """The same on a thread, which sees `ctx.cancelled`."""
        ctx.report_progress(1)
        gate = gates.setdefault(key, threading.Event())
        for _ in range(int(WAIT_S * 100)):
            if gate.wait(0.01) or ctx.cancelled:
                break
        ends[key] = "cancelled" if ctx.cancelled else "released"
        over[key].set()
        return f"released {key}"

    @server.tool
    async def release(key: str) -> str:
        events.setdefault(key, asyncio.Event()).set()
        gates.setdefault(key, threading.Event()).set()
        return "ok"

    @server.tool
    def end_of(key: str) -> str:
        """How a waiting tool ended; waits for that."""
        over[key].wait(WAIT_S)
        return ends.pop(key, "never")


def _add_resources(server: Server) -> None:
    @server.resource("test://note", title="Note", icons=[ICON], cache_ttl=60, cache_scope="public")
    async def note() -> str:
        return "é note"

    @server.resource("test://bytes", mime_type="image/png")
    def picture() -> bytes:
        return b"\x00\xff"

    @server.resource("test://broken")
    def broken() -> str:
        raise ValueError("secret-1\nsecret-2")

    @server.resource("test://items/{name}{?lang}", title="Items")
    async def one_item(name: str, lang: str = "en") -> str | None:
        return None if name == "gone" else f"{name} in {lang}"

    @server.completion("test://items/{name}{?lang}", "name")
    async def complete_name(typed: str) -> list[str]:
        return [f"{typed}{number}" for number in range(120)]

    async def shelf() -> str:
        return "book"

    for number in range(47):
        server.resource(f"shelf://{number:02}", name=f"book {number:02}")(shelf)


def _add_prompts(server: Server) -> None:
    @server.prompt(title="Review", icons=[ICON])
    async def review(code: str, tone: Literal["kind", "strict"] = "kind", rounds: int = 1) -> list[Message]:
        """Ask for a review."""
        return [UserMessage(f"{tone} {rounds}: {code}"), AssistantMessage("Gladly.")]

    @server.prompt
    def hello() -> str:
        return "Hello"


class _RunOnSocket(Protocol):
    def __call__(self, *, transport: str, socket_path: str) -> None: ...


if __name__ == "__main__":
    if sys.argv[1:] == ["http"]:
        make_server().run(transport="http", port=0)
    elif sys.argv[1:] == ["sse"]:
        make_server().run(transport="sse", port=0)
    elif sys.argv[1:2] == ["socket"]:
        cast("_RunOnSocket", make_server().run)(transport="socket", socket_path=sys.argv[2])
    else:
        make_server().run()
