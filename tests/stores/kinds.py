"""The kinds of store under test, each with a clock that only the test moves."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Literal

from anyport.stores.base import Store, StoreLimits
from anyport.stores.memory import MemoryStore
from anyport.stores.sqlite import SqliteStore
from anyport.testing.stores import StoreHarness

KindName = Literal["memory", "sqlite"]
KIND_NAMES: tuple[KindName, ...] = ("memory", "sqlite")


class Clock:
    """Seconds that pass when a test says so.

    Attributes:
        now: What it shows.
        start: What it showed at first.
    """

    def __init__(self) -> None:
        self.start = self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now

    async def advance(self, seconds: float) -> None:
        self.now += seconds


class Kind:
    """One kind of store.

    Attributes:
        name: What it is called.
        clock: The clock of its stores.
        folder: Where its files are.
        harness: What checks take.
        late_s: How many of 100 idle seconds it may take longer to end a session.
    """

    def __init__(self, name: KindName, folder: Path) -> None:
        self.name = name
        self.clock = Clock()
        self.folder = folder
        self.late_s = 0 if name == "memory" else 1
        self._files = count(1)
        self._made: dict[int, tuple[Path, StoreLimits]] = {}
        another: Callable[[Store], Store] | None = None if name == "memory" else self.another
        self.harness = StoreHarness(self.make, another, self.clock.advance)

    def make(self, limits: StoreLimits) -> Store:
        """Return a store that is empty and not started."""
        if self.name == "memory":
            return MemoryStore(limits, clock=self.clock)
        return self._open(self.folder / f"{next(self._files)}.db", limits)

    def another(self, store: Store) -> Store:
        """Return a store on the same file."""
        return self._open(*self._made[id(store)])

    def _open(self, path: Path, limits: StoreLimits) -> Store:
        store = SqliteStore(path, limits, clock=self.clock)
        self._made[id(store)] = (path, limits)
        return store
