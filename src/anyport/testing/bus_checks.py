"""What any `Bus` must do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

from anyport.stores.base import DirectBus, Store, StoreClosed, StoreLimits, SubscriptionLost
from anyport.testing.expecting import equal, refused, within
from anyport.testing.store_harness import ODD_NAMES, StoreHarness


async def check_delivery(harness: StoreHarness) -> None:
    """Every subscriber of a topic has each message once, in one order, whoever sent it; nobody else has it."""
    async with (
        harness.pair() as (one, other),
        one.bus.subscribe("topic") as first,
        one.bus.subscribe("topic") as second,
        other.bus.subscribe("topic") as third,
        other.bus.subscribe("other topic") as bystander,
    ):
        messages = [b"\x00\xff %d" % number for number in range(50)] + [b""]
        for number, message in enumerate(messages):
            await (one if number % 2 else other).bus.publish("topic", message)
        await one.bus.publish("other topic", b"for the bystander")
        for reader in (first, second, third):
            equal([await _next(reader) for _ in messages], messages, "the messages of a topic")
        equal(await _next(bystander), b"for the bystander", "the first message of another topic")
        await other.bus.publish("topic", b"end")
        for reader in (first, second, third):
            equal(await _next(reader), b"end", "the next message, each having come once")


async def check_one_order(harness: StoreHarness) -> None:
    """Where several send at a time, all subscribers see the same order."""
    async with (
        harness.pair() as (one, other),
        one.bus.subscribe("topic") as first,
        other.bus.subscribe("topic") as second,
    ):
        messages = [b"%d" % number for number in range(100)]
        await asyncio.gather(
            *((one, other)[number % 2].bus.publish("topic", message) for number, message in enumerate(messages))
        )
        seen = [await _next(first) for _ in messages]
        equal(sorted(seen), sorted(messages), "the messages of a topic")
        equal([await _next(second) for _ in messages], seen, "the order that the other subscriber sees")


async def check_topics(harness: StoreHarness) -> None:
    """Each name is a topic of its own."""
    async with harness.pair() as (one, other), AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(one.bus.subscribe(name)) for name in ODD_NAMES]
        for name in ODD_NAMES:
            await other.bus.publish(name, repr(name).encode())
        for name, reader in zip(ODD_NAMES, readers, strict=True):
            equal(await _next(reader), repr(name).encode(), f"the first message of the topic {name!r}")


async def check_late_subscribers(harness: StoreHarness) -> None:
    """A message that was sent before is not for a subscriber that comes later."""
    async with harness.pair() as (one, other):
        await one.bus.publish("topic", b"to nobody")
        async with other.bus.subscribe("topic") as early:
            await one.bus.publish("topic", b"early")
            async with one.bus.subscribe("topic") as late:
                await other.bus.publish("topic", b"late")
                equal(await _next(late), b"late", "the first message of a late subscriber")
            equal([await _next(early), await _next(early)], [b"early", b"late"], "the messages of an early one")
        async with other.bus.subscribe("topic") as again:
            await other.bus.publish("topic", b"again")
            equal(await _next(again), b"again", "the first message of somebody who subscribes again")


async def check_slow_subscribers(harness: StoreHarness) -> None:
    """One that does not read is given up at the limit; the publisher and the others do not notice."""
    for limits, message, fitting in (
        (StoreLimits(waiting_messages=5), b"x", 5),
        (StoreLimits(waiting_bytes=1_000), bytes(200), 5),
        (StoreLimits(waiting_bytes=1_000), bytes(5_000), 1),
    ):
        await _check_overflow(harness, limits, message, fitting)


async def check_ends(harness: StoreHarness) -> None:
    """A subscription ends with its block, and with its store."""
    async with harness.running() as store:
        async with store.bus.subscribe("topic") as reader:
            await store.bus.publish("topic", b"first")
            equal(await _next(reader), b"first", "a message")
        await store.bus.publish("topic", b"second")
        await refused(StopAsyncIteration, anext(reader), "a message after the end of the subscription")
        async with store.bus.subscribe("topic") as reader:
            waiting = asyncio.create_task(_next(reader))
            await asyncio.sleep(0)
            await store.aclose()
            await refused(StopAsyncIteration, waiting, "a message after the end of the store")


async def check_listeners(harness: StoreHarness) -> None:
    """A bus that hands messages over does so soon, in order, until it is told to stop, or closed."""
    async with harness.running() as store:
        bus = store.bus
        if not isinstance(bus, DirectBus):
            return
        heard: list[bytes] = []
        await bus.publish("topic", b"early")
        stop = bus.attach("topic", heard.append)
        for topic, message in (("topic", b"first"), ("other topic", b"elsewhere"), ("topic", b"second")):
            await bus.publish(topic, message)
            equal(heard, [], "what was handed over while the publisher had the loop")
        await _past(bus)
        equal(heard, [b"first", b"second"], "what was handed over")
        await bus.publish("topic", b"third")
        stop()
        await _past(bus)
        equal(heard, [b"first", b"second"], "what was handed over before the listener ended")
        bus.attach("topic", heard.append)
        await bus.publish("topic", b"fourth")
        await store.aclose()
        await asyncio.sleep(0)
        equal(heard, [b"first", b"second"], "what was handed over before the store was closed")


async def check_life(harness: StoreHarness) -> None:
    """A store works between start and aclose, which may be called twice, and may be started again."""
    store = harness.make(StoreLimits())
    await _expect_closed(store)
    await store.aclose()
    for number in (1, 2):
        await store.start()
        await store.start()
        await store.sessions.create(f"{number}", b"row", None)
        await store.events.append(f"s/{number}", b"event")
        async with store.bus.subscribe("topic") as reader:
            await store.bus.publish("topic", b"message")
            equal(await _next(reader), b"message", "a message")
        async with store.sessions.hold(f"{number}"):
            await store.aclose()
        await store.aclose()
        await _expect_closed(store)


BUS_CHECKS = (
    check_delivery,
    check_one_order,
    check_topics,
    check_late_subscribers,
    check_slow_subscribers,
    check_ends,
    check_listeners,
    check_life,
)


async def _next(reader: AsyncIterator[bytes]) -> bytes:
    return await within(anext(reader), "the next message")


async def _past(bus: DirectBus) -> None:
    """Wait until everything that was published has been handed over."""
    ended = asyncio.Event()
    stop = bus.attach("end", lambda _: ended.set())
    await bus.publish("end", b"")
    await within(ended.wait(), "what a listener is handed")
    stop()


async def _check_overflow(harness: StoreHarness, limits: StoreLimits, message: bytes, fitting: int) -> None:
    async with (
        harness.running(limits) as store,
        store.bus.subscribe("topic") as patient,
        store.bus.subscribe("topic") as quick,
    ):
        for _ in range(fitting):
            await store.bus.publish("topic", message)
            equal(await _next(quick), message, "a message for a quick subscriber")
        equal([await _next(patient) for _ in range(fitting)], [message] * fitting, "what may wait")
        for _ in range(fitting + 1):
            await store.bus.publish("topic", message)
            equal(await _next(quick), message, "a message for a quick subscriber, beside a slow one")
        for _ in range(2):
            await refused(SubscriptionLost, anext(patient), "a message for a subscriber that was too slow")
        await store.bus.publish("topic", message)
        equal(await _next(quick), message, "a message for a quick subscriber, after a slow one was given up")


async def _expect_closed(store: Store) -> None:
    uses: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: store.sessions.create("s", b"", None),
        lambda: store.sessions.get("s"),
        lambda: store.sessions.update("s", b""),
        lambda: store.sessions.delete("s"),
        lambda: store.sessions.hold("s").__aenter__(),
        lambda: store.events.append("s/1", b""),
        lambda: store.events.read("s/1", 0),
        lambda: store.events.forget("s"),
        lambda: store.bus.publish("topic", b""),
        lambda: store.bus.subscribe("topic").__aenter__(),
    )
    for use in uses:
        await refused(StoreClosed, use(), "using a store that is not started, or closed")
    bus = store.bus
    if isinstance(bus, DirectBus):
        await refused(StoreClosed, _attach(bus), "listening to a store that is not started, or closed")


async def _attach(bus: DirectBus) -> None:
    bus.attach("topic", lambda _: None)
