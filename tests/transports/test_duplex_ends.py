"""The channel at its end, and for transports that keep messages apart by themselves (D10, RPC-02)."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from anyport.errors import McpError
from anyport.protocol.calls import Call, Carrier, Reply
from anyport.protocol.errors import InternalError
from anyport.protocol.jsonrpc import ResultLike
from anyport.protocol.limits import Limits
from anyport.transports.duplex import Duplex, Load
from tests.drivers.duplex import Answer, Wire, codes
from tests.drivers.stdio import cancel, handshake, request


async def test_whole_messages() -> None:
    """A refused request is answered on the channel, what is no message is the caller's to refuse."""
    wire = Wire()
    wire.duplex.take(request(1, "any"))
    wire.duplex.take(request(2, "any", era="legacy"))
    assert codes(await wire.settle()) == [(2, -32600), (1, 0)]
    for bad in (b"{", b"[]", b"1"):
        with pytest.raises(McpError):
            wire.duplex.take(bad)
    assert await wire.settle() == []


async def test_the_carrier_of_a_message() -> None:
    calls: list[Call] = []

    async def serve(call: Call, reply: Reply) -> ResultLike:
        calls.append(call)
        return {}

    wire = Wire()
    duplex = Duplex(serve, Limits(), wire, "sse")
    duplex.take(request(1, "any"), Carrier(transport="sse", principal="me", session_id="s"))
    duplex.take(request(2, "any"))
    await wire.settle()
    assert [(call.carrier.principal, call.carrier.session_id) for call in calls] == [("me", "s")] * 2


async def test_draining_refuses_requests_and_nothing_else() -> None:
    wire = Wire()
    wire.feed(request(1, "wait"), request(2, "wait"))
    await wire.settle()
    wire.duplex.draining = True
    wire.feed(request(3, "any"), cancel(1))
    assert codes(await wire.settle()) == [(3, 503)]
    wire.gate.set()
    assert codes(await wire.settle()) == [(2, 0)]


async def test_every_call_is_answered_at_the_end() -> None:
    """Those that cannot be stopped, too; what they say later is dropped, and so is a cancelled call's answer."""
    wire = Wire()
    stop = asyncio.Event()

    async def stubborn(call: Call, reply: Reply) -> ResultLike:
        while not stop.is_set():
            try:
                await stop.wait()
            except asyncio.CancelledError:
                continue
        return {}

    wire.methods["stubborn"] = stubborn
    wire.feed(request(1, "wait"), request(2, "stubborn"), request(3, "wait"))
    await wire.settle()
    wire.feed(cancel(3))
    wire.duplex.end_calls(InternalError("over"))
    wire.duplex.end_calls(InternalError("twice"))
    assert codes(await wire.settle()) == [(1, -32603), (2, -32603)]
    stop.set()
    await wire.duplex.drain(5)
    assert await wire.settle() == []


async def test_a_batch_is_answered_at_the_end() -> None:
    wire = Wire()
    wire.feed(*handshake(version="2025-03-26"))
    await wire.settle()
    wire.duplex.take(b"[" + b",".join([request(1, "wait", era="legacy"), request(2, "ping", era="legacy")]) + b"]")
    await wire.settle()
    wire.duplex.end_calls(InternalError("over"))
    await wire.duplex.drain(5)
    answers = msgspec.json.decode(wire.lines.pop(), type=list[Answer])
    assert sorted(codes(answers)) == [(1, -32603), (2, 0)]
    assert wire.lines == []


async def test_channels_that_count_together() -> None:
    """Limit bytes_in_flight, over all of them."""
    load = Load()
    first, second = Wire(), Wire()
    limits = Limits(bytes_in_flight=len(request(1, "wait")) * 2)
    for wire in (first, second):
        wire.duplex = Duplex(wire.serve, limits, wire, "socket", load=load)
    first.feed(request(1, "wait"))
    second.feed(request(1, "wait"))
    second.feed(request(2, "wait"))
    assert codes(await second.settle()) == [(2, 429)]
    first.gate.set()
    await first.settle()
    second.feed(request(3, "any"))
    assert codes(await second.settle()) == [(3, 0)]
    second.gate.set()
    await second.settle()
    assert load.size == 0
