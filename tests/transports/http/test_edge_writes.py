"""In how many writes a stream leaves: one for what a client waits for, one for the rest of a turn of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from uvicorn.server import ServerState

from anyport import Context, Server
from anyport.protocol.limits import DEFAULT_LIMITS, Limits
from anyport.protocol.types.json import JsonObject
from anyport.transports.http.edge.edge import Edge
from tests.drivers.edge import Wire, request_of

META: JsonObject = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "progressToken": 1,
}


def make_server(waits: asyncio.Event | None = None) -> Server:
    server = Server("writes", limits=Limits(progress_per_s=100_000))

    @server.tool
    async def steps(count: int, ctx: Context) -> int:
        for number in range(1, count + 1):
            await ctx.report_progress(number, message="x" * 100)
        if waits is not None:
            await waits.wait()
        return count

    return server


@asynccontextmanager
async def called(server: Server, count: int) -> AsyncGenerator[Wire]:
    """Call the tool on a connection without a socket, and let it have some turns of the loop."""
    app = server.asgi()
    await app.start()
    config = uvicorn.Config(app, log_config=None, lifespan="off")
    config.load()
    connection, wire = Edge(app.find, DEFAULT_LIMITS)(config, ServerState(), {}), Wire()
    connection.connection_made(wire)
    params: JsonObject = {"name": "steps", "arguments": {"count": count}, "_meta": META}
    data = request_of({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    asyncio.get_running_loop().call_soon(connection.data_received, data)
    await turns()
    yield wire
    connection.connection_lost(None)
    await turns()


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_stream_of_one_turn_leaves_in_two_writes() -> None:
    """The head goes with the first event; what follows in the same turn, the result and the end with it, together."""
    async with called(make_server(), 20) as wire:
        assert wire.writes == 2
        assert wire.written.count(b"notifications/progress") == 20
        assert wire.written.endswith(b"\r\n0\r\n\r\n")
        assert wire.written.count(b"HTTP/1.1 ") == 1


async def test_an_event_is_there_while_the_call_goes_on() -> None:
    """Nothing is kept back until the next one comes."""
    waits = asyncio.Event()
    async with called(make_server(waits), 3) as wire:
        assert wire.writes == 2
        assert wire.written.count(b"notifications/progress") == 3
        waits.set()
        await turns()
        assert wire.written.endswith(b"\r\n0\r\n\r\n")


async def test_what_is_joined_is_bounded() -> None:
    """A turn that says much does not keep it all."""
    async with called(make_server(), 1_000) as wire:
        assert wire.written.count(b"notifications/progress") == 1_000
        assert 2 < wire.writes < 20
