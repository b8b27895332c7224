"""A store that works but for one part, as somebody could write it: `check_store` has to find every fault."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

from anyport.stores.base import Store
from tests.stores.kinds import Clock


class Sessions:
    """Passes everything on; the faults are in what overrides it."""

    def __init__(self, inner: Store, clock: Clock) -> None:
        self.inner = inner
        self.clock = clock
        self.rows: dict[str, bytes] = {}

    async def create(self, session_id: str, row: bytes, owner: str | None) -> None:
        await self.inner.sessions.create(session_id, row, owner)
        self.rows[session_id] = row

    async def get(self, session_id: str) -> bytes | None:
        return await self.inner.sessions.get(session_id)

    async def update(self, session_id: str, row: bytes) -> bool:
        return await self.inner.sessions.update(session_id, row)

    async def delete(self, session_id: str) -> bool:
        return await self.inner.sessions.delete(session_id)

    def hold(self, session_id: str) -> AbstractAsyncContextManager[bytes | None]:
        return self.inner.sessions.hold(session_id)


class Events:
    """The same for the event log."""

    def __init__(self, inner: Store, clock: Clock) -> None:
        self.inner = inner
        self.clock = clock

    async def append(self, stream: str, event: bytes, *, final: bool = False) -> int:
        return await self.inner.events.append(stream, event, final=final)

    async def read(self, stream: str, after: int) -> list[tuple[int, bytes]]:
        return await self.inner.events.read(stream, after)

    async def forget(self, stream: str) -> None:
        await self.inner.events.forget(stream)


class Topics:
    """The same for the bus."""

    def __init__(self, inner: Store, clock: Clock) -> None:
        self.inner = inner
        self.clock = clock

    async def publish(self, topic: str, message: bytes) -> None:
        await self.inner.bus.publish(topic, message)

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self.inner.bus.subscribe(topic)


class BrokenStore:
    """A store that works but for one part."""

    def __init__(self, inner: Store, part: Sessions | Events | Topics) -> None:
        self.inner = inner
        self.sessions = part if isinstance(part, Sessions) else inner.sessions
        self.events = part if isinstance(part, Events) else inner.events
        self.bus = part if isinstance(part, Topics) else inner.bus

    async def start(self) -> None:
        await self.inner.start()

    async def aclose(self) -> None:
        await self.inner.aclose()


Part = Callable[[Store, Clock], Sessions | Events | Topics]
