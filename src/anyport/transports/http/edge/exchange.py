"""An `Exchange` on a connection of ours: the answer is written where the request was read."""

from __future__ import annotations

import asyncio
import http
import re
from collections.abc import Awaitable, Callable
from typing import Final

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from anyport.protocol.calls import DONE
from anyport.protocol.errors import InternalError, McpError, RefusedRequest
from anyport.protocol.exchange import JSON_HEADERS, STREAM_HEADERS, Disconnected, HeaderList, refuse
from anyport.protocol.jsonrpc import encode_error
from anyport.transports.http.edge.heads import Route
from anyport.transports.http.edge.line import Handle, Line, logger
from anyport.transports.http.fields import CLOSE, too_large

_PIECE: Final = 128 * 1024
"""Bytes of a long answer that are handed to the transport at a time."""
_SMALL: Final = 1024
"""Pieces of a body below this are put together at once: a few bytes cost many as an object."""
_JOINED: Final = 32 * 1024
"""Bytes of a stream that wait for the end of a turn of the loop, at most."""
_STATUS: Final = {each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in http.HTTPStatus}
_STREAM_HEAD: Final = _STATUS[200] + b"".join(b"%b: %b\r\n" % field for field in STREAM_HEADERS)
_UNFIT: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_NO_BODY: Final = frozenset({204, 304})
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class EdgeExchange:
    """One request of a connection, and its answer.

    Args:
        line: The connection.
        route: What its head decides.
        body: All of the body, where it is there already.
    """

    # Defaults live on the class: a call whose body came with its head sets few of them, and looks at none.
    _chunks: list[bytes | bytearray] | None = None
    _size = 0
    _held = 0
    _limit = 0
    _hold: Callable[[int], None] | None = None
    _waiter: asyncio.Future[None] | None = None
    _gone: Callable[[], None] | None = None
    _whole = _unwanted = _started = False
    _joined: list[bytes] | None = None
    _joined_size = 0
    _wrote = False

    def __init__(self, line: Line, route: Route, body: bytes | None = None) -> None:
        self._line = line
        self._route = route
        self.body = body
        self._keep_alive = route.head.keep_alive
        self.method = route.head.method
        self.path = route.target.path
        self.headers = route.headers
        self.notes = route.notes
        self.peer = line.peer
        self.local = line.local
        self.principal: str | None = None
        self._problem: McpError | None = None
        self._lost = self._answered = False

    @property
    def root(self) -> str:
        """See `Exchange.root`."""
        return self._line.root

    @property
    def query(self) -> str:
        """See `Exchange.query`."""
        return self._route.target.query.decode("latin-1")

    # --- what the connection tells ------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Answer: those before it on the connection are answered."""
        self._line.steps.start(self)

    def feed(self, chunk: bytes) -> None:
        """See `Asked.feed`."""
        if self._unwanted:
            return
        if self._chunks is None:
            self._chunks = []
        if len(chunk) >= _SMALL:
            self._chunks.append(chunk)
        elif self._chunks and isinstance(self._chunks[-1], bytearray):
            self._chunks[-1] += chunk
        else:
            self._chunks.append(bytearray(chunk))
        self._size += len(chunk)
        if self._hold is not None:
            # Whoever reads is not woken for this: a body that comes a byte at a time is to cost little.
            try:
                self._take_in(self._hold)
            except McpError as problem:
                self._unwanted = True
                self.fail(problem)
        elif self._size > HIGH_WATER_LIMIT:
            self._line.flow.pause_reading()

    def end(self) -> None:
        """See `Asked.end`."""
        self._whole = True
        if self._waiter is not None:
            self._wake()
        elif not self._unwanted:
            self.body = b"".join(self._chunks or ())
            self._chunks = None

    def fail(self, problem: McpError) -> None:
        """See `Asked.fail`."""
        self._problem = problem
        self._wake()

    def lost(self) -> None:
        """See `Asked.lost`."""
        self._lost = True
        self._wake()
        if self._gone is not None:
            gone, self._gone = self._gone, None
            gone()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- the work -----------------------------------------------------------------------------------------------------

    def run(self) -> Awaitable[None]:
        """See `Work.run`."""
        route = self._route
        if route.at_once is not None and self._problem is None:
            return route.at_once(self)
        problem = self._problem or route.problem
        if problem is not None or route.handle is None:
            return self.refuse(problem or InternalError("Nothing answers this"))
        return self._find_client(route.handle) if route.forwarded else route.handle(self)

    async def _find_client(self, handle: Handle) -> None:
        self.peer = await self._line.client_of(self._route.head.fields)
        await handle(self)

    def ended(self, task: asyncio.Task[None] | None) -> None:
        """See `Work.ended`."""
        if task is None and self._answered:
            return
        cancelled = task is not None and task.cancelled()
        error = None if task is None or cancelled else task.exception()
        if error is not None:
            logger.error("A request to %s could not be answered", self.path, exc_info=error)
        if self._answered or self._lost:
            return
        if self._started or cancelled:
            self._line.abort()
        else:
            problem = InternalError("The server failed; its log says why")
            self.respond(500, [*JSON_HEADERS, *CLOSE], encode_error(None, problem))

    def refuse(self, error: McpError) -> Awaitable[None]:
        """Answer with an error."""
        return refuse(self, error)

    # --- Exchange -----------------------------------------------------------------------------------------------------

    async def read_body(self, limit: int, hold: Callable[[int], None]) -> bytes:
        """Return the whole body; see `Exchange.read_body`."""
        body = self.body
        if body is None:
            return await self._read_on(limit, hold)
        if len(body) > limit:
            raise too_large(limit, expecting=False)
        return body

    async def _read_on(self, limit: int, hold: Callable[[int], None]) -> bytes:
        expecting = self._route.head.expecting
        announced = self.headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > limit:
            raise self._reject(too_large(limit, expecting=expecting))
        if expecting and not self._size and not self._lost:
            self._line.write(_CONTINUE)
        self._limit = limit
        try:
            self._take_in(hold)
            self._hold = hold
            while self._problem is None and not self._whole:
                if self._lost:
                    raise Disconnected
                self._waiter = self._line.loop.create_future()
                self._line.flow.resume_reading()
                await self._waiter
            if self._problem is not None:
                raise self._problem
            return b"".join(self._chunks or ())
        except RefusedRequest as error:
            raise self._reject(error) from None
        finally:
            self._waiter = None
            self._hold = None
            self._unwanted = True
            self._chunks = None
            hold(-self._held)

    def _take_in(self, hold: Callable[[int], None]) -> None:
        """Count what has come of the body.

        Raises:
            RefusedRequest: It is too large.
            McpError: See `Exchange.read_body`.
        """
        if self._size > self._limit:
            raise too_large(self._limit, expecting=False)
        hold(self._size - self._held)
        self._held = self._size

    def _reject(self, error: RefusedRequest) -> RefusedRequest:
        """Throw away what comes of the body from here on."""
        self._unwanted = True
        self._chunks = None
        self._line.flow.resume_reading()
        return error

    def respond(self, status: int, headers: HeaderList, body: bytes) -> Awaitable[None]:
        """Send a complete answer; see `Exchange.respond`."""
        if self._lost:
            return DONE
        self._started = True
        line, size = self._line, len(body)
        is_post = self.method == "POST"
        if (
            headers is JSON_HEADERS
            and status == 200
            and is_post
            and size <= _PIECE
            and self._keep_alive
            and not line.ending
        ):
            whole = b"%b%d\r\n\r\n%b" % (line.json_head(), size, body)
        elif is_post and size > _PIECE:
            return self._respond_slowly(status, headers, body)
        else:
            head = self._head(status, headers)
            length = b"" if status in _NO_BODY else b"content-length: %d\r\n" % size
            content = b"" if self.method == "HEAD" else body
            whole = b"".join((head, line.standing(), length, b"\r\n", content))
        self._answered = True
        line.answered(whole, close=not self._keep_alive)
        return DONE

    async def _respond_slowly(self, status: int, headers: HeaderList, body: bytes) -> None:
        """Send an answer of which not all may wait in the transport at once."""
        line = self._line
        head = b"%b%bcontent-length: %d\r\n\r\n" % (self._head(status, headers), line.standing(), len(body))
        view = memoryview(body)
        for piece in (head, *(view[start : start + _PIECE] for start in range(0, len(view), _PIECE))):
            if line.flow.write_paused:
                await self._drain()
            if not self._lost:
                line.write(piece)
        self._finish()

    async def start_stream(self, status: int, headers: HeaderList) -> None:
        """Send the head of a streamed answer; see `Exchange.start_stream`."""
        self._start_stream(status, headers)

    def _start_stream(self, status: int, headers: HeaderList) -> None:
        self._started = True
        if not self._route.is_chunked:
            # HTTP/1.0 knows an end of the body alone: that of the connection.
            self._keep_alive = False
        head = self._head(status, headers) + self._line.standing()
        # A stream is begun by what has an event for it: one write for both.
        self._join(head + (b"transfer-encoding: chunked\r\n\r\n" if self._route.is_chunked else b"\r\n"), at_once=False)

    async def send(self, chunk: bytes) -> None:
        """Send a piece of the body; see `Exchange.send`."""
        if not chunk:
            return
        if self._line.flow.write_paused:
            # Before it is framed: a stream that waits has each event once.
            await self._drain()
        self._send_piece(chunk, at_once=True)

    def send_now(self, headers: HeaderList | None, chunk: bytes, *, last: bool) -> bool:
        """Send a piece of the body, if nothing has to be waited for; see `Exchange.send_now`."""
        if self._line.flow.write_paused:
            return False
        if headers is not None:
            self._start_stream(200, headers)
        if chunk:
            # With the end it leaves below.
            self._send_piece(chunk, at_once=not last)
        if last:
            self._end_stream()
        return True

    def _send_piece(self, chunk: bytes, *, at_once: bool) -> None:
        self._join(b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._route.is_chunked else chunk, at_once=at_once)

    async def finish(self) -> None:
        """End the body; see `Exchange.finish`."""
        self._end_stream()

    def _end_stream(self) -> None:
        if self._route.is_chunked:
            self._join(b"0\r\n\r\n", at_once=False)
        self._flush()
        self._finish()

    def watch(self, gone: Callable[[], None]) -> None:
        """Call ``gone`` when the client leaves; see `Exchange.watch`."""
        if self._lost:
            self._line.loop.call_soon(gone)
        else:
            self._gone = gone

    def unwatch(self) -> None:
        """Stop watching; see `Exchange.unwatch`."""
        self._gone = None

    def _head(self, status: int, headers: HeaderList) -> bytes:
        if headers is STREAM_HEADERS and status == 200 and self._keep_alive and not self._line.ending:
            return _STREAM_HEAD
        lines = [_STATUS[status]]
        closes = False
        for name, value in headers:
            if _UNFIT.search(value):
                raise ValueError(f"the header field {name!r} has a value that cannot be sent: {value[:100]!r}")
            closes = closes or (name == b"connection" and value == b"close")
            lines.append(b"%b: %b\r\n" % (name, value))
        if closes or self._line.ending:
            self._keep_alive = False
        if not self._keep_alive and not closes:
            lines.append(b"connection: close\r\n")
        return b"".join(lines)

    async def _drain(self) -> None:
        """Wait until the client reads, or is gone."""
        if not self._lost:
            await self._line.flow.drain()

    def _join(self, data: bytes, *, at_once: bool) -> None:
        """Write a piece of a stream: the first of a turn of the loop at once, the others together at its end.

        A write costs more than an event, and a client that waits for one has it as soon as before.
        """
        if self._lost:
            return
        if self._joined is None:
            self._joined = []
            self._line.loop.call_soon(self._end_turn)
        self._joined.append(data)
        self._joined_size += len(data)
        if (at_once and not self._wrote) or self._joined_size > _JOINED:
            self._wrote = True
            self._flush()

    def _end_turn(self) -> None:
        self._flush()
        self._joined = None
        self._wrote = False

    def _flush(self) -> None:
        if self._joined and not self._lost:
            self._line.write(b"".join(self._joined))
            self._joined.clear()
            self._joined_size = 0

    def _finish(self) -> None:
        if not self._answered:
            self._answered = True
            if not self._lost:
                self._line.answered(close=not self._keep_alive)
