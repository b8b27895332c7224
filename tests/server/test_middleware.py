"""Middleware: one kind of function around every method of a server."""

from __future__ import annotations

from typing import Any, cast  # noqa: TID251 - declarations that a type checker would refuse

import pytest
from msgspec import Raw, structs

from anyport import Client, Server, ToolError
from anyport.errors import InternalError, InvalidParams, McpError, MethodNotFound
from anyport.protocol.calls import META_SERVER_INFO
from anyport.protocol.revisions import REVISIONS, Revision
from anyport.server.declarations import DeclarationError
from anyport.types import Call, CallToolResult, Reply, ResultLike, Service, TextContent, as_object
from tests.server.calling import ask, call_tool, make_call, text_of

LEGACY = REVISIONS[-2]


def make_server() -> Server:
    server = Server("test", cache_ttl=5)

    @server.tool
    async def echo(text: str) -> str:
        return text

    return server


async def test_the_first_is_the_outermost() -> None:
    server, seen = make_server(), list[str]()

    @server.middleware
    async def outer(call: Call, reply: Reply, next: Service) -> ResultLike:  # noqa: A002 - as the documentation has it
        seen.append("outer in")
        result = await next(call, reply)
        seen.append("outer out")
        return result

    async def inner(call: Call, reply: Reply, behind: Service) -> ResultLike:
        seen.append("inner in")
        result = await behind(call, reply)
        seen.append("inner out")
        return result

    assert server.middleware(inner) is inner
    assert text_of(await call_tool(server, "echo", {"text": "hi"})) == "hi"
    assert seen == ["outer in", "inner in", "inner out", "outer out"]


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_it_sees_every_method(era: str) -> None:
    """RPC-17: the handshake, pings, lists and methods that nobody knows."""
    server, seen = make_server(), list[str]()

    @server.middleware
    async def note(call: Call, reply: Reply, behind: Service) -> ResultLike:
        seen.append(call.method)
        return await behind(call, reply)

    async with Client(server, era="legacy" if era == "legacy" else "modern") as client:
        await client.list_tools()
        await client.call_tool("echo", {"text": "hi"})
    revision = LEGACY if era == "legacy" else REVISIONS[-1]
    with pytest.raises(MethodNotFound):
        await ask(server, make_call("no/such", revision=revision))
    opening = "initialize" if era == "legacy" else "server/discover"
    assert [seen[0], *seen[-3:]] == [opening, "tools/list", "tools/call", "no/such"]


async def test_it_may_change_the_call() -> None:
    server = make_server()

    @server.middleware
    async def shout(call: Call, reply: Reply, behind: Service) -> ResultLike:
        return await behind(structs.replace(call, params={**call.params, "arguments": {"text": "CHANGED"}}), reply)

    assert text_of(await call_tool(server, "echo", {"text": "hi"})) == "CHANGED"


@pytest.mark.parametrize("plain", [False, True], ids=["struct", "object"])
@pytest.mark.parametrize("revision", [LEGACY, REVISIONS[-1]], ids=["legacy", "modern"])
async def test_it_may_answer_itself(plain: bool, revision: Revision) -> None:
    """RPC-06, META-03: what a modern result needs is filled in, and a legacy one has nothing more."""
    server = make_server()

    @server.middleware
    async def answer(call: Call, reply: Reply, behind: Service) -> ResultLike:
        if plain:
            return {"content": [{"type": "text", "text": "mine"}]}
        return CallToolResult(content=[TextContent(text="mine")])

    result = await call_tool(server, "echo", {"text": "hi"}, revision=revision)
    assert text_of(result) == "mine"
    if revision.modern:
        assert result["resultType"] == "complete"
        assert META_SERVER_INFO in str(result["_meta"])
    else:
        assert result.keys() <= {"content", "isError"}


async def test_it_may_change_a_list_which_is_encoded_already() -> None:
    """CCH-01: what the list says about keeping it stays; what middleware makes up says the default."""
    server, forms = make_server(), list[type[object]]()

    @server.middleware
    async def hide(call: Call, reply: Reply, behind: Service) -> ResultLike:
        result = await behind(call, reply)
        if call.method != "tools/list":
            return result
        forms.append(type(result))
        return {**as_object(result), "tools": []} if len(forms) == 1 else {"tools": []}

    for _ in range(2):
        result = await ask(server, make_call("tools/list"))
        assert (result["tools"], result["ttlMs"], result["cacheScope"]) == ([], 5000, "private")
    assert forms == [Raw, Raw]


async def test_what_it_raises() -> None:
    """RPC-17: an McpError is the answer; anything else is -32603 with the id that the log has."""
    server = make_server()
    errors: list[Exception] = [InvalidParams("not you"), ToolError("slow down"), ValueError("secret")]

    @server.middleware
    async def fail(call: Call, reply: Reply, behind: Service) -> ResultLike:
        raise errors.pop(0)

    with pytest.raises(InvalidParams, match="not you"):
        await call_tool(server, "echo")
    with pytest.raises(InternalError, match="slow down"):
        await call_tool(server, "echo")
    with pytest.raises(InternalError, match=r"^Internal error \(error id [0-9a-f]{8}\)$"):
        await call_tool(server, "echo")


async def test_it_sees_the_errors_of_methods() -> None:
    server = make_server()

    @server.middleware
    async def soften(call: Call, reply: Reply, behind: Service) -> ResultLike:
        try:
            return await behind(call, reply)
        except McpError as error:
            return CallToolResult(content=[TextContent(text=f"softened: {error.message}")], is_error=True)

    assert text_of(await call_tool(server, "nothing")) == "softened: Unknown tool: 'nothing'"


async def test_what_is_no_result() -> None:
    server = make_server()

    async def forget(call: Call, reply: Reply, behind: Service) -> None:
        await behind(call, reply)

    server.middleware(cast(Any, forget))
    with pytest.raises(InternalError, match="error id"):
        await call_tool(server, "echo", {"text": "hi"})


async def test_it_counts_from_then_on_whatever_was_served_before() -> None:
    """A transport that has the service already gets what is registered later."""
    server = make_server()
    async with Client(server) as client:

        @server.middleware
        async def refuse(call: Call, reply: Reply, behind: Service) -> ResultLike:
            raise McpError(4, "closed")

        with pytest.raises(McpError, match="closed"):
            await client.call_tool("echo", {"text": "hi"})


def plain(call: Call, reply: Reply, behind: Service) -> None:
    """No async def."""


async def short(call: Call) -> None:
    """Takes too little."""


@pytest.mark.parametrize(("function", "reason"), [(plain, "is an async def"), (short, "takes three arguments")])
def test_declarations_that_cannot_work(function: object, reason: str) -> None:
    with pytest.raises(
        DeclarationError, match=rf"test_middleware.py:\d+: {getattr(function, '__name__', '')}: .*{reason}"
    ):
        make_server().middleware(cast(Any, function))
