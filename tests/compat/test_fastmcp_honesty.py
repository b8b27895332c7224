"""What `FastMCP` is told and cannot do is refused, or warned of, by its name, and never dropped in silence (S24)."""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from anyport import Client, Server
from anyport.compat.fastmcp import CompatWarning, Context, FastMCP, NotHonoured
from anyport.compat.fastmcp.dependencies import CurrentContext, Depends
from anyport.compat.fastmcp.exceptions import ResourceError
from anyport.compat.fastmcp.prompts import Message, PromptResult
from anyport.compat.fastmcp.server.options import COMPONENT_REFUSED, RUN_REFUSED, SERVER_REFUSED
from anyport.compat.mcp.server.fastmcp import FastMCP as Mcp1
from anyport.compat.mcp.types import PromptMessage, TextContent
from anyport.errors import LocalProtocolError, McpError, ToolError
from anyport.server.declarations import DeclarationError


def made(**options: object) -> FastMCP:
    return FastMCP("s", **options)  # pyright: ignore[reportArgumentType] - options by their names


@pytest.mark.parametrize("name", sorted(SERVER_REFUSED))
@pytest.mark.parametrize("kind", [FastMCP, Mcp1])
def test_options_of_the_constructor(kind: Callable[..., object], name: str) -> None:
    """Each is refused when it says something, with what takes its place, and may say nothing."""
    with pytest.raises(NotHonoured) as caught:
        kind("s", **{name: object()})
    assert str(caught.value) == f"FastMCP: {name} is not here: {SERVER_REFUSED[name]}"
    kind("s", **{name: None})


def test_options_that_nobody_has() -> None:
    with pytest.raises(TypeError, match="FastMCP has no option 'colour'"):
        made(colour="red")


