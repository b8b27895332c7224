"""Unix and TCP sockets with the framing of stdio: conversations, slow and broken peers, bounds (STDIO-10)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import msgspec
import pytest

from anyport import Context, Server
from anyport.protocol.limits import Limits
from anyport.transports.sockets.server import SocketServer
from tests.drivers.stdio import Message, call, cancel, handshake, request

WAIT = 30.0


class Peer:
    """A client in the same loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, *messages: bytes) -> None:
        self.writer.write(b"".join(message + b"\n" for message in messages))

    async def receive(self) -> Message:
        async with asyncio.timeout(WAIT):
            line = await self.reader.readline()
        assert line, "the connection ended"
        return msgspec.json.decode(line, type=Message)

    async def ask(self, message: bytes) -> Message:
        self.send(message)
        return await self.receive()

    async def rest(self) -> bytes:
        """Wait for the end of the connection and return what came before it."""
        async with asyncio.timeout(WAIT):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    def pause(self) -> None:
        cast("asyncio.ReadTransport", self.writer.transport).pause_reading()

    def resume(self) -> None:
        cast("asyncio.ReadTransport", self.writer.transport).resume_reading()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


class Place:
    """A server that listens, and what its tools report."""

    def __init__(self, path: str, limits: Limits) -> None:
        self.path = path
        self.began = asyncio.Event()
        self.ended = asyncio.Event()
        self.gate = asyncio.Event()
        self.said = 0
        self.mcp = Server("sockets", limits=limits)
        self.server = SocketServer(self.mcp.service, limits)
        self.mcp.tool(self.add)
        self.mcp.tool(self.wait)
        self.mcp.tool(self.large)
        self.mcp.tool(self.chatter)
        self.mcp.tool(self.transport)

    async def add(self, a: int, b: int) -> int:
        return a + b

    async def transport(self, ctx: Context) -> str:
        return ctx.transport

    async def wait(self) -> str:
        self.began.set()
        try:
            await self.gate.wait()
        finally:
            self.ended.set()
        return "released"

    async def large(self, size: int) -> str:
        return "x" * size

    async def chatter(self, count: int, ctx: Context) -> int:
        for number in range(count):
            await ctx.report_progress(number + 1, message="x" * 1000)
            self.said += 1
        return count

    async def connect(self) -> Peer:
        return Peer(*await asyncio.open_unix_connection(self.path, limit=2**24))

    async def until(self, event: asyncio.Event) -> None:
        async with asyncio.timeout(WAIT):
            await event.wait()


@asynccontextmanager
async def serving(tmp_path: Path, **limits: float) -> AsyncGenerator[Place]:
    path = str(tmp_path / "s")
    place = Place(path, msgspec.convert(limits, Limits))
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    listening.setblocking(False)
    await place.server.start([listening])
    try:
        yield place
    finally:
        await place.server.aclose()
        assert len(place.server) == 0


# --- conversations ----------------------------------------------------------------------------------------------------


async def test_a_conversation_in_each_era(tmp_path: Path) -> None:
    """STDIO-10: messages, lifecycle and metadata are those of stdio."""
    async with serving(tmp_path) as place:
        modern, legacy = await place.connect(), await place.connect()
        assert (await modern.ask(call(1, "add", {"a": 1, "b": 2}))).text == "3"
        assert (await modern.ask(call(2, "transport"))).text == "socket"
        assert (await legacy.ask(call(1, "add", {"a": 1, "b": 2}, "legacy"))).code == -32600
        legacy.send(*handshake())
        assert (await legacy.receive()).result is not None
        assert (await legacy.ask(call(1, "add", {"a": 1, "b": 2}, "legacy"))).text == "3"
        await modern.close()
        assert (await legacy.ask(request(2, "ping", era="legacy"))).id == 2
        await legacy.close()


async def test_messages_in_pieces(tmp_path: Path) -> None:
    async with serving(tmp_path) as place:
        peer = await place.connect()
        for byte in call(1, "add", {"a": 1, "b": 2}) + b"\r\n":
            peer.writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await peer.receive()).text == "3"
        await peer.close()


async def test_clients_do_not_hear_each_other(tmp_path: Path) -> None:
    """Equal ids on many connections at once."""
    async with serving(tmp_path) as place:
        peers = [await place.connect() for _ in range(50)]
        for number, peer in enumerate(peers):
            peer.send(call(1, "add", {"a": number, "b": 0}))
        assert [(await peer.receive()).text for peer in peers] == [str(number) for number in range(50)]
        for peer in peers:
            await peer.close()


async def test_bad_lines_hurt_nobody(tmp_path: Path) -> None:
    async with serving(tmp_path) as place:
        peer = await place.connect()
        for bad, code in ((b"{", -32700), (b"\xff\xfe", -32700), (b'{"jsonrpc":"1.0"}', -32600), (b"[]", -32600)):
            assert (await peer.ask(bad)).code == code
        assert (await peer.ask(call(1, "add", {"a": 1, "b": 2}))).text == "3"
        await peer.close()


