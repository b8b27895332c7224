"""Two processes that talk to each other over a bus: in order, with back-pressure, and each knows that the other lives.

A bus promises little: a message is delivered at most once, nobody says whether anybody hears it, and a reader that is
too slow loses its subscription. So each end has a topic of its own, cuts what it sends into frames, has only so many of
them under way that the other has not taken, and says every `BEAT_S` that it is there. An end that hears nothing for
`QUIET_BEATS` of its own beats takes the other for dead; where its own loop stood still it has counted none.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from msgspec import Struct

from anyport.stores.base import Bus, StoreError

logger = logging.getLogger("anyport.server")

BEAT_S = 2.5
"""Seconds between signs of life."""

QUIET_BEATS: Final = 4
"""Beats without a sign of life after which the other end is dead: ten seconds."""

CLOSE_S: Final = 1.0
"""Seconds that the last word may take to be sent."""

PIECE: Final = 32 * 2**10
"""Most bytes of a message in one frame."""

WINDOW: Final = 32
"""Frames under way: they make a megabyte, and a bus keeps four for a reader by default (``waiting_bytes``)."""


class PipeLost(Exception):
    """The other end is gone, or may have missed something."""


class _Frame(Struct, frozen=True, array_like=True, omit_defaults=True):
    """A message on the bus.

    Attributes:
        taken: Frames with data that the sender has taken so far.
        data: A piece of a message; ``None`` for a sign of life.
        more: Another piece of the message follows.
        over: The sender has closed.
    """

    taken: int
    data: bytes | None = None
    more: bool = False
    over: bool = False


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_Frame)


class Pipe:
    """One end of a conversation; `open_pipe` makes it. It has one sender and one receiver at a time.

    Args:
        bus: The bus.
        heard: What the other end sends.
        topic: Where the other end listens.
    """

    def __init__(self, bus: Bus, heard: AsyncIterator[bytes], topic: str) -> None:
        self._bus = bus
        self._heard = heard
        self._topic = topic
        # Messages, and whether they came in pieces.
        self._inbox: deque[tuple[bytes, bool]] = deque()
        self._pieces: list[bytes] = []
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._came = asyncio.Event()
        self._went = asyncio.Event()
        self._tell = asyncio.Event()
        # Frames with data: sent, taken by the other end, taken here, and as many as the other end was told of.
        self._sent = self._acknowledged = self._taken = self._told = 0
        self._quiet = 0
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._beat())]

    @property
    def lost(self) -> asyncio.Future[str]:
        """Why nothing comes any more; done as soon as that is known."""
        return self._lost

    async def send(self, message: bytes) -> None:
        """Send a message, once the other end has taken enough of those before; a long one is taken on return.

        Raises:
            PipeLost: The other end is gone.
            StoreError: The bus cannot be used.
        """
        if self._lost.done():
            raise PipeLost(self._lost.result())
        starts = range(0, len(message) or 1, PIECE)
        for start in starts:
            await self._until_taken(self._sent - WINDOW + 1)
            self._sent += 1
            await self._publish(message[start : start + PIECE], more=start != starts[-1])
        if len(starts) > 1:
            # Pieces count as taken when they are put together: only this bounds what waits at the other end.
            await self._until_taken(self._sent)

    async def receive(self) -> bytes:
        """Return the next message.

        Raises:
            PipeLost: The other end is gone, and everything that it said was received.
        """
        while not self._inbox:
            if self._lost.done():
                raise PipeLost(self._lost.result())
            self._came.clear()
            await self._came.wait()
        message, is_long = self._inbox.popleft()
        self._taken += 1
        # Who sends a long one waits until it is taken.
        if is_long or self._taken - self._told >= WINDOW // 2:
            self._tell.set()
        return message

    async def say(self) -> None:
        """Say that this end is there.

        Raises:
            StoreError: The bus cannot be used.
        """
        await self._publish(None)

    async def aclose(self) -> None:
        """Tell the other end, unless it is gone itself, and end."""
        for task in self._tasks:
            task.cancel()
        try:
            await asyncio.wait(self._tasks)
            for task in self._tasks:
                if not task.cancelled() and (error := task.exception()) is not None:
                    logger.error("A bus fails in a way of its own", exc_info=error)
            if not self._lost.done():
                async with asyncio.timeout(CLOSE_S):
                    await self._bus.publish(self._topic, _ENCODER.encode(_Frame(self._taken, over=True)))
        except (StoreError, TimeoutError) as error:
            # It finds out by the silence.
            logger.debug("Another process was not told of the end of a call: %s", error)
        finally:
            self._lose("it was closed")

    async def _publish(self, data: bytes | None, *, more: bool = False) -> None:
        self._told = self._taken
        await self._bus.publish(self._topic, _ENCODER.encode(_Frame(self._taken, data, more)))

    async def _until_taken(self, number: int) -> None:
        while self._acknowledged < number:
            if self._lost.done():
                raise PipeLost(self._lost.result())
            self._went.clear()
            await self._went.wait()

    async def _listen(self) -> None:
        try:
            async for message in self._heard:
                frame = _DECODER.decode(message)
                self._quiet = 0
                self._acknowledged = max(self._acknowledged, frame.taken)
                self._went.set()
                if frame.over:
                    self._lose("the other process has ended the call")
                    return
                if frame.data is not None:
                    self._hear(frame.data, more=frame.more)
        except (StoreError, msgspec.MsgspecError) as error:
            self._lose(str(error))
        else:
            self._lose("the store was closed")

    def _hear(self, data: bytes, *, more: bool) -> None:
        self._pieces.append(data)
        if more:
            self._taken += 1
            if self._taken - self._told >= WINDOW // 2:
                self._tell.set()
        else:
            self._inbox.append((b"".join(self._pieces), len(self._pieces) > 1))
            self._pieces.clear()
            self._came.set()

    async def _beat(self) -> None:
        try:
            while self._quiet < QUIET_BEATS:
                try:
                    async with asyncio.timeout(BEAT_S):
                        await self._tell.wait()
                except TimeoutError:
                    self._quiet += 1
                self._tell.clear()
                await self.say()
        except StoreError as error:
            self._lose(str(error))
        else:
            self._lose(f"nothing was heard of the other process for {QUIET_BEATS * BEAT_S:g} s")

    def _lose(self, reason: str) -> None:
        if not self._lost.done():
            self._lost.set_result(reason)
        self._came.set()
        self._went.set()


@asynccontextmanager
async def open_pipe(bus: Bus, here: str, there: str) -> AsyncGenerator[Pipe]:
    """Talk to another process.

    Args:
        bus: The bus.
        here: Topic of this end; nobody else's.
        there: Topic of the other end.

    Raises:
        StoreError: The bus cannot be used.
    """
    async with bus.subscribe(here) as heard:
        pipe = Pipe(bus, heard, there)
        try:
            yield pipe
        finally:
            await pipe.aclose()
