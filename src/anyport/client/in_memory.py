"""A server in the same process as the target of a client."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, Protocol, runtime_checkable

from anyport.protocol.calls import Carrier, Service
from anyport.protocol.changes import Change, Changes
from anyport.protocol.eras import speaks_modern
from anyport.protocol.errors import ConnectError, InternalError, LocalProtocolError, McpError
from anyport.protocol.jsonrpc import ErrorResponse, Notification, Request, Response, as_object
from anyport.protocol.legacy import LegacySession
from anyport.protocol.limits import DEFAULT_LIMITS
from anyport.protocol.revisions import Revision
from anyport.protocol.types.json import JsonObject
from anyport.server.lifespan import Lifespan
from anyport.transports.calling import PLAIN, Incoming, Sending
from anyport.transports.memory import MemoryBackChannel, MemoryReply, MemoryTransport

_CLEAN_UP_S: Final = 1.0
"""Seconds for what calls run to end, once they were cancelled."""


@runtime_checkable
class InProcess(Protocol):
    """What can be called without a wire: a `Server`, or whatever else is a service with a lifespan."""

    service: Service
    lifespan: Lifespan


@runtime_checkable
class Changing(Protocol):
    """What has changes to tell of."""

    @property
    def subscriptions(self) -> Changes:
        """Who is told."""
        ...


class MemoryClient:
    """A client's side of a server in the same process.

    What is sent is encoded and decoded once, so that a call sees what it would see over a wire.

    Args:
        server: The server.
    """

    probe_silence_s: float | None = None

    def __init__(self, server: InProcess) -> None:
        self._server = server
        self._incoming: Incoming | None = None
        self._modern = MemoryTransport(server.service)
        self._legacy = LegacySession()
        self._carrier = Carrier(transport="memory")
        self._detach: Callable[[], None] | None = None
        self._asks = MemoryBackChannel(self._ask, DEFAULT_LIMITS.answer_s)
        self._asked = 0
        self._calls: set[_Call] = set()
        self._idle = asyncio.Event()

    async def start(self, incoming: Incoming) -> None:
        """Start the server's lifespan, unless it runs.

        Raises:
            LocalProtocolError: It was started before, and not closed since.
        """
        if self._incoming is not None:
            raise LocalProtocolError("The transport is open: await aclose() before it is started again")
        await self._server.lifespan.hold()
        self._legacy = LegacySession()
        self._incoming = incoming

    def settle(self, revision: Revision | None) -> None:
        """Take the revision that is spoken; not needed here, as each request says it."""

    async def request(self, request: Request, sending: Sending = PLAIN) -> Response | ErrorResponse:
        """Call the server.

        Args:
            request: The request.
            sending: Not used: this transport has no headers.

        Raises:
            ConnectError: The client was closed.
        """
        if self._incoming is None:
            raise ConnectError("The client was closed", unsent=True)
        sent = Request(request.id, request.method, as_object(request.params))
        call = _Call(self._incoming)
        self._calls.add(call)
        try:
            return Response(request.id, await self._serve(sent, call))
        except McpError as error:
            return ErrorResponse(request.id, error.to_wire())
        except asyncio.CancelledError:
            if call.was_cancelled():
                raise
            if call.is_ended:
                raise ConnectError("The client was closed") from None
            # Nobody cancelled the client: a tool cancelled itself.
            error = InternalError("The call was ended before it had a result")
            return ErrorResponse(request.id, error.to_wire())
        finally:
            call.leave()
            self._calls.discard(call)
            if not self._calls:
                self._idle.set()

    async def notify(self, notification: Notification) -> None:
        """Tell the server."""
        self._legacy.receive_notification(notification)
        if self._detach is None and self._legacy.state == "ready" and isinstance(self._server, Changing):
            self._detach = self._server.subscriptions.attach(self._tell)

    async def aclose(self) -> None:
        """Leave: requests that still wait fail, and the last client ends the server's lifespan."""
        if self._incoming is None:
            return
        self._incoming = None
        if self._detach is not None:
            self._detach()
            self._detach = None
        try:
            await self._end_calls()
        finally:
            await self._server.lifespan.release()

    async def _end_calls(self) -> None:
        """End the calls in their tasks, and let what they run clean up, within bounds."""
        mine = {call for call in self._calls if call.end()}
        if mine:
            self._idle.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), _CLEAN_UP_S)

    async def _serve(self, request: Request, running: _Call) -> JsonObject:
        if speaks_modern(request):
            return await self._modern.request(request, running.notify)
        call = self._legacy.receive_request(request, self._carrier)
        reply = MemoryReply(running.notify)
        reply.back_channel = self._asks
        try:
            result = as_object(await self._server.service(call, reply))
            self._legacy.granted(call)
            return result
        finally:
            reply.cancelled = True

    async def _ask(self, method: str, params: JsonObject) -> JsonObject:
        if self._incoming is None:
            raise ConnectError("The client was closed")
        self._asked += 1
        answer = await self._incoming.asked(Request(self._asked, method, params))
        if isinstance(answer, ErrorResponse):
            raise McpError.from_wire(answer.error)
        return answer.result

    def _tell(self, change: Change) -> None:
        if self._incoming is not None and self._legacy.wants(change):
            self._incoming.notified(Notification(change.method, as_object(change.params())))


class _Call:
    """A call that runs in the task of whoever made it: to end it is to cancel that task, and to take that back."""

    def __init__(self, incoming: Incoming) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine is run by a task
        self._task = task
        self._before = task.cancelling()
        self._incoming: Incoming | None = incoming
        self.is_ended = False

    async def notify(self, notification: Notification) -> None:
        """Hand over what the server says about the call; nothing once it was ended."""
        if self._incoming is not None:
            self._incoming.notified(notification)

    def end(self) -> bool:
        """End the call; false where it is the caller's own."""
        self._incoming = None
        if self._task is asyncio.current_task():
            return False
        self.is_ended = True
        self._task.cancel()
        return True

    def was_cancelled(self) -> bool:
        """Whether somebody else cancelled the task."""
        return self._task.cancelling() > self._before + self.is_ended

    def leave(self) -> None:
        """Take back the cancellation that ended the call: the task goes on."""
        if self.is_ended:
            self._task.uncancel()
