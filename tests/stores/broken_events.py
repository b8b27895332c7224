"""Faults of an event log."""

from __future__ import annotations

import asyncio

from anyport.stores.base import Store, StreamEnded, StreamLost
from anyport.stores.memory import MemoryStore
from tests.stores.broken_stores import Events, Part
from tests.stores.kinds import Clock


class ByRequestId(Events):
    """The fault that other libraries shipped: sessions with equal request ids share a stream."""

    async def append(self, stream: str, event: bytes, *, final: bool = False) -> int:
        return await super().append(stream.rpartition("/")[2], event, final=final)

    async def read(self, stream: str, after: int) -> list[tuple[int, bytes]]:
        return await super().read(stream.rpartition("/")[2], after)


class SilentLoss(Events):
    """What was dropped is left out without a word."""

    async def read(self, stream: str, after: int) -> list[tuple[int, bytes]]:
        try:
            return await super().read(stream, after)
        except StreamLost as error:
            return [] if error.kept_from is None else await super().read(stream, error.kept_from - 1)


class EmptyFuture(Events):
    async def read(self, stream: str, after: int) -> list[tuple[int, bytes]]:
        known = await super().append(stream, b"") - 1
        await super().forget(stream)
        return [] if after > known else await super().read(stream, after)


class NoHint(Events):
    async def read(self, stream: str, after: int) -> list[tuple[int, bytes]]:
        try:
            return await super().read(stream, after)
        except StreamLost as error:
            raise StreamLost("gone") from error


class TalksOn(Events):
    async def append(self, stream: str, event: bytes, *, final: bool = False) -> int:
        return await super().append(stream, event)


class LargeFinalsGo(Events):
    async def append(self, stream: str, event: bytes, *, final: bool = False) -> int:
        return await super().append(stream, event, final=final and len(event) < 1_000)


class BeginsAnew(Events):
    """A stream that fell silent is taken for a new one."""

    async def append(self, stream: str, event: bytes, *, final: bool = False) -> int:
        try:
            await super().read(stream, 0)
        except StreamLost:
            await super().forget(stream)
        return await super().append(stream, event, final=final)


class EndsAtOnce(Events):
    """Ended streams are thrown away early."""

    async def append(self, stream: str, event: bytes, *, final: bool = False) -> int:
        position = await super().append(stream, event, final=final)
        if final:
            await super().forget(stream)
        return position


class ForgetsOne(Events):
    """Only the stream itself, not those below."""

    async def forget(self, stream: str) -> None:
        if stream != "a":
            await super().forget(stream)


class CountsTwice(Events):
    async def append(self, stream: str, event: bytes, *, final: bool = False) -> int:
        await super().append(stream, event)
        return await super().append(stream, event, final=final)


class Swallows(Events):
    """An error of the contract that is no error here."""

    async def append(self, stream: str, event: bytes, *, final: bool = False) -> int:
        try:
            return await super().append(stream, event, final=final)
        except StreamEnded:
            return 0


class Unlimited(Events):
    """Bounds for each stream, none for all of them."""

    def __init__(self, inner: Store, clock: Clock) -> None:
        super().__init__(MemoryStore(clock=clock), clock)

    async def append(self, stream: str, event: bytes, *, final: bool = False) -> int:
        await self.inner.start()
        return await super().append(stream, event, final=final)


class Racy(Events):
    """Reads a counter, waits, writes it."""

    def __init__(self, inner: Store, clock: Clock) -> None:
        super().__init__(inner, clock)
        self.last: dict[str, int] = {}

    async def append(self, stream: str, event: bytes, *, final: bool = False) -> int:
        position = self.last.get(stream, 0) + 1
        await asyncio.sleep(0)
        await super().append(stream, event, final=final)
        self.last[stream] = position
        return position


BROKEN_EVENTS: dict[Part, str] = {
    ByRequestId: "check_names",
    SilentLoss: "check_count_bound",
    EmptyFuture: "check_unknown_positions",
    NoHint: "check_size_bound",
    TalksOn: "check_final_events",
    LargeFinalsGo: "check_size_bound",
    BeginsAnew: "check_silence",
    EndsAtOnce: "check_final_events",
    ForgetsOne: "check_forgetting",
    CountsTwice: "check_positions",
    Swallows: "check_final_events",
    Unlimited: "check_total_bound",
    Racy: "check_concurrent_appends",
}
"""Each with the check that finds it."""
