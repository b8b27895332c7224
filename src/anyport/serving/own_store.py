"""The store of a server that was given none."""

from __future__ import annotations

from anyport.protocol.limits import Limits
from anyport.stores.base import StoreLimits
from anyport.stores.memory import MemoryStore


def make_store(limits: Limits) -> MemoryStore:
    """Return a store of this process with the bounds that a server's limits name."""
    return MemoryStore(limits_of(limits))


def limits_of(limits: Limits) -> StoreLimits:
    """Return the bounds of a store that a server's limits name."""
    return StoreLimits(
        sessions=limits.sessions,
        sessions_per_owner=limits.sessions_per_principal,
        session_bytes=limits.session_bytes,
        session_idle_s=limits.session_idle_s,
        stream_events=limits.stream_events,
        stream_bytes=limits.stream_bytes,
        stream_idle_s=limits.stream_idle_s,
        log_bytes=limits.log_bytes,
    )