async def test_a_cancelled_call(tmp_path: Path) -> None:
    async with serving(tmp_path) as place:
        peer = await place.connect()
        peer.send(call(1, "wait"))
        await place.until(place.began)
        peer.send(cancel(1))
        await place.until(place.ended)
        assert (await peer.ask(call(2, "add", {"a": 1, "b": 2}))).id == 2
        await peer.close()


async def test_a_client_that_leaves_takes_its_calls_along(tmp_path: Path) -> None:
    async with serving(tmp_path) as place:
        peer = await place.connect()
        peer.send(call(1, "wait"))
        await place.until(place.began)
        peer.writer.transport.abort()
        await place.until(place.ended)
        await peer.close()


async def test_the_end_of_the_input_lets_calls_finish(tmp_path: Path) -> None:
    """STDIO-08: and a last line without its newline still counts."""
    async with serving(tmp_path) as place:
        peer = await place.connect()
        peer.send(call(1, "wait"))
        peer.writer.write(call(2, "add", {"a": 1, "b": 2}))
        peer.writer.write_eof()
        assert (await peer.receive()).id == 2
        place.gate.set()
        assert (await peer.receive()).text == "released"
        assert await peer.rest() == b""
        await peer.close()


async def test_the_end_of_the_input_does_not_wait_for_ever(tmp_path: Path) -> None:
    """Limit drain_s; then an error (D10)."""
    async with serving(tmp_path, drain_s=0.05) as place:
        peer = await place.connect()
        peer.send(call(1, "wait"))
        await place.until(place.began)
        peer.writer.write_eof()
        assert (await peer.receive()).code == -32603
        assert await peer.rest() == b""
        await peer.close()


# --- bounds -----------------------------------------------------------------------------------------------------------


async def test_connections_are_bounded(tmp_path: Path) -> None:
    """Limit connections: below it, at it, one over it, and again once one has left."""
    async with serving(tmp_path, connections=2) as place:
        first, second, third = [await place.connect() for _ in range(3)]
        for peer in (first, second):
            assert (await peer.ask(request(1, "tools/list"))).id == 1
        refused = await third.receive()
        assert (refused.id, refused.code) == (None, 429)
        assert refused.error is not None
        assert "limit connections" in refused.error.message
        assert await third.rest() == b""
        await first.close()
        async with asyncio.timeout(WAIT):
            while len(place.server) == 2:  # noqa: ASYNC110 - the server tells nobody when a client has left
                await asyncio.sleep(0)
        fourth = await place.connect()
        assert (await fourth.ask(request(1, "tools/list"))).result is not None
        for peer in (second, third, fourth):
            await peer.close()


@pytest.mark.parametrize("size", [999, 1000, 1001])
async def test_lines_are_bounded(tmp_path: Path, size: int) -> None:
    """Limit line_bytes."""
    async with serving(tmp_path, line_bytes=1000) as place:
        peer = await place.connect()
        line = request(1, "tools/list", {"x": ""})
        line = request(1, "tools/list", {"x": "x" * (size - len(line))})
        assert len(line) == size
        answer = await peer.ask(line)
        assert (answer.error is None) is (size <= 1000)
        assert (await peer.ask(request(2, "tools/list"))).id == 2
        await peer.close()


async def test_unfinished_messages_of_all_clients_count(tmp_path: Path) -> None:
    """Limit bytes_in_flight: whoever goes over it is hung up on, the others go on."""
    async with serving(tmp_path, bytes_in_flight=10_000) as place:
        first, second = await place.connect(), await place.connect()
        first.writer.write(b'{"jsonrpc": "' + b"x" * 6000)
        assert (await second.ask(request(1, "tools/list"))).id == 1
        second.writer.write(b'{"jsonrpc": "' + b"x" * 6000)
        refused = await second.receive()
        assert refused.error is not None
        assert "limit bytes_in_flight" in refused.error.message
        assert await second.rest() == b""
        assert (await first.ask(b'"}')).code == -32600
        third = await place.connect()
        assert (await third.ask(request(1, "tools/list", {"x": "x" * 8000}))).result is not None
        for peer in (first, second, third):
            await peer.close()


async def test_an_unfinished_message_has_its_time(tmp_path: Path) -> None:
    """Limit body_s, counted from its first byte; a client that is merely idle is left alone."""
    async with serving(tmp_path, body_s=0.05) as place:
        slow, idle = await place.connect(), await place.connect()
        slow.writer.write(call(1, "add", {"a": 1, "b": 2}) + b'\n{"jsonrpc"')
        assert (await slow.receive()).id == 1
        refused = await slow.receive()
        assert refused.error is not None
        assert "limit body_s" in refused.error.message
        assert await slow.rest() == b""
        assert (await idle.ask(request(1, "tools/list"))).id == 1
        await slow.close()
        await idle.close()


