"""The low-level server of `mcp` 1.x over anyport: what its handlers answer, and the life of its process (S23)."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, cast

import pytest

from anyport import Client
from anyport.compat.mcp import types
from anyport.compat.mcp.server import NotificationOptions, Server
from anyport.errors import LocalProtocolError, McpError, ToolError
from anyport.protocol.revisions import LATEST_LEGACY, LATEST_MODERN, Revision
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.types import CallToolResult, TextContent
from tests.compat.lowlevel_server import app
from tests.drivers.stdio import StdioProcess, call, environment, handshake, request
from tests.server.calling import ask, make_call

SCRIPT = Path(__file__).with_name("lowlevel_server.py")
ERAS = pytest.mark.parametrize("era", ["legacy", "modern"])
REVISIONS = pytest.mark.parametrize("revision", [LATEST_LEGACY, LATEST_MODERN], ids=str)


@ERAS
@pytest.mark.parametrize("target", ["process", "memory"])
async def test_the_snippet(era: Literal["legacy", "modern"], target: str) -> None:
    """S23, S01: as written, with only the import changed; in a process of its own, and on another transport."""
    command = [sys.executable, str(SCRIPT)]
    made = Client(app.server, era=era) if target == "memory" else Client(command, era=era, env=environment())
    async with made as client:
        assert [tool.name for tool in await client.list_tools()] == ["add", "weigh"]
        assert (await client.call_tool("add", {"a": 2, "b": 3})).data == "5"
        assert (await client.call_tool("weigh", {"light": 1})).structured_content == {"grams": 3}


@REVISIONS
async def test_resources_and_prompts(revision: Revision) -> None:
    async def answer(method: str, **params: JsonValue) -> JsonObject:
        return await ask(app.server, make_call(method, params, revision=revision))

    assert (await answer("resources/list"))["resources"] == [
        {"uri": "note://one", "name": "one", "mimeType": "text/plain"}
    ]
    assert (await answer("resources/templates/list"))["resourceTemplates"] == [
        {"uriTemplate": "note://{name}", "name": "note"}
    ]
    read = await answer("resources/read", uri="note://x")
    assert read["contents"] == [
        {"uri": "note://x", "mimeType": "text/plain", "text": "text of note://x"},
        {"uri": "note://x", "mimeType": "application/octet-stream", "blob": "AA=="},
    ]
    assert ("ttlMs" in read) is revision.modern
    assert (await answer("prompts/list"))["prompts"] == [
        {"name": "draft", "arguments": [{"name": "about", "required": True}]}
    ]
    assert (await answer("prompts/get", name="draft", arguments={"about": "pens"}))["messages"] == [
        {"role": "user", "content": {"type": "text", "text": "draft about pens"}}
    ]
    for method, params in (("resources/read", {"uri": 3}), ("prompts/get", {})):
        with pytest.raises(McpError) as caught:
            await answer(method, **params)
        assert caught.value.code == -32602


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("add", {"a": 1}, '"b" is a required property'),
        ("add", {"a": "1", "b": 2}, 'a: "1" is not of type "number"'),
        ("weigh", {"heavy": 1}, "ValueError: too heavy"),
        ("weigh", {}, "not what outputSchema promises"),
    ],
)
async def test_failures(name: str, arguments: JsonObject, says: str) -> None:
    """TOOL-03, TOOL-05, S53: the model reads what was wrong."""
    async with Client(app.server) as client:
        with pytest.raises(ToolError, match=says):
            await client.call_tool(name, arguments)


async def test_a_tool_that_is_not_listed() -> None:
    with pytest.raises(McpError) as caught:
        await ask(app.server, make_call("tools/call", {"name": "other", "arguments": {}}))
    assert caught.value.code == -32602


async def test_what_a_handler_may_return() -> None:
    """Blocks, structured content, both, a whole result; of anyport's own types, models or dicts."""
    server = Server("returns")
    text: JsonObject = {"type": "text", "text": "x"}
    found: dict[str, object] = {
        "models": [types.TextContent(text="x")],
        "own": (TextContent(text="x"),),
        "dicts": [text],
        "both": ([text], {"a": 1}),
        "result": types.CallToolResult(content=[types.TextContent(text="x")], isError=True),
        "whole": CallToolResult(content=[TextContent(text="x")]),
        "structured": {"a": 1},
        "nothing": [],
        "wrong": 3,
    }

    @server.list_tools()
    async def list_tools() -> list[JsonObject]:
        return [{"name": name, "inputSchema": {"type": "object"}} for name in found]

    @server.call_tool(validate_input=False)
    async def call_tool(name: str, arguments: JsonObject) -> object:
        return found[name]

    results = {
        name: await ask(server.server, make_call("tools/call", {"name": name, "arguments": {}}, revision=LATEST_LEGACY))
        for name in found
    }
    for name in ("models", "own", "dicts", "whole"):
        assert results[name] == {"content": [text]}
    assert results["both"] == {"content": [text], "structuredContent": {"a": 1}}
    assert results["result"] == {"content": [text], "isError": True}
    assert results["structured"] == {
        "content": [{"type": "text", "text": '{\n  "a": 1\n}'}],
        "structuredContent": {"a": 1},
    }
    assert results["nothing"] == {"content": []}
    assert results["wrong"]["isError"] is True


