"""The deadlines of many connections, with one timer for all of them and none while there are none."""

from __future__ import annotations

import asyncio
import enum
from typing import Final, Protocol

NEVER: Final = float("inf")

_LOOKED_AT: Final = 1000
"""Connections looked at in one callback of the loop: a tenth of a millisecond, for which whoever calls may wait."""
_ENDED: Final = 25
"""Connections ended in one callback: those cost more, and fall due together where they came together."""
_SOON_S: Final = 0.002
_EARLY: Final = 1.5
"""Periods by which a deadline passes before its time: one until it is noticed, and some for those noticed with it."""


class Phase(enum.Enum):
    """What a connection waits for."""

    IDLE = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()
    ANSWER = enum.auto()
    CLOSING = enum.auto()


# A member of an enumeration is looked up slowly.
IDLE: Final = Phase.IDLE
ANSWER: Final = Phase.ANSWER


class Swept(Protocol):
    """What has deadlines.

    Attributes:
        deadline: Time of the loop from which on `overdue` is called; `NEVER` for none.
        wrote: Something may wait for the peer to read: `overdue` is called at every look.
    """

    deadline: float
    wrote: bool

    def overdue(self, now: float) -> bool:
        """Do what a deadline that has passed asks for, or look at what waits for the peer.

        Returns:
            Whether something was ended.
        """
        ...


class Sweep:
    """Looks at all connections from time to time, at some of them in each callback of the loop.

    Args:
        loop: Whose timer and clock are used.
        period: Seconds between the end of a round and the next. A deadline is noticed as late as that and a round
            together; a round of 10,000 connections takes 20 ms, one that ends 1,000 of them 80.

    Attributes:
        period: The same.
        now: The time of the last look; deadlines are counted from it, so that a request needs no clock.
    """

    __slots__ = ("_loop", "_round", "_timer", "_watched", "now", "period")

    def __init__(self, loop: asyncio.AbstractEventLoop, period: float) -> None:
        self._loop = loop
        self.period = period
        self._timer: asyncio.TimerHandle | None = None
        self._watched: set[Swept] = set()
        self._round: list[Swept] = []
        self.now = loop.time()

    def __len__(self) -> int:
        return len(self._watched)

    def add(self, connection: Swept) -> None:
        """Look at a connection, too."""
        self._watched.add(connection)
        if self._timer is None:
            self.now = self._loop.time()
            self._timer = self._loop.call_later(self.period, self._tick)

    def discard(self, connection: Swept) -> None:
        """Look at a connection no more."""
        self._watched.discard(connection)
        if not self._watched and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._round.clear()

    def after(self, seconds: float) -> float:
        """Return the deadline for what has to end within so many seconds: it is noticed early rather than late."""
        return self._loop.time() + seconds - self.margin

    @property
    def margin(self) -> float:
        """Seconds by which `after` is early."""
        return _EARLY * self.period

    def _tick(self) -> None:
        self.now = now = self._loop.time()
        watched = self._watched
        left = self._round or list(watched)
        ended = 0
        for _ in range(min(len(left), _LOOKED_AT)):
            each = left.pop()
            # In the course of a round some of it may be gone.
            if (each.deadline <= now or each.wrote) and each in watched:
                ended += each.overdue(now)
                if ended == _ENDED:
                    break
        # `overdue` may have ended the last of them.
        self._timer = None
        self._round = left if watched else []
        if watched:
            self._timer = self._loop.call_later(_SOON_S if left else self.period, self._tick)
