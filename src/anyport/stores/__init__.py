"""What outlives a request; each name is imported when it is first used: a server loads the store that it has."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from anyport.stores.base import Store, StoreLimits
    from anyport.stores.memory import MemoryStore
    from anyport.stores.sqlite import SqliteStore

_HOMES: Final = {
    "MemoryStore": "anyport.stores.memory",
    "SqliteStore": "anyport.stores.sqlite",
    "Store": "anyport.stores.base",
    "StoreLimits": "anyport.stores.base",
}

__all__ = ["MemoryStore", "SqliteStore", "Store", "StoreLimits"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'anyport.stores' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
