"""Tools that ask the client something, tell it of changes, or have it come back for their results."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel

from anyport import Ask, Context, Server


class Form(BaseModel):
    """A value of every kind that a form may have."""

    name: str
    age: int
    score: float
    member: bool
    size: Literal["s", "m"] = "s"


class Short(BaseModel):
    """One question."""

    name: str


def add_questions(server: Server) -> None:
    """Declare them."""
    for add in (_add_forms, _add_url, _add_marked, _add_sampling, _add_roots, _add_changes, _add_leaving):
        add(server)


def _add_forms(server: Server) -> None:
    @server.tool
    async def ask_form(message: str, ctx: Context) -> dict[str, object]:
        answer = await ctx.elicit(message, Form)
        return {"action": answer.action, "data": answer.data.model_dump() if answer.action == "accept" else None}

    runs: dict[str, int] = {}

    @server.tool
    async def ask_twice(ctx: Context) -> dict[str, object]:
        key = f"{ctx.session_id} {ctx.request_id}"
        runs[key] = runs.get(key, 0) + 1
        first = await ctx.elicit("Accept first", Short)
        second = await ctx.elicit("Decline second", Short)
        return {"answers": [first.action, second.action], "runs": runs.pop(key)}


def _add_url(server: Server) -> None:
    @server.tool
    async def ask_url(message: str, ctx: Context) -> dict[str, object]:
        return {"action": (await ctx.elicit_url(message, "https://example.org/pay")).action}


def _add_marked(server: Server) -> None:
    @server.tool
    async def ask_parameter(item: str, sure: Annotated[bool, Ask("Really buy {item}?")]) -> str:
        return f"{item}: {sure}"


def _add_sampling(server: Server) -> None:
    @server.tool
    async def ask_model(text: str, ctx: Context) -> str:
        return (await ctx.sample(text, max_tokens=50)).text


def _add_roots(server: Server) -> None:
    @server.tool
    async def ask_roots(ctx: Context) -> list[str]:
        return [root.uri for root in await ctx.list_roots()]


def _add_changes(server: Server) -> None:
    @server.tool
    async def touch(uri: str, ctx: Context) -> str:
        await ctx.notify_resource_updated(uri)
        return "touched"

    @server.tool
    async def tell_tools_changed(ctx: Context) -> str:
        await ctx.notify_tools_changed()
        return "told"


def _add_leaving(server: Server) -> None:
    @server.tool
    async def leave(ctx: Context) -> str:
        await ctx.report_progress(1)
        await ctx.close_stream(retry=0.05)
        await ctx.report_progress(2)
        return "came back"
