"""One client of the HTTP+SSE transport: messages come in by POST, and go out as events of the stream it holds open."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Final

from anyport.protocol.calls import Service
from anyport.protocol.changes import Changes
from anyport.protocol.errors import ENDED, Busy, InternalError
from anyport.protocol.limits import Limits
from anyport.protocol.sse import encode_event
from anyport.transports.callers import Callers
from anyport.transports.duplex import Duplex, Load

logger = logging.getLogger("anyport.transports")

_CLEAN_UP_S: Final = 0.2


class Backlog:
    """What waits for the readers of all streams together.

    Args:
        limit: Bytes that may; above, the reader for which most waits is dropped, and if need be the next one.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._outlets: set[EventOutlet] = set()

    def add(self, outlet: EventOutlet) -> None:
        """Count what waits for a reader, from now on."""
        self._outlets.add(outlet)

    def discard(self, outlet: EventOutlet) -> None:
        """Count it no more."""
        if outlet in self._outlets:
            self._outlets.remove(outlet)
            self._size -= outlet.size

    def grow(self, outlet: EventOutlet, change: int) -> None:
        """Count bytes more, or less."""
        if outlet not in self._outlets:
            return
        self._size += change
        while self._size > self._limit:
            slowest = max(self._outlets, key=lambda each: each.size)
            logger.info(
                "Dropped a client of HTTP+SSE for which %d bytes waited: more than %d wait for all of them together"
                " (limit stream_buffers_bytes)",
                slowest.size,
                self._limit,
            )
            self.discard(slowest)
            slowest.drop()


class EventOutlet:
    """Events that wait for the stream to take them.

    Args:
        limit: Bytes that may wait before who can wait has to.
        backlog: Counts them together with those of others.
        drop: Called when too much waits for all of them and most of it here.

    Attributes:
        drop: See above.
        size: Bytes that wait.
        ended: Nothing more is taken, and nobody is told of what still comes.
    """

    def __init__(self, limit: int, backlog: Backlog, drop: Callable[[], None]) -> None:
        self.drop = drop
        self.size = 0
        self._backlog = backlog
        backlog.add(self)
        self._limit = limit
        self._events: list[bytes] = []
        self._leaving = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.ended = False

    @property
    def full(self) -> bool:
        """Whether more waits than the limit."""
        return self.size > self._limit

    def write(self, message: bytes, *, last: bool = False) -> None:
        """Send a message as an event; see `Outlet.write`."""
        if self.ended:
            return
        event = encode_event(message, event="message")
        self._events.append(event)
        self._news.set()
        self._count(len(event))
        if self.full and not self.ended:
            self._room.clear()

    async def room(self) -> None:
        """Let others have a turn, and wait until less than the limit waits."""
        await asyncio.sleep(0)
        await self._room.wait()

    async def take(self, seconds: float) -> bytes | None:
        """Return what waits, for the stream; what the last call returned has been sent by now.

        Args:
            seconds: How long to wait for something.

        Returns:
            One or more events; nothing where none came in time; ``None`` at the end.
        """
        self._count(-self._leaving)
        self._leaving = 0
        if not self.full:
            self._room.set()
        if not self._events and not self.ended:
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                return b""
        self._news.clear()
        events, self._events = self._events, []
        self._leaving = self.size
        return b"".join(events) if events else None if self.ended else b""

    def end(self) -> None:
        """Take nothing more; what waits is still sent."""
        self.ended = True
        self._news.set()
        self._room.set()

    def forget(self) -> None:
        """Take nothing more, and send nothing more."""
        self._events.clear()
        self._backlog.discard(self)
        self.end()

    def _count(self, change: int) -> None:
        self.size += change
        self._backlog.grow(self, change)


class Conversation:
    """A client and what it has open.

    Args:
        service: What answers calls.
        limits: Bounds on messages, calls and what waits for the client.
        principal: Who it is; nobody else may post to it.
        changes: What the client may want to be told of; ``None`` for nothing.
        load: Counts the bytes of requests of all conversations.
        backlog: Counts the bytes that wait for all clients.
        callers: Counts the calls in flight of each caller.

    Attributes:
        id: Its unguessable name.
        gone: It has left.
        stream: The task that writes its stream.
    """

    def __init__(
        self,
        service: Service,
        limits: Limits,
        principal: str | None,
        changes: Changes | None,
        *,
        load: Load,
        backlog: Backlog,
        callers: Callers,
    ) -> None:
        self.id = secrets.token_urlsafe(24)
        self.principal = principal
        self.outlet = EventOutlet(limits.stream_buffer_bytes, backlog, self._drop)
        self.stream: asyncio.Task[None] | None = None
        self.duplex = Duplex(service, limits, self.outlet, "sse", changes, load=load, callers=callers)
        self.gone = False
        self._limits = limits

    async def room(self) -> None:
        """Wait until the client has read enough to send more.

        Raises:
            Busy: It has not, for too long.
        """
        limits = self._limits
        try:
            async with asyncio.timeout(limits.write_s):
                await self.outlet.room()
        except TimeoutError:
            raise Busy(
                f"More than {limits.stream_buffer_bytes} bytes wait for this client to read its stream"
                " (limit stream_buffer_bytes)"
            ) from None

    def leave(self) -> None:
        """Note that the client has left: nothing that waits can be sent any more."""
        self.gone = True
        self.outlet.forget()

    async def drain(self, seconds: float) -> None:
        """Let the calls in flight finish, answer those that do not with an error, and end the stream."""
        self.duplex.draining = True
        await self.duplex.drain(seconds)
        self.duplex.end_calls(InternalError(ENDED))
        self.outlet.end()

    async def aclose(self) -> None:
        """Give up what is still in flight."""
        self.outlet.forget()
        await self.duplex.aclose(_CLEAN_UP_S)

    def _drop(self) -> None:
        self.leave()
        if self.stream is not None:
            # It waits for its client to read.
            self.stream.cancel()
