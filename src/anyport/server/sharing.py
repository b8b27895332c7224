"""Making a server ready for several processes: one store and one secret, before the first of them is forked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from anyport.protocol.errors import LocalProtocolError
from anyport.protocol.limits import Limits
from anyport.server.lifespan import Lifespan
from anyport.server.mounting import Mounts
from anyport.server.rounds import Rounds
from anyport.server.subscriptions import Subscriptions
from anyport.server.threads import ThreadPool
from anyport.stores.memory_bus import MemoryBus

if TYPE_CHECKING:
    from anyport.stores.base import Bus, Store


class Shareable(Protocol):
    """A server, as far as sharing looks at it.

    Attributes:
        named_store: What outlives a request, where somebody said what.
    """

    name: str
    limits: Limits
    named_store: Store | None
    threads: ThreadPool
    rounds: Rounds
    subscriptions: Subscriptions
    lifespan: Lifespan
    mounts: Mounts | None


def share(server: Shareable, make: Callable[[Limits], Store]) -> bool:
    """Give a server, and what is mounted in it, what its processes have in common; see `Application.share`."""
    store = server.named_store
    if store is None:
        server.named_store = store = make(server.limits)
        server.lifespan.join(store)
        server.subscriptions.share(store.bus)
    return _share(server, store.bus)


def _share(server: Shareable, bus: Bus) -> bool:
    own = server.named_store
    if own is not None and isinstance(own.bus, MemoryBus):
        raise LocalProtocolError(
            f"the MemoryStore of {server.name} is of one process, and workers are several: name a SqliteStore, or no"
            " store, and they share one that ends with the server"
        )
    server.threads.forget()
    # What is mounted has a store of its own, or borrows that of the server around it, which lives longer.
    random = server.rounds.share(bus if own is None else own.bus)
    inner = [_share(mount.server, bus) for mount in server.mounts or ()]
    return random or any(inner)
