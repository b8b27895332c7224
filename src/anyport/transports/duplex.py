"""One channel that carries messages both ways: the part that stdio, sockets and memory have in common.

Bytes come in by `Duplex.feed`, messages go out through a callable; in between each request becomes a task that awaits
the service and writes what it returns. Both eras share the channel: a request with modern metadata is served on its
own, anything else belongs to the one legacy session of the channel (VER-10).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from msgspec import Raw

from anyport.protocol.calls import BackChannel, Call, Carrier, Service, TransportName, bind_modern
from anyport.protocol.eras import speaks_modern
from anyport.protocol.errors import Busy, InvalidRequest, McpError
from anyport.protocol.correlation import Received
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


class _DuplexReply:
    """What a call on a shared channel may say before its result."""

    __slots__ = ("_write", "back_channel", "cancelled")

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self.cancelled = False
        self.back_channel: BackChannel | None = None

    async def notify(self, method: str, params: ResultLike) -> None:
        if not self.cancelled:
            self._write(encode_notification(method, params))


class _Open:
    """A request that is being served."""

    __slots__ = ("reply", "size", "task")

    def __init__(self, task: asyncio.Task[bytes | None], reply: _DuplexReply, size: int) -> None:
        self.task = task
        self.reply = reply
        self.size = size


class _Batch:
    """Collects the answers to a JSON-RPC batch, which go out together (2025-03-26)."""

    def __init__(self, waiting: int, write: Callable[[bytes], None]) -> None:
        self._waiting = waiting
        self._write = write
        self._answers: list[Raw] = []

    def add(self, answer: bytes | None) -> None:
        self._waiting -= 1
        if answer is not None:
            self._answers.append(Raw(answer))
        if self._waiting == 0 and self._answers:
            self._write(b"[" + b",".join(bytes(item) for item in self._answers) + b"]")


class Duplex:
    """Serves one channel.

    Args:
        service: What answers calls.
        limits: Bounds on lines, messages and calls in flight.
        write: Takes each message that goes out, without framing.
        transport: Name of the transport, as calls tell it.
    """

    def __init__(
        self, service: Service, limits: Limits, write: Callable[[bytes], None], transport: TransportName
    ) -> None:
        self._service = service
        self._limits = limits
        self._write = write
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
        """Let the calls in flight finish; what is left after the time is cancelled without an answer."""
        tasks = [entry.task for entry in self._open.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        self.cancel_all()

    def cancel_all(self) -> None:
        """Give up every call in flight, as when the peer is gone."""
        self._session.close()
        for entry in self._open.values():
            entry.reply.cancelled = True
            entry.task.cancel()

    # --- messages in --------------------------------------------------------------------------------------------------

    def _take(self, line: bytes | LineTooLong) -> None:
        if isinstance(line, LineTooLong):
            error = InvalidRequest(f"The message is longer than {line.limit} bytes (limit line_bytes)")
            self._write(encode_error(None, error))
            return
        try:
            if self._session.revision.batches and line[:1] == b"[":
                self._take_batch(line)
            else:
                self._receive(decode(line, self._limits), len(line), self._write_answer)
        except McpError as error:
            self._write(encode_error(error.request_id, error))

    def _take_batch(self, line: bytes) -> None:
        messages = decode_batch(line, self._limits)
        if not isinstance(messages, list):
            return self._receive(messages, len(line), self._write_answer)
        answered = [entry for entry in messages if isinstance(entry, (Request, InvalidRequest))]
        batch = _Batch(len(answered), self._write)
        for entry in messages:
            if isinstance(entry, InvalidRequest):
                batch.add(encode_error(entry.request_id, entry))
                continue
            try:
                self._receive(entry, len(line), batch.add)
            except McpError as error:
                batch.add(encode_error(error.request_id, error))
        return None

    def _receive(self, message: Message, size: int, done: Callable[[bytes | None], None]) -> None:
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

    def _start(self, request: Request, size: int, done: Callable[[bytes | None], None]) -> None:
        self._open.admit(request.id)
        if self._bytes + size > self._limits.bytes_in_flight:
            raise Busy(f"{self._bytes} bytes of requests are in flight (limit bytes_in_flight)")
        if speaks_modern(request):
            call = bind_modern(request, self._carrier)
        else:
            call = self._session.receive_request(request, self._carrier)
        reply = _DuplexReply(self._write)
        task = asyncio.get_running_loop().create_task(self._serve(call, reply, done))
        self._open.open(request.id, _Open(task, reply, size))
        self._bytes += size

    def _notice(self, notification: Notification) -> None:
        if notification.method == "notifications/cancelled":
            entry = self._open.cancelled(notification.params)
            if entry is not None:
                logger.debug("Cancelled: %r", notification.params.get("reason"))
                entry.reply.cancelled = True
                entry.task.cancel()
        elif not speaks_modern(notification):
            self._session.receive_notification(notification)

    # --- messages out -------------------------------------------------------------------------------------------------

    async def _serve(self, call: Call, reply: _DuplexReply, done: Callable[[bytes | None], None]) -> None:
        answer: bytes | None = None
        try:
            answer = encode_response(call.id, await self._service(call, reply))
        except McpError as error:
            answer = encode_error(call.id, error)
        except asyncio.CancelledError:
            if not reply.cancelled:
                # Not the client's doing: a tool cancelled itself. The client must not wait for ever.
                answer = encode_error(call.id, InvalidRequest("The call was cancelled by the server"))
        finally:
            entry = self._open.close(call.id)
            self._bytes -= entry.size if entry is not None else 0
            done(None if reply.cancelled else answer)

    def _write_answer(self, answer: bytes | None) -> None:
        if answer is not None:
            self._write(answer)