@pytest.mark.parametrize("name", ["dependencies", "debug", "dereference_schemas", "cache_expiration_seconds"])
def test_options_that_make_no_difference(name: str) -> None:
    """The warning stands at the line that says them."""
    with pytest.warns(CompatWarning, match=f"FastMCP: {name} makes no difference here: ") as caught:
        made(**{name: ["x"]})
    assert [Path(warning.filename).name for warning in caught] == [Path(__file__).name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(**{name: None})


def test_options_that_are_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("anyport")
    monkeypatch.setattr(logger, "level", logger.level)
    server = made(version=2.5, host="0.0.0.0", port=9000, log_level="error", list_page_size=10, cache_ttl=5)
    assert (server.name, server.version) == ("s", "2.5")
    assert (server.settings.host, server.settings.port) == ("0.0.0.0", 9000)
    assert logger.level == logging.ERROR
    assert FastMCP().name == "FastMCP"
    assert Mcp1(None).name == "FastMCP"


@pytest.mark.parametrize("name", sorted(COMPONENT_REFUSED))
def test_options_of_tools_resources_and_prompts(name: str) -> None:
    server = FastMCP("s")
    given = {name: {"a": 1}}

    def function() -> str:
        return ""

    for kind, register in (
        ("tool 'function'", server.tool),
        ("resource 'function'", functools.partial(server.resource, "a://b")),
        ("prompt 'function'", server.prompt),
    ):
        decorate = cast("Callable[..., Callable[..., object]]", register)(**given)
        with pytest.raises(NotHonoured) as caught:
            decorate(function)
        assert str(caught.value) == f"{kind}: {name} is not here: {COMPONENT_REFUSED[name]}"
    with pytest.raises(TypeError, match="tool 'function' has no option 'colour'"):
        server.tool(function, colour="red")  # pyright: ignore[reportCallIssue] - what somebody may write


@pytest.mark.parametrize("name", sorted(RUN_REFUSED))
def test_options_of_running(name: str) -> None:
    option: dict[str, object] = {name: ["x"]}
    with pytest.raises(NotHonoured, match=f"run: {name} is not here: "):
        FastMCP("s").run("http", None, **option)
    with pytest.raises(NotHonoured, match=f"run: {name} is not here: "):
        FastMCP("s").http_app(None, transport="http", **option)


def test_running_on_what_is_not_meant() -> None:
    with pytest.raises(ValueError, match="unknown transport 'websocket'; known are"):
        FastMCP("s").run(transport="websocket")
    with pytest.raises(LocalProtocolError, match="The stdio transport has no port"):
        FastMCP("s").run(transport="stdio", port=1)
    with pytest.raises(TypeError, match="run has no option 'colour'"):
        FastMCP("s").run(colour="red")


@pytest.mark.parametrize(
    "name",
    [
        "custom_route",
        "add_middleware",
        "add_provider",
        "add_transform",
        "add_resource",
        "add_template",
        "add_extension",
        "enable",
        "disable",
        "get_tools",
        "get_context",
        "as_proxy",
        "from_openapi",
        "from_fastapi",
    ],
)
def test_methods_that_are_not_here(name: str) -> None:
    """On the class as on an object; `hasattr` says that they are not there."""
    for owner in (FastMCP, FastMCP("s"), Mcp1):
        with pytest.raises(NotHonoured, match=rf"FastMCP\.{name} is not here: "):
            getattr(owner, name)
        assert not hasattr(owner, name)


async def test_parts_of_the_context_that_are_not_here() -> None:
    server = FastMCP("s")
    said: list[str] = []

    @server.tool
    async def look(ctx: Context) -> None:
        for find in (
            lambda: ctx.set_state,
            lambda: ctx.get_state,
            lambda: ctx.enable_components,
            lambda: ctx.send_notification,
            lambda: ctx.request_context.request,
            lambda: ctx.session.send_ping,
            lambda: ctx.elicit("?", response_type={"low": {"title": "Low"}}),
            lambda: ctx.elicit("?", response_type=[["a", "b"]]),
            lambda: ctx.elicit("?", str, response_title="T"),
            lambda: ctx.sample("?", result_type=int),
            lambda: ctx.sample("?", tools=[print]),
        ):
            with pytest.raises(NotHonoured) as caught:
                find()
            said.append(str(caught.value).split(" is not here")[0].split(" are not here")[0])
        assert (ctx.client_id, ctx.lifespan_context, ctx.request_context.meta) == (None, None, ctx.meta)

    await server.call_tool("look")
    assert said == [
        "Context.set_state",
        "Context.get_state",
        "Context.enable_components",
        "Context.send_notification",
        "RequestContext.request",
        "ServerSession.send_ping",
        "elicit: choices with titles",
        "elicit: choices with titles",
        "elicit: response_title and response_description",
        "sample: result_type",
        "sample: functions as tools",
    ]


# --- registering ------------------------------------------------------------------------------------------------------


async def test_what_becomes_of_a_second_one() -> None:
    """As the library that the code is for does it, or as it is told."""
    served: dict[str, object] = {}
    for name, kind, option in (
        ("fastmcp", FastMCP, {}),
        ("mcp", Mcp1, {}),
        ("replace", FastMCP, {"on_duplicate": "replace"}),
        ("ignore", FastMCP, {"on_duplicate_tools": "ignore"}),
        ("quiet", Mcp1, {"warn_on_duplicate_tools": False}),
    ):
        server = cast("Callable[..., FastMCP]", kind)("s", **option)
        server.add_tool(lambda: "first", name="t")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            server.add_tool(lambda: "second", name="t")
        async with Client(server) as client:
            served[name] = ((await client.call_tool("t")).data, len(caught))
    assert served == {
        "fastmcp": ("second", 1),
        "mcp": ("first", 1),
        "replace": ("second", 0),
        "ignore": ("first", 0),
        "quiet": ("first", 0),
    }
    server = FastMCP("s", on_duplicate="error")
    server.add_tool(lambda: "", name="t")
    with pytest.raises(DeclarationError, match="a tool named 't' exists already"):
        server.add_tool(lambda: "", name="t")


async def test_second_resources_and_prompts() -> None:
    server = FastMCP("s", on_duplicate="replace")
    for text in ("first", "second"):
        server.resource("a://b")(lambda text=text: text)
        server.resource("t://{x}")(repeated(text))
        server.prompt("p")(lambda text=text: text)
    assert (await server.read_resource("a://b"))[0].text == "second"
    assert (await server.read_resource("t://1"))[0].text == "second"
    assert len((await server.get_prompt("p")).messages) == 1


def repeated(text: str) -> Callable[[str], str]:
    def read(x: str) -> str:
        return text

    return read


async def test_other_ways_to_register() -> None:
    server = FastMCP("s", tools=[len_of])
    server.add_prompt(draft)
    assert [tool.name for tool in await server.list_tools()] == ["len_of"]
    assert [prompt.name for prompt in await server.list_prompts()] == ["draft"]
    server.remove_tool("len_of")
    assert await server.list_tools() == []
    server.tool(len_of, name="again", timeout=None, enabled=True)
    assert [tool.name for tool in await server.list_tools()] == ["again"]

    class Parsed:
        """As the library makes of a function, with its parameters."""

        parameters: object = None

        def __call__(self) -> str:
            return ""

    with pytest.raises(NotHonoured, match="add_tool: a Parsed is not taken here: give the function itself"):
        server.add_tool(Parsed())
    with pytest.raises(DeclarationError, match="a resource needs its URI"):
        server.resource(len_of)  # pyright: ignore[reportArgumentType] - what somebody may write
    with pytest.raises(NotHonoured, match="completion: one function for all arguments is not here"):
        server.completion()


def len_of(text: str) -> int:
    """How long a text is."""
    return len(text)


def draft(about: str) -> PromptResult:
    return PromptResult([Message(TextContent(text=about)), Message("Yes", role="assistant")], description="d")


async def test_prompts_and_their_parts() -> None:
    server = FastMCP("s")
    server.prompt(draft)

    @server.prompt
    def wire() -> list[PromptMessage]:
        return [PromptMessage(role="assistant", content=TextContent(text="x"))]

    result = await server.get_prompt("draft", {"about": "pens"})
    assert (result.description, [message.role for message in result.messages]) == ("d", ["user", "assistant"])
    assert (await server.get_prompt("wire")).messages[0].role == "assistant"


CURRENT = CurrentContext()


async def test_dependencies_and_errors() -> None:
    server = FastMCP("s", mask_error_details=True)

    def name(ctx: Context) -> str:
        return ctx.fastmcp.name

    @server.tool
    def hello(who: str, own: str = Depends(name), ctx: Context = CURRENT) -> str:
        return f"{who} {own} {type(ctx).__name__}"

    @server.tool
    def fail() -> None:
        raise ValueError("secret")

    @server.resource("a://b")
    def broken() -> str:
        raise ResourceError("not today")

    async with Client(server) as client:
        assert (await client.call_tool("hello", {"who": "you"})).data == "you s Context"
        with pytest.raises(ToolError) as caught:
            await client.call_tool("fail")
        assert "secret" not in str(caught.value)
    with pytest.raises(McpError, match="not today"):
        await server.read_resource("a://b")


async def test_mounting() -> None:
    """In each order that the library has had; each server's functions get its own kind of context."""
    inner, plain = FastMCP("inner"), Server("plain")

    @inner.tool
    def who(ctx: Context) -> str:
        return ctx.fastmcp.name

    plain.tool(len_of)
    for first, second, prefix in ((inner, "a", None), (inner, None, "a"), ("a", inner, None)):
        outer = FastMCP("outer")
        outer.mount(first, second, prefix=prefix)
        outer.mount(plain)
        async with Client(outer) as client:
            assert (await client.call_tool("a_who")).data == "inner"
            assert (await client.call_tool("len_of", {"text": "abc"})).data == 3
    outer = FastMCP("outer")
    with pytest.warns(CompatWarning, match="import_server: the other server is mounted"):
        await outer.import_server(inner, prefix="b")
    assert [tool.name for tool in await outer.list_tools()] == ["b_who"]
    with pytest.raises(NotHonoured, match="mount: tool_names is not here"):
        outer.mount(plain, tool_names={"a": "b"})
