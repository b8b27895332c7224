"""The HTTP edge under a uvicorn in this process, and a peer that sends bytes as they are without blocking the loop.

async with serving_edge(app, limits) as server, server.peer() as peer:
    await peer.post(call("add", {"a": 1, "b": 2}))
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncGenerator, Generator

import uvicorn

from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonValue
from anyport.serving.asgi import AsgiApp
from anyport.transports.http.edge.edge import Edge
from tests.drivers.asgi import WAIT, AsgiCallable, Headers, usual_headers
from tests.drivers.http_server import Fields, HttpAnswer, head

HOST = [("host", "127.0.0.1")]


class QuietServer(uvicorn.Server):
    """uvicorn without its signal handlers, and with something to wait for."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start and say so."""
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals alone."""
        yield


class Wire(asyncio.Transport):
    """What a connection writes to, where there is no socket.

    Attributes:
        written: Everything that was written.
        writes: In so many pieces.
        ended: Nothing more can be.
    """

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.writes = 0
        self.ended = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return {"peername": ("127.0.0.1", 50000), "sockname": ("127.0.0.1", 8000)}.get(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.ended, "something was written after the end"
        self.written += data
        self.writes += 1

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.ended = True

    def abort(self) -> None:
        raise AssertionError("nobody hangs up here")

    def is_closing(self) -> bool:
        return self.ended

    def pause_reading(self) -> None:
        """Bytes come all the same: those that a socket had."""

    def resume_reading(self) -> None:
        """See `pause_reading`."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing waits."""

    def get_write_buffer_size(self) -> int:
        return 0


class EdgePeer:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)

    def request(self, method: str, target: str, fields: Fields = (), body: bytes | None = None) -> None:
        """Send a request; ``host`` is added."""
        self.send(head(method, target, [*HOST, *fields], body) + (body or b""))

    async def post(self, message: JsonValue | bytes, headers: Headers | None = None, path: str = "/mcp") -> HttpAnswer:
        """Send a message as a well-behaved client does and wait for the answer."""
        self.send(request_of(message, headers, path))
        return await self.answer()

    async def answer(self, *, bodiless: bool = False) -> HttpAnswer:
        """Wait for a whole answer."""
        found = await self.head()
        if bodiless or found.status == 100:
            return found
        if "content-length" in found.headers:
            found.body = await self.reader.readexactly(int(found.headers["content-length"]))
        elif found.headers.get("transfer-encoding") == "chunked":
            while chunk := await self.chunk():
                found.body += chunk
        elif found.headers.get("connection") == "close":
            found.body = await self.reader.read()
        return found

    async def head(self) -> HttpAnswer:
        """Wait for the head of an answer."""
        async with asyncio.timeout(WAIT):
            text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = text.rstrip().split("\r\n")
        pairs = [field.partition(":") for field in fields]
        return HttpAnswer(int(line.split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}, b"")

    async def chunk(self) -> bytes:
        """Wait for a chunk of a body; empty at its end."""
        async with asyncio.timeout(WAIT):
            size = int((await self.reader.readline()).strip(), 16)
            data = await self.reader.readexactly(size)
            await self.reader.readline()
        return data

    async def closed(self) -> bytes:
        """Wait until the server hangs up; return what it sent before."""
        async with asyncio.timeout(WAIT):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


class EdgeServer:
    """A server with an edge.

    Attributes:
        server: uvicorn's.
        port: Where it listens.
    """

    def __init__(self, server: QuietServer, port: int) -> None:
        self.server = server
        self.port = port

    @contextlib.asynccontextmanager
    async def peer(self) -> AsyncGenerator[EdgePeer]:
        """Connect."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**24)
        try:
            yield EdgePeer(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def serving_edge(
    mcp: AsgiApp, limits: Limits, app: AsgiCallable | None = None, **options: object
) -> AsyncGenerator[EdgeServer]:
    """Serve.

    Args:
        mcp: What the edge answers itself.
        limits: Those of the connections.
        app: What answers every other route; default: the same.
        **options: Of uvicorn; ``http`` among them for a server without the edge.
    """
    whole = {"http": Edge(mcp.find, limits), "log_config": None, "lifespan": "off", "ws": "none", **options}
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app or mcp, **whole)  # pyright: ignore[reportArgumentType] - options of all types
        server = QuietServer(config)
        async with mcp.lifespan():
            task = asyncio.create_task(server.serve([listening]))
            async with asyncio.timeout(WAIT):
                await server.up.wait()
            try:
                yield EdgeServer(server, int(listening.getsockname()[1]))
            finally:
                server.should_exit = True
                async with asyncio.timeout(WAIT):
                    await task


def request_of(message: JsonValue | bytes, headers: Headers | None = None, path: str = "/mcp") -> bytes:
    """Return a message as a well-behaved client sends it, with changes to its header fields."""
    fields = {**usual_headers(message), **(headers or {})}
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return head("POST", path, [(name, value) for name, value in fields.items() if value is not None], body) + body
