"""Prompts: declared, listed, filled in (PRM-01, TOOL-01, S53)."""

from __future__ import annotations

import logging
import threading
from enum import Enum
from functools import partial
from typing import Annotated, cast

import pytest
from pydantic import BaseModel, Field

from anyport import AssistantMessage, Context, McpError, Message, Server, ToolError, UserMessage
from anyport.errors import LocalProtocolError
from anyport.protocol.revisions import LATEST_MODERN, Revision
from anyport.protocol.types import (
    Icon,
)
from anyport.protocol.types.json import JsonObject
from anyport.server.declarations import DeclarationError
from anyport.server.functions import ErrorDetail
from tests.server.calling import Heard, ask, make_call
from tests.server.judging import EVERY, items, judged, refusal

ICONS = [Icon(src="data:image/png;base64,AA==", mime_type="image/png")]


class Style(Enum):
    """How a review sounds."""

    KIND = "kind"
    STRICT = "strict"


class Limits(BaseModel):
    """What a review keeps to."""

    lines: int


def _reviewer() -> Server:
    server = Server("reviewer")

    @server.prompt(title="Review", icons=ICONS, meta={"example.com/a": 1})
    async def review(
        code: Annotated[str, Field(description="What to review", title="Code")],
        style: Style = Style.KIND,
        rounds: Annotated[int, Field(ge=1)] = 1,
        limits: Limits | None = None,
    ) -> list[Message]:
        """Ask for a review."""
        return [UserMessage(f"{style.name} {rounds} {limits}: {code}"), AssistantMessage("Gladly.")]

    @server.prompt
    def greet() -> str:
        return "Hello"

    return server


async def _texts(server: Server, name: str, arguments: object = None, revision: Revision = LATEST_MODERN) -> list[str]:
    """Role and text of each message."""
    params: dict[str, object] = {"name": name} | ({} if arguments is None else {"arguments": arguments})
    messages = await items(server, "prompts/get", revision, params)
    return [f"{message['role']}: {cast('JsonObject', message['content'])['text']}" for message in messages]


# --- lists ------------------------------------------------------------------------------------------------------------


@EVERY
async def test_the_list_says_what_the_revision_knows(revision: Revision) -> None:
    """PRM-01: arguments come from the signature; older revisions get the fields that they have."""
    review, greet = await items(_reviewer(), "prompts/list", revision)
    titled = not revision.lacks("2025-06-18")
    named = {"name", "description", "arguments"} | ({"title", "_meta"} if titled else set[str]())
    named |= {"icons"} if not revision.lacks("2025-11-25") else set[str]()
    assert set(review) == named
    code: JsonObject = {"name": "code", "description": "What to review", "required": True}
    assert review["arguments"] == [
        code | ({"title": "Code"} if titled else {}),
        {"name": "style"},
        {"name": "rounds"},
        {
            "name": "limits",
            "description": 'JSON that meets the schema {"anyOf":[{"$ref":"#/$defs/Limits"},{"type":"null"}],"$defs":'
            '{"Limits":{"type":"object","properties":{"lines":{"type":"integer"}},"required":["lines"],"title":"Limits",'
            '"description":"What a review keeps to."}}}',
        },
    ]
    assert greet == {"name": "greet"}


async def test_order_additions_and_removals() -> None:
    server = _reviewer()
    server.prompt(name="b")(lambda: "b")
    server.prompts.remove("review")
    server.prompt(name="a")(lambda: "a")
    assert [entry["name"] for entry in await items(server, "prompts/list")] == ["greet", "b", "a"]
    with pytest.raises(LocalProtocolError, match="review"):
        server.prompts.remove("review")
    assert (await refusal(server, "prompts/get", {"name": "review"})).code == -32602


@EVERY
async def test_a_server_without_prompts_has_none_of_the_methods(revision: Revision) -> None:
    """RPC-17: no capability, no method."""
    for method in ("prompts/list", "prompts/get"):
        assert (await refusal(Server("test"), method, {"name": "a"}, revision)).code == -32601


async def test_capabilities_follow_the_registry() -> None:
    server = Server("test")
    assert (await judged(server, "server/discover"))["capabilities"] == {}

    @server.prompt
    async def one(ctx: Context) -> str:
        await ctx.info("got")
        return ""

    assert (await judged(server, "server/discover"))["capabilities"] == {
        "prompts": {"listChanged": True},
        "logging": {},
    }
    server.prompts.remove("one")
    assert await items(server, "prompts/list") == []


# --- arguments --------------------------------------------------------------------------------------------------------


@EVERY
async def test_arguments_are_converted(revision: Revision) -> None:
    """PRM-01: strings on the wire, the annotated types in the function, defaults where nothing is given."""
    server = _reviewer()
    given = {"code": "x=1", "style": "strict", "rounds": "3", "limits": '{"lines": 5}'}
    texts = await _texts(server, "review", given, revision)
    assert texts == ["user: STRICT 3 lines=5: x=1", "assistant: Gladly."]
    texts = await _texts(server, "review", {"code": ""}, revision)
    assert texts[0] == "user: KIND 1 None: "


@EVERY
@pytest.mark.parametrize("arguments", [None, {}])
async def test_no_arguments(arguments: object, revision: Revision) -> None:
    assert await _texts(_reviewer(), "greet", arguments, revision) == ["user: Hello"]
    params = {"name": "greet", "arguments": None}
    assert len(await items(_reviewer(), "prompts/get", revision, params)) == 1


