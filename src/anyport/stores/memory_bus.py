"""The bus of one process: whoever listens is in it, so that nothing has to wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

from anyport.stores.base import StoreClosed, StoreLimits
from anyport.stores.subscriptions import Subscriptions


class _Listener:
    __slots__ = ("_listeners", "_topic", "take")

    def __init__(self, listeners: dict[str, dict[_Listener, None]], topic: str, take: Callable[[bytes], None]) -> None:
        self._listeners = listeners
        self._topic = topic
        self.take = take
        listeners.setdefault(topic, {})[self] = None

    def hear(self, message: bytes) -> None:
        """Hand a message over, unless it has ended meanwhile."""
        if self in self._listeners.get(self._topic, ()):
            self.take(message)

    def end(self) -> None:
        """Hear nothing more."""
        others = self._listeners.get(self._topic, {})
        others.pop(self, None)
        if not others:
            self._listeners.pop(self._topic, None)


class MemoryBus:
    """The bus of one process, a `DirectBus`.

    Args:
        limits: Of the store.
    """

    def __init__(self, limits: StoreLimits) -> None:
        self._subscriptions = Subscriptions(limits)
        self._listeners: dict[str, dict[_Listener, None]] = {}
        self.is_open = False

    async def publish(self, topic: str, message: bytes) -> None:
        """Send a message; see `Bus.publish`."""
        if not self.is_open:
            raise StoreClosed
        if topic in self._listeners:
            loop = asyncio.get_running_loop()
            for listener in self._listeners[topic]:
                loop.call_soon(listener.hear, message)
        if topic in self._subscriptions:
            for subscription in self._subscriptions.of(topic):
                subscription.put(message)

    def attach(self, topic: str, listener: Callable[[bytes], None]) -> Callable[[], None]:
        """Hand messages over; see `DirectBus.attach`."""
        if not self.is_open:
            raise StoreClosed
        return _Listener(self._listeners, topic, listener).end

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Receive messages; see `Bus.subscribe`."""
        if not self.is_open:
            raise StoreClosed
        subscription = self._subscriptions.add(topic)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)

    def clear(self) -> None:
        """End every subscription."""
        self._subscriptions.end()
        self._listeners.clear()
