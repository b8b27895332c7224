"""The HTTP edge: what it answers itself, what it leaves to the ASGI application, and what it is built on.

The behaviour suite, the faults and the conformance suite run on it as well: `Server.run` uses it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, MutableMapping
from contextlib import asynccontextmanager
from typing import cast

import pytest

from anyport import Context, Server
from anyport.protocol.limits import DEFAULT_LIMITS, Limits
from anyport.serving import uvicorn_server
from anyport.serving.plan import HttpPlace
from anyport.transports.http.edge import seam
from anyport.transports.http.edge.seam import ATTRIBUTES, METHODS, PARAMETERS, missing_of_seam
from tests.drivers.asgi import WAIT, AsgiCallable, Receive, Send, call
from tests.drivers.edge import EdgeServer, request_of, serving_edge
from tests.drivers.http_server import head

ADD = call("add", {"a": 2, "b": 3})


def make_server(limits: Limits = DEFAULT_LIMITS) -> Server:
    server = Server("edge", limits=limits)

    @server.tool
    async def add(a: int, b: int) -> int:
        return a + b

    @server.tool
    async def task_name() -> str:
        task = asyncio.current_task()
        return task.get_name() if task is not None else ""

    @server.tool
    async def steps(count: int, ctx: Context) -> str:
        for number in range(count):
            await ctx.report_progress(number)
        return "done"

    @server.tool
    async def big(size: int) -> str:
        return "x" * size

    return server


@asynccontextmanager
async def serving(
    limits: Limits = DEFAULT_LIMITS, app: AsgiCallable | None = None, **options: object
) -> AsyncGenerator[EdgeServer]:
    async with serving_edge(make_server(limits).asgi(), limits, app, **options) as server:
        yield server


class Recorder:
    """An ASGI application that keeps what it was asked and answers as its path says."""

    def __init__(self) -> None:
        self.scopes: list[MutableMapping[str, object]] = []
        self.bodies: list[bytes] = []
        self.gone = asyncio.Event()

    async def __call__(self, scope: MutableMapping[str, object], receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        body = b""
        while True:
            event = await receive()
            chunk = event.get("body", b"")
            assert isinstance(chunk, bytes)
            body += chunk
            if not event.get("more_body"):
                break
        self.bodies.append(body)
        path = scope["path"]
        if path == "/fails":
            raise ValueError("on purpose")
        if path == "/waits":
            while (await receive())["type"] != "http.disconnect":
                pass
            self.gone.set()
            return
        streams = path == "/stream"
        fields = [(b"content-type", b"text/plain")] + ([] if streams else [(b"content-length", b"2")])
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": b"ok", "more_body": streams})
        if streams:
            await send({"type": "http.response.body", "body": b"more"})


# --- MCP --------------------------------------------------------------------------------------------------------------


async def test_a_call() -> None:
    async with serving() as server, server.peer() as peer:
        for _ in range(3):
            answer = await peer.post(ADD)
            assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
            assert answer.json["id"] == 1
            assert answer.headers["date"].endswith("GMT")
            assert "connection" not in answer.headers
        assert server.server.server_state.total_requests == 3


async def test_a_stream() -> None:
    async with serving() as server, server.peer() as peer:
        answer = await peer.post(call("steps", {"count": 3}, _meta={"progressToken": 1}))
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.body.count(b"notifications/progress") == 3
        assert (await peer.post(ADD)).status == 200


async def test_a_long_answer_is_whole() -> None:
    """In pieces, because a transport that holds all of it would hold it for a client that does not read."""
    async with serving() as server, server.peer() as peer:
        answer = await peer.post(call("big", {"size": 3_000_000}))
        assert len(answer.body) > 3_000_000
        assert (await peer.post(ADD)).status == 200


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_client_that_wants_no_further_answer(version: str) -> None:
    request = request_of(ADD, {"connection": "close"} if version == "1.1" else {}).replace(
        b"HTTP/1.1", b"HTTP/" + version.encode()
    )
    async with serving() as server, server.peer() as peer:
        peer.send(request)
        answer = await peer.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert await peer.closed() == b""


async def test_a_stream_over_http_1_0() -> None:
    """Without chunks: the end of the connection is the end of the answer."""
    request = request_of(call("steps", {"count": 2}, _meta={"progressToken": 1})).replace(b"HTTP/1.1", b"HTTP/1.0")
    async with serving() as server, server.peer() as peer:
        peer.send(request)
        answer = await peer.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert "transfer-encoding" not in answer.headers
        assert answer.body.count(b"event: message") == 3


async def test_an_upgrade_is_ignored() -> None:
    """RFC 9110, 7.8, as Java's client asks for HTTP/2 with its first request: the body is read, and what follows."""
    upgrade = {
        "connection": "Upgrade, HTTP2-Settings",
        "upgrade": "h2c",
        "http2-settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAA",
    }
    async with serving() as server, server.peer() as peer:
        for _ in range(2):
            assert (await peer.post(ADD, upgrade)).json["id"] == 1
        peer.send(request_of(ADD, upgrade) + request_of(call("add", {"a": 1, "b": 1}, request_id=2)))
        assert [(await peer.answer()).json["id"] for _ in range(2)] == [1, 2]
        peer.request(
            "GET", "/mcp", [("connection", "upgrade"), ("upgrade", "websocket"), ("accept", "text/event-stream")]
        )
        assert (await peer.answer()).status == 400
        assert (await peer.post(ADD)).status == 200


