"""The subscribers of one process: who waits for which topic, and what waits for whom."""

from __future__ import annotations

import asyncio
from collections import deque

from anyport.stores.base import StoreLimits, SubscriptionLost


class Subscription:
    """The messages of one topic for one reader, bounded.

    Args:
        topic: What it is for.
        limits: How much may wait.
    """

    __slots__ = ("_bytes", "_is_ended", "_limits", "_lost", "_messages", "_waiter", "topic")

    def __init__(self, topic: str, limits: StoreLimits) -> None:
        self.topic = topic
        self._limits = limits
        self._messages: deque[bytes] = deque()
        self._bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._lost: str | None = None
        self._is_ended = False

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> bytes:
        while not self._messages:
            if self._lost is not None:
                raise SubscriptionLost(self._lost)
            if self._is_ended:
                raise StopAsyncIteration
            if self._waiter is not None:
                raise RuntimeError("This subscription has a reader already")
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message = self._messages.popleft()
        self._bytes -= len(message)
        return message

    def put(self, message: bytes) -> None:
        """Add a message; where it does not fit the subscription is lost, and what waited is dropped."""
        if self._lost is not None or self._is_ended:
            return
        if len(self._messages) >= self._limits.waiting_messages:
            self.lose(f"{len(self._messages)} messages wait for a slow subscriber (limit waiting_messages)")
        elif self._messages and self._bytes + len(message) > self._limits.waiting_bytes:
            self.lose(f"{self._bytes} bytes wait for a slow subscriber (limit waiting_bytes)")
        else:
            self._messages.append(message)
            self._bytes += len(message)
            self._wake()

    def lose(self, reason: str) -> None:
        """Give the subscription up; its reader is told why."""
        self._lost = reason
        self._messages.clear()
        self._wake()

    def end(self) -> None:
        """Let the reader come to the end, after what waits."""
        self._is_ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Subscriptions:
    """Every subscription of one process, by topic.

    Args:
        limits: How much may wait in each.
    """

    def __init__(self, limits: StoreLimits) -> None:
        self._limits = limits
        self._topics: dict[str, dict[Subscription, None]] = {}

    def __len__(self) -> int:
        return len(self._topics)

    def __contains__(self, topic: str) -> bool:
        return topic in self._topics

    def add(self, topic: str) -> Subscription:
        """Return a new subscription, which receives from now on."""
        subscription = Subscription(topic, self._limits)
        self._topics.setdefault(topic, {})[subscription] = None
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """End a subscription and forget it."""
        subscription.end()
        subscribers = self._topics.get(subscription.topic, {})
        subscribers.pop(subscription, None)
        if not subscribers:
            self._topics.pop(subscription.topic, None)

    def of(self, topic: str) -> tuple[Subscription, ...]:
        """Return those of one topic."""
        return tuple(self._topics.get(topic, ()))

    def all(self) -> list[Subscription]:
        """Return those of every topic."""
        return [subscription for subscribers in self._topics.values() for subscription in subscribers]

    def end(self) -> None:
        """End and forget all of them."""
        for subscription in self.all():
            self.remove(subscription)
