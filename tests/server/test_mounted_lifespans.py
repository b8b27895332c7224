"""The lifespan of a mounted server: once per process, with the one around it (S12, S14)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from anyport import Client, Context, Server
from anyport.errors import LocalProtocolError
from tests.drivers.asgi import call as http_call
from tests.drivers.asgi import post
from tests.server.calling import call_tool, text_of


class Diary:
    """What lifespans did."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    def open(self, server: Server) -> AbstractAsyncContextManager[str]:
        """Write down the start and the end."""

        @asynccontextmanager
        async def live() -> AsyncGenerator[str]:
            self.entries.append(f"start {server.name}")
            yield f"state of {server.name}"
            self.entries.append(f"end {server.name}")

        return live()


async def test_its_lifespan_runs_with_the_one_around_it() -> None:
    """S12, S14: once per process, however many clients, and however many servers it is mounted in."""
    diary = Diary()
    inner = Server("inner", lifespan=diary.open)
    first, second = Server("first", lifespan=diary.open), Server("second")

    @inner.tool
    async def look(ctx: Context[str]) -> str:
        return ctx.state

    first.mount(inner, namespace="a")
    second.mount(inner, namespace="b")
    assert second.lifespan.is_wanted
    async with Client(first) as one, Client(second) as two, Client(inner) as three:
        for client, name in ((one, "a_look"), (two, "b_look"), (three, "look")):
            assert (await client.call_tool(name)).data == "state of inner"
        assert diary.entries == ["start inner", "start first"]
    assert diary.entries == ["start inner", "start first", "end first", "end inner"]


async def test_one_lifespan_for_http_and_for_memory() -> None:
    """S12, S14: a mount after `asgi()` counts, and the state outlives each client."""
    diary = Diary()
    main, inner = Server("main"), Server("inner", lifespan=diary.open)

    @inner.tool
    async def look(ctx: Context[str]) -> str:
        return ctx.state

    app = main.asgi()
    main.mount(inner, namespace="a")
    async with app.lifespan():
        for _ in range(2):
            exchange = await post(app, http_call("a_look", {}))
            assert "state of inner" in exchange.text
            async with Client(main) as client:
                assert (await client.call_tool("a_look")).data == "state of inner"
            await main.call_tool("a_look")
        assert diary.entries == ["start inner"]
    assert diary.entries == ["start inner", "end inner"]


async def test_an_application_that_starts_itself_starts_what_is_mounted(caplog: pytest.LogCaptureFixture) -> None:
    diary = Diary()
    main, inner = Server("main"), Server("inner", lifespan=diary.open)
    inner.tool(name="x")(lambda: None)
    app = main.asgi()
    main.mount(inner, namespace="a")
    await post(app, http_call("a_x", {}))
    assert diary.entries == ["start inner"]
    assert "started with its first request" in caplog.text
    await main.lifespan.aclose()
    assert diary.entries == ["start inner", "end inner"]


async def test_a_lifespan_that_would_never_start() -> None:
    main = Server("main", lifespan=Diary().open)
    async with Client(main):
        with pytest.raises(LocalProtocolError, match="before the one around it starts"):
            main.mount(Server("late", lifespan=Diary().open), namespace="a")
        plain = Server("plain")
        plain.tool(name="x")(lambda: "here")
        main.mount(plain, namespace="b")
        assert text_of(await call_tool(main, "b_x")) == "here"
