"""Bounds of a tool: `timeout`, `max_concurrency`, and what a thread learns of its call (D16, D17, CAN-01, CAN-02)."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator
from typing import Any, cast  # noqa: TID251 - declarations that a type checker would refuse

import pytest

from anyport import Client, Context, Depends, Limits, Server, ToolError
from anyport.errors import Busy, LocalProtocolError, McpError
from anyport.protocol.jsonrpc import encode_request
from anyport.protocol.limits import DEFAULT_LIMITS
from anyport.server.declarations import DeclarationError
from anyport.server.tools import ToolOptions
from anyport.transports.duplex import Duplex
from tests.drivers.asgi import call, legacy, open_session, start
from tests.drivers.duplex import Wire
from tests.drivers.stdio import META, cancel
from tests.server.calling import call_tool, text_of

WAIT = 30.0
SOON = 0.02
"""Seconds after which a tool that waits for ever is given up."""


async def nothing() -> None:
    """Do nothing."""


class Thread:
    """A plain tool that waits until its call is given up, or it is let go.

    Attributes:
        begun: It runs.
        told: It has read ``ctx.cancelled``.
    """

    def __init__(self, server: Server, **options: Any) -> None:  # noqa: ANN401 - passed on
        self.begun, self.told = asyncio.Event(), asyncio.Event()
        self.go = threading.Event()
        self._loop = asyncio.get_running_loop()
        server.tools.add(self.wait, ToolOptions(name="wait", **options))

    def wait(self, ctx: Context) -> str:
        """Wait."""
        self._loop.call_soon_threadsafe(self.begun.set)
        for _ in range(int(WAIT / SOON)):
            if self.go.wait(SOON):
                return "let go"
            if ctx.cancelled:
                self._loop.call_soon_threadsafe(self.told.set)
                return "told"
        return "never told"


# --- time -------------------------------------------------------------------------------------------------------------


async def test_an_async_tool_that_takes_too_long_is_cancelled() -> None:
    """D16, CAN-02: the result names the setting, and the tool is over."""
    server, cancelled = Server("test"), list[bool]()

    @server.tool(timeout=SOON)
    async def wait(ctx: Context) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)

    result = await call_tool(server, "wait")
    assert result["isError"] is True
    assert text_of(result) == f"wait took longer than {SOON:g} s (timeout of the tool)"
    assert cancelled == [True]


async def test_the_thread_of_a_tool_that_takes_too_long_is_told() -> None:
    """D16, D17: the caller has its answer at once, the thread reads ``ctx.cancelled``."""
    server = Server("test")
    thread = Thread(server, timeout=SOON)
    result = await call_tool(server, "wait")
    assert text_of(result).endswith("(timeout of the tool)")
    async with asyncio.timeout(WAIT):
        await thread.told.wait()


async def test_the_servers_timeout_and_the_tools_own() -> None:
    server = Server("test", tool_timeout=SOON)

    @server.tool
    async def inherits() -> None:
        await asyncio.Event().wait()

    @server.tool(timeout=None)
    async def unbounded() -> str:
        await asyncio.sleep(2 * SOON)
        return "done"

    @server.tool(timeout=WAIT)
    async def longer() -> str:
        await asyncio.sleep(2 * SOON)
        return "done"

    assert text_of(await call_tool(server, "inherits")).endswith("(tool_timeout of the server)")
    assert [text_of(await call_tool(server, name)) for name in ("unbounded", "longer")] == ["done", "done"]
    plain = {tool.definition.name: tool.is_plain for tool in server.tools}
    assert plain == {"inherits": False, "unbounded": True, "longer": False}


async def test_a_timeout_of_the_tools_own_making_is_its_own_error() -> None:
    server = Server("test")

    @server.tool(timeout=WAIT)
    async def fail() -> None:
        raise TimeoutError("the database")

    assert text_of(await call_tool(server, "fail")).startswith("TimeoutError: the database")


async def test_dependencies_are_closed_when_the_time_is_up() -> None:
    server, events = Server("test"), list[str]()

    async def opened() -> AsyncGenerator[None]:
        try:
            yield
        except asyncio.CancelledError:
            events.append("cancelled")
            raise

    @server.tool(timeout=SOON)
    async def wait(a: None = Depends(opened)) -> None:
        await asyncio.Event().wait()

    assert (await call_tool(server, "wait"))["isError"] is True
    assert events == ["cancelled"]


# --- concurrency ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 3])
async def test_as_many_run_as_may_and_no_more(most: int) -> None:
    """D17: limit - 1, limit and limit + 1; one more is busy, which the message says, and later there is room again."""
    server, gate, full, running = Server("test"), asyncio.Event(), asyncio.Event(), list[int]()

    @server.tool(max_concurrency=most)
    async def wait() -> str:
        running.append(1)
        if len(running) == most:
            full.set()
        await gate.wait()
        return "done"

    calls = [asyncio.create_task(call_tool(server, "wait")) for _ in range(most)]
    await asyncio.wait_for(full.wait(), WAIT)
    with pytest.raises(Busy, match=rf"{most} calls of wait are running \(its max_concurrency\)") as caught:
        await call_tool(server, "wait")
    assert (caught.value.code, caught.value.http_status) == (429, 429)
    gate.set()
    assert [text_of(await each) for each in calls] == ["done"] * most
    assert text_of(await call_tool(server, "wait")) == "done"


async def test_a_thread_that_was_left_still_counts() -> None:
    """D17: a call that is out of time makes no room, as its thread goes on."""
    server, go = Server("test"), threading.Event()

    @server.tool(timeout=SOON, max_concurrency=1)
    def wait() -> str:
        go.wait(WAIT)
        return "let go"

    result = await call_tool(server, "wait")
    assert result["isError"] is True
    with pytest.raises(Busy):
        await call_tool(server, "wait")
    go.set()
    async with asyncio.timeout(WAIT):
        while result.get("isError"):
            with contextlib.suppress(Busy):
                result = await call_tool(server, "wait")
            await asyncio.sleep(0)
    assert text_of(result) == "let go"


async def test_a_tool_that_fails_makes_room() -> None:
    server = Server("test")

    @server.tool(max_concurrency=1)
    async def fail_async() -> None:
        raise ToolError("no")

    @server.tool(max_concurrency=1)
    def fail() -> None:
        raise ToolError("no")

    for name in ("fail_async", "fail") * 2:
        assert text_of(await call_tool(server, name)) == "no"


async def test_busy_is_the_same_error_for_a_tool_and_for_the_pool() -> None:
    """A client reads one code for one cause, whichever bound it met."""
    server = Server("test", limits=Limits(sync_threads=1, sync_queue=0))
    thread = Thread(server)

    @server.tool(max_concurrency=1)
    async def again() -> str:
        return (await client.call_tool("again")).text

    async with Client(server) as client, asyncio.timeout(WAIT):
        waiting = asyncio.create_task(client.call_tool("wait"))
        await thread.begun.wait()
        for name, setting in (("again", "max_concurrency"), ("wait", "sync_threads")):
            with pytest.raises(McpError, match=setting) as caught:
                await client.call_tool(name)
            assert caught.value.code == 429
        thread.go.set()
        assert (await waiting).text == "let go"


# --- calls that are given up ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_thread_learns_of_a_cancellation_on_a_channel(era: str) -> None:
    """CAN-01, D16, D17: ``notifications/cancelled`` on stdio and sockets, in both eras."""
    server, wire = Server("test"), Wire()
    thread = Thread(server)
    duplex = Duplex(server.service, DEFAULT_LIMITS, wire, "stdio")
    meta = META if era == "modern" else {}
    if era == "legacy":
        info = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
        duplex.feed(encode_request(0, "initialize", cast(Any, info)) + b"\n")
        await wire.settle()
    duplex.feed(encode_request(1, "tools/call", {"name": "wait", "_meta": meta}) + b"\n")
    async with asyncio.timeout(WAIT):
        await thread.begun.wait()
        duplex.feed(cancel(1) + b"\n")
        await thread.told.wait()
    assert await wire.settle() == []


async def test_a_thread_learns_that_its_modern_client_has_left() -> None:
    """CAN-01, D16: over HTTP a modern client cancels by leaving (HTTP-10)."""
    server = Server("test")
    thread = Thread(server)
    exchange = start(server.asgi(), call("wait", {}))
    async with asyncio.timeout(WAIT):
        await thread.begun.wait()
        exchange.disconnect()
        await thread.told.wait()
        await exchange.task


async def test_a_thread_goes_on_when_its_legacy_client_has_left() -> None:
    """CAN-01, D16: over HTTP a legacy call outlives its connection (LEG-06)."""
    server = Server("test")
    thread = Thread(server)
    app = server.asgi()
    session = await open_session(app)
    exchange = start(app, legacy("tools/call", {"name": "wait"}), session)
    async with asyncio.timeout(WAIT):
        await thread.begun.wait()
        exchange.disconnect()
        for _ in range(20):
            await asyncio.sleep(0)
        thread.go.set()
        await exchange.task
    assert not thread.told.is_set()


# --- declarations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_timeout_that_cannot_be(seconds: float) -> None:
    with pytest.raises(DeclarationError, match=r"test_bounds.py:\d+: nothing: timeout must be seconds above 0"):
        Server("test").tool(timeout=seconds)(nothing)
    with pytest.raises(LocalProtocolError, match="tool_timeout must be seconds above 0"):
        Server("test", tool_timeout=seconds)


@pytest.mark.parametrize("most", [0, -1, True, 1.5])
def test_a_concurrency_that_cannot_be(most: object) -> None:
    with pytest.raises(DeclarationError, match=r"test_bounds.py:\d+: nothing: max_concurrency must be a whole number"):
        Server("test").tool(max_concurrency=cast(Any, most))(nothing)
