"""What a check of a store works with: how to make one, and how to let time pass for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from anyport.stores.base import Store, StoreLimits

ODD_NAMES = ("", " ", "a", "A", "a/", "/a", "a/b", "\x00", "a\x00b", "é", "e\u0301", "\ud800", "%", "*", "a" * 5_000)
"""Ids and names that a store must tell apart, whatever it is built on."""


@dataclass(frozen=True, slots=True)
class StoreHarness:
    """A kind of store, ready to be checked.

    Attributes:
        make: Returns a store of the given limits that is empty and not started.
        another: Returns a store of the same limits on the same data, as another process would open it; ``None`` for a
            kind that shares nothing.
        advance: Lets seconds pass for the stores. By default they really pass; a kind with a clock of its own moves it.
    """

    make: Callable[[StoreLimits], Store]
    another: Callable[[Store], Store] | None = None
    advance: Callable[[float], Awaitable[object]] = asyncio.sleep

    @asynccontextmanager
    async def running(self, limits: StoreLimits | None = None) -> AsyncGenerator[Store]:
        """Make a store, start it, and close it at the end."""
        store = self.make(StoreLimits() if limits is None else limits)
        await store.start()
        try:
            yield store
        finally:
            await store.aclose()

    @asynccontextmanager
    async def pair(self, limits: StoreLimits | None = None) -> AsyncGenerator[tuple[Store, Store]]:
        """Do the same for two stores on the same data; of a kind that shares nothing, for one that is both."""
        async with self.running(limits) as one:
            if self.another is None:
                yield one, one
                return
            other = self.another(one)
            await other.start()
            try:
                yield one, other
            finally:
                await other.aclose()
