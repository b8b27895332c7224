"""The budget of a call: frames, calls, tasks and queues between the bytes and the user's function."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, MutableMapping
from typing import Any  # noqa: TID251 - ASGI messages

import pytest
import uvicorn
from uvicorn.server import ServerState

from anyport import Context, Server
from anyport.protocol.calls import META_CLIENT_CAPABILITIES, META_VERSION
from anyport.protocol.jsonrpc import Message, Response, decode, encode_request
from anyport.protocol.limits import DEFAULT_LIMITS
from anyport.protocol.types.json import JsonObject
from anyport.transports.duplex import Duplex
from anyport.transports.http.edge.edge import Edge
from tests.budgets.call_meter import CallMeter, counted_tasks
from tests.drivers.edge import Wire
from tests.drivers.http_server import head

MOST_FRAMES = 6
MOST_CALLS = 30
MOST_FRAMES_ON_STDIO = 4
MOST_CALLS_ON_STDIO = 24
MOST_CALLS_OF_EDGE = 12
"""From the bytes to what an ASGI server would hand over, the task included; uvicorn makes about 40."""
MOST_CALLS_OF_SESSION = 50
"""From the bytes to the function, for a call of a legacy session."""
MOST_CALLS_OF_STREAM = 125
"""The same, with an event before."""

Event = MutableMapping[str, Any]


ARGUMENTS: JsonObject = {"item": "pen", "count": 2}
META: JsonObject = {META_VERSION: "2026-07-28", META_CLIENT_CAPABILITIES: {}}
ASKABLE: JsonObject = {**META, META_CLIENT_CAPABILITIES: {"elicitation": {}, "sampling": {}, "roots": {}}}
HELLO: JsonObject = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "c", "version": "1"},
}


def request(tool: str, meta: JsonObject = META) -> bytes:
    """A `tools/call` in the layout that clients send."""
    return encode_request(1, "tools/call", {"name": tool, "arguments": ARGUMENTS, "_meta": meta})


def make_server(reached: Callable[[], None]) -> Server:
    server = Server("budget")

    @server.tool
    async def buy(item: str, count: int) -> dict[str, object]:
        reached()
        return {"item": item, "count": count}

    @server.tool
    async def buy_with_context(item: str, count: int, ctx: Context) -> str:
        reached()
        return f"{count} {item} of {ctx.request_id}"

    @server.tool
    async def buy_told(item: str, count: int, ctx: Context) -> str:
        await ctx.report_progress(1)
        reached()
        return f"{count} {item}"

    return server


def check(meter: CallMeter, frames: int = MOST_FRAMES, calls: int = MOST_CALLS) -> None:
    """The budget itself; what is over it is in the failure."""
    assert 0 < len(meter.frames) <= frames, meter.frames
    assert 0 < len(meter.calls) <= calls, meter.calls
    assert meter.queues == []
    assert meter.validations == 1


# --- HTTP -------------------------------------------------------------------------------------------------------------


class Exchange:
    """One HTTP request as an ASGI server hands it over."""

    def __init__(self, tool: str, meta: JsonObject = META) -> None:
        self.body = request(tool, meta)
        self.sent: list[Event] = []
        fields = {
            "host": "127.0.0.1:8000",
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": "tools/call",
            "mcp-name": tool,
            "content-length": str(len(self.body)),
        }
        self.scope: Event = {
            "type": "http",
            "method": "POST",
            "path": "/mcp",
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8000),
        }

    async def receive(self) -> Event:
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def send(self, event: Event) -> None:
        self.sent.append(event)

    @property
    def status(self) -> int:
        return self.sent[0]["status"]


@pytest.mark.parametrize(("tool", "meta"), [("buy", META), ("buy_with_context", META), ("buy", ASKABLE)])
async def test_a_plain_http_call(tool: str, meta: JsonObject) -> None:
    """At most 6 frames above the function, 30 calls before it, no task, no queue, arguments validated once.

    Also for a client that could be asked, where the tool cannot ask.
    """
    meter = CallMeter()
    app = make_server(meter.reached).asgi()
    first, second = Exchange(tool, meta), Exchange(tool, meta)
    # By then everything that is remembered of requests is.
    for exchange in (first, Exchange(tool, meta)):
        await app(exchange.scope, exchange.receive, exchange.send)
    with counted_tasks() as tasks, meter:
        await app(second.scope, second.receive, second.send)
    assert second.status == 200
    assert second.sent[1:] == first.sent[1:]
    check(meter)
    assert tasks == []


# --- the edge ---------------------------------------------------------------------------------------------------------


async def soon(callback: Callable[[], None]) -> None:
    """Do something as a callback of the loop does it: in no task."""
    done = asyncio.Event()

    def work() -> None:
        callback()
        done.set()

    asyncio.get_running_loop().call_soon(work)
    await done.wait()


@pytest.mark.parametrize(("tool", "meta"), [("buy", META), ("buy_with_context", META), ("buy", ASKABLE)])
async def test_a_plain_call_on_the_edge(tool: str, meta: JsonObject) -> None:
    """The same, and one write; what it takes to read it comes before that.

    Its frames are those of the task that it runs in, which was there before.

    It is answered within the callback that its bytes came in: no turn of the loop in between.
    """
    meter = CallMeter()
    app = make_server(meter.reached).asgi()
    await app.start()
    config = uvicorn.Config(app, log_config=None)
    config.load()
    connection, wire = Edge(app.find, DEFAULT_LIMITS)(config, ServerState(), {}), Wire()
    connection.connection_made(wire)
    body = request(tool, meta)
    fields = [(name.decode(), value.decode()) for name, value in Exchange(tool, meta).scope["headers"]]
    data = head("POST", "/mcp", fields, body) + body
    for _ in range(2):
        await soon(lambda: connection.data_received(data))
        await asyncio.sleep(0)
    wire.written = b""
    with counted_tasks() as tasks, meter:
        await soon(lambda: connection.data_received(data))
        answers, writes = wire.written, wire.writes
    assert writes == 3
    assert answers.startswith(b"HTTP/1.1 200 OK\r\n")
    assert "EdgeConnection.data_received" in meter.frames
    meter.frames = meter.frames[: meter.frames.index("_work") + 1]
    begin = meter.calls.index("EdgeExchange.run")
    assert len(meter.calls[:begin]) <= MOST_CALLS_OF_EDGE, meter.calls
    meter.calls = meter.calls[begin:]
    check(meter)
    assert tasks == []
    connection.connection_lost(None)
    await asyncio.sleep(0)


@pytest.mark.parametrize(("tool", "most"), [("buy", MOST_CALLS_OF_SESSION), ("buy_told", MOST_CALLS_OF_STREAM)])
async def test_a_call_of_a_session_on_the_edge(tool: str, most: int) -> None:
    """A session costs a bounded number of calls, with a stream, too; no task, and no turn of the loop."""
    meter = CallMeter()
    app = make_server(meter.reached).asgi()
    await app.start()
    config = uvicorn.Config(app, log_config=None)
    config.load()
    connection, wire = Edge(app.find, DEFAULT_LIMITS)(config, ServerState(), {}), Wire()
    connection.connection_made(wire)
    await soon(lambda: connection.data_received(legacy_post(encode_request(0, "initialize", HELLO))))
    session = re.search(rb"(?i)mcp-session-id: (\S+)", wire.written)
    assert session is not None
    data = legacy_post(request(tool, {"progressToken": 1}), session[1].decode())
    for _ in range(2):
        await soon(lambda: connection.data_received(data))
        await asyncio.sleep(0)
    wire.written = b""
    with counted_tasks() as tasks, meter:
        await soon(lambda: connection.data_received(data))
        answer = wire.written
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"result":' in answer
    assert (b"text/event-stream" in answer) == (tool == "buy_told")
    assert 0 < len(meter.calls) <= most, meter.calls
    assert meter.queues == []
    assert tasks == []
    connection.connection_lost(None)
    await asyncio.sleep(0)


def legacy_post(body: bytes, session: str | None = None) -> bytes:
    """A POST of the newest legacy revision."""
    fields = [
        ("host", "127.0.0.1:8000"),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ]
    if session is not None:
        fields += [("mcp-session-id", session), ("mcp-protocol-version", "2025-11-25")]
    return head("POST", "/mcp", fields, body) + body


# --- stdio ------------------------------------------------------------------------------------------------------------


class Written:
    """The output of a channel."""

    full = False

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.event = asyncio.Event()

    def write(self, message: bytes, *, last: bool = False) -> None:
        self.messages.append(message)
        self.event.set()

    async def room(self) -> None:
        raise AssertionError("it is never full")

    async def next(self) -> Message:
        async with asyncio.timeout(5):
            await self.event.wait()
        self.event.clear()
        return decode(self.messages[-1])


@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize("tool", ["buy", "buy_with_context"])
async def test_a_call_on_stdio(tool: str, era: str) -> None:
    """At most 4 frames above the function and 24 calls before it, with exactly one task, in either era."""
    meter = CallMeter()
    written = Written()
    duplex = Duplex(make_server(meter.reached).service, DEFAULT_LIMITS, written, "stdio")
    line = request(tool)
    if era == "legacy":
        duplex.feed(encode_request(0, "initialize", HELLO) + b"\n")
        await written.next()
        line = request(tool, {})
    duplex.feed(line + b"\n")
    await written.next()
    with counted_tasks() as tasks, meter:
        duplex.feed(line + b"\n")
        answer = await written.next()
    assert isinstance(answer, Response)
    check(meter, MOST_FRAMES_ON_STDIO, MOST_CALLS_ON_STDIO)
    assert tasks == ["Duplex.serve"]


# --- the meter --------------------------------------------------------------------------------------------------------


async def test_the_meter_sees_what_it_forbids() -> None:
    """Without this a budget that measures nothing would pass."""
    meter = CallMeter()
    server = make_server(meter.reached)

    async def detour() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()
        queue.put_nowait(1)
        await queue.get()

    exchange = Exchange("buy")
    app = server.asgi()
    await app(exchange.scope, exchange.receive, exchange.send)
    with counted_tasks() as tasks, meter:
        await asyncio.get_running_loop().create_task(detour())
        await app(exchange.scope, exchange.receive, exchange.send)
    assert len(tasks) == 1
    assert any("put" in name for name in meter.queues)
    assert {"Endpoint._receive", "Tools.call_encoded"} <= set(meter.frames)
    assert {"decode", "Tools.call_encoded"} <= set(meter.calls)
    assert len(set(meter.frames) - set(meter.calls)) == 0
