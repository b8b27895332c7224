"""Mounting: servers made of servers, as they are at the time (S14, S53, PAG-01, TOOL-01)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal, cast

import pytest

from anyport import Context, Server
from anyport.errors import InvalidParams, LocalProtocolError, McpError
from anyport.protocol.calls import META_SERVER_INFO
from anyport.protocol.changes import Change
from anyport.protocol.revisions import REVISIONS
from anyport.protocol.types.json import JsonObject
from anyport.server.declarations import DeclarationError
from anyport.types import Call, Reply, ResourceLink, ResultLike, Service
from tests.server.calling import ask, call_tool, make_call, text_of


def make_shop(name: str = "shop") -> Server:
    """A server with one of everything."""
    server = Server(name)

    @server.tool
    async def buy(item: str, ctx: Context) -> str:
        return f"{ctx.server.name} sells {item}"

    @server.tool
    def link() -> ResourceLink:
        return ResourceLink(uri="shop://items/1", name="one")

    @server.resource("shop://about")
    def about(ctx: Context) -> str:
        return f"about {ctx.server.name}"

    @server.resource("shop://items/{item}")
    def items(item: str) -> str:
        return f"item {item}"

    @server.prompt
    def advert(tone: Literal["dry", "loud"]) -> str:
        return f"an advert, {tone}"

    @server.completion("shop://items/{item}", argument="item")
    def complete(value: str) -> list[str]:
        return [f"{value}!"]

    return server


def names_in(result: JsonObject, key: str, field: str = "name") -> list[str]:
    return [str(entry[field]) for entry in cast("list[JsonObject]", result[key])]


async def everything(server: Server) -> list[str]:
    """Names and URIs of all lists."""
    found: list[str] = []
    for method, key, field in (
        ("tools/list", "tools", "name"),
        ("prompts/list", "prompts", "name"),
        ("resources/list", "resources", "uri"),
        ("resources/templates/list", "resourceTemplates", "uriTemplate"),
    ):
        found += names_in(await ask(server, make_call(method)), key, field)
    return found


async def text_at(server: Server, uri: str) -> tuple[str, str]:
    result = await ask(server, make_call("resources/read", {"uri": uri}))
    contents = cast("list[dict[str, str]]", result["contents"])
    return contents[0]["uri"], contents[0]["text"]


async def values_of(server: Server, ref: JsonObject, name: str, value: str) -> object:
    params: JsonObject = {"ref": ref, "argument": {"name": name, "value": value}}
    result = await ask(server, make_call("completion/complete", params))
    return cast("JsonObject", result["completion"])["values"]


async def test_everything_is_there_under_its_namespace() -> None:
    main = Server("main")
    main.mount(make_shop(), namespace="my-shop")
    assert await everything(main) == [
        "my-shop_buy",
        "my-shop_link",
        "my-shop_advert",
        "shop://my-shop/about",
        "shop://my-shop/items/{item}",
    ]
    result = await call_tool(main, "my-shop_buy", {"item": "pen"})
    assert text_of(result) == "shop sells pen"
    assert cast("JsonObject", result["_meta"])[META_SERVER_INFO] == {"name": "main", "version": "0.0.0"}
    assert await text_at(main, "shop://my-shop/about") == ("shop://my-shop/about", "about shop")
    assert await text_at(main, "shop://my-shop/items/7") == ("shop://my-shop/items/7", "item 7")
    prompt = await ask(main, make_call("prompts/get", {"name": "my-shop_advert", "arguments": {"tone": "dry"}}))
    assert "an advert, dry" in str(prompt)
    assert await values_of(main, {"type": "ref/prompt", "name": "my-shop_advert"}, "tone", "l") == ["loud"]
    template = "shop://my-shop/items/{item}"
    assert await values_of(main, {"type": "ref/resource", "uri": template}, "item", "x") == ["x!"]


async def test_links_in_results_can_be_followed() -> None:
    """A URI that a mounted tool names is the one by which it can be read here."""
    main = Server("main")
    main.mount(make_shop(), namespace="a")
    content = cast("list[dict[str, str]]", (await call_tool(main, "a_link"))["content"])
    assert await text_at(main, content[0]["uri"]) == ("shop://a/items/1", "item 1")


async def test_without_a_namespace_all_is_as_it_was() -> None:
    main, shop = Server("main"), make_shop()
    main.mount(shop)
    assert await everything(main) == await everything(shop)
    assert text_of(await call_tool(main, "buy", {"item": "pen"})) == "shop sells pen"
    assert await text_at(main, "shop://items/7") == ("shop://items/7", "item 7")


async def test_names_that_nobody_has() -> None:
    main = Server("main")
    main.mount(make_shop(), namespace="a")
    for name in ("buy", "a_nothing", "b_buy", "a_"):
        with pytest.raises(InvalidParams, match="Unknown tool"):
            await call_tool(main, name)
    for uri in ("shop://about", "shop://a/nothing/at/all", "shop://b/about"):
        with pytest.raises(McpError, match=f"Resource not found: {uri}"):
            await text_at(main, uri)


async def test_servers_in_servers() -> None:
    outer, middle = Server("outer"), Server("middle")
    middle.mount(make_shop(), namespace="b")
    outer.mount(middle, namespace="a")
    assert text_of(await call_tool(outer, "a_b_buy", {"item": "pen"})) == "shop sells pen"
    assert await text_at(outer, "shop://a/b/items/7") == ("shop://a/b/items/7", "item 7")
    template = {"type": "ref/resource", "uri": "shop://a/b/items/{item}"}
    assert await values_of(outer, cast("JsonObject", template), "item", "x") == ["x!"]


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_what_comes_later_is_there_and_told(era: str) -> None:
    """Lists follow, and so do the changes that tell of it, with the URIs that are known here."""
    main, shop = Server("main"), make_shop()
    main.mount(shop, namespace="a")
    revision = REVISIONS[-1] if era == "modern" else REVISIONS[-2]
    before = names_in(await ask(main, make_call("tools/list", revision=revision)), "tools")
    changes: list[Change] = []
    told = asyncio.Event()

    def listen(change: Change) -> None:
        changes.append(change)
        if change.uri is not None:
            told.set()

    detach = main.subscriptions.attach(listen)

    @shop.tool
    async def late() -> str:
        return "here"

    shop.notify_resource_updated("shop://about")
    after = names_in(await ask(main, make_call("tools/list", revision=revision)), "tools")
    assert after == [*before, "a_late"]
    assert text_of(await call_tool(main, "a_late", revision=revision)) == "here"
    shop.tools.remove("late")
    assert names_in(await ask(main, make_call("tools/list", revision=revision)), "tools") == before
    await asyncio.wait_for(told.wait(), 5)
    detach()
    assert [change.uri for change in changes if change.uri or change.method.startswith("notifications/tools")] == [
        None,
        "shop://a/about",
    ]


async def test_subscriptions_to_mounted_resources() -> None:
    main = Server("main")
    main.mount(make_shop(), namespace="a")
    for uri in ("shop://a/about", "shop://a/items/3"):
        await ask(main, make_call("resources/subscribe", {"uri": uri}, revision=REVISIONS[-2]))
    with pytest.raises(McpError):
        await ask(main, make_call("resources/subscribe", {"uri": "shop://about"}, revision=REVISIONS[-2]))


async def test_a_tool_reads_mounted_resources() -> None:
    main = Server("main")
    main.mount(make_shop(), namespace="a")

    @main.tool
    async def read(uri: str, ctx: Context) -> str:
        contents = await ctx.read_resource(uri)
        return f"{contents[0].uri}: {contents[0].text}"

    assert text_of(await call_tool(main, "read", {"uri": "shop://a/about"})) == "shop://a/about: about shop"


async def test_pages_over_all_of_them() -> None:
    """PAG-01, TOOL-01: every entry once, in order, whatever the page size; entries that go take no others along."""
    for size in range(1, 8):
        main, one, two = Server("main", page_size=size), make_shop("one"), make_shop("two")
        main.tool(make_named("own"))
        main.mount(one, namespace="one")
        one.mount(two, namespace="two")
        wanted = ["own", "one_buy", "one_link", "one_two_buy", "one_two_link"]
        assert await walk(main) == wanted
        first = await ask(main, make_call("tools/list"))
        if "nextCursor" in first:
            one.tools.remove("buy")
            rest = await walk(main, first["nextCursor"])
            assert rest == [name for name in wanted[size:] if name != "one_buy"]


def make_named(name: str) -> Callable[[], Awaitable[None]]:
    async def function() -> None:
        """Do nothing."""

    function.__name__ = name
    return function


async def walk(server: Server, cursor: object = None) -> list[str]:
    found: list[str] = []
    while True:
        result = await ask(server, make_call("tools/list", {} if cursor is None else {"cursor": cursor}))
        found += names_in(result, "tools")
        cursor = result.get("nextCursor")
        if cursor is None:
            return found


async def test_its_middleware_its_errors_and_its_limits_apply() -> None:
    main, other, seen = Server("main"), Server("other", errors="masked", tool_timeout=0.02), list[str]()

    @other.tool
    async def fail() -> None:
        raise ValueError("secret")

    @other.tool
    async def wait() -> None:
        await asyncio.Event().wait()

    @main.middleware
    async def outer(call: Call, reply: Reply, behind: Service) -> ResultLike:
        seen.append(f"main {call.params.get('name')}")
        return await behind(call, reply)

    @other.middleware
    async def inner(call: Call, reply: Reply, behind: Service) -> ResultLike:
        seen.append(f"other {call.params.get('name')}")
        if call.params.get("name") == "wait" and len(seen) > 4:
            return {"content": [{"type": "text", "text": "from middleware"}]}
        return await behind(call, reply)

    main.mount(other, namespace="o")
    assert text_of(await call_tool(main, "o_fail")).startswith("The tool failed (error id")
    assert text_of(await call_tool(main, "o_wait")).endswith("(tool_timeout of the server)")
    assert seen == ["main o_fail", "other fail", "main o_wait", "other wait"]
    result = await call_tool(main, "o_wait")
    assert text_of(result) == "from middleware"
    assert cast("JsonObject", result["_meta"])[META_SERVER_INFO] == {"name": "main", "version": "0.0.0"}
    assert result["resultType"] == "complete"


# --- what cannot work -------------------------------------------------------------------------------------------------


def test_names_that_are_taken() -> None:
    main = make_shop("main")
    with pytest.raises(LocalProtocolError, match="'main' has a tool 'buy' already; mount it under another namespace"):
        main.mount(make_shop())
    main.mount(make_shop(), namespace="a")
    with pytest.raises(LocalProtocolError, match="has a tool 'a_buy' already"):
        main.mount(make_shop(), namespace="a")
    only = Server("only")
    only.resource("shop://about")(make_named("about"))
    with pytest.raises(LocalProtocolError, match="has a resource 'shop://about' already"):
        main.mount(only)


def test_names_that_are_taken_later() -> None:
    """Whichever side comes second is refused at its decorator, also through two servers."""
    outer, middle, inner = Server("outer"), Server("middle"), Server("inner")
    middle.mount(inner, namespace="b")
    outer.mount(middle, namespace="a")
    outer.tool(name="a_b_x")(make_named("x"))
    with pytest.raises(DeclarationError, match=r"test_mounting.py:\d+: x: a tool named 'x' exists already"):
        inner.tool(make_named("x"))
    inner.resource("shop://y")(make_named("y"))
    with pytest.raises(DeclarationError, match="exists already"):
        outer.resource("shop://a/b/y")(make_named("y"))
    inner.prompt(make_named("z"))
    with pytest.raises(DeclarationError, match="exists already"):
        middle.prompt(name="b_z")(make_named("z"))


def test_circles() -> None:
    outer, inner = Server("outer"), Server("inner")
    with pytest.raises(LocalProtocolError, match="'outer' would be mounted in itself"):
        outer.mount(outer, namespace="a")
    outer.mount(inner, namespace="a")
    with pytest.raises(LocalProtocolError, match="'inner' would be mounted in itself, by way of 'outer'"):
        inner.mount(outer, namespace="b")


@pytest.mark.parametrize("namespace", ["", "a b", "a/b", "_a", "ä", "a" * 65, ".", "a:"])
def test_namespaces_that_cannot_be(namespace: str) -> None:
    with pytest.raises(LocalProtocolError, match="namespace must be"):
        Server("main").mount(Server("other"), namespace=namespace)


@pytest.mark.parametrize("uri", ["urn:isbn:1", "file:///a/b", "data:x"])
async def test_uris_of_every_shape(uri: str) -> None:
    main, other = Server("main"), Server("other")
    other.resource(uri)(lambda: "text")
    main.mount(other, namespace="n")
    listed = names_in(await ask(main, make_call("resources/list")), "resources", "uri")
    assert "n/" in listed[0]
    assert await text_at(main, listed[0]) == (listed[0], "text")


async def test_a_server_without_anything_adds_nothing() -> None:
    main = Server("main")
    main.mount(Server("other"), namespace="a")
    assert (await ask(main, make_call("server/discover")))["capabilities"] == {}
