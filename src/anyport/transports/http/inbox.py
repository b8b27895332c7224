"""What the processes that serve one legacy session tell each other, on the session's own topic of the bus."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from anyport.protocol.errors import McpError
from anyport.stores.base import Bus, DirectBus, StoreError, SubscriptionLost

logger = logging.getLogger("anyport.transports")


class Forwarded(Struct, frozen=True, tag="message"):
    """A message of the client that means something to another process: an answer, or a cancellation."""

    message: bytes


class Taken(Struct, frozen=True, tag="taken"):
    """The client follows a stream somewhere else from now on; who writes it says that it lives.

    Attributes:
        stream: Name of the stream.
        by: Name of the connection that follows it now.
    """

    stream: str
    by: str


class Changed(Struct, frozen=True, tag="row"):
    """What is kept of the session has changed.

    Attributes:
        row: The new row.
        by: Which process changed it.
    """

    row: bytes
    by: str


class Ended(Struct, frozen=True, tag="end"):
    """The client has ended the session."""


Note = Forwarded | Taken | Changed | Ended

_DEAF: Final = "A session cannot hear of other processes: %s"
_decode = msgspec.msgpack.Decoder(Note).decode
encode_note = msgspec.msgpack.Encoder().encode


class Inbox:
    """Receives the notes of other processes for as long as somebody here needs them.

    Args:
        bus: Carries them.
        topic: The id of the session.
        take: Called with each note; it must not block.
    """

    __slots__ = ("_bus", "_detach", "_direct", "_ready", "_take", "_task", "_topic", "_users")

    def __init__(self, bus: Bus, topic: str, take: Callable[[Note], None]) -> None:
        self._bus = bus
        self._direct = bus if isinstance(bus, DirectBus) else None
        self._detach: Callable[[], None] | None = None
        self._topic = topic
        self._take = take
        self._users = 0
        self._task: asyncio.Task[None] | None = None
        self._ready: asyncio.Event | None = None

    def join(self) -> None:
        """Begin to listen, unless somebody did before."""
        self._users += 1
        if self._direct is not None:
            if self._detach is None:
                self._attach(self._direct)
        elif self._task is None:
            self._ready = asyncio.Event()
            self._task = asyncio.create_task(self._listen(self._ready))

    def leave(self) -> None:
        """Stop listening, unless somebody else needs it."""
        self._users -= 1
        if self._users:
            return
        if self._detach is not None:
            self._detach()
            self._detach = None
        elif self._task is not None:
            self._task.cancel()
            self._task = None

    async def listening(self) -> None:
        """Wait until what others send from here on is received; after `join`."""
        if self._ready is not None:
            await self._ready.wait()

    def _attach(self, bus: DirectBus) -> None:
        try:
            self._detach = bus.attach(self._topic, self._open)
        except StoreError as error:
            logger.warning(_DEAF, error)

    async def _listen(self, ready: asyncio.Event) -> None:
        try:
            while True:
                try:
                    await self._receive(ready)
                except SubscriptionLost as error:
                    # What was lost concerns cancellations and answers of this session alone; the next ones count.
                    logger.warning("A session missed what other processes said: %s", error)
                else:
                    return
        except StoreError as error:
            logger.warning(_DEAF, error)
        finally:
            ready.set()

    async def _receive(self, ready: asyncio.Event) -> None:
        async with self._bus.subscribe(self._topic) as messages:
            ready.set()
            async for message in messages:
                self._open(message)

    def _open(self, message: bytes) -> None:
        try:
            self._take(_decode(message))
        except (ValueError, McpError) as error:
            logger.warning("A note of another version, or with other limits, was ignored: %s", error)
