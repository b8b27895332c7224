"""The registry and its two methods (TOOL-01 to TOOL-05, D15)."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import cast

import pytest

from anyport import Context, Server, ToolError
from anyport.errors import HeaderMismatch, InternalError, InvalidParams, LocalProtocolError, McpError, MethodNotFound
from anyport.protocol.calls import Carrier, Service
from anyport.protocol.revisions import LATEST_LEGACY, LATEST_MODERN, REVISIONS, V2024_11_05, Revision
from anyport.protocol.types import Icon, ToolAnnotations
from anyport.protocol.types.json import JsonObject
from anyport.server.declarations import DeclarationError
from anyport.server.functions import ErrorDetail
from tests.server.calling import ask, call_tool, make_call, text_of


def _full() -> Server:
    server = Server("test", version="3.2")

    @server.tool(
        title="Adder",
        annotations=ToolAnnotations(read_only_hint=True),
        icons=[Icon(src="https://example.com/i.png")],
        meta={"com.example/a": 1},
    )
    async def add(a: int, b: int = 2) -> int:
        """Add two numbers."""
        return a + b

    @server.tool
    def fail() -> str:
        """Raise."""
        raise ValueError("first line\nsecond line")

    return server


async def _tools(server: Server, revision: Revision) -> list[JsonObject]:
    result = await ask(server, make_call("tools/list", revision=revision))
    return cast("list[JsonObject]", result["tools"])


async def test_list_in_the_order_of_registration() -> None:
    """TOOL-01: the order is that of registration, the same at every request."""
    server = _full()
    for revision in REVISIONS:
        assert [tool["name"] for tool in await _tools(server, revision)] == ["add", "fail"]
        assert await _tools(server, revision) == await _tools(server, revision)


async def test_list_says_what_the_revision_knows() -> None:
    server = _full()
    everything = {"name", "title", "description", "inputSchema", "outputSchema", "annotations", "icons", "_meta"}
    assert set((await _tools(server, LATEST_MODERN))[0]) == everything
    assert set((await _tools(server, LATEST_LEGACY))[0]) == everything
    assert set((await _tools(server, V2024_11_05))[0]) == {"name", "description", "inputSchema"}


async def test_modern_results_are_complete() -> None:
    """RPC-06, META-03, CCH-01: type, server and cache hints."""
    server = _full()
    result = await ask(server, make_call("tools/list"))
    assert result["resultType"] == "complete"
    assert result["ttlMs"] == 0
    assert result["cacheScope"] == "private"
    assert result["_meta"] == {"io.modelcontextprotocol/serverInfo": {"name": "test", "version": "3.2"}}
    called = await call_tool(server, "add", {"a": 1})
    assert "ttlMs" not in called
    assert called["_meta"] == result["_meta"]


async def test_legacy_results_have_nothing_modern() -> None:
    server = _full()
    for method in ("tools/list", "ping", "logging/setLevel"):
        result = await ask(server, make_call(method, revision=LATEST_LEGACY))
        assert not {"resultType", "_meta", "ttlMs", "cacheScope"} & set(result), method
    assert await ask(server, make_call("ping", revision=LATEST_LEGACY)) == {}


async def test_add_and_remove() -> None:
    server = _full()
    await _tools(server, LATEST_MODERN)

    @server.tool
    async def late() -> None: ...

    assert [tool["name"] for tool in await _tools(server, LATEST_MODERN)] == ["add", "fail", "late"]
    server.tools.remove("add")
    assert [tool["name"] for tool in await _tools(server, LATEST_MODERN)] == ["fail", "late"]
    with pytest.raises(LocalProtocolError, match="add"):
        server.tools.remove("add")
    with pytest.raises(InvalidParams, match="add"):
        await call_tool(server, "add")


@pytest.mark.parametrize(
    "params", [{"name": "nix"}, {"name": 3}, {"name": None}, {}, {"name": ["add"]}, {"name": "ADD"}]
)
async def test_unknown_tool(params: JsonObject) -> None:
    """TOOL-05: an unknown tool is a protocol error, -32602."""
    with pytest.raises(InvalidParams) as caught:
        await ask(_full(), make_call("tools/call", params))
    assert caught.value.code == -32602


@pytest.mark.parametrize("arguments", [[], "a", 3, True])
async def test_arguments_must_be_an_object(arguments: JsonObject) -> None:
    with pytest.raises(InvalidParams, match="arguments"):
        await ask(_full(), make_call("tools/call", {"name": "add", "arguments": arguments}))


async def test_arguments_may_be_left_out_or_null() -> None:
    server = Server("test")

    @server.tool
    async def hello() -> str:
        return "hello"

    for params in ({"name": "hello"}, {"name": "hello", "arguments": None}):
        assert text_of(await ask(server, make_call("tools/call", params))) == "hello"


async def test_an_unknown_cursor() -> None:
    """PAG-01: a cursor that no page had is refused."""
    with pytest.raises(InvalidParams, match="cursor"):
        await ask(_full(), make_call("tools/list", {"cursor": ""}))


async def test_methods_of_a_server_without_tools() -> None:
    """Capabilities say what is registered; nothing else is declared."""
    empty = Server("empty")
    assert (await ask(empty, make_call("server/discover")))["capabilities"] == {}
    assert (await ask(_full(), make_call("server/discover")))["capabilities"] == {"tools": {"listChanged": True}}


async def test_discover_follows_the_registry() -> None:
    server = Server("test", instructions="Ask nicely")
    assert (await ask(server, make_call("server/discover")))["capabilities"] == {}

    @server.tool
    async def log(ctx: Context) -> None:
        await ctx.info("x")

    result = await ask(server, make_call("server/discover"))
    assert result["capabilities"] == {"tools": {"listChanged": True}, "logging": {}}
    assert result["instructions"] == "Ask nicely"
    assert result["supportedVersions"] == [row.name for row in reversed(REVISIONS)]


@pytest.mark.parametrize(
    ("method", "revision"),
    [
        ("ping", LATEST_MODERN),
        ("initialize", LATEST_MODERN),
        ("server/discover", LATEST_LEGACY),
        ("nix", LATEST_MODERN),
    ],
)
async def test_methods_that_a_revision_does_not_have(method: str, revision: Revision) -> None:
    """RPC-17: -32601."""
    with pytest.raises(MethodNotFound):
        await ask(_full(), make_call(method, revision=revision))


# --- errors -----------------------------------------------------------------------------------------------------------


async def test_tool_error_is_for_the_model() -> None:
    server = Server("test")

    @server.tool
    async def refuse() -> int:
        raise ToolError("No pens left; try pencils")

    result = await call_tool(server, "refuse")
    assert result["isError"] is True
    assert text_of(result) == "No pens left; try pencils"


@pytest.mark.parametrize(
    ("errors", "shown", "hidden"),
    [
        ("safe", "ValueError: first line", "second line"),
        ("full", "second line", "Traceback"),
        ("masked", "failed", "first"),
    ],
)
async def test_exceptions(errors: ErrorDetail, shown: str, hidden: str, caplog: pytest.LogCaptureFixture) -> None:
    """D15: the model learns as much as the setting says; the log has the traceback under the same id."""
    server = Server("test", errors=errors)

    @server.tool
    def fail() -> str:
        raise ValueError("first line\nsecond line")

    with caplog.at_level(logging.ERROR, "anyport.server"):
        result = await call_tool(server, "fail")
    assert result["isError"] is True
    assert shown in text_of(result)
    assert hidden not in text_of(result)
    error_id = text_of(result).rsplit("error id ", 1)[1].rstrip(")")
    assert error_id in caplog.text
    assert "second line" in caplog.text


async def test_mcp_errors_pass_through() -> None:
    server = Server("test")

    @server.tool
    async def refuse() -> None:
        raise McpError(1234, "own code", {"a": 1})

    with pytest.raises(McpError) as caught:
        await call_tool(server, "refuse")
    assert (caught.value.code, caught.value.data) == (1234, {"a": 1})


@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt, StopIteration, GeneratorExit])
async def test_a_thread_cannot_end_the_server(raised: type[BaseException]) -> None:
    server = Server("test")

    @server.tool
    def leave() -> None:
        raise raised

    result = await call_tool(server, "leave")
    assert result["isError"] is True
    assert raised.__name__ in text_of(result)


async def test_internal_errors_have_an_id(caplog: pytest.LogCaptureFixture) -> None:
    """RPC-17: what is nobody's fault but the server's is -32603, with the cause in the log only."""
    server = _full()

    async def broken(call: object, reply: object) -> None:
        raise RuntimeError("secret")

    server.dispatcher.route("tools/list", lambda _: cast("Service", broken))
    with pytest.raises(InternalError) as caught:
        await ask(server, make_call("tools/list"))
    assert "secret" not in str(caught.value)
    assert "secret" in caplog.text


# --- declarations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["with space", "a/b", "ä", "x" * 129, "a,b", "\n"])
def test_names_that_are_not_allowed(name: str) -> None:
    """TOOL-02: 1 to 128 of A-Z a-z 0-9 _ - ."""
    with pytest.raises(DeclarationError, match="TOOL-02"):
        Server("test").tool(name=name)(test_names_that_are_not_allowed)


def test_names_at_the_limit() -> None:
    server = Server("test")
    for name in ("x" * 128, "A-b_c.9"):

        @server.tool(name=name)
        async def tool() -> None: ...

    assert len(server.tools) == 2


def test_a_name_twice() -> None:
    server = _full()
    with pytest.raises(DeclarationError, match="exists already"):

        @server.tool
        async def add() -> None: ...


def test_the_function_stays_what_it_was() -> None:
    server = Server("test")

    def double(value: int) -> int:
        return 2 * value

    assert server.tool(double) is double
    assert server.tool(name="again")(double) is double


def test_a_server_needs_a_name() -> None:
    with pytest.raises(LocalProtocolError):
        Server("")


# --- schemas by hand --------------------------------------------------------------------------------------------------

BY_HAND: JsonObject = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"kind": {"enum": ["phone", "mail"]}, "phone": {"type": "string"}},
    "if": {"properties": {"kind": {"const": "phone"}}, "required": ["kind"]},
    "then": {"required": ["phone"]},
    "additionalProperties": False,
}


async def test_a_schema_by_hand_is_listed_and_enforced() -> None:
    """S53, JSC-01: what is listed is what is checked."""
    server = Server("test")
    seen: list[object] = []

    @server.tool(input_schema=BY_HAND)
    async def contact(**arguments: object) -> str:
        seen.append(arguments)
        return "ok"

    assert (await _tools(server, LATEST_MODERN))[0]["inputSchema"] == BY_HAND
    assert text_of(await call_tool(server, "contact", {"kind": "mail"})) == "ok"
    for wrong in ({"kind": "phone"}, {"kind": "fax"}, {"other": 1}):
        result = await call_tool(server, "contact", wrong)
        assert result["isError"] is True
    assert seen == [{"kind": "mail"}]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array"},
        {"type": "object", "properties": 3},
        {"type": "object", "properties": {"a": {"$ref": "https://example.com/schema.json"}}},
        {},
    ],
)
def test_schemas_that_cannot_be(schema: JsonObject) -> None:
    """JSC-01, JSC-02: no valid schema, or one that refers to the network."""
    with pytest.raises(DeclarationError):
        Server("test").tool(input_schema=schema)(test_schemas_that_cannot_be)


async def test_mirrored_parameters_are_checked_over_http_alone() -> None:
    """HDR-07: the header must be there and equal when the request came over HTTP in the modern era."""
    server = Server("test")
    schema: JsonObject = {"type": "object", "properties": {"r": {"type": "string", "x-mcp-header": "R"}}}

    @server.tool(input_schema=schema)
    async def where(**arguments: object) -> str:
        return "ok"

    params: JsonObject = {"name": "where", "arguments": {"r": "eu"}}
    right = Carrier(transport="http", headers={"mcp-param-r": "eu"})
    wrong = Carrier(transport="http", headers={})
    assert text_of(await ask(server, make_call("tools/call", params, carrier=right))) == "ok"
    assert text_of(await ask(server, make_call("tools/call", params))) == "ok"
    assert text_of(await ask(server, make_call("tools/call", params, carrier=wrong, revision=LATEST_LEGACY))) == "ok"
    with pytest.raises(HeaderMismatch):
        await ask(server, make_call("tools/call", params, carrier=wrong))


# --- where functions run ----------------------------------------------------------------------------------------------


async def test_plain_functions_run_on_threads_of_their_own() -> None:
    server = Server("test")
    here = threading.get_ident()

    @server.tool
    def plain() -> bool:
        return threading.get_ident() == here

    @server.tool
    async def on_loop() -> bool:
        return threading.get_ident() == here

    assert (await call_tool(server, "plain"))["structuredContent"] == {"result": False}
    assert (await call_tool(server, "on_loop"))["structuredContent"] == {"result": True}


async def test_a_plain_function_may_return_an_awaitable() -> None:
    server = Server("test")

    async def later() -> str:
        await asyncio.sleep(0)
        return "later"

    server.tool(name="wrapped")(lambda: later())  # noqa: PLW0108 - the point: a plain function that hands out an awaitable
    assert text_of(await call_tool(server, "wrapped")) == "later"
