"""Requests that come a few bytes at a time: read as they come from a few clients, now and then from many."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest
from uvicorn.protocols.http.flow_control import FlowControl

from anyport import Server
from anyport.protocol.limits import Limits
from anyport.transports.http.edge.trickle import Trickles
from tests.drivers.asgi import WAIT, call
from tests.drivers.edge import Wire, request_of, serving_edge

REST_S = 0.05


class Client:
    """A connection, as far as it is read or not."""

    def __init__(self) -> None:
        self.flow = FlowControl(Wire())


async def until(fulfilled: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT):
        while not fulfilled():  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(REST_S / 10)


async def test_of_many_some_rest() -> None:
    """The first hundred are read as they send; others after a while, a few at a time."""
    loop = asyncio.get_running_loop()
    trickles = Trickles(loop, REST_S)
    clients = [Client() for _ in range(130)]
    began = loop.time()
    for client in clients:
        trickles.add(client)
    resting = clients[100:]
    assert [client.flow.read_paused for client in clients] == [False] * 100 + [True] * 30
    awake: list[int] = []

    def count() -> bool:
        awake.append(sum(not client.flow.read_paused for client in resting))
        return awake[-1] == len(resting)

    await until(count)
    assert loop.time() - began >= REST_S
    assert len(set(awake)) > 2
    for client in clients:
        trickles.discard(client)


async def test_who_has_left_is_not_read_again() -> None:
    trickles = Trickles(asyncio.get_running_loop(), REST_S)
    clients = [Client() for _ in range(102)]
    for client in clients:
        trickles.add(client)
    trickles.discard(clients[-1])
    await until(lambda: not clients[-2].flow.read_paused)
    assert clients[-1].flow.read_paused
    for client in clients:
        trickles.discard(client)


@pytest.mark.parametrize("piece", [8, 90])
async def test_what_comes_slowly_from_many_is_answered(piece: int) -> None:
    """Heads and bodies alike; nothing is lost of what came while a connection rested."""
    limits = Limits(header_s=3.0)
    server = Server("slow", limits=limits)

    @server.tool
    async def add(a: int, b: int) -> int:
        return a + b

    whole = request_of(call("add", {"a": 1, "b": 2}))
    async with serving_edge(server.asgi(), limits) as served, contextlib.AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(served.peer()) for _ in range(120)]
        for start in range(0, len(whole), piece):
            for peer in peers:
                peer.send(whole[start : start + piece])
            await asyncio.sleep(0)
        assert {(await peer.answer()).status for peer in peers} == {200}
