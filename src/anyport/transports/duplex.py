"""One channel that carries messages both ways: the part that stdio, sockets and HTTP+SSE have in common.

Bytes come in by `Duplex.feed`, messages go out through an `Outlet`; in between a task awaits the service and writes
what it returns: one for each request, or for several that come together as long as none has to wait (ADR 0048). Both
eras share the channel: a request with modern metadata is served on its own, anything else belongs to the one legacy
session of the channel (VER-10).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextvars import copy_context
from typing import TYPE_CHECKING, Final, cast

from anyport.protocol.calls import META_SUBSCRIPTION_ID, Call, Carrier, Service, TransportName, bind_modern
from anyport.protocol.changes import LISTEN, Changes
from anyport.protocol.correlation import Received
from anyport.protocol.eras import speaks_modern
from anyport.protocol.errors import Busy, Draining, InternalError, InvalidRequest, McpError
from anyport.protocol.framing import LineDecoder, LineTooLong
from anyport.protocol.jsonrpc import (
    Message,
    Notification,
    Request,
    decode,
    decode_batch,
    encode_error,
    encode_notification,
    encode_response,
)
from anyport.protocol.legacy import SUBSCRIBES, LegacySession
from anyport.protocol.limits import Limits
from anyport.protocol.shapes import KnownCall, Shapes, known_service
from anyport.protocol.types import CancelledNotificationParams
from anyport.transports.open_calls import Alone, Batch, Done, Load, OpenCall, Outlet, wait_for
from anyport.transports.questions import CallQuestions, Questions
from anyport.transports.steps import Steps
from anyport.transports.telling import Teller

if TYPE_CHECKING:
    from anyport.transports.callers import Callers

logger = logging.getLogger("anyport.transports")

_LATER: Final = frozenset((LISTEN, *SUBSCRIBES))
"""Methods after whose result something is left to do."""

_AGAIN_S: Final = 0.1
"""Seconds after which a listen stream is ended again that was only about to begin."""


class Duplex:
    """Serves one channel.

    Args:
        service: What answers calls.
        limits: Bounds on lines, messages and calls in flight.
        outlet: Takes each message that goes out.
        transport: Name of the transport, as calls tell it.
        changes: What the client may want to be told of; ``None`` for nothing.
        load: Counts the bytes of requests, where several channels share the limit; default: one of its own.
        callers: Counts the calls of those who have a name, over all their channels; default: nobody has one.
        steps: Begins a call that comes alone where it is read, which must be outside of any task; default: calls begin
            in tasks of their own.

    Attributes:
        draining: New requests are refused; calls in flight go on, and their client may still say something to them.
    """

    def __init__(
        self,
        service: Service,
        limits: Limits,
        outlet: Outlet,
        transport: TransportName,
        changes: Changes | None = None,
        *,
        load: Load | None = None,
        callers: Callers | None = None,
        steps: Steps | None = None,
    ) -> None:
        self._steps = steps
        self._service = service
        self._known_service = known_service(service)
        self._limits = limits
        self._outlet = outlet
        self._carrier = Carrier(transport=transport)
        self._lines = LineDecoder(limits.line_bytes)
        self._shapes = Shapes(limits)
        self._session = LegacySession(limits)
        self._changes = changes
        self._teller = None if changes is None else Teller(self._session, outlet, changes)
        self._open: Received[OpenCall] = Received(limits.calls_per_connection)
        self._calls = self._open.entries
        self._most, self._most_bytes = limits.calls_per_connection, limits.bytes_in_flight
        self._load = load or Load()
        self._callers = callers
        self._waiting: list[OpenCall] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self.draining = False
        self._questions = Questions(outlet.write, limits.answer_s)

    @property
    def held(self) -> int:
        """Bytes of a message whose end has not come yet."""
        return self._lines.held

    def feed(self, data: bytes) -> None:
        """Take bytes as they came; serves every message that is complete."""
        for line in self._lines.feed(data):
            self._take(line)
        if self._waiting:
            self._begin()

    def end_of_input(self) -> None:
        """Take the end of the input: a last line without its newline still counts."""
        for line in self._lines.close():
            self._take(line)
        self._begin()
        for entry in list(self._calls.values()):
            if self._changes is not None and entry.listens:
                self._changes.end(entry.call.carrier)
        self._questions.close()

    def take(self, message: bytes, carrier: Carrier | None = None) -> None:
        """Take one whole message, on a transport that keeps messages apart by itself.

        Args:
            message: One message, or a batch where the session has them.
            carrier: How it came, where that differs from message to message.

        Raises:
            McpError: It is no message; no answer was written.
        """
        if carrier is not None:
            self._carrier = carrier
        try:
            if self._session.revision.batches:
                self._take_batch(message)
            else:
                self._take_one(decode(message, self._limits), len(message))
        finally:
            self._begin()

    async def drain(self, seconds: float) -> None:
        """End listen streams with their result (SUB-04), let calls in flight finish, for so many seconds at most."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        await self._end_listens(seconds)
        while (left := deadline - loop.time()) > 0 and self._calls:
            await wait_for(self._calls.values(), left)

    async def aclose(self, seconds: float) -> None:
        """Give up every call in flight without an answer, and let it clean up for so many seconds at most.

        Before that, listen streams are ended with their result, for half that time at most.
        """
        self._session.close()
        if self._teller is not None:
            self._teller.close()
        await self._end_listens(seconds / 2)
        for entry in list(self._calls.values()):
            entry.cancel()
        deadline = asyncio.get_running_loop().time() + seconds
        while (left := deadline - asyncio.get_running_loop().time()) > 0 and self._calls:
            await wait_for(self._calls.values(), left)

    async def _end_listens(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while self._changes is not None and (left := deadline - loop.time()) > 0:
            listens = [entry for entry in self._calls.values() if entry.listens]
            if not listens:
                return
            for entry in listens:
                self._changes.end(entry.call.carrier)
            await wait_for(listens, min(left, _AGAIN_S))

    def end_calls(self, error: McpError) -> None:
        """Answer every call in flight with an error, and stop it."""
        for entry in list(self._calls.values()):
            entry.end(error)

    # --- messages in --------------------------------------------------------------------------------------------------

    def _take(self, line: bytes | LineTooLong) -> None:
        message = None
        try:
            if isinstance(line, LineTooLong):
                raise InvalidRequest(f"The message is longer than {line.limit} bytes (limit line_bytes)")
            if self._session.revision.batches:
                self._take_batch(line)
                return
            message = known = self._shapes.read(line, self._carrier)
            if message is None:
                message = decode(line, self._limits)
            if type(message) is KnownCall or type(message) is Request:
                # The shortest way for what comes most often; it is that of `_receive`.
                call = self._start(message, len(line), self._write)
                if known is None and type(message) is Request and message.method not in _LATER:
                    self._shapes.keep(line, message, call.revision if call.revision.modern else None)
            else:
                self._receive(message, len(line), self._write)
        except McpError as error:
            request_id = message.id if isinstance(message, (Request, KnownCall)) else error.request_id
            self._outlet.write(encode_error(request_id, error))

    def _take_one(self, message: Message, size: int) -> None:
        try:
            self._receive(message, size, self._write)
        except McpError as error:
            self._outlet.write(encode_error(error.request_id, error))

    def _take_batch(self, line: bytes) -> None:
        messages = decode_batch(line, self._limits)
        if not isinstance(messages, list):
            self._take_one(messages, len(line))
            return
        batch = Batch(sum(isinstance(entry, (Request, InvalidRequest)) for entry in messages), self._write)
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
        elif not self._questions.take(message):
            logger.debug("Ignored an answer to no request of ours: id %r", message.id)

    def _start(self, request: Request | KnownCall, size: int, done: Done) -> Call | KnownCall:
        """Have a request of so many bytes served, and return the call that it is.

        Raises:
            McpError: It is refused.
        """
        if self.draining:
            raise Draining("The server is shutting down")
        calls, load, carrier = self._calls, self._load, self._carrier
        if request.id in calls or len(calls) >= self._most:
            self._open.admit(request.id)
        if load.size + size > self._most_bytes:
            raise Busy(f"{load.size} bytes of requests are in flight (limit bytes_in_flight)")
        # Listen streams have limits of their own, and so have channels.
        callers = None if carrier.principal is None or request.method == LISTEN else self._callers
        if callers is not None:
            callers.admit(carrier.principal, None)
        if type(request) is KnownCall:
            entry = OpenCall(request, self._outlet, done, size)
        else:
            entry = self._open_call(request, done, size)
        calls[request.id] = entry
        load.size += size
        if callers is not None:
            callers.enter(carrier.principal, None)
            entry.callers = callers
        self._waiting.append(entry)
        return entry.call

    def _open_call(self, request: Request, done: Done, size: int) -> OpenCall:
        if speaks_modern(request):
            entry = OpenCall(bind_modern(request, self._carrier), self._outlet, done, size)
        else:
            call = self._session.receive_request(request, self._carrier)
            entry = OpenCall(call, self._outlet, done, size, back_channel=CallQuestions(self._questions))
        if request.method == LISTEN:
            entry.listens = self._changes is not None
        return entry

    def _begin(self) -> None:
        """Serve what has come, each in a task; see ADR 0048 for those that share one."""
        entries, self._waiting = self._waiting, []
        # Asked for once: it costs a system call before Python 3.12.
        loop = self._loop = self._loop or asyncio.get_running_loop()
        if len(entries) == 1:
            if self._steps is not None:
                self._steps.start(Alone(self.serve, entries[0]))
            else:
                entries[0].task = loop.create_task(self.serve(entries[0]))
        elif entries:
            waiting = iter(entries)
            _ = loop.create_task(self._serve_in_turn(waiting))
            # After the first step of that task, and before anything else.
            loop.call_soon(self._serve_apart, waiting)

    async def _serve_in_turn(self, waiting: Iterator[OpenCall]) -> None:
        """Serve calls one after the other, as long as each is through without having to wait.

        Those after one that waits are served apart. So are those after one that leaves something behind which the next
        would find: a cancellation, or other values of context variables.
        """
        task, found = cast("asyncio.Task[None]", asyncio.current_task(self._loop)), copy_context()
        for entry in waiting:
            entry.task = task
            await self.serve(entry)
            if entry.cancelled or task.cancelling() or copy_context() != found:
                return

    def _serve_apart(self, waiting: Iterator[OpenCall]) -> None:
        loop = asyncio.get_running_loop()
        for entry in waiting:
            entry.task = loop.create_task(self.serve(entry))

    def _notice(self, notification: Notification) -> None:
        if notification.method == "notifications/cancelled":
            entry = self._open.cancelled(notification.params)
            if entry is not None:
                logger.debug("Cancelled: %r", notification.params.get("reason"))
                entry.cancel()
        elif not speaks_modern(notification):
            self._session.receive_notification(notification)
            if self._teller is not None:
                self._teller.look()

    # --- messages out -------------------------------------------------------------------------------------------------

    async def serve(self, entry: OpenCall) -> None:
        """Serve a call, in the task that this runs in."""
        answer: bytes | None = None
        call, ended = entry.call, False
        try:
            if not entry.cancelled:
                if type(call) is KnownCall:
                    answer = encode_response(call.id, await self._known_service(call, entry))
                else:
                    answer = encode_response(call.id, await self._service(call, entry))
                    ended = call.method in _LATER and self._follow_up(entry, call)
        except McpError as error:
            answer = encode_error(call.id, error)
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit) as error:
            # The server outlives its tools, and the client must not wait for ever.
            if not entry.cancelled:
                logger.exception("%s was ended by %s", call.method, type(error).__name__)
        finally:
            self._calls.pop(call.id, None)
            # Who keeps a reply keeps no task, whose exception would not be seen.
            entry.task = None
            self._load.size -= entry.size
            if entry.callers is not None:
                entry.callers.leave(call.carrier.principal, None)
            if entry.cancelled:
                answer = None
            elif answer is None:
                answer = encode_error(call.id, InternalError("The call was ended before it had a result"))
            entry.done(answer)
            if ended and not entry.cancelled:
                self._outlet.write(_torn_down(call))

    def _follow_up(self, entry: OpenCall, call: Call) -> bool:
        """Do what a result brings about, and tell whether it was that of a listen stream."""
        if call.method == LISTEN:
            return True
        if not entry.cancelled:
            self._session.granted(call)
        return False

    def _write(self, answer: bytes | None) -> None:
        if answer is not None:
            self._outlet.write(answer, last=not self._calls)


def _torn_down(call: Call | KnownCall) -> bytes:
    """Encode what follows the result of a listen stream that this side ended (SUB-05); for shared channels alone."""
    params = CancelledNotificationParams(
        meta={META_SUBSCRIPTION_ID: call.id}, request_id=call.id, reason="The server ended the subscription"
    )
    return encode_notification("notifications/cancelled", params)
