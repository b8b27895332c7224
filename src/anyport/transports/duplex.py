"""One channel that carries messages both ways: the part that stdio and sockets have in common.

Bytes come in by `Duplex.feed`, messages go out through an `Outlet`; in between each request becomes a task that awaits
the service and writes what it returns. Both eras share the channel: a request with modern metadata is served on its
own, anything else belongs to the one legacy session of the channel (VER-10).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from anyport.protocol.calls import BackChannel, Call, Carrier, Service, TransportName, bind_modern
from anyport.protocol.correlation import Received
from anyport.protocol.eras import speaks_modern
from anyport.protocol.errors import Busy, InternalError, InvalidRequest, McpError
from anyport.protocol.framing import LineDecoder, LineTooLong
from anyport.protocol.jsonrpc import (
    Message,
    Notification,
    Request,
    ResultLike,
    decode,
    decode_batch,
    encode_error,
    encode_notification,
    encode_response,
)
from anyport.protocol.legacy import LegacySession
from anyport.protocol.limits import Limits

logger = logging.getLogger("anyport.transports")

Done = Callable[[bytes | None], None]


class Outlet(Protocol):
    """Where messages go out."""

    @property
    def full(self) -> bool:
        """Whether so much waits for a slow peer that who can wait should wait for `room`."""
        ...

    def write(self, message: bytes, *, last: bool = False) -> None:
        """Send a message, without framing.

        Args:
            message: The message, without line ends.
            last: Nothing follows at once; a transport that gathers messages need not wait for more.
        """
        ...

    async def room(self) -> None:
        """Wait until the peer has taken most of what was written."""
        ...


class _DuplexReply:
    """What a call on a shared channel may say before its result."""

    __slots__ = ("_outlet", "back_channel", "cancelled")

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self.cancelled = False
        self.back_channel: BackChannel | None = None

    async def notify(self, method: str, params: ResultLike) -> None:
        if self.cancelled:
            return
        self._outlet.write(encode_notification(method, params))
        if self._outlet.full:
            await self._outlet.room()


class _Open:
    """A request that is being served."""

    __slots__ = ("reply", "size", "task")

    def __init__(self, task: asyncio.Task[None], reply: _DuplexReply, size: int) -> None:
        self.task = task
        self.reply = reply
        self.size = size

    def cancel(self) -> None:
        """Have nothing more said for the call, and stop it."""
        if not self.reply.cancelled:
            self.reply.cancelled = True
            # Not at once: a task that is cancelled before its first step never runs, not even its clean-up.
            self.task.get_loop().call_soon(self.task.cancel)


class _Batch:
    """Collects the answers to a JSON-RPC batch, which go out together (2025-03-26)."""

    def __init__(self, waiting: int, done: Done) -> None:
        self._waiting = waiting
        self._done = done
        self._answers: list[bytes] = []

    def add(self, answer: bytes | None) -> None:
        self._waiting -= 1
        if answer is not None:
            self._answers.append(answer)
        if self._waiting == 0:
            self._done(b"[" + b",".join(self._answers) + b"]" if self._answers else None)


class Duplex:
    """Serves one channel.

    Args:
        service: What answers calls.
        limits: Bounds on lines, messages and calls in flight.
        outlet: Takes each message that goes out.
        transport: Name of the transport, as calls tell it.
    """

    def __init__(self, service: Service, limits: Limits, outlet: Outlet, transport: TransportName) -> None:
        self._service = service
        self._limits = limits
        self._outlet = outlet
        self._carrier = Carrier(transport=transport)
        self._lines = LineDecoder(limits.line_bytes)
        self._session = LegacySession()
        self._open: Received[_Open] = Received(limits.calls_per_connection)
        self._bytes = 0

    def feed(self, data: bytes) -> None:
        """Take bytes as they came; serves every message that is complete."""
        for line in self._lines.feed(data):
            self._take(line)

    def end_of_input(self) -> None:
        """Take the end of the input: a last line without its newline still counts."""
        for line in self._lines.close():
            self._take(line)

    async def drain(self, seconds: float) -> None:
        """Let the calls in flight finish, for so many seconds at most."""
        tasks = self._tasks()
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    async def aclose(self, seconds: float) -> None:
        """Give up every call in flight without an answer, and let it clean up for so many seconds at most."""
        self._session.close()
        for entry in self._open.values():
            entry.cancel()
        await self.drain(seconds)

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [entry.task for entry in self._open.values()]

    # --- messages in --------------------------------------------------------------------------------------------------

    def _take(self, line: bytes | LineTooLong) -> None:
        try:
            if isinstance(line, LineTooLong):
                raise InvalidRequest(f"The message is longer than {line.limit} bytes (limit line_bytes)")
            if self._session.revision.batches:
                self._take_batch(line)
            else:
                self._receive(decode(line, self._limits), len(line), self._write)
        except McpError as error:
            self._outlet.write(encode_error(error.request_id, error))

    def _take_batch(self, line: bytes) -> None:
        messages = decode_batch(line, self._limits)
        if not isinstance(messages, list):
            self._receive(messages, len(line), self._write)
            return
        batch = _Batch(sum(isinstance(entry, (Request, InvalidRequest)) for entry in messages), self._write)
        size = len(line) // len(messages)
        for entry in messages:
            if isinstance(entry, InvalidRequest):
                batch.add(encode_error(entry.request_id, entry))
                continue
            try:
                self._receive(entry, size, batch.add)
            except McpError as error:
                batch.add(encode_error(error.request_id, error))

    def _receive(self, message: Message, size: int, done: Done) -> None:
        if isinstance(message, Request):
            try:
                self._start(message, size, done)
            except McpError as error:
                error.request_id = message.id
                raise
        elif isinstance(message, Notification):
            self._notice(message)
        else:
            logger.debug("Ignored an answer to no request of ours: id %r", message.id)

    def _start(self, request: Request, size: int, done: Done) -> None:
        self._open.admit(request.id)
        if self._bytes + size > self._limits.bytes_in_flight:
            raise Busy(f"{self._bytes} bytes of requests are in flight (limit bytes_in_flight)")
        if speaks_modern(request):
            call = bind_modern(request, self._carrier)
        else:
            call = self._session.receive_request(request, self._carrier)
        reply = _DuplexReply(self._outlet)
        task = asyncio.get_running_loop().create_task(self._serve(call, reply, done))
        self._open.open(request.id, _Open(task, reply, size))
        self._bytes += size

    def _notice(self, notification: Notification) -> None:
        if notification.method == "notifications/cancelled":
            entry = self._open.cancelled(notification.params)
            if entry is not None:
                logger.debug("Cancelled: %r", notification.params.get("reason"))
                entry.cancel()
        elif not speaks_modern(notification):
            self._session.receive_notification(notification)

    # --- messages out -------------------------------------------------------------------------------------------------

    async def _serve(self, call: Call, reply: _DuplexReply, done: Done) -> None:
        answer: bytes | None = None
        try:
            if not reply.cancelled:
                answer = encode_response(call.id, await self._service(call, reply))
        except McpError as error:
            answer = encode_error(call.id, error)
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit) as error:
            # The server outlives its tools, and the client must not wait for ever.
            if not reply.cancelled:
                logger.exception("%s was ended by %s", call.method, type(error).__name__)
        finally:
            entry = self._open.close(call.id)
            self._bytes -= entry.size if entry is not None else 0
            if reply.cancelled:
                answer = None
            elif answer is None:
                answer = encode_error(call.id, InternalError("The call was ended before it had a result"))
            done(answer)

    def _write(self, answer: bytes | None) -> None:
        if answer is not None:
            self._outlet.write(answer, last=not len(self._open))