async def test_tools_that_change() -> None:
    """A new definition counts as soon as a tool is called that was not known before."""
    server, kind = Server("changes"), "number"
    names = ["first"]

    @server.list_tools()
    async def list_tools() -> list[types.Tool]:
        schema: dict[str, object] = {"type": "object", "properties": {"a": {"type": kind}}}
        return [types.Tool(name=name, inputSchema=schema) for name in names]

    @server.call_tool()
    async def call_tool(name: str, arguments: JsonObject) -> list[types.TextContent]:
        return [types.TextContent(text=f"{name} {arguments['a']}")]

    async with Client(server.server) as client:
        assert (await client.call_tool("first", {"a": 1})).data == "first 1"
        kind = "string"
        names.append("second")
        assert (await client.call_tool("second", {"a": "x"})).data == "second x"
        assert (await client.call_tool("first", {"a": "x"})).data == "first x"


@REVISIONS
async def test_what_is_declared(revision: Revision) -> None:
    """S31: what there are handlers for, and nothing else."""
    server = Server("declares", version="3", instructions="Read it.")
    method = "server/discover" if revision.modern else "initialize"
    params: JsonObject = {
        "protocolVersion": revision.name,
        "capabilities": {},
        "clientInfo": {"name": "c", "version": "1"},
    }

    async def declared() -> JsonObject:
        result = await ask(server.server, make_call(method, {} if revision.modern else params, revision=revision))
        assert result["instructions"] == "Read it."
        return cast("JsonObject", result["capabilities"])

    assert await declared() == {}

    @server.list_prompts()
    async def list_prompts() -> list[types.Prompt]:
        return []

    assert await declared() == {"prompts": {}}
    options = server.create_initialization_options(NotificationOptions(prompts_changed=True), {"x": {}})
    assert options.capabilities == {"prompts": {"listChanged": True}, "experimental": {"x": {}}}
    assert (options.server_name, options.server_version) == ("declares", "3")


async def test_the_context_of_a_request() -> None:
    ended: list[str] = []

    @asynccontextmanager
    async def lifespan(server: Server) -> AsyncGenerator[str]:
        yield f"pools of {server.name}"
        ended.append(server.name)

    server = Server("context", lifespan=lifespan)

    @server.get_prompt()
    async def get_prompt(name: str, arguments: dict[str, str] | None) -> JsonObject:
        context = server.request_context
        text = f"{context.lifespan_context} {context.meta.get('note')} {context.request_id}"
        return {"messages": [{"role": "user", "content": {"type": "text", "text": text}}]}

    with pytest.raises(LookupError):
        server.request_context  # noqa: B018 - reading it is the test
    await server.server.lifespan.start()
    call_ = make_call("prompts/get", {"name": "x"}, meta={"note": "hello"})
    assert f"pools of context hello {call_.id}" in str(await ask(server.server, call_))
    await server.server.lifespan.aclose()
    assert ended == ["context"]


# --- the process ------------------------------------------------------------------------------------------------------


async def test_streams_of_something_else() -> None:
    for read, write in ((sys.stdin, sys.stdout), (None, None)):
        with pytest.raises(LocalProtocolError, match="stdio_server"):
            await app.run(read, write, app.create_initialization_options())


def test_the_life_of_the_process() -> None:
    """S02, S03, STDIO-02, STDIO-08: it leaves with its client, and what it prints corrupts nothing."""
    with StdioProcess([sys.executable, str(SCRIPT)]) as process:
        process.send(*handshake(), call(1, "add", {"a": 1, "b": 2}, "legacy"), request(2, "ping", {}, "legacy"))
        assert process.answer(1).text == "3"
        assert process.answer(2).error is None
        ended = process.end()
    assert ended.status == 0
    assert "this goes to stderr" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(number: int) -> None:
    with StdioProcess([sys.executable, str(SCRIPT)]) as process:
        process.send(*handshake())
        process.answer("hello")
        ended = process.signal(number)
    assert ended.status == 0, ended.stderr
    assert "Traceback" not in ended.stderr