@EVERY
@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ({}, ["code: required"]),
        ({"style": "x"}, ["code: required", "style: Input should be 'kind' or 'strict'"]),
        ({"code": "", "rounds": "0"}, ["rounds: Input should be greater than or equal to 1"]),
        ({"code": "", "rounds": "x"}, ["rounds: Input should be a valid integer"]),
        ({"code": "", "limits": "{"}, ["limits: Invalid JSON"]),
        ({"code": "", "limits": '{"lines":"x"}'}, ["limits.lines: Input should be a valid integer"]),
        ({"code": "", "more": "1"}, ["more: unknown argument"]),
        ({"code": 1, "rounds": 2}, ["code: must be a string", "rounds: must be a string"]),
        ({"code": None}, ["code: must be a string"]),
        ({"code": ["a"]}, ["code: must be a string"]),
        ([], ['"arguments" must be an object']),
        ("code", ['"arguments" must be an object']),
    ],
)
async def test_arguments_that_are_refused(arguments: object, lines: list[str], revision: Revision) -> None:
    """PRM-01, S53: -32602 with a line for each argument."""
    error = await refusal(_reviewer(), "prompts/get", {"name": "review", "arguments": arguments}, revision)
    assert error.code == -32602
    for found, expected in zip(error.message.split("\n"), lines, strict=True):
        assert found.startswith(expected)


@EVERY
@pytest.mark.parametrize("params", [{"name": "nix"}, {"name": 3}, {"name": None}, {}, {"name": ["greet"]}])
async def test_unknown_prompt(params: JsonObject, revision: Revision) -> None:
    """PRM-01: -32602."""
    assert (await refusal(_reviewer(), "prompts/get", params, revision)).code == -32602


async def test_the_context_of_a_prompt() -> None:
    server, heard = Server("test"), Heard()

    @server.prompt
    def slow(ctx: Context) -> str:
        ctx.report_progress(1)
        ctx.info("half")
        return ctx.revision

    call = make_call("prompts/get", {"name": "slow"}, meta={"progressToken": 1}, log_level="info")
    assert (await ask(server, call, heard))["messages"]
    assert [each.method for each in heard.notifications] == ["notifications/progress", "notifications/message"]
    assert await items(server, "prompts/list") == [{"name": "slow"}]


# --- errors and declarations ------------------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize(("errors", "shown"), [("safe", "ValueError: one"), ("full", "two"), ("masked", "The prompt")])
async def test_a_function_that_fails(
    errors: ErrorDetail, shown: str, revision: Revision, caplog: pytest.LogCaptureFixture
) -> None:
    """RPC-17, D15."""
    server = Server("test", errors=errors)

    @server.prompt
    def fail() -> str:
        raise ValueError("one\ntwo")

    with caplog.at_level(logging.ERROR, "anyport.server"):
        error = await refusal(server, "prompts/get", {"name": "fail"}, revision)
    assert (error.code, shown in error.message, "two" in error.message) == (-32603, True, errors == "full")
    assert error.message.rsplit("error id ", 1)[1].rstrip(")") in caplog.text


@pytest.mark.parametrize(("raised", "code"), [(McpError(4711, "own"), 4711), (ToolError("told"), -32603)])
async def test_errors_that_say_it_themselves(raised: Exception, code: int) -> None:
    server = Server("test")

    @server.prompt
    async def fail() -> str:
        raise raised

    error = await refusal(server, "prompts/get", {"name": "fail"})
    assert (error.code, error.message) == (code, str(raised))


@pytest.mark.parametrize("name", ["", "a\nb", "\0", "\ud800"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(DeclarationError, match="one line"):
        Server("test").prompt(name=name)(lambda: "")


def test_declarations_that_cannot_work() -> None:
    """Refused where they stand, with file, line and reason."""
    server = _reviewer()

    def many(*texts: str) -> str: ...

    def unknown(thread: threading.Thread) -> str: ...

    for function, reason in ((many, "name each parameter"), (unknown, "JSON Schema")):
        with pytest.raises(DeclarationError, match=reason) as caught:
            server.prompt(function)
        assert __file__ in str(caught.value)
    with pytest.raises(DeclarationError, match="exists already"):
        server.prompt(name="greet")(many)


async def test_functions_of_every_kind() -> None:
    """With and without parentheses; the function stays what it was; methods, partials and objects work."""

    class Desk:
        """A desk."""

        def ask(self, what: str) -> str:
            """Ask for it."""
            return what

        def __call__(self) -> str:
            return "desk"

    def shown(prefix: str, text: str) -> str:
        """Show it."""
        return prefix + text

    server = Server("test")
    assert server.prompt(shown) is shown
    assert server.prompt(name="again")(shown) is shown
    server.prompt(Desk().ask)
    server.prompt(name="desk")(Desk())
    server.prompt(name="part")(partial(shown, "<"))
    assert await _texts(server, "ask", {"what": "x"}) == ["user: x"]
    assert await _texts(server, "desk") == ["user: desk"]
    assert await _texts(server, "part", {"text": "x"}) == ["user: <x"]
    assert (await items(server, "prompts/list"))[-1]["description"] == "Show it."


async def test_an_argument_with_an_alias() -> None:
    """PRM-01: an alias is the name on the wire, with nothing to warn of."""
    server = Server("test")

    @server.prompt
    def about(resource_uri: Annotated[str, Field(alias="resourceUri", description="which")]) -> str:
        return resource_uri

    listed = await ask(server, make_call("prompts/list"))
    (prompt,) = cast("list[JsonObject]", listed["prompts"])
    assert prompt["arguments"] == [{"name": "resourceUri", "description": "which", "required": True}]
    got = await ask(server, make_call("prompts/get", {"name": "about", "arguments": {"resourceUri": "a://b"}}))
    (message,) = cast("list[dict[str, JsonObject]]", got["messages"])
    assert message["content"]["text"] == "a://b"
