"""Faults of a bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from anyport.stores.base import DirectBus, Store, StoreClosed, SubscriptionLost
from tests.stores.broken_stores import Part, Topics
from tests.stores.kinds import Clock


class Remembers(Topics):
    """Subscribers get the last message first, as from a retained topic."""

    def __init__(self, inner: Store, clock: Clock) -> None:
        super().__init__(inner, clock)
        self.last: dict[str, bytes] = {}

    async def publish(self, topic: str, message: bytes) -> None:
        self.last[topic] = message
        await super().publish(topic, message)

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        async with super().subscribe(topic) as messages:
            if topic in self.last:
                await super().publish(topic, self.last[topic])
            yield messages


class Broadcasts(Topics):
    """One topic for all."""

    async def publish(self, topic: str, message: bytes) -> None:
        await super().publish("", message)

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return super().subscribe("")


class SendsTwice(Topics):
    async def publish(self, topic: str, message: bytes) -> None:
        await super().publish(topic, message)
        await super().publish(topic, message)


class Reorders(Topics):
    """Pairs of messages change places."""

    kept: bytes | None = None

    async def publish(self, topic: str, message: bytes) -> None:
        if self.kept is None and message:
            self.kept = message
            return
        await super().publish(topic, message)
        if self.kept is not None:
            kept, self.kept = self.kept, None
            await super().publish(topic, kept)


class EachItsOwnOrder(Topics):
    """Every second subscriber sees pairs of messages the other way round."""

    count = 0

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        self.count += 1
        async with super().subscribe(topic) as messages:
            yield messages if self.count % 2 else _swapped(messages)


async def _swapped(messages: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    async for message in messages:
        yield await anext(messages)
        yield message


class Unending(Topics):
    """Readers are left waiting when the store is closed."""

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        async with super().subscribe(topic) as messages:
            yield _unending(messages)


async def _unending(messages: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    async for message in messages:
        yield message
    await asyncio.Event().wait()


class Unbounded(Topics):
    """What is slow is skipped in silence instead of being told."""

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        async with super().subscribe(topic) as messages:
            yield _patient(messages)


async def _patient(messages: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    while True:
        try:
            yield await anext(messages)
        except SubscriptionLost:
            yield b""


class NeverCloses(Topics):
    async def publish(self, topic: str, message: bytes) -> None:
        try:
            await super().publish(topic, message)
        except StoreClosed:
            return


class Clings(Topics):
    """Listeners hear on after they have ended."""

    def attach(self, topic: str, listener: Callable[[bytes], None]) -> Callable[[], None]:
        assert isinstance(self.inner.bus, DirectBus)
        self.inner.bus.attach(topic, listener)
        return lambda: None


BROKEN_TOPICS: dict[Part, str] = {
    EachItsOwnOrder: "check_one_order",
    Unending: "check_ends",
    Remembers: "check_late_subscribers",
    Broadcasts: "check_topics",
    SendsTwice: "check_delivery",
    Reorders: "check_delivery",
    Unbounded: "check_slow_subscribers",
    NeverCloses: "check_life",
    Clings: "check_listeners",
}
"""Each with the check that finds it."""
