"""Resources, templates, prompts and completions of the fixture server; `checks/primitives.py` says what they give."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from anyport import AssistantMessage, Context, Image, McpError, Message, Server, UserMessage
from anyport.protocol.types import (
    Annotations,
    EmbeddedResource,
    Icon,
    ResourceContents,
    ResourceLink,
)

ICON = Icon(src="https://example.org/icon.png", mime_type="image/png", sizes=["48x48"])
PAGE = 150
"""Entries on a page of the fixture: all tools fit, the shelf of resources does not."""
SHELF = 320
CITIES = ("Berlin", "Bern", "Bergen", "Zürich")


class Limits(BaseModel):
    """A model as the argument of a prompt, which is text on the wire."""

    lines: int


def add_primitives(server: Server) -> None:
    """Declare them all."""
    _add_resources(server)
    _add_templates(server)
    _add_prompts(server)
    _add_shelf(server)


def _add_resources(server: Server) -> None:
    @server.resource(
        "test://note",
        title="A note",
        size=7,
        icons=[ICON],
        annotations=Annotations(audience=["user"], priority=0.5),
        meta={"example.org/team": "shop"},
        cache_ttl=60,
        cache_scope="public",
    )
    def note() -> str:
        """Say little, for everybody."""
        return "é 🖊 x"

    @server.resource("test://picture", mime_type="image/png")
    async def picture() -> bytes:
        return b"\x89PNG\x00\xff"

    @server.resource("test://table", mime_type="application/json")
    def table() -> dict[str, object]:
        return {"zwölf": 12, "none": None}

    @server.resource("test://several")
    def several() -> list[ResourceContents]:
        return [
            ResourceContents(uri="test://several/1", text="one", mime_type="text/plain"),
            ResourceContents(uri="test://several/2", blob="AAE=", mime_type="application/octet-stream"),
        ]

    @server.resource("test://broken")
    def broken() -> str:
        raise ValueError("a secret of the author")

    @server.resource("test://refused")
    def refused() -> str:
        raise McpError(4243, "not today", {"door": "shut"})

    @server.tool
    async def read_own_resource(uri: str, ctx: Context) -> str:
        """Read a resource of the server from a tool."""
        (contents,) = await ctx.read_resource(uri)
        return str(contents.text)

    @server.tool
    def link_to_resource() -> list[ResourceLink | EmbeddedResource]:
        """Return a link and a resource inside the result."""
        inner = ResourceContents(uri="test://inner", text="inner", mime_type="text/plain")
        return [ResourceLink(name="note", uri="test://note", mime_type="text/plain"), EmbeddedResource(resource=inner)]


def _add_templates(server: Server) -> None:
    @server.resource("test://cities/{city}/people/{number}", title="People")
    def person(city: str, number: int) -> str | None:
        """Describe one inhabitant of a city."""
        return None if city not in CITIES else f"{city} {number + 1}"

    @server.resource("test://files/{+path}", mime_type="text/markdown")
    async def file(path: str) -> str:
        return f"file {path}"

    @server.resource("test://search{?q,limit}")
    def search(q: str = "", limit: int = 3) -> str:
        return f"{q!r} {limit}"

    @server.completion("test://cities/{city}/people/{number}", "city")
    def complete_city(typed: str) -> list[str]:
        return [city for city in CITIES if city.lower().startswith(typed.lower())]

    @server.completion("test://cities/{city}/people/{number}", "number")
    def complete_number(typed: str, known: dict[str, str]) -> list[str]:
        return [f"{len(known.get('city', ''))}{typed}"]

    @server.completion("test://files/{+path}", "path")
    async def complete_path(typed: str) -> list[str]:
        return [f"{typed}{number}" for number in range(250)]


def _add_prompts(server: Server) -> None:
    @server.prompt(title="Review", icons=[ICON], meta={"example.org/team": "shop"})
    def review(
        code: Annotated[str, Field(description="What to review", title="Code")],
        tone: Literal["kind", "strict"] = "kind",
        rounds: Annotated[int, Field(ge=1)] = 1,
        limits: Limits | None = None,
    ) -> list[Message]:
        """Ask for a review.

        In several rounds.
        """
        return [UserMessage(f"{tone} {rounds} {limits}: {code}"), AssistantMessage("Gladly.")]

    @server.prompt
    async def rich() -> list[Message]:
        """Say it with every kind of content."""
        inner = ResourceContents(uri="test://inner", text="inner", mime_type="text/plain")
        return [
            UserMessage("text ✓"),
            UserMessage(Image(b"\x00\x01")),
            AssistantMessage(EmbeddedResource(resource=inner)),
        ]

    @server.prompt
    def plain() -> str:
        return "Hello"

    @server.prompt
    def failing() -> str:
        raise ValueError("a secret of the author")

    @server.prompt
    async def logging_prompt(ctx: Context) -> str:
        await ctx.error("from a prompt")
        return ctx.revision

    @server.completion("review", "code")
    def complete_code(typed: str, known: dict[str, str]) -> list[str]:
        return [f"{typed}()", ",".join(sorted(known))]


def _add_shelf(server: Server) -> None:
    async def book() -> str:
        return "a book"

    for number in range(SHELF):
        server.resource(f"shelf://books/{number:03}", name=f"book {number:03}")(book)
