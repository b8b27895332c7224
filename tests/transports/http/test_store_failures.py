"""A log or a bus that fails under a call: the call goes on, the server's log says so, nobody is left waiting.

S10; errors are never swallowed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest

from anyport.protocol.types.json import JsonObject
from anyport.stores import MemoryStore
from anyport.stores.base import Bus, StoreUnusable
from tests.drivers.asgi import legacy, open_session, post
from tests.drivers.streams import Steps, ask_for, get, progress_of


class FailingEvents:
    """A log on a full disk.

    Attributes:
        left: Appends that still work.
    """

    def __init__(self, inner: MemoryStore, left: int) -> None:
        self._inner = inner.events
        self.left = left

    async def append(self, stream: str, event: bytes, *, final: bool = False) -> int:
        """Add an event, or fail."""
        if not self.left:
            raise StoreUnusable("the disk is full")
        self.left -= 1
        return await self._inner.append(stream, event, final=final)

    async def read(self, stream: str, after: int) -> list[tuple[int, bytes]]:
        """Return events."""
        return await self._inner.read(stream, after)

    async def forget(self, stream: str) -> None:
        """Drop a stream."""
        await self._inner.forget(stream)


class FailingBus:
    """A bus whose medium goes away."""

    def __init__(self, inner: Bus) -> None:
        self._inner = inner
        self.is_down = False

    async def publish(self, topic: str, message: bytes) -> None:
        """Publish, or fail."""
        self._look()
        await self._inner.publish(topic, message)

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Subscribe, or fail."""
        self._look()
        async with self._inner.subscribe(topic) as messages:
            yield messages

    def _look(self) -> None:
        if self.is_down:
            raise StoreUnusable("the bus is down")


class FailingStore:
    """A store of which a part fails."""

    def __init__(self, *, appends: int = 0) -> None:
        self._inner = MemoryStore()
        self.sessions = self._inner.sessions
        self.events = FailingEvents(self._inner, appends)
        self.bus = FailingBus(self._inner.bus)

    async def start(self) -> None:
        """Start what works."""
        await self._inner.start()

    async def aclose(self) -> None:
        """Close it."""
        await self._inner.aclose()


@pytest.mark.parametrize("appends", [0, 1, 2, 4])
async def test_a_call_survives_its_log(appends: int, caplog: pytest.LogCaptureFixture) -> None:
    """What can be kept has an id, what cannot has none; the client that stays gets everything."""
    play = Steps(FailingStore(appends=appends))
    async with play.app.lifespan():
        session = await open_session(play.app)
        play.allow(4)
        call = await ask_for(play.app, "steps", session).done()
        assert progress_of(call) == [0, 1, 2, None]
        assert call.body.count(b"id: c") == appends
        assert caplog.text.count("the disk is full") == 1


async def test_no_standing_stream_without_a_log() -> None:
    play = Steps(FailingStore())
    async with play.app.lifespan():
        refused = await get(play.app, await open_session(play.app)).done()
        assert (refused.status, refused.error_code) == (500, -32603)
        assert "disk" not in refused.error_text


async def test_a_call_survives_its_bus(caplog: pytest.LogCaptureFixture) -> None:
    store = FailingStore(appends=100)
    play = Steps(store)
    async with play.app.lifespan():
        store.bus.is_down = True
        session = await open_session(play.app)
        play.allow(4)
        call = await ask_for(play.app, "steps", session).done()
        assert progress_of(call) == [0, 1, 2, None]
        assert "the bus is down" in caplog.text
        answer: JsonObject = {"jsonrpc": "2.0", "id": "nobody's", "result": {}}
        assert (await post(play.app, answer, session)).status == 202
        assert (await post(play.app, legacy("ping"), session)).status == 200
