"""How many calls each caller has in flight, on all endpoints of an application that speak HTTP.

Who has a name, its principal, is counted by it (limit ``calls_per_principal``), wherever it calls from; callers without
one share an allowance by address (limit ``calls_per_address``, adr/0023).
"""

from __future__ import annotations

from typing import TypeAlias

from anyport.protocol.errors import Busy
from anyport.protocol.limits import Limits

_Caller: TypeAlias = tuple[str | None, str | None]


class Callers:
    """Counts the calls in flight of each caller.

    Args:
        limits: ``calls_per_principal`` and ``calls_per_address``.
    """

    __slots__ = ("_calls", "_limits")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._calls: dict[_Caller, int] = {}

    def refusal(self, principal: str | None, peer: str | None) -> Busy | None:
        """Return why a caller may not have one more call in flight; ``None`` where it may.

        Args:
            principal: Who was authenticated; ``None`` for nobody.
            peer: Address of the client, which counts where there is no principal.
        """
        if principal is None:
            limit = self._limits.calls_per_address
            if self._calls.get((None, peer), 0) >= limit:
                return Busy(f"{limit} calls from this address are in flight (limit calls_per_address)")
        else:
            limit = self._limits.calls_per_principal
            if self._calls.get((principal, None), 0) >= limit:
                return Busy(f"{limit} calls of this principal are in flight (limit calls_per_principal)")
        return None

    def admit(self, principal: str | None, peer: str | None) -> None:
        """Check that a caller may have one more call in flight; see `refusal`.

        Raises:
            Busy: It has as many as it may.
        """
        busy = self.refusal(principal, peer)
        if busy is not None:
            raise busy

    def enter(self, principal: str | None, peer: str | None) -> None:
        """Count an admitted call."""
        caller = (None, peer) if principal is None else (principal, None)
        self._calls[caller] = self._calls.get(caller, 0) + 1

    def leave(self, principal: str | None, peer: str | None) -> None:
        """Count a call as done that `enter` has counted."""
        caller = (None, peer) if principal is None else (principal, None)
        count = self._calls[caller] - 1
        if count:
            self._calls[caller] = count
        else:
            del self._calls[caller]