async def test_who_does_not_read_is_not_read_from(tmp_path: Path) -> None:
    """Limit stream_buffer_bytes: its notifications wait in the tool; it loses nothing once it reads."""
    async with serving(tmp_path, stream_buffer_bytes=10_000, progress_per_s=10_000) as place:
        peer = await place.connect()
        peer.pause()
        peer.send(call(1, "chatter", {"count": 3000}).replace(b'"_meta":{', b'"_meta":{"progressToken":1,'))
        async with asyncio.timeout(WAIT):
            before = -1
            while place.said != before or not place.said:
                before = place.said
                for _ in range(20):
                    await asyncio.sleep(0.001)
        assert place.said < 2500
        peer.send(call(2, "add", {"a": 1, "b": 2}))
        peer.resume()
        messages = [await peer.receive() for _ in range(3002)]
        assert {message.id for message in messages} == {None, 1, 2}
        await peer.close()


async def test_who_never_reads_is_dropped(tmp_path: Path) -> None:
    """Limit write_s: its calls end, others are served."""
    async with serving(tmp_path, stream_buffer_bytes=10_000, write_s=0.05) as place:
        deaf, other = await place.connect(), await place.connect()
        deaf.pause()
        deaf.send(call(1, "wait"), call(2, "large", {"size": 4_000_000}))
        await place.until(place.ended)
        assert (await other.ask(call(1, "add", {"a": 1, "b": 2}))).text == "3"
        deaf.writer.transport.abort()
        await deaf.close()
        await other.close()


async def test_calls_of_a_connection_are_bounded(tmp_path: Path) -> None:
    """Limit calls_per_connection."""
    async with serving(tmp_path, calls_per_connection=2) as place:
        peer = await place.connect()
        peer.send(call(1, "wait"), call(2, "wait"))
        refused = await peer.ask(call(3, "add", {"a": 1, "b": 2}))
        assert (refused.id, refused.code) == (3, 429)
        place.gate.set()
        assert {(await peer.receive()).id for _ in range(2)} == {1, 2}
        await peer.close()


# --- strangers --------------------------------------------------------------------------------------------------------

EVIL = call(1, "wait")


@pytest.mark.parametrize(
    "pieces",
    [
        [b"POST / HTTP/1.1\r\nHost: 127.0.0.1:9000\r\nContent-Type: text/plain\r\n\r\n" + EVIL + b"\n"],
        [b"POST", b" / HTTP/1.1\r\n\r\n" + EVIL + b"\n"],
        [b"P", b"UT / HTTP/1.1\r\n\r\n", EVIL + b"\n"],
        [b"\r\nGET /?x=" + EVIL + b" HTTP/1.1\n" + EVIL + b"\n"],
        [b"OPTIONS * HTTP/1.1\r\n\r\n" + EVIL + b"\n"],
        [b"PROPFIND /\n" + EVIL + b"\n"],
        [b"\x16\x03\x01\x02\x00\x01\n" + EVIL + b"\n"],
    ],
)
async def test_a_browser_is_hung_up_on(tmp_path: Path, pieces: list[bytes]) -> None:
    """Nothing in the request of a page is taken for a message."""
    async with serving(tmp_path) as place:
        peer = await place.connect()
        for piece in pieces:
            peer.writer.write(piece)
            for _ in range(5):
                await asyncio.sleep(0)
        said = await peer.rest()
        # The reset that unread bytes cause may overtake the line.
        assert said == b"" or msgspec.json.decode(said, type=Message).code == -32600
        assert not place.began.is_set()
        await peer.close()


async def test_capitals_are_not_http(tmp_path: Path) -> None:
    async with serving(tmp_path) as place:
        peer = await place.connect()
        assert (await peer.ask(b"NOPE")).code == -32600
        await peer.close()
        last = await place.connect()
        last.writer.write(b"X")
        last.writer.write_eof()
        assert (await last.receive()).code == -32700
        await last.close()


async def test_draining(tmp_path: Path) -> None:
    """D10: idle clients are hung up on at once, calls get their time, then an error; nobody is let in."""
    async with serving(tmp_path) as place:
        idle, busy = await place.connect(), await place.connect()
        assert (await idle.ask(request(1, "tools/list"))).id == 1
        busy.send(call(1, "wait"))
        await place.until(place.began)
        draining = asyncio.ensure_future(place.server.drain(0.2))
        assert await idle.rest() == b""
        assert (await busy.ask(call(2, "add", {"a": 1, "b": 2}))).code == 503
        with pytest.raises(ConnectionError):
            await place.connect()
        assert (await busy.receive()).code == -32603
        assert await busy.rest() == b""
        await draining
        await idle.close()
        await busy.close()