async def test_the_client_that_a_proxy_names() -> None:
    """As behind uvicorn's ASGI: limits per address count the client, where the proxy may be believed."""
    seen: list[str | None] = []
    mcp = make_server().asgi()
    handle = mcp.endpoint.handle

    async def note(exchange: object) -> None:
        seen.append(getattr(exchange, "peer", None))
        await handle(exchange)  # pyright: ignore[reportArgumentType] - it came as one

    mcp.find = lambda path: note if path == "/mcp" else None
    for trusted in ("127.0.0.1", "10.0.0.1"):
        async with serving_edge(mcp, Limits(), forwarded_allow_ips=trusted) as server, server.peer() as peer:
            assert (await peer.post(ADD, {"x-forwarded-for": "203.0.113.7"})).status == 200
            assert (await peer.post(ADD)).status == 200
    assert seen == ["203.0.113.7", "127.0.0.1", "127.0.0.1", "127.0.0.1"]


async def test_a_failure_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    """It is answered, once, and logged; the connection ends."""
    mcp = make_server().asgi()

    async def fail(exchange: object) -> None:
        raise ValueError("on purpose")

    mcp.find = lambda path: fail
    async with serving_edge(mcp, Limits()) as server, server.peer() as peer:
        answer = await peer.post(ADD)
        assert (answer.status, answer.code, answer.headers["connection"]) == (500, -32603, "close")
        assert await peer.closed() == b""
    assert "on purpose" in caplog.text


# --- every other route ------------------------------------------------------------------------------------------------


async def asked(request: bytes, **http: str) -> tuple[MutableMapping[str, object], bytes, int, bytes]:
    app = Recorder()
    async with serving(DEFAULT_LIMITS, app, **http) as server, server.peer() as peer:
        peer.send(request)
        answer = await peer.answer(bodiless=request.startswith(b"HEAD"))
    (scope,), (body,) = app.scopes, app.bodies
    scope = {**scope, "client": None, "server": None}
    return scope, body, answer.status, answer.body


@pytest.mark.parametrize(
    "request_bytes",
    [
        head("GET", "/", [("host", "x")]),
        head("HEAD", "/a", [("host", "x")]),
        head("OPTIONS", "*", [("host", "x")]),
        head("GET", "/a%20b/%C3%A9?c=%20d&e", [("Host", "x"), ("X-A", "1"), ("X-A", "2")]),
        head("POST", "/stream", [("host", "x")], b"body") + b"body",
        head("POST", "/", [("host", "x"), ("transfer-encoding", "chunked")]) + b"3\r\nabc\r\n0\r\nx-trailer: 1\r\n\r\n",
        head("GET", "http://x/other", [("host", "x")]),
    ],
    ids=["plain", "HEAD", "asterisk", "percent", "length", "chunks", "absolute"],
)
async def test_the_application_is_asked_as_by_uvicorn(request_bytes: bytes) -> None:
    """The same scope, body and answer as without the edge, a trailer apart: that is no header field of the request."""
    edge = await asked(request_bytes)
    if b"OPTIONS *" not in request_bytes:
        plain = await asked(request_bytes, http="httptools")
        fields = cast("list[tuple[bytes, bytes]]", plain[0]["headers"])
        plain[0]["headers"] = [field for field in fields if field[0] != b"x-trailer"]
        assert edge == plain
    assert edge[2] == 200


