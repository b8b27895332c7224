"""Faults of a session store."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from anyport.stores.base import StoreFull
from tests.stores.broken_stores import Part, Sessions


class StaleReads(Sessions):
    """A cache that does not hear of what others write."""

    async def get(self, session_id: str) -> bytes | None:
        row = await super().get(session_id)
        return row if row is None else self.rows.setdefault(session_id, row)


class Resurrection(Sessions):
    async def update(self, session_id: str, row: bytes) -> bool:
        if not await super().update(session_id, row):
            await super().create(session_id, row, None)
        return True


class Overwriting(Sessions):
    async def create(self, session_id: str, row: bytes, owner: str | None) -> None:
        try:
            await super().create(session_id, row, owner)
        except ValueError:
            await super().update(session_id, row)


class NoOwners(Sessions):
    async def create(self, session_id: str, row: bytes, owner: str | None) -> None:
        await super().create(session_id, row, None)


class EveryoneIsAnOwner(Sessions):
    async def create(self, session_id: str, row: bytes, owner: str | None) -> None:
        await super().create(session_id, row, owner or "nobody")


class WrongLimitNamed(Sessions):
    async def create(self, session_id: str, row: bytes, owner: str | None) -> None:
        try:
            await super().create(session_id, row, owner)
        except StoreFull as error:
            raise StoreFull("too many", "sessions") from error


class SlidingNever(Sessions):
    """Reading is no use."""

    async def create(self, session_id: str, row: bytes, owner: str | None) -> None:
        await super().create(session_id, row, owner)
        self.ends = self.clock.now + 2

    async def get(self, session_id: str) -> bytes | None:
        if session_id in self.rows and self.clock.now > self.ends:
            await super().delete(session_id)
        return await super().get(session_id)


class OneUseForAll(Sessions):
    """Reading one session keeps all of them alive."""

    async def get(self, session_id: str) -> bytes | None:
        for name in self.rows:
            await super().get(name)
        return await super().get(session_id)


class Immortal(Sessions):
    async def get(self, session_id: str) -> bytes | None:
        row = await super().get(session_id)
        return self.rows.get(session_id) if row is None and self.clock.now > self.clock.start + 3 else row


class HoldsNothing(Sessions):
    @asynccontextmanager
    async def hold(self, session_id: str) -> AsyncGenerator[bytes | None]:
        yield await self.get(session_id)


class HoldsForEver(Sessions):
    """Every hold leaks: a session that was held once never ends."""

    def hold(self, session_id: str) -> AbstractAsyncContextManager[bytes | None]:
        @asynccontextmanager
        async def leaking() -> AsyncGenerator[bytes | None]:
            yield await self.inner.sessions.hold(session_id).__aenter__()

        return leaking()


class HoldsAnything(Sessions):
    @asynccontextmanager
    async def hold(self, session_id: str) -> AsyncGenerator[bytes | None]:
        async with super().hold(session_id) as row:
            yield b"" if row is None else row


class CutsRows(Sessions):
    async def create(self, session_id: str, row: bytes, owner: str | None) -> None:
        await super().create(session_id, row[:1_000], owner)


class LeavesStreams(Sessions):
    """The streams of a session outlive it."""

    async def delete(self, session_id: str) -> bool:
        return await super().update(session_id, b"deleted") and not await super().update(session_id, b"deleted")


BROKEN_SESSIONS: dict[Part, str] = {
    StaleReads: "check_rows",
    Resurrection: "check_rows",
    Overwriting: "check_taken_ids",
    NoOwners: "check_session_limits",
    EveryoneIsAnOwner: "check_session_limits",
    WrongLimitNamed: "check_session_limits",
    SlidingNever: "check_expiry",
    OneUseForAll: "check_one_expiry",
    Immortal: "check_expiry",
    HoldsNothing: "check_holds",
    HoldsForEver: "check_holds",
    HoldsAnything: "check_holds_of_nothing",
    CutsRows: "check_row_limit",
    LeavesStreams: "check_streams_end_with_sessions",
}
"""Each with the check that finds it."""
