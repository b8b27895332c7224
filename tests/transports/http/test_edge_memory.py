"""Heads that were read before: what a parser said of their bytes is remembered, and nothing else."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from anyport import Context
from anyport.protocol.limits import DEFAULT_LIMITS
from anyport.transports.http.asgi import PRINCIPAL
from anyport.transports.http.edge.edge import Edge
from anyport.transports.http.fields import KnownFields
from tests.drivers.asgi import call, post, usual_headers
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


# --- what was found out about a head ----------------------------------------------------------------------------------

HEAD = request_of(ADD).split(b"\r\n\r\n")[0] + b"\r\n\r\n"


def other_bodies() -> dict[str, bytes]:
    """Bodies of the length of `ADD` that its head does not fit: another name, method, version; no JSON; no metadata."""
    body = request_of(ADD).removeprefix(HEAD)
    bodies = {
        "name": body.replace(b'"add"', b'"sub"'),
        "method": body.replace(b"tools/call", b"tools/list"),
        "version": body.replace(b"2026-07-28", b"2025-11-25"),
        "no version": body.replace(b"protocolVersion", b"protocolversion"),
        "name that is no text": body.replace(b'"add"', b"[123]"),
        "json": b"x" * len(body),
    }
    assert {len(each) for each in bodies.values()} == {len(body)}
    assert len(set(bodies.values())) == len(bodies)
    return bodies


@pytest.mark.parametrize("what", other_bodies())
async def test_a_body_is_held_against_a_head_that_is_known(what: str) -> None:
    """HDR-01, HDR-04: that the mirror was right once says nothing of the next body under the same bytes."""
    wrong = HEAD + other_bodies()[what]
    async with serving() as server, server.peer() as peer:
        peer.send(wrong)
        fresh = await peer.answer()
        assert fresh.status == 400
        for _ in range(3):
            assert (await peer.post(ADD)).status == 200
            peer.send(wrong)
            answer = await peer.answer()
            assert (answer.status, answer.json) == (fresh.status, fresh.json)


@pytest.mark.parametrize("what", other_bodies())
async def test_a_body_is_held_against_known_fields_of_asgi(what: str) -> None:
    """The same through an ASGI server, where fields are remembered as a list."""
    app = make_server().asgi()
    fields = usual_headers(ADD)
    fresh = await post(app, other_bodies()[what], fields)
    assert fresh.status == 400
    for _ in range(3):
        assert (await post(app, ADD)).status == 200
        answer = await post(app, other_bodies()[what], fields)
        assert (answer.status, answer.json) == (fresh.status, fresh.json)


async def test_a_host_is_checked_anew_for_another_address_of_the_server() -> None:
    """HTTP-02: an IP literal is served where the request came in on that address, not on a loopback one."""
    app = make_server().asgi()
    for _ in range(2):
        outside = await post(app, ADD, {"host": "192.0.2.7"}, scope={"server": ("192.0.2.7", 80)})
        inside = await post(app, ADD, {"host": "192.0.2.7"}, scope={"server": ("127.0.0.1", 80)})
        assert (outside.status, inside.status) == (200, 421)


async def test_whose_principal_a_call_has_is_not_remembered() -> None:
    """The same fields of two callers: each call is its own caller's."""
    server = make_server()

    @server.tool
    async def who(ctx: Context) -> str:
        return str(ctx.principal)

    app = server.asgi()
    for name in ("ann", "bob", None, "ann"):
        answer = await post(app, call("who"), scope={} if name is None else {PRINCIPAL: name})
        assert answer.text == str(name)


def test_fields_that_are_lists_are_read_each_time() -> None:
    """ASGI has fields as pairs of any kind; and what is long, or more than 512 different ones, is not kept for ever."""
    known = KnownFields(65_536)
    pairs = cast("list[tuple[bytes, bytes]]", [[b"host", b"x"]])
    assert known.read(pairs) == ({"host": "x"}, None)
    assert known.read([(b"host", b"x" * 3000)])[1] is None
    assert known.read([(b"mcp-session-id", b"x")])[1] is None
    first, notes = known.read(iter([(b"host", b"x")]))
    assert notes is not None
    assert known.read([(b"host", b"x")]) == (first, notes)
    for number in range(600):
        known.read([(b"host", b"%d" % number)])
    assert known.read([(b"host", b"x")])[1] is not notes
