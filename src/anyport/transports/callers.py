"""How many calls each caller has in flight, on all endpoints of an application that speak HTTP.

Who has a name, its principal, is counted by it (limit ``calls_per_principal``), wherever it calls from; callers without
one share an allowance by address (limit ``calls_per_address``, adr/0023).
"""

from __future__ import annotations

from anyport.protocol.errors import Busy
from anyport.protocol.limits import Limits


class Callers:
    """Counts the calls in flight of each caller.

    Args:
        limits: ``calls_per_principal`` and ``calls_per_address``.

    Attributes:
        total: Calls in flight of everybody.
        least: The smaller limit: below it nobody can be over theirs.
    """

    __slots__ = ("_by_address", "_by_principal", "_most_by_address", "_most_by_principal", "least", "total")

    def __init__(self, limits: Limits) -> None:
        self._most_by_address = limits.calls_per_address
        self._most_by_principal = limits.calls_per_principal
        self.least = min(limits.calls_per_address, limits.calls_per_principal)
        self.total = 0
        self._by_address: dict[str | None, int] = {}
        self._by_principal: dict[str | None, int] = {}

    def refusal(self, principal: str | None, peer: str | None) -> Busy | None:
        """Return why a caller may not have one more call in flight; ``None`` where it may.

        Args:
            principal: Who was authenticated; ``None`` for nobody.
            peer: Address of the client, which counts where there is no principal.
        """
        if principal is None:
            if self._by_address.get(peer, 0) >= self._most_by_address:
                return Busy(f"{self._most_by_address} calls from this address are in flight (limit calls_per_address)")
        elif self._by_principal.get(principal, 0) >= self._most_by_principal:
            return Busy(f"{self._most_by_principal} calls of this principal are in flight (limit calls_per_principal)")
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
        self.total += 1
        if principal is None:
            self._by_address[peer] = self._by_address.get(peer, 0) + 1
        else:
            self._by_principal[principal] = self._by_principal.get(principal, 0) + 1

    def leave(self, principal: str | None, peer: str | None) -> None:
        """Count a call as done that `enter` has counted."""
        self.total -= 1
        calls, caller = (self._by_address, peer) if principal is None else (self._by_principal, principal)
        if calls[caller] > 1:
            calls[caller] -= 1
        else:
            del calls[caller]
