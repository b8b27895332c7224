"""Extensions of the protocol: declared, dispatched, and refused to clients that do not speak them (VER-12, META-05)."""

from __future__ import annotations

from typing import Any, cast  # noqa: TID251 - declarations that a type checker would refuse

import pytest
from msgspec import structs

from anyport import Context, Server
from anyport.errors import InvalidRequest, LocalProtocolError, MethodNotFound, MissingClientCapability
from anyport.protocol.calls import META_SERVER_INFO
from anyport.protocol.revisions import REVISIONS, Revision
from anyport.protocol.types.json import JsonObject
from anyport.server.declarations import DeclarationError
from anyport.types import Call, Reply, ResultLike, Service
from tests.server.calling import ask, make_call, text_of

THING = "io.example/thing"
LEGACY = REVISIONS[:-1]


async def do(call: Call, reply: Reply) -> ResultLike:
    """Answer `thing/do`."""
    return {"done": call.params.get("what")}


def make_server() -> Server:
    server = Server("test")
    server.extension(THING, settings={"level": 2}, methods={"thing/do": do})
    return server


def declared(method: str, params: JsonObject, settings: JsonObject | None, revision: Revision = REVISIONS[-1]) -> Call:
    capabilities: JsonObject = {} if settings is None else {"extensions": {THING: settings}}
    return structs.replace(make_call(method, params, revision=revision), capabilities=capabilities)


async def test_it_is_declared_where_the_revision_has_extensions() -> None:
    """VER-12: in server/discover; a legacy handshake has no place for it."""
    server = make_server()
    found = await ask(server, make_call("server/discover"))
    assert cast("JsonObject", found["capabilities"])["extensions"] == {THING: {"level": 2}}
    hello = make_call("initialize", revision=REVISIONS[-2])
    assert "extensions" not in cast("JsonObject", (await ask(server, hello))["capabilities"])
    server.extension("io.example/more")
    found = await ask(server, make_call("server/discover"))
    assert cast("JsonObject", found["capabilities"])["extensions"] == {THING: {"level": 2}, "io.example/more": {}}


@pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "middleware"])
async def test_its_methods_are_answered(wrapped: bool) -> None:
    """RPC-06: what a modern result needs is filled in."""
    server, seen = make_server(), list[str]()

    async def note(call: Call, reply: Reply, behind: Service) -> ResultLike:
        seen.append(call.method)
        return await behind(call, reply)

    if wrapped:
        server.middleware(note)
    result = await ask(server, declared("thing/do", {"what": "it"}, {}))
    assert (result["done"], result["resultType"]) == ("it", "complete")
    assert META_SERVER_INFO in cast("JsonObject", result["_meta"])
    assert seen == ["thing/do"] * wrapped


async def test_a_client_that_does_not_speak_it_is_refused() -> None:
    """META-05: -32021 that names the extension."""
    with pytest.raises(MissingClientCapability) as caught:
        await ask(make_server(), declared("thing/do", {}, None))
    assert caught.value.data == {"requiredCapabilities": {"extensions": {THING: {}}}}


@pytest.mark.parametrize("revision", LEGACY, ids=lambda revision: revision.name)
async def test_older_revisions_have_no_such_method(revision: Revision) -> None:
    with pytest.raises(MethodNotFound):
        await ask(make_server(), declared("thing/do", {}, {}, revision))


async def test_a_tool_asks_what_the_client_speaks() -> None:
    server = make_server()

    @server.tool
    async def look(ctx: Context) -> str:
        return f"{ctx.extension(THING)}"

    @server.tool
    async def need(ctx: Context) -> str:
        return f"{ctx.require_extension(THING)}"

    assert text_of(await ask(server, declared("tools/call", {"name": "look"}, {"a": 1}))) == "{'a': 1}"
    assert text_of(await ask(server, declared("tools/call", {"name": "look"}, None))) == "None"
    assert text_of(await ask(server, declared("tools/call", {"name": "need"}, {"a": 1}))) == "{'a': 1}"
    with pytest.raises(MissingClientCapability):
        await ask(server, declared("tools/call", {"name": "need"}, None))
    with pytest.raises(InvalidRequest, match=THING):
        await ask(server, declared("tools/call", {"name": "need"}, None, REVISIONS[-2]))


async def test_those_of_mounted_servers() -> None:
    main, middle = Server("main"), Server("middle")
    middle.mount(make_server(), namespace="a")
    main.mount(middle, namespace="b")
    found = await ask(main, make_call("server/discover"))
    assert cast("JsonObject", found["capabilities"])["extensions"] == {THING: {"level": 2}}
    result = await ask(main, declared("thing/do", {"what": "it"}, {}))
    assert result["done"] == "it"
    assert cast("JsonObject", cast("JsonObject", result["_meta"])[META_SERVER_INFO])["name"] == "main"
    with pytest.raises(MethodNotFound):
        await ask(main, declared("thing/else", {}, {}))


@pytest.mark.parametrize(
    "name",
    ["thing", "/thing", "io.example/", "io..example/x", "1o.example/x", "io.example-/x", "io.example/-x", "a b/c", ""],
)
def test_ids_that_cannot_be(name: str) -> None:
    """VER-12: the rules of `_meta` keys, with a prefix."""
    with pytest.raises(LocalProtocolError, match="is no id of an extension"):
        Server("test").extension(name)


@pytest.mark.parametrize("name", ["io.modelcontextprotocol/ui", "x/y", "com.example-1.a/b.c_d-e", "com.example/1"])
def test_ids_that_can(name: str) -> None:
    Server("test").extension(name)


def test_what_is_taken() -> None:
    server = make_server()
    with pytest.raises(LocalProtocolError, match="declared already"):
        server.extension(THING)
    for method in ("tools/call", "notifications/cancelled", "thing/do", ""):
        with pytest.raises(LocalProtocolError, match="is a method of the protocol"):
            server.extension("io.example/other", methods={method: do})
    with pytest.raises(LocalProtocolError, match="have no JSON form"):
        server.extension("io.example/other", settings=cast(Any, {"a": object()}))
    server.extension("io.example/other")


def plain(call: Call, reply: Reply) -> None:
    """No async def."""


async def short(call: Call) -> None:
    """Takes too little."""


@pytest.mark.parametrize(("function", "reason"), [(plain, "is an async def"), (short, "takes two arguments")])
def test_methods_that_cannot_be(function: object, reason: str) -> None:
    with pytest.raises(DeclarationError, match=rf"test_extensions.py:\d+: .*{reason}"):
        Server("test").extension(THING, methods={"thing/do": cast(Any, function)})
