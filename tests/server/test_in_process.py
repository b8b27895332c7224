"""Calls of a server by its own program, and the client in memory: what users test their servers with (S12, S14)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

import pytest

from anyport import Client, Context, Server, ToolError
from anyport.errors import InvalidParams, LocalProtocolError, McpError
from anyport.types import Call, Reply, ResultLike, Service, TextContent


class Shop:
    """A server with one of everything, and what its lifespan did."""

    def __init__(self, page_size: int = 1000) -> None:
        self.events: list[str] = []
        self.server = server = Server("shop", lifespan=self.open, page_size=page_size)

        @server.tool
        async def price(item: str, ctx: Context[dict[str, float]]) -> float:
            if item not in ctx.state:
                raise ToolError(f"there is no {item}")
            return ctx.state[item]

        @server.tool
        def both(ctx: Context) -> str:
            ctx.info("dropped")
            return "text"

        @server.resource("shop://about")
        def about() -> str:
            return "a shop"

        @server.resource("shop://items/{item}")
        def item(item: Literal["pen", "pencil"]) -> bytes:
            return item.encode()

        @server.prompt
        def advert(tone: Literal["dry", "loud"]) -> str:
            return f"an advert, {tone}"

    @asynccontextmanager
    async def open(self, server: object) -> AsyncGenerator[dict[str, float]]:
        """Open the price list."""
        self.events.append("open")
        yield {"pen": 1.5}
        self.events.append("close")


async def test_every_kind_of_call() -> None:
    server = Shop().server
    result = await server.call_tool("price", {"item": "pen"})
    assert result.structured_content == {"result": 1.5}
    text = (await server.call_tool("both")).content[0]
    assert isinstance(text, TextContent)
    assert text.text == "text"
    assert [contents.text for contents in await server.read_resource("shop://about")] == ["a shop"]
    assert [contents.blob for contents in await server.read_resource("shop://items/pen")] == ["cGVu"]
    prompt = await server.get_prompt("advert", {"tone": "dry"})
    assert prompt.messages[0].content == TextContent(text="an advert, dry")
    assert (await server.complete("advert", "tone", "l")).values == ["loud"]
    assert (await server.complete("shop://items/{item}", "item", "penc", {})).values == ["pencil"]


@pytest.mark.parametrize("size", [1, 1000])
async def test_lists_are_whole(size: int) -> None:
    server = Shop(size).server
    assert [tool.name for tool in await server.list_tools()] == ["price", "both"]
    assert [resource.uri for resource in await server.list_resources()] == ["shop://about"]
    assert [each.uri_template for each in await server.list_resource_templates()] == ["shop://items/{item}"]
    assert [prompt.name for prompt in await server.list_prompts()] == ["advert"]


async def test_errors_are_those_of_a_client() -> None:
    server = Shop().server
    with pytest.raises(ToolError, match="there is no ink"):
        await server.call_tool("price", {"item": "ink"})
    assert (await server.call_tool("price", {"item": "ink"}, raise_on_error=False)).is_error
    with pytest.raises(InvalidParams, match="Unknown tool"):
        await server.call_tool("nothing")
    with pytest.raises(McpError, match="Resource not found"):
        await server.read_resource("shop://nothing")
    with pytest.raises(LocalProtocolError, match="no JSON form"):
        await server.call_tool("price", {"item": object()})


async def test_the_lifespan_is_started_for_a_call_unless_it_runs() -> None:
    """S12: once, whoever comes; and whoever started it ends it."""
    shop = Shop()
    await shop.server.call_tool("price", {"item": "pen"})
    assert shop.events == ["open", "close"]
    async with Client(shop.server) as client:
        await shop.server.call_tool("price", {"item": "pen"})
        assert (await client.call_tool("price", {"item": "pen"})).data == 1.5
        assert shop.events == ["open", "close", "open"]
    assert shop.events == ["open", "close"] * 2
    await shop.server.lifespan.start()
    await shop.server.call_tool("price", {"item": "pen"})
    async with Client(shop.server):
        pass
    assert shop.events == ["open", "close"] * 2 + ["open"]
    await shop.server.lifespan.aclose()


async def test_a_tool_calls_the_server_that_it_is_part_of() -> None:
    server, seen = Server("test"), list[str]()

    @server.tool
    async def inner() -> str:
        return "inner"

    @server.tool
    async def outer() -> list[str]:
        return [block.text for block in (await server.call_tool("inner")).content if isinstance(block, TextContent)]

    @server.middleware
    async def note(call: Call, reply: Reply, behind: Service) -> ResultLike:
        seen.append(str(call.params.get("name")))
        return await behind(call, reply)

    assert (await server.call_tool("outer")).structured_content == {"result": ["inner"]}
    assert seen == ["outer", "inner"]


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_client_in_memory_starts_and_ends_the_server(era: str) -> None:
    """S14: the same server as over any transport; its lifespan ends with the last client, also after an error."""
    shop = Shop()

    async def use() -> None:
        async with Client(shop.server, era="modern" if era == "modern" else "legacy") as client:
            assert shop.events == ["open"]
            await client.call_tool("price", {"item": "ink"})

    with pytest.raises(ToolError, match="there is no ink"):
        await use()
    assert shop.events == ["open", "close"]


async def test_a_lifespan_that_fails_is_told_to_the_client() -> None:
    @asynccontextmanager
    async def fail(server: object) -> AsyncGenerator[None]:
        raise OSError("database is away")
        yield

    server = Server("test", lifespan=fail)
    for _ in range(2):
        with pytest.raises(OSError, match="database is away"):
            async with Client(server):
                raise AssertionError("never")
        with pytest.raises(OSError, match="database is away"):
            await server.list_tools()


async def test_a_hundred_clients_come_and_go_at_once() -> None:
    """S12: they share one lifespan, and nothing is left of them."""
    shop = Shop()

    async def use() -> object:
        async with Client(shop.server) as client:
            return (await client.call_tool("price", {"item": "pen"})).data

    async with Client(shop.server):
        assert await asyncio.gather(*(use() for _ in range(100))) == [1.5] * 100
        assert shop.events == ["open"]
    assert shop.events == ["open", "close"]
