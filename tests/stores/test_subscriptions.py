"""What waits for one reader of one topic."""

from __future__ import annotations

import asyncio
import gc
import sys

import pytest

from anyport.stores.base import StoreLimits, SubscriptionLost
from anyport.stores.subscriptions import Subscription, Subscriptions


async def test_a_reader_that_is_cancelled_loses_no_message() -> None:
    subscription = Subscription("topic", StoreLimits())
    reader = asyncio.create_task(anext(subscription))
    await asyncio.sleep(0)
    subscription.put(b"1")
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    subscription.put(b"2")
    assert [await anext(subscription), await anext(subscription)] == [b"1", b"2"]


async def test_a_second_reader_is_refused() -> None:
    subscription = Subscription("topic", StoreLimits())
    reader = asyncio.create_task(anext(subscription))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="a reader already"):
        await anext(subscription)
    subscription.put(b"1")
    assert await reader == b"1"


async def test_a_reader_that_waits_is_told_of_a_loss() -> None:
    subscription = Subscription("topic", StoreLimits())
    reader = asyncio.create_task(anext(subscription))
    await asyncio.sleep(0)
    subscription.lose("gone")
    with pytest.raises(SubscriptionLost, match=r"^gone$"):
        await reader


async def test_a_subscription_that_is_lost_keeps_nothing() -> None:
    """What it held is free at once, and nothing is added."""
    subscription = Subscription("topic", StoreLimits(waiting_messages=1))
    message = bytes(10_000)
    before = sys.getrefcount(message)
    for _ in range(3):
        subscription.put(message)
    gc.collect()
    assert sys.getrefcount(message) == before


async def test_what_was_read_waits_no_more() -> None:
    """However much passes through, only what waits at a time counts."""
    subscription = Subscription("topic", StoreLimits(waiting_bytes=100))
    for _ in range(10):
        for message in (bytes(60), bytes(40)):
            subscription.put(message)
        assert [len(await anext(subscription)) for _ in range(2)] == [60, 40]


async def test_what_waits_is_read_before_the_end() -> None:
    subscription = Subscription("topic", StoreLimits())
    subscription.put(b"1")
    subscription.end()
    subscription.put(b"2")
    assert [message async for message in subscription] == [b"1"]


def test_a_topic_without_subscribers_is_forgotten() -> None:
    subscriptions = Subscriptions(StoreLimits())
    first, second = subscriptions.add("topic"), subscriptions.add("topic")
    subscriptions.remove(first)
    assert "topic" in subscriptions
    subscriptions.remove(second)
    subscriptions.remove(second)
    assert len(subscriptions) == 0
