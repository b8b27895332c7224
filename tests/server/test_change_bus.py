"""Changes between two processes of one server: two servers here, which share a store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from anyport import Server
from anyport.protocol.calls import Call
from anyport.protocol.changes import LISTS_CHANGED, TOOLS_CHANGED, Change, resource_updated
from anyport.protocol.limits import DEFAULT_LIMITS
from anyport.protocol.types import ResourcesCapability, ServerCapabilities, ToolsCapability
from anyport.server import change_bus
from anyport.server.subscriptions import Subscriptions
from anyport.stores.base import Bus, StoreClosed, StoreError, StoreLimits, StoreUnusable
from anyport.stores.memory import MemoryStore
from anyport.transports.memory import MemoryReply
from tests.server.calling import Heard, make_call
from tests.server.listening import ACKNOWLEDGED, UPDATED, WAIT, turns

OFFERED = ServerCapabilities(
    tools=ToolsCapability(list_changed=True), resources=ResourcesCapability(subscribe=True, list_changed=True)
)


def accept(uri: str, call: Call) -> None:
    """Take every URI for a resource."""


class Process:
    """One process, as far as changes go."""

    def __init__(self, bus: Bus, topic: str = "changes") -> None:
        self.subscriptions = Subscriptions(DEFAULT_LIMITS, lambda: OFFERED, accept, bus, topic)
        self.heard: list[Change] = []
        self._came = asyncio.Event()
        self.detach = self.subscriptions.attach(self._hear)

    def _hear(self, change: Change) -> None:
        self.heard.append(change)
        self._came.set()

    async def until(self, *changes: Change) -> None:
        """Wait until these were heard, in whatever order."""
        async with asyncio.timeout(WAIT):
            while not set(changes) <= set(self.heard):
                self._came.clear()
                await self._came.wait()


@asynccontextmanager
async def processes(bus: Bus, *topics: str) -> AsyncGenerator[list[Process]]:
    """Start processes that share a bus."""
    found = [Process(bus, topic) for topic in topics]
    try:
        for process in found:
            await process.subscriptions.start()
        yield found
    finally:
        for process in found:
            await process.subscriptions.aclose()
            process.detach()


@asynccontextmanager
async def memory_store(limits: StoreLimits | None = None) -> AsyncGenerator[MemoryStore]:
    store = MemoryStore(limits or StoreLimits())
    await store.start()
    try:
        yield store
    finally:
        await store.aclose()


class FlakyBus:
    """A bus that can be told to fail."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.error: StoreError | None = None
        self.tries = 0
        self.tried = asyncio.Event()

    async def publish(self, topic: str, message: bytes) -> None:
        if self.error is not None:
            raise self.error
        await self._bus.publish(topic, message)

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        self.tries += 1
        self.tried.set()
        if self.error is not None:
            raise self.error
        return self._bus.subscribe(topic)


async def test_every_process_is_told_once() -> None:
    """D06: who changes something is told by itself, the others over the bus."""
    async with memory_store() as store, processes(store.bus, "shop", "shop", "shop", "other") as found:
        for _ in range(3):
            found[0].subscriptions.publish(TOOLS_CHANGED)
        await asyncio.to_thread(found[0].subscriptions.publish, resource_updated("test://one"))
        for process in found[:3]:
            await process.until(TOOLS_CHANGED, resource_updated("test://one"))
        await turns()
        for process in found[:3]:
            assert sorted(process.heard, key=str) == sorted([TOOLS_CHANGED, resource_updated("test://one")], key=str)
        assert found[3].heard == []


async def test_many_changes_at_once() -> None:
    """They go in messages of a bounded size."""
    changes = [resource_updated(f"test://{number}") for number in range(1234)]
    async with memory_store() as store, processes(store.bus, "shop", "shop") as (one, other):
        for change in changes:
            one.subscriptions.publish(change)
        await other.until(*changes)
        assert other.heard == changes


