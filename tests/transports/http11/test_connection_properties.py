"""One connection of the HTTP client, without a network: whatever comes, however it is cut."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Iterator
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from anyport.protocol.errors import AnyportError
from anyport.transports.http11.connection import Connection

LIMIT: Final = 16 * 1024
LARGE: Final = 10**6


class Wire(asyncio.Transport):
    """A transport whose other side is the test."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.connection = connection
        self.sent = b""
        self.closed = False
        self.paused = False

    async def flowing(self, asking: asyncio.Task[tuple[int, dict[str, str], bytes]]) -> None:
        """Wait until the client takes more, or has had enough."""
        for _ in range(100):
            if not self.paused or asking.done():
                return
            await asyncio.sleep(0)
        raise AssertionError("the client forgot to take more")

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.end()

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def end(self) -> None:
        """Close, from either side."""
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)


class Pool:
    """Counts what becomes of a connection."""

    def __init__(self) -> None:
        self.freed_times = 0
        self.lost_times = 0

    def freed(self, connection: Connection) -> None:
        self.freed_times += 1

    def lost(self, connection: Connection) -> None:
        self.lost_times += 1


async def converse(pieces: list[bytes], *, hang_up: bool) -> tuple[tuple[int, dict[str, str], bytes] | str, Pool]:
    """Send a request, feed the pieces, and return what the client has of it."""
    pool = Pool()
    connection = Connection(pool, "http://test", LIMIT)
    wire = Wire(connection)
    connection.connection_made(wire)

    async def ask() -> tuple[int, dict[str, str], bytes]:
        answer = await connection.send(b"POST / HTTP/1.1\r\n\r\n", b"body")
        try:
            return answer.status, answer.fields, await answer.read(LARGE)
        finally:
            answer.leave()

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0)
    assert wire.sent == b"POST / HTTP/1.1\r\n\r\nbody"
    for piece in pieces:
        # A transport that is paused delivers nothing.
        await wire.flowing(asking)
        if not wire.closed:
            connection.data_received(piece)
        await asyncio.sleep(0)
    if hang_up:
        wire.end()
    async with asyncio.timeout(5):
        await asyncio.wait([asking])
    try:
        return await asking, pool
    except AnyportError as error:
        return str(error), pool


def cut(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    """Cut bytes into pieces of such sizes, in turns."""
    at = number = 0
    while at < len(data):
        size = sizes[number % len(sizes)]
        yield data[at : at + size]
        at, number = at + size, number + 1


NAMES = st.text("abcdefXYZ-", min_size=1, max_size=20)
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=30)
SIZES = st.lists(st.integers(1, 5000), min_size=1, max_size=6)
RESERVED: Final = {"content-length", "transfer-encoding", "connection", "content-encoding"}


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, int, dict[str, str], bytes, bool]:
    """Draw an answer: its bytes, status, header fields, body, and whether its connection is kept."""
    status = draw(st.sampled_from([200, 201, 400, 404, 500, 999]))
    fields = draw(st.dictionaries(NAMES, VALUES, max_size=4))
    fields = {name: value for name, value in fields.items() if name.lower() not in RESERVED}
    body = draw(st.binary(max_size=3000)) * draw(st.sampled_from([1, 1, 1, 200]))
    coding = draw(st.sampled_from([None, "gzip", "deflate"]))
    packed = body if coding is None else gzip.compress(body) if coding == "gzip" else zlib.compress(body)
    if coding is not None:
        fields["content-encoding"] = coding
    framing = draw(st.sampled_from(["length", "chunked", "close"]))
    if framing == "length":
        fields["content-length"] = str(len(packed))
        rest = packed
    elif framing == "chunked":
        fields["transfer-encoding"] = "chunked"
        chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in cut(packed, draw(SIZES))]
        rest = b"".join(chunks) + b"0\r\n\r\n"
    else:
        rest = packed
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" if draw(st.booleans()) else b""
    head = f"HTTP/1.1 {status} Text\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"
    return interim + head.encode() + rest, status, fields, body, framing != "close"


@settings(max_examples=150, deadline=None)
@given(answers(), SIZES)
def test_an_answer_is_what_was_sent_however_it_is_cut(
    drawn: tuple[bytes, int, dict[str, str], bytes, bool], sizes: list[int]
) -> None:
    data, status, fields, body, kept = drawn
    found, pool = asyncio.run(converse(list(cut(data, sizes)), hang_up=not kept))
    assert not isinstance(found, str), found
    lowered: dict[str, str] = {}
    for name, value in fields.items():
        known = lowered.get(name.lower())
        lowered[name.lower()] = value if known is None else f"{known}, {value}"
    assert found == (status, lowered, body)
    assert (pool.freed_times, pool.lost_times) == ((1, 0) if kept else (0, 1))


@settings(max_examples=150, deadline=None)
@given(answers(), SIZES, st.data())
def test_an_answer_that_is_harmed(
    drawn: tuple[bytes, int, dict[str, str], bytes, bool], sizes: list[int], data: st.DataObject
) -> None:
    """A typed error or an answer, never anything else; a connection is free or gone, once."""
    harmed = bytearray(drawn[0])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(harmed)))
        harmed[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=40))
    found, pool = asyncio.run(converse(list(cut(bytes(harmed), sizes)), hang_up=True))
    assert found
    assert pool.lost_times == 1
    assert pool.freed_times <= 1
