"""One connection of a client of HTTP/1.1, and the answer that comes in on it.

Requests go out one at a time, and an answer is read as it comes: what nobody has asked for yet is bounded by pausing
the socket. Whatever is not certainly the next answer of a well-behaved server ends the connection.
"""

from __future__ import annotations

import asyncio
import functools
import select
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol, cast

import httptools

from anyport.protocol.errors import AnyportError, ConnectError, RemoteProtocolError
from anyport.transports.chunks import read_in_chunks
from anyport.transports.http11.inflating import Inflater, inflater_for

_HIGH_WATER: Final = 256 * 1024
"""Bytes of a body that wait for their reader before the server is made to wait."""
_FRAMING: Final = 64 * 1024
"""Bytes that may come without a byte of a body in them, beside header fields."""
_INTERIM: Final = 16
"""Interim answers (1xx) to one request."""
_BODILESS: Final = frozenset({204, 304})


class Keeper(Protocol):
    """Who is told what becomes of a connection."""

    def freed(self, connection: Connection) -> None:
        """Take a connection that can be used again."""
        ...

    def lost(self, connection: Connection) -> None:
        """Take that a connection is gone."""
        ...


class _Refused(Exception):
    """Stops the parser: the server goes over a bound."""


class Answer:
    """An HTTP answer whose head is here, while its body comes in.

    It is left by `leave`, whichever way: its connection is used again if the answer was read to its end, and closed
    otherwise.

    Args:
        connection: Where it comes from.
        status: Its status.
        fields: Its header fields, names in lower case; what comes several times is joined by commas, or if it is a
            cookie by line ends.

    Attributes:
        status: The same.
        fields: The same.
    """

    __slots__ = (
        "_connection",
        "_error",
        "_inflater",
        "_is_left",
        "_pieces",
        "_size",
        "_waiting",
        "complete",
        "fields",
        "status",
    )

    def __init__(self, connection: Connection, status: int, fields: dict[str, str]) -> None:
        self.status = status
        self.fields = fields
        self.complete = False
        self._connection = connection
        # Its connection may serve another request by the time that somebody leaves it again.
        self._is_left = False
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._waiting: asyncio.Future[None] | None = None
        self._error: AnyportError | None = None
        coding = fields.get("content-encoding")
        self._inflater: Inflater | None = None if coding is None else inflater_for(coding)

    @property
    def content_type(self) -> str:
        """The media type, in lower case and without parameters; empty where none was given."""
        return self.fields.get("content-type", "").partition(";")[0].strip().lower()

    async def piece(self) -> bytes:
        """Wait for the next bytes of the body; none at its end.

        Raises:
            ConnectError: The connection broke.
            RemoteProtocolError: What came is not HTTP, or not in the coding that it was said to be in.
        """
        if self._inflater is None:
            return await self._raw_piece()
        while not (piece := self._inflater.more()):
            raw = await self._raw_piece()
            if not raw:
                self._inflater.finish()
                return b""
            self._inflater.feed(raw)
        return piece

    async def read(self, limit: int) -> bytes:
        """Return the body, or the first ``limit`` bytes of it; see `piece` for what is raised."""
        if self.complete and self._inflater is None and self._error is None and self._size <= limit:
            # The usual case: everything came with the head.
            whole = self._pieces.popleft() if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces.clear()
            self._size = 0
            return whole
        pieces: list[bytes] = []
        size = 0
        while size < limit and (piece := await self.piece()):
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces)[:limit]

    def leave(self) -> None:
        """Be done with the answer, read or not; the first time counts."""
        if not self._is_left:
            self._is_left = True
            self._connection.left(read=self.complete and not self._size)

    async def _raw_piece(self) -> bytes:
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self.complete:
                return b""
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        piece = self._pieces.popleft()
        before, self._size = self._size, self._size - len(piece)
        if before > _HIGH_WATER >= self._size:
            self._connection.resume()
        return piece

    # --- said by the connection ---------------------------------------------------------------------------------------

    def add(self, piece: bytes) -> bool:
        """Take bytes of the body; whether so many wait that the server has to."""
        self._pieces.append(piece)
        before, self._size = self._size, self._size + len(piece)
        self._wake()
        return before <= _HIGH_WATER < self._size

    def end(self, error: AnyportError | None = None) -> None:
        """Take that nothing more comes, and why, if it is not because the body is complete."""
        if error is None:
            self.complete = True
        elif not self.complete and self._error is None:
            # The first is the cause of the others.
            self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class Connection(asyncio.Protocol):
    """A connection to one server.

    Args:
        pool: Is told when the connection is free again, and when it is gone.
        shown: What errors call the server.
        header_bytes: Largest sum of names and values in the head of an answer.

    Attributes:
        used: A request was sent on it before.
        free_since: Time of the loop since which it waits for a request.
        gone: It is closed.
    """

    def __init__(self, pool: Keeper, shown: str, header_bytes: int) -> None:
        self.used = False
        self.free_since = 0.0
        self.gone = asyncio.Event()
        self._pool = pool
        self._shown = shown
        self._header_bytes = header_bytes
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._poll: Callable[[], object] | None = None
        self._head: asyncio.Future[Answer] | None = None
        self._answer: Answer | None = None
        self._begin()

    @property
    def open(self) -> bool:
        """Whether a request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def readable(self) -> bool:
        """Whether something came by now, the server's end above all; while nothing is asked, nothing should."""
        if self._poll is None:
            socket = None if self._transport is None else self._transport.get_extra_info("socket")
            if socket is None:
                return False
            self._poll = _poll_of(socket.fileno())
        return bool(self._poll())

    async def send(self, head: bytes, body: bytes) -> Answer:
        """Send a request and wait for the head of its answer; given up, the connection is closed.

        Args:
            head: The head with its blank line.
            body: The body; may be empty.

        Raises:
            ConnectError: The connection is gone; ``unsent`` where not a byte of the request left.
            RemoteProtocolError: What came is not HTTP, or goes over a bound.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ConnectError(f"The connection to {self._shown} is gone", unsent=True)
        self._begin()
        head_here: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._head = head_here
        if len(body) < _FRAMING:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)
        if transport.is_closing():
            # The system took nothing: the server had closed, and no byte of this request can have arrived.
            self._head = None
            raise ConnectError(f"The connection to {self._shown} is gone", unsent=True)
        try:
            return await head_here
        except asyncio.CancelledError:
            if head_here.done() and not head_here.cancelled():
                # Both came at once; an error that nobody looks at would be reported.
                head_here.exception()
            self.close()
            raise
        finally:
            self._head = None

    def left(self, *, read: bool) -> None:
        """Take that nobody reads the answer any more."""
        answer, self._answer = self._answer, None
        if answer is None:
            return
        if read and self._keeps and self.open:
            self.used = True
            self._pool.freed(self)
        else:
            self.close()

    def detach(self) -> asyncio.Transport:
        """Give the transport away, to whom everything belongs that comes from here on.

        Raises:
            ConnectError: It is gone.
        """
        transport, self._transport, self._answer = self._transport, None, None
        if transport is None or transport.is_closing():
            raise ConnectError(f"The connection to {self._shown} is gone")
        return transport

    def resume(self) -> None:
        """Take more from the server again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self, error: AnyportError | None = None) -> None:
        """Close; whoever waits for something gets the error, or that the connection broke."""
        if self._transport is not None:
            # What is not written yet would keep a connection open to a server that does not read.
            self._transport.abort()
        self._end(error or ConnectError(f"The connection to {self._shown} broke: it was closed"))

    # --- asyncio.Protocol ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)
        read_in_chunks(transport)

    def data_received(self, data: bytes) -> None:
        """Take bytes; such as nobody asked for end the connection."""
        if self._head is None and self._answer is None:
            self.close()
            return
        self._quiet += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            self._refuse(str(error.__context__))
        except httptools.HttpParserUpgrade:
            self._refuse("it switches to a protocol that nobody asked for")
        except httptools.HttpParserError as error:
            self._refuse(f"what it sends is not HTTP: {error}")
        else:
            if self._quiet > self._header_bytes + _FRAMING:
                self._refuse(f"its framing takes more than {self._header_bytes + _FRAMING} bytes (limit header_bytes)")

    def connection_lost(self, exc: Exception | None) -> None:
        """Take that the connection is gone; an answer without a length is complete now."""
        answer = self._answer
        if exc is None and answer is not None and self._until_close and not answer.complete:
            answer.end()
        cause = f": {exc}" if exc is not None else ": the server closed it"
        self._end(ConnectError(f"The connection to {self._shown} broke{cause}"))
        self._transport = None
        self.gone.set()
        self._pool.lost(self)

    # --- httptools ----------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Take that another message begins; behind an answer there is none that anybody asked for."""
        if self._finished:
            raise _Refused("it sends more than it was asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field, or one that follows a body, which nobody needs."""
        self._header_size += len(name) + len(value)
        if self._header_size > self._header_bytes:
            raise _Refused(f"its header fields take more than {self._header_bytes} bytes (limit header_bytes)")
        if self._answer is None:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            known = self._fields.get(key)
            # Cookies have commas in them.
            glue = "\n" if key == "set-cookie" else ", "
            self._fields[key] = text if known is None else f"{known}{glue}{text}"

    def on_headers_complete(self) -> None:
        """Take that the head is here: hand it to whoever waits."""
        status = self._parser.get_status_code()
        self._quiet = 0
        self._interim = 100 <= status < 200
        if self._interim:
            self._interims += 1
            if self._interims > _INTERIM:
                raise _Refused(f"it sends more than {_INTERIM} interim answers")
            self._fields = {}
            return
        self._answer = Answer(self, status, self._fields)
        chunked = self._fields.get("transfer-encoding", "").lower().endswith("chunked")
        self._until_close = not chunked and "content-length" not in self._fields and status not in _BODILESS
        if self._head is not None and not self._head.done():
            self._head.set_result(self._answer)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._quiet = 0
        if self._answer is not None and self._answer.add(body) and self._transport is not None:
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """Take that the answer is complete."""
        if not self._interim:
            self._finished = True
            self._keeps = self._parser.should_keep_alive()
            if self._answer is not None:
                self._answer.end()

    # --- the rest -----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Make ready for the next answer."""
        self._fields: dict[str, str] = {}
        self._header_size = self._quiet = self._interims = 0
        self._interim = self._finished = self._keeps = self._until_close = False

    def _refuse(self, reason: str) -> None:
        # An answer that is complete stays one; the connection is not used again.
        self.close(RemoteProtocolError(f"The answer of {self._shown} cannot be read: {reason}"))

    def _end(self, error: AnyportError) -> None:
        if self._answer is not None:
            self._answer.end(error)
        if self._head is not None and not self._head.done():
            self._head.set_exception(error)


def _poll_of(descriptor: int) -> Callable[[], object]:
    """Return a function that tells whether a descriptor can be read, without waiting for it."""
    if not hasattr(select, "poll"):
        # Windows.
        return lambda: select.select([descriptor], [], [], 0)[0]
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return functools.partial(poll.poll, 0)
