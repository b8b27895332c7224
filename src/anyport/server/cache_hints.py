"""How long and by whom a result may be kept: ``ttlMs`` and ``cacheScope`` (2026-07-28, "Caching"; CCH-01)."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from anyport.protocol.errors import LocalProtocolError
from anyport.protocol.limits import MAX_SAFE_INTEGER
from anyport.protocol.types import CacheableResult, CacheScope


class CacheHints(Struct, frozen=True):
    """What a client is told about keeping a result.

    Attributes:
        ttl_ms: Milliseconds for which the result is fresh; 0 is stale at once.
        scope: ``private`` for the caller alone, ``public`` for anybody.
    """

    ttl_ms: int = 0
    scope: CacheScope = "private"

    def mark(self, result: CacheableResult) -> None:
        """Write the hints into a modern result."""
        result.ttl_ms = self.ttl_ms
        result.cache_scope = self.scope


NOT_KEPT: Final = CacheHints()
"""The default: a result is stale at once, and its caller's alone."""


def cache_hints(ttl: float, scope: CacheScope) -> CacheHints:
    """Return the hints that a setting asks for.

    Args:
        ttl: Seconds for which a result is fresh.
        scope: Who may share it.

    Raises:
        LocalProtocolError: The time is negative, not finite or beyond what JSON can carry, or the scope is unknown.
    """
    if not 0 <= ttl * 1000 <= MAX_SAFE_INTEGER:
        raise LocalProtocolError(f"cache_ttl must be seconds from 0 on; it is {ttl}")
    if scope not in ("private", "public"):
        raise LocalProtocolError(f"cache_scope must be 'private' or 'public'; it is {scope!r}")
    return CacheHints(round(ttl * 1000), scope)
