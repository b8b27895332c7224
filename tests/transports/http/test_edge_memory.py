"""Heads that were read before: what a parser said of their bytes is remembered, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from anyport.protocol.limits import DEFAULT_LIMITS
from anyport.transports.http.edge import Edge
from tests.drivers.asgi import call
from tests.drivers.edge import request_of, serving_edge
from tests.drivers.http_server import head
from tests.transports.http.test_edge import ADD, Recorder, make_server, serving


async def test_a_head_is_read_once() -> None:
    """What a parser said of some bytes is remembered, for every connection; nothing else is."""
    mcp = make_server().asgi()
    edge = Edge(mcp.find, DEFAULT_LIMITS)
    async with serving_edge(mcp, DEFAULT_LIMITS, http=edge) as server:
        for number in range(3):
            async with server.peer() as peer:
                message = call("add", {"a": number, "b": 1})
                answer = await peer.post(message)
                assert answer.json["result"] == (await peer.post(message)).json["result"]
                assert f'"result":{number + 1}' in answer.body.decode()
        (head,) = edge.memory
        assert head.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "request_bytes",
    [
        request_of(ADD, {"connection": "close"}),
        request_of(ADD, {"expect": "100-continue"}),
        request_of(ADD, {"mcp-name": "other", "x-long": "x" * 3000}),
        request_of(ADD, {"connection": "upgrade", "upgrade": "h2c"}),
        request_of(ADD, {"host": "127.0.0.1", "origin": "http://localhost"}).replace(b"origin", b"host"),
        request_of(ADD, path="/other"),
        request_of(ADD) + request_of(ADD),
        request_of(ADD)[:-1],
        head("GET", "/other", [("host", "x")]),
    ],
    ids=["close", "expect", "long", "upgrade", "refused", "another route", "two", "a part", "no body"],
)
async def test_heads_that_are_not_kept(request_bytes: bytes) -> None:
    """Where more than the bytes of the head decided, or less than a whole request came."""
    mcp = make_server().asgi()
    edge = Edge(mcp.find, DEFAULT_LIMITS)
    async with serving_edge(mcp, DEFAULT_LIMITS, Recorder(), http=edge) as server, server.peer() as peer:
        peer.send(request_bytes)
        if request_bytes == request_of(ADD)[:-1]:
            await asyncio.sleep(0.05)
            peer.send(request_of(ADD)[-1:])
        assert (await peer.answer()).status in (100, 200, 400)
        assert list(edge.memory) == []


async def test_a_head_that_is_known_means_what_it_meant() -> None:
    """The same bytes before a body of another length, in pieces, or after a request that ends the connection."""
    body = request_of(ADD).split(b"\r\n\r\n")[1]
    known = request_of(ADD)
    async with serving() as server, server.peer() as peer:
        assert (await peer.post(ADD)).status == 200
        for pieces in ([known[:30], known[30:]], [known[:-3], known[-3:]], [known + known[:50], known[50:]]):
            for piece in pieces:
                peer.send(piece)
                await asyncio.sleep(0.02)
            assert (await peer.answer()).json["id"] == 1
        assert (await peer.answer()).json["id"] == 1
        # A body that is longer than its length: what is too much is no request.
        peer.send(known + b"x")
        assert (await peer.answer()).status == 200
        peer.send(b"y")
        assert (await peer.answer()).status == 400
    async with serving() as server, server.peer() as peer:
        assert (await peer.post(ADD)).status == 200
        peer.send(request_of(ADD, {"connection": "close"}))
        peer.send(known)
        assert (await peer.answer()).headers["connection"] == "close"
        assert await peer.closed() == b""
    assert body.startswith(b"{")


async def test_the_memory_is_bounded() -> None:
    """Clients that never send the same twice fill it, and it begins again."""
    mcp = make_server().asgi()
    edge = Edge(mcp.find, DEFAULT_LIMITS)
    async with serving_edge(mcp, DEFAULT_LIMITS, http=edge) as server, server.peer() as peer:
        most = 0
        for number in range(600):
            assert (await peer.post(ADD, {"traceparent": str(number)})).status == 200
            most = max(most, len(edge.memory))
        assert most <= 512
        assert len(edge.memory) < 600
