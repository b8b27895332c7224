"""Limits of connections on the HTTP edge, for MCP and for every other route: at the limit, and one more.

Limits url_bytes, header_fields, header_bytes, http_connections, pipelined, body_s, body_bytes_per_s, keep_alive_s,
write_s, header_s (`test_edge.py`).
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from anyport import Server
from anyport.protocol.limits import Limits
from anyport.transports.http.edge.grounds import open_files
from anyport.transports.http.edge.sweep import NEVER, Sweep
from tests.drivers.asgi import WAIT, call, usual_headers
from tests.drivers.edge import EdgePeer, EdgeServer, request_of, serving_edge
from tests.drivers.http_server import head
from tests.transports.http.test_edge import Recorder

ADD = call("add", {"a": 2, "b": 3})
PATHS = pytest.mark.parametrize("path", ["/mcp", "/other"])
OFFSETS = pytest.mark.parametrize("offset", [-1, 0, 1])


@asynccontextmanager
async def serving(limits: Limits) -> AsyncGenerator[tuple[EdgeServer, list[str]]]:
    """Serve a few tools, and an application; yields what was called, too."""
    server = Server("limits", limits=limits)
    called: list[str] = []

    @server.tool
    async def add(a: int, b: int) -> int:
        called.append("add")
        return a + b

    @server.tool
    async def big(size: int) -> str:
        called.append("big")
        return "x" * size

    @server.tool
    async def rest(seconds: float) -> str:
        called.append("rest")
        await asyncio.sleep(seconds)
        return "rested"

    async with serving_edge(server.asgi(), limits, Recorder()) as edge:
        yield edge, called


async def refused(peer: EdgePeer, status: int, limit: str) -> None:
    """Expect a refusal that names its limit, and the end of the connection."""
    answer = await peer.answer()
    assert (answer.status, answer.headers["connection"]) == (status, "close")
    assert f"limit {limit}" in answer.body.decode()
    assert await peer.closed() == b""


# --- sizes ------------------------------------------------------------------------------------------------------------


@PATHS
@OFFSETS
async def test_url_bytes(path: str, offset: int) -> None:
    limit = 100
    target = path + "?" + "x" * (limit + offset - len(path) - 1)
    async with serving(Limits(url_bytes=limit)) as (server, _), server.peer() as peer:
        peer.request("POST", target, list(usual_headers(ADD).items())[1:], json.dumps(ADD).encode())
        if offset <= 0:
            assert (await peer.answer()).status == 200
        else:
            await refused(peer, 414, "url_bytes")


@PATHS
@OFFSETS
async def test_header_fields(path: str, offset: int) -> None:
    limit, body = 20, json.dumps(ADD).encode()
    fields = [*usual_headers(ADD).items(), ("content-length", str(len(body)))]
    fields += [(f"x-{number}", "") for number in range(limit + offset - len(fields))]
    async with serving(Limits(header_fields=limit)) as (server, _), server.peer() as peer:
        peer.send(head("POST", path, fields, body) + body)
        if offset <= 0:
            assert (await peer.answer()).status == 200
        else:
            await refused(peer, 431, "header_fields")


@OFFSETS
async def test_header_bytes_of_other_routes(offset: int) -> None:
    limit = 200
    fill = limit + offset - len("host127.0.0.1") - len("x-fill")
    async with serving(Limits(header_bytes=limit)) as (server, _), server.peer() as peer:
        peer.request("GET", "/other", [("x-fill", "y" * fill)])
        if offset <= 0:
            assert (await peer.answer()).status == 200
        else:
            await refused(peer, 431, "header_bytes")


@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nx: ", b"POST /mcp HTTP/1.1\r\nhost: a\r\nx"])
async def test_a_head_without_an_end(start: bytes) -> None:
    """It is refused while it comes, and not kept."""
    limits = Limits(header_bytes=1000, url_bytes=1000, header_fields=10)
    async with serving(limits) as (server, called), server.peer() as peer:
        peer.send(start)
        for _ in range(40):
            peer.send(b"y" * 1000)
            await asyncio.sleep(0)
        answer = await peer.answer()
        assert answer.status in (414, 431)
        assert called == []


@pytest.mark.parametrize(("hosts", "status"), [(0, 400), (1, 200), (2, 400)])
async def test_the_host_of_other_routes(hosts: int, status: int) -> None:
    """RFC 9112, 3.2: an application is asked with exactly one."""
    async with serving(Limits()) as (server, _), server.peer() as peer:
        peer.send(head("GET", "/other", [("host", "x")] * hosts))
        assert (await peer.answer()).status == status


# --- numbers ----------------------------------------------------------------------------------------------------------


async def test_http_connections() -> None:
    """One more is refused at once with a 503; when one has left, there is a place."""
    limit = 3
    async with serving(Limits(http_connections=limit)) as (server, _), AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(server.peer()) for _ in range(limit)]
        for peer in peers:
            assert (await peer.post(ADD)).status == 200
        async with server.peer() as late:
            late.send(request_of(ADD))
            answer = await late.answer()
            assert (answer.status, answer.headers["retry-after"], answer.headers["connection"]) == (503, "1", "close")
            assert b"limit http_connections" in answer.body
            assert await late.closed() == b""
        peers[0].writer.close()
        await peers[0].writer.wait_closed()
        async with asyncio.timeout(WAIT):
            while len(server.server.server_state.connections) == limit:  # noqa: ASYNC110 - nobody tells when
                await asyncio.sleep(0)
        async with server.peer() as another:
            assert (await another.post(ADD)).status == 200


def test_files_are_counted() -> None:
    """What the process may open is known, so that the last of it is not spent on connections."""
    assert open_files() > 64


@OFFSETS
async def test_pipelined(offset: int) -> None:
    """Those before are answered in their order, the one too many is refused, and nothing after it is read."""
    limit = 5
    async with serving(Limits(pipelined=limit)) as (server, called), server.peer() as peer:
        first = request_of(call("rest", {"seconds": 0.05}))
        peer.send(first)
        async with asyncio.timeout(WAIT):
            while not called:  # noqa: ASYNC110 - nobody tells when
                await asyncio.sleep(0)
        peer.send(request_of(ADD) * (limit + offset))
        statuses = [(await peer.answer()).status for _ in range(limit + min(offset, 0) + 1)]
        assert statuses == [200] * len(statuses)
        if offset <= 0:
            assert (await peer.post(ADD)).status == 200
        else:
            await refused(peer, 429, "pipelined")
            assert called.count("add") == limit


# --- times ------------------------------------------------------------------------------------------------------------


@PATHS
@pytest.mark.parametrize("expecting", [False, True])
async def test_body_s(path: str, expecting: bool) -> None:
    fields = [*list(usual_headers(ADD).items())[1:], ("content-length", "500")]
    if expecting:
        fields.append(("expect", "100-continue"))
    async with serving(Limits(body_s=0.2)) as (server, _), server.peer() as peer:
        peer.request("POST", path, fields)
        if expecting:
            assert (await peer.answer()).status == 100
        peer.send(b"{")
        await refused(peer, 408, "body_s")


async def test_body_bytes_per_s() -> None:
    """A body that comes fast enough has all the time it needs; a slow one is refused."""
    body = json.dumps(call("add", {"a": 1, "b": 1}) | {"x": "y" * 400}).encode()
    limits = Limits(body_s=0.3, body_bytes_per_s=200)
    async with serving(limits) as (server, _), server.peer() as peer:
        fields = [*list(usual_headers(ADD).items())[1:], ("content-length", str(len(body)))]
        peer.request("POST", "/mcp", fields)
        began = asyncio.get_running_loop().time()
        for start in range(0, len(body), 65):
            peer.send(body[start : start + 65])
            await asyncio.sleep(0.08)
        assert (await peer.answer()).status == 200
        assert asyncio.get_running_loop().time() - began > 2 * limits.body_s


@pytest.mark.parametrize("sent", [b"", b"\r\n\r\n"])
async def test_keep_alive_s_of_a_silent_connection(sent: bytes) -> None:
    """Empty lines, which may come before a request, are no request."""
    async with serving(Limits(keep_alive_s=0.2)) as (server, _), server.peer() as peer:
        peer.send(sent)
        assert await peer.closed() == b""


@pytest.mark.parametrize("path", ["/mcp", "/stream"])
async def test_a_call_is_no_silence(path: str) -> None:
    limits = Limits(keep_alive_s=0.1, header_s=0.1, body_s=0.1)
    async with serving(limits) as (server, _), server.peer() as peer:
        peer.send(request_of(call("rest", {"seconds": 0.5}), path=path))
        assert (await peer.answer()).status == 200


async def test_a_call_that_waited_for_another_is_no_silence() -> None:
    """Pipelined: what begins when the one before it is answered has no deadline of silence either."""
    async with serving(Limits(keep_alive_s=0.1)) as (server, _), server.peer() as peer:
        peer.send(request_of(call("rest", {"seconds": 0.05})) + request_of(call("rest", {"seconds": 0.5})))
        assert [(await peer.answer()).status for _ in range(2)] == [200, 200]


async def test_write_s() -> None:
    """A client that reads nothing: it is dropped in its time, and its requests are not worked on in advance."""
    async with serving(Limits(write_s=0.3, pipelined=200)) as (server, called):
        lazy = socket.create_connection(("127.0.0.1", server.port))
        with lazy:
            lazy.setblocking(False)
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(lazy, request_of(call("big", {"size": 200_000})) * 100)
            async with asyncio.timeout(WAIT):
                while not server.server.server_state.connections:  # noqa: ASYNC110 - nobody tells when
                    await asyncio.sleep(0)
                while server.server.server_state.connections:  # noqa: ASYNC110 - nobody tells when
                    await asyncio.sleep(0.01)
        # What the kernel's buffers take, and one more.
        assert 0 < called.count("big") < 60
        async with server.peer() as peer:
            assert (await peer.post(ADD)).status == 200


async def test_a_reader_that_is_slow_is_not_dropped() -> None:
    async with serving(Limits(write_s=0.3)) as (server, _), server.peer() as peer:
        peer.send(request_of(call("big", {"size": 8_000_000})))
        answer = await peer.head()
        left = int(answer.headers["content-length"])
        began = asyncio.get_running_loop().time()
        while left:
            left -= len(await peer.reader.read(min(left, 500_000)))
            await asyncio.sleep(0.02)
        assert asyncio.get_running_loop().time() - began > 0.3
        assert (await peer.post(ADD)).status == 200


async def test_who_does_not_read_is_heard_when_it_reads() -> None:
    """What comes meanwhile waits in the kernel, and is answered in its turn."""
    async with serving(Limits()) as (server, called):
        loop = asyncio.get_running_loop()
        with socket.create_connection(("127.0.0.1", server.port)) as lazy:
            lazy.setblocking(False)
            await loop.sock_sendall(lazy, request_of(call("big", {"size": 8_000_000})))
            read = await loop.sock_recv(lazy, 1)
            await loop.sock_sendall(lazy, request_of(ADD))
            async with server.peer() as other:
                assert (await other.post(call("add", {"a": 20, "b": 22}))).status == 200
            assert called == ["big", "add"]
            async with asyncio.timeout(WAIT):
                while not read.endswith(b'{"result":5}}}'):
                    read = read[-50:] + await loop.sock_recv(lazy, 1_000_000)
        assert called == ["big", "add", "add"]


async def test_who_does_not_read_and_leaves_is_noticed() -> None:
    """Long before the limit write_s."""
    async with serving(Limits()) as (server, _):
        loop = asyncio.get_running_loop()
        with socket.create_connection(("127.0.0.1", server.port)) as lazy:
            lazy.setblocking(False)
            await loop.sock_sendall(lazy, request_of(call("big", {"size": 8_000_000})))
            await loop.sock_recv(lazy, 1)
        async with asyncio.timeout(WAIT):
            while server.server.server_state.connections:  # noqa: ASYNC110 - nobody tells when
                await asyncio.sleep(0)


# --- the sweep --------------------------------------------------------------------------------------------------------


class Watched:
    """A connection, as the sweep sees it."""

    def __init__(self, deadline: float, *, wrote: bool = False) -> None:
        self.deadline = deadline
        self.wrote = wrote
        self.times = 0

    def overdue(self, now: float) -> bool:
        """Count."""
        self.times += 1
        ended = self.deadline <= now
        self.deadline = NEVER
        return ended


async def test_many_deadlines_at_once_let_others_work() -> None:
    """They are ended a few at a time: the loop is free in between."""
    assert await most_at_once(lambda sweep: Watched(sweep.now)) <= 25


async def test_many_connections_are_looked_at_in_pieces() -> None:
    """Also where none is due: to look at thousands takes longer than a call."""
    assert await most_at_once(lambda _: Watched(NEVER, wrote=True)) <= 1000


async def most_at_once(make: Callable[[Sweep], Watched]) -> int:
    """Let a crowd be swept, and return at how many something was done in one turn of the loop, at most."""
    loop = asyncio.get_running_loop()
    sweep = Sweep(loop, 0.02)
    crowd = [make(sweep) for _ in range(3000)]
    for each in crowd:
        sweep.add(each)
    most = 0
    done = 0
    async with asyncio.timeout(WAIT):
        while done < 3000:
            await asyncio.sleep(0)
            now = sum(each.times for each in crowd)
            most, done = max(most, now - done), now
    for each in crowd:
        sweep.discard(each)
    assert len(sweep) == 0
    return most


async def test_a_sweep_without_connections_has_no_timer() -> None:
    loop = asyncio.get_running_loop()
    sweep = Sweep(loop, 0.01)
    one = Watched(NEVER, wrote=True)
    sweep.add(one)
    async with asyncio.timeout(WAIT):
        while not one.times:  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(0)
    sweep.discard(one)
    seen = one.times
    await asyncio.sleep(0.03)
    assert one.times == seen