async def test_what_was_published_before_the_end_is_sent() -> None:
    async with memory_store() as store, processes(store.bus, "shop", "shop") as (one, other):
        one.subscriptions.publish(TOOLS_CHANGED)
        await one.subscriptions.aclose()
        await other.until(TOOLS_CHANGED)
        one.subscriptions.publish(resource_updated("test://later"))
        await turns()
        assert other.heard == [TOOLS_CHANGED]
        # It may be started again.
        await one.subscriptions.start()
        one.subscriptions.publish(resource_updated("test://again"))
        await other.until(resource_updated("test://again"))


async def test_a_lost_subscription_may_have_missed_anything(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every list, and every resource that some stream watches here; and what comes later is heard again."""
    monkeypatch.setattr(change_bus, "RETRY_S", 0.001)
    limits = StoreLimits(waiting_messages=2)
    async with memory_store(limits) as store, processes(store.bus, "shop") as (process,):
        call = make_call("subscriptions/listen", {"notifications": {"resourceSubscriptions": ["test://seen"]}})
        heard = Heard()
        watching = asyncio.ensure_future(process.subscriptions.listen(call, MemoryReply(heard.listen)))
        await turns()
        with caplog.at_level(logging.WARNING):
            for number in range(10):
                await store.bus.publish("shop", f'["somebody",[{{"method":"{UPDATED}","uri":"x:{number}"}}]]'.encode())
            await process.until(TOOLS_CHANGED, LISTS_CHANGED[2], resource_updated("test://seen"))
        assert "waiting_messages" in caplog.text
        await turns()
        assert [notification.method for notification in heard.notifications] == [ACKNOWLEDGED, UPDATED]
        await store.bus.publish(
            "shop", b'["somebody",[{"method":"notifications/resources/updated","uri":"test://new"}]]'
        )
        await process.until(resource_updated("test://new"))
        process.subscriptions.end()
        await watching


async def test_a_bus_that_fails_for_a_while(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_bus, "RETRY_S", 0.001)
    async with memory_store(StoreLimits(waiting_messages=1)) as store:
        bus = FlakyBus(store.bus)
        async with processes(bus, "shop") as (process,):
            bus.error = StoreUnusable("the disk is full")
            process.subscriptions.publish(TOOLS_CHANGED)
            for _ in range(3):
                await store.bus.publish("shop", b'["somebody",[]]')
            async with asyncio.timeout(WAIT):
                while bus.tries < 3:
                    bus.tried.clear()
                    await bus.tried.wait()
            assert process.heard == [TOOLS_CHANGED], "this process is told all the same"
            assert "were not told of 1 changes: the disk is full" in caplog.text
            bus.error = None
            await process.until(*LISTS_CHANGED[::2])


@pytest.mark.parametrize("message", [b"", b"{}", b"[1,2]", b'["a",[{"method":"notifications/other"}]]', b"\xff"])
async def test_messages_of_somebody_else(message: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Of another version, perhaps; what follows is heard."""
    async with memory_store() as store, processes(store.bus, "shop", "shop") as (one, other):
        await store.bus.publish("shop", message)
        one.subscriptions.publish(TOOLS_CHANGED)
        await other.until(TOOLS_CHANGED)
        assert "is none of changes" in caplog.text


async def test_a_store_that_is_closed() -> None:
    store = MemoryStore(StoreLimits())
    process = Process(store.bus)
    with pytest.raises(StoreClosed):
        await process.subscriptions.start()
    await store.start()
    await process.subscriptions.start()
    await store.aclose()
    process.subscriptions.publish(TOOLS_CHANGED)
    await process.until(TOOLS_CHANGED)
    await process.subscriptions.aclose()
    process.detach()


async def test_a_server_without_a_store() -> None:
    subscriptions = Server("alone").subscriptions
    await subscriptions.start()
    subscriptions.publish(TOOLS_CHANGED)
    await subscriptions.aclose()