async def test_an_application_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(app=Recorder()) as server, server.peer() as peer:
        peer.request("GET", "/fails")
        answer = await peer.answer()
        assert (answer.status, answer.headers["connection"]) == (500, "close")
        assert await peer.closed() == b""
    assert "on purpose" in caplog.text


async def test_an_application_learns_that_its_client_left() -> None:
    app = Recorder()
    async with serving(app=app) as server:
        async with server.peer() as peer:
            peer.request("GET", "/waits")
            async with asyncio.timeout(WAIT):
                while not app.bodies:  # noqa: ASYNC110 - nobody tells when
                    await asyncio.sleep(0)
        async with asyncio.timeout(WAIT):
            await app.gone.wait()


async def test_requests_of_both_kinds_in_one_write() -> None:
    """Answered in their order, whoever answers them."""
    async with serving(app=Recorder()) as server, server.peer() as peer:
        other = head("GET", "/", [("host", "x")])
        peer.send(b"".join((request_of(ADD), other, other, request_of(ADD), request_of(b"{"), other)))
        found = [(await peer.answer()) for _ in range(6)]
        assert [each.status for each in found] == [200, 200, 200, 200, 400, 200]
        assert [each.body == b"ok" for each in found] == [False, True, True, False, False, True]


# --- deadlines --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"P", b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\n", b"GET /other HTTP/1.1\r\nx: "])
async def test_header_s(sent: bytes) -> None:
    """Limit header_s: from the first byte of a request; bytes that come one by one give no more time."""
    async with serving(Limits(header_s=0.2)) as server, server.peer() as peer:
        assert (await peer.post(ADD)).status == 200
        peer.send(sent)
        answer = await peer.answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert b"limit header_s" in answer.body
        assert await peer.closed() == b""


# --- what it is built on ----------------------------------------------------------------------------------------------


def test_the_seam_is_there() -> None:
    """This fails with a uvicorn that no longer offers what the edge uses."""
    assert missing_of_seam() == []


@pytest.mark.parametrize("table", ["METHODS", "PARAMETERS", "ATTRIBUTES"])
def test_what_is_missing_is_named(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {"METHODS": METHODS, "PARAMETERS": PARAMETERS, "ATTRIBUTES": ATTRIBUTES}[table]
    kind = next(iter(whole))
    monkeypatch.setattr(seam, table, {kind: ("novel",)})
    (missing,) = missing_of_seam()
    assert "novel" in missing
    assert kind.__name__ in missing


@pytest.mark.parametrize("kind", ["edge", "plain", "fallback"])
async def test_which_connections_a_server_makes(
    kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The edge by default; plain ASGI where that is wanted, or where uvicorn offers no other, and then it says so."""
    if kind == "fallback":
        monkeypatch.setattr(uvicorn_server, "missing_of_seam", lambda: ["Config.novel"])
    caplog.set_level(logging.ERROR)
    place = HttpPlace("127.0.0.1", 0, streamable=True, sse=False)
    server = make_server()
    with uvicorn_server.bind(server, place, {}, plain_asgi=kind == "plain") as front:
        await front.start()
        (listening,) = front.sockets
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(request_of(ADD))
        async with asyncio.timeout(WAIT):
            line = await reader.readline()
        assert b" 200 " in line
        made = {type(each).__name__ for each in front.connections}
        writer.close()
        await writer.wait_closed()
        await front.drain(1)
        await front.aclose()
        await server.lifespan.aclose()
    assert made == {"EdgeConnection" if kind == "edge" else "Connection"}
    assert ("Config.novel" in caplog.text) == (kind == "fallback")
    assert ("plain_asgi" in caplog.text) == (kind == "fallback")
