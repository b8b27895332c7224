"""A taker of what comes in from a transport, for tests of transports by themselves."""

from __future__ import annotations

import asyncio

from anyport.protocol.errors import METHOD_NOT_FOUND, AnyportError, ErrorObject
from anyport.protocol.jsonrpc import ErrorResponse, Notification, Request, Response
from anyport.transports.calling import Answer, Incoming

WAIT = 30.0


class Taken:
    """Keeps what comes in, and answers pings.

    Attributes:
        notified: The notifications.
        asked: The requests of the server.
        lost: Why the connection was gone, each time that it was told.
    """

    def __init__(self) -> None:
        self.notified: list[Notification] = []
        self.asked: list[Request] = []
        self.lost: list[AnyportError] = []
        self.changed = asyncio.Event()

    @property
    def incoming(self) -> Incoming:
        """What a transport is started with."""
        return Incoming(self._notified, self._asked, self._lost)

    async def until_lost(self) -> AnyportError:
        """Wait until the connection is gone."""
        async with asyncio.timeout(WAIT):
            while not self.lost:
                self.changed.clear()
                await self.changed.wait()
        return self.lost[0]

    async def until_notified(self, count: int) -> list[Notification]:
        """Wait for so many notifications."""
        async with asyncio.timeout(WAIT):
            while len(self.notified) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.notified

    def _notified(self, notification: Notification) -> None:
        self.notified.append(notification)
        self.changed.set()

    async def _asked(self, request: Request) -> Answer:
        self.asked.append(request)
        if request.method == "ping":
            return Response(request.id, {})
        if request.method == "never":
            await asyncio.Event().wait()
        return ErrorResponse(request.id, ErrorObject(METHOD_NOT_FOUND, "no"))

    def _lost(self, error: AnyportError) -> None:
        self.lost.append(error)
        self.changed.set()


def call(request_id: int, name: str = "echo", **arguments: str) -> Request:
    """Return a legacy call of a tool."""
    return Request(request_id, "tools/call", {"name": name, "arguments": {**arguments}})
