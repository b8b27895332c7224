"""A server that has every primitive, asks its client, logs and changes; in memory, as a file, over HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from anyport import Context, Server

server = Server("full", version="3", secret="s" * 32)


@dataclass
class Order:
    """What to buy."""

    item: str
    count: int = 2


@server.tool
async def order(ctx: Context) -> str:
    """Ask the user what to buy."""
    answer = await ctx.elicit("What shall it be?", Order)
    return answer.action if answer.action != "accept" else f"{answer.data.count} {answer.data.item}"


@server.tool
async def visit(ctx: Context) -> str:
    """Ask the user to open a page."""
    return (await ctx.elicit_url("Sign in", "https://example.org/login")).action


@server.tool
async def twice(ctx: Context) -> str:
    """Ask the user twice."""
    first = await ctx.elicit("First?", Literal["a", "b"])
    second = await ctx.elicit("Second?", Literal["c", "d"])
    return f"{first.data}{second.data}"


@server.tool
async def think(ctx: Context) -> str:
    """Ask the model of the client."""
    return (await ctx.sample("What is the capital of France?", max_tokens=7)).text


@server.tool
async def look(ctx: Context) -> list[str]:
    """Return the roots of the client."""
    return [root.uri for root in await ctx.list_roots()]


@server.tool
async def declared(ctx: Context) -> list[str]:
    """Return what the client declares."""
    return sorted(ctx._call.capabilities)  # pyright: ignore[reportPrivateUsage] - no public name has it


@server.tool
async def chatter(ctx: Context) -> None:
    """Log at three levels."""
    await ctx.debug("low")
    await ctx.info({"n": 1}, logger="shop")
    await ctx.error("high")


@server.tool
async def meta(key: str, ctx: Context) -> str:
    """Return an entry of the metadata of the call."""
    return str(ctx.meta.get(key))


@server.tool
async def trace(ctx: Context) -> list[str | None]:
    """Return where the call stands in a trace, and its baggage."""
    found = ctx.trace
    return [None if found is None else found.trace_id, None if found is None else found.parent_id, ctx.baggage]


@server.tool
async def change(what: str, ctx: Context) -> None:
    """Tell of a change."""
    told = {"tools": ctx.notify_tools_changed, "prompts": ctx.notify_prompts_changed}
    if what in told:
        await told[what]()
    else:
        await ctx.notify_resource_updated(what)


@server.tool
async def trickle(count: int, ctx: Context) -> int:
    """Report progress now and then: longer in all than between two reports."""
    for step in range(count):
        await asyncio.sleep(0.1)
        await ctx.report_progress(step + 1)
    return count


@server.resource("shop://items/{name}")
async def item(name: str) -> str:
    """Say what an item is."""
    return f"a {name}"


@server.resource("shop://list")
async def items() -> list[str]:
    """List the items."""
    return ["pen", "cup"]


@server.prompt
async def greet(name: str) -> str:
    """Greet somebody."""
    return f"Say hello to {name}."


@server.completion("greet", argument="name")
async def names(value: str) -> list[str]:
    """Complete a name."""
    return [name for name in ("Ada", "Alan", "Grace") if name.startswith(value)]


if __name__ == "__main__":
    server.run()
