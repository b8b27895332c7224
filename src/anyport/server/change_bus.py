"""Changes between the processes of one server, over the bus of the store that they share."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Final, get_args

import msgspec
from msgspec import Struct

from anyport.protocol.changes import Change, ChangeMethod
from anyport.server.audience import Attached, Audience
from anyport.stores.base import Bus, StoreClosed, StoreError, SubscriptionLost

logger = logging.getLogger("anyport.server")

RETRY_S: Final = 1.0
"""Seconds before the bus is tried again that failed without having delivered anything."""

CLOSE_S: Final = 1.0
"""Seconds in which the last changes are sent."""

_CHANGES: Final = 100
"""Changes in one message."""


class _News(Struct, frozen=True, array_like=True):
    """A message on the bus.

    Attributes:
        origin: Who sent it, so that nobody is told of its own.
        changes: What changed.
    """

    origin: str
    changes: list[Change]


class ChangeBus:
    """Sends the changes of this process, and delivers those of the others.

    Args:
        bus: The bus.
        topic: Name of the server on it.
        deliver: Takes each change of another process.
        deliver_everything: Called when changes may have been missed.
    """

    def __init__(
        self, bus: Bus, topic: str, deliver: Callable[[Change], None], deliver_everything: Callable[[], None]
    ) -> None:
        self._bus = bus
        self._topic = topic
        self._deliver = deliver
        self._deliver_everything = deliver_everything
        self._origin = secrets.token_hex(8)
        self._waiting: dict[Change, None] = {}
        self._wake = asyncio.Event()
        self._is_closing = False
        # What gathers the changes of every thread for this loop, each once.
        self._outgoing = Audience(asyncio.get_running_loop())
        self._outgoing.attach(Attached(self._take, frozenset(get_args(ChangeMethod))))
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Subscribe; from here on nothing that others send is missed.

        Raises:
            StoreError: The bus cannot be used.
        """
        ready = asyncio.Event()
        receiving, waiting = asyncio.create_task(self._receive(ready)), asyncio.create_task(ready.wait())
        try:
            await asyncio.wait((receiving, waiting), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            if not ready.is_set():
                receiving.cancel()
        if not ready.is_set():
            await receiving
        self._tasks = [receiving, asyncio.create_task(self._send_all())]

    async def aclose(self) -> None:
        """Send what waits, within `CLOSE_S`, and end."""
        if not self._tasks:
            return
        receiving, sending = self._tasks
        self._tasks = []
        self._is_closing = True
        self._wake.set()
        await asyncio.wait((sending,), timeout=CLOSE_S)
        receiving.cancel()
        sending.cancel()
        await asyncio.wait((receiving, sending))

    def send(self, change: Change) -> None:
        """Tell the other processes of a change; from any thread."""
        try:
            self._outgoing.post(change)
        except RuntimeError:
            logger.debug("The other processes are not told of %s: the loop has ended", change)

    def _take(self, change: Change) -> None:
        self._waiting[change] = None
        self._wake.set()

    async def _send_all(self) -> None:
        while self._waiting or not self._is_closing:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            changes = list(self._waiting)[:_CHANGES]
            for change in changes:
                del self._waiting[change]
            if changes:
                try:
                    await self._bus.publish(self._topic, msgspec.json.encode(_News(self._origin, changes)))
                except StoreError as error:
                    logger.error("The other processes were not told of %d changes: %s", len(changes), error)

    async def _receive(self, ready: asyncio.Event) -> None:
        missed = False
        while True:
            heard = False
            try:
                async with self._bus.subscribe(self._topic) as messages:
                    ready.set()
                    if missed:
                        self._deliver_everything()
                    async for message in messages:
                        heard = True
                        self._hear(message)
                return  # the store was closed
            except StoreClosed:
                if not ready.is_set():
                    raise
                return
            except StoreError as error:
                if not ready.is_set():
                    raise
                missed = True
                logger.warning("Changes in other processes may have been missed: %s", error)
                if not heard or not isinstance(error, SubscriptionLost):
                    await asyncio.sleep(RETRY_S)

    def _hear(self, message: bytes) -> None:
        try:
            news = msgspec.json.decode(message, type=_News)
        except msgspec.DecodeError as error:
            # Of a newer version, perhaps: it knows of changes that this one has no name for.
            logger.warning("A message on the bus is none of changes: %s", error)
            return
        if news.origin != self._origin:
            for change in news.changes:
                self._deliver(change)
