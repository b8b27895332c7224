"""A server in the same process as the target of a client."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Final, Protocol, runtime_checkable

from anyport.protocol.calls import Carrier, Service
from anyport.protocol.eras import speaks_modern
from anyport.protocol.errors import ConnectError, InternalError, McpError
from anyport.protocol.headers import HeaderParameter
from anyport.protocol.jsonrpc import ErrorResponse, Notification, Request, Response
from anyport.protocol.legacy import LegacySession
from anyport.protocol.revisions import Revision
from anyport.protocol.types.json import JsonObject
from anyport.server.lifespan import Lifespan
from anyport.transports.memory import MemoryReply, MemoryTransport, as_object


@runtime_checkable
class InProcess(Protocol):
    """What can be called without a wire: a `Server`, or whatever else is a service with a lifespan."""

    service: Service
    lifespan: Lifespan


_clients: Final[weakref.WeakKeyDictionary[Lifespan, int]] = weakref.WeakKeyDictionary()
"""Clients that use a lifespan: the first starts it, the last ends it."""


class MemoryClient:
    """A client's side of a server in the same process.

    What is sent is encoded and decoded once, so that a call sees what it would see over a wire.

    Args:
        server: The server.
        notified: Takes each notification.
    """

    probe_silence_s: float | None = None

    def __init__(self, server: InProcess, notified: Callable[[Notification], None]) -> None:
        self._server = server
        self._notified = notified
        self._modern = MemoryTransport(server.service)
        self._legacy = LegacySession()
        self._carrier = Carrier(transport="memory")
        self._started = False

    async def start(self) -> None:
        """Start the server's lifespan, unless it runs."""
        lifespan = self._server.lifespan
        _clients[lifespan] = _clients.get(lifespan, 0) + 1
        self._started = True
        await lifespan.start()

    def settle(self, revision: Revision | None) -> None:
        """Take the revision that is spoken; not needed here, as each request says it."""

    async def request(self, request: Request, mirrored: tuple[HeaderParameter, ...] = ()) -> Response | ErrorResponse:
        """Call the server.

        Args:
            request: The request.
            mirrored: Not used: this transport has no headers.
        """
        if not self._started:
            raise ConnectError("The client was closed")
        sent = Request(request.id, request.method, as_object(request.params))
        try:
            return Response(request.id, await self._serve(sent))
        except McpError as error:
            return ErrorResponse(request.id, error.to_wire())
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Nobody cancelled the client: a tool cancelled itself.
            error = InternalError("The call was ended before it had a result")
            return ErrorResponse(request.id, error.to_wire())

    async def notify(self, notification: Notification) -> None:
        """Tell the server."""
        self._legacy.receive_notification(notification)

    async def aclose(self) -> None:
        """Leave; the last client ends the server's lifespan."""
        if not self._started:
            return
        self._started = False
        lifespan = self._server.lifespan
        left = _clients[lifespan] - 1
        if left:
            _clients[lifespan] = left
        else:
            del _clients[lifespan]
            await lifespan.aclose()

    async def _serve(self, request: Request) -> JsonObject:
        if speaks_modern(request):
            return await self._modern.request(request, self._listen)
        call = self._legacy.receive_request(request, self._carrier)
        reply = MemoryReply(self._listen)
        try:
            return as_object(await self._server.service(call, reply))
        finally:
            reply.cancelled = True

    async def _listen(self, notification: Notification) -> None:
        self._notified(notification)
