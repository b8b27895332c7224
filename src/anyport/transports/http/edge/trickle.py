"""Connections whose requests come a few bytes at a time: where they are many, they are read now and then.

To read a byte costs as much as to read a request. A thousand clients that send one each second cost others nothing on
the average, but one call in a hundred meets some of them. A client that goes on with a few bytes, while many do so,
rests: what it sends stays in the kernel, and is read together when its time has come. Deadlines do not rest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Protocol

from uvicorn.protocols.http.flow_control import FlowControl

TINY: Final = 64
"""Bytes that are few for a piece of a request that goes on after them."""
_MANY: Final = 100
"""Connections that send so, and are read as they send."""
_AT_ONCE: Final = 4
_TURN_S: Final = 0.01
"""Seconds from some that are read again to the next: as many as all of those that rest get, together."""


class Trickling(Protocol):
    """What sends a few bytes at a time.

    Attributes:
        flow: Pauses reading.
    """

    flow: FlowControl


class Trickles:
    """Those of one server.

    Args:
        loop: Whose timer and clock are used.
        rest_s: Seconds for which a connection is not read, at least.
    """

    __slots__ = ("_known", "_loop", "_rest_s", "_resting", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, rest_s: float) -> None:
        self._loop = loop
        self._rest_s = rest_s
        self._known: set[Trickling] = set()
        self._resting: deque[tuple[float, Trickling]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: Trickling) -> None:
        """Take note of a few bytes, and let the connection rest if there are many like it."""
        self._known.add(connection)
        if len(self._known) <= _MANY or connection.flow.read_paused:
            return
        connection.flow.pause_reading()
        self._resting.append((self._loop.time() + self._rest_s, connection))
        if self._timer is None:
            self._timer = self._loop.call_later(self._rest_s, self._wake)

    def discard(self, connection: Trickling) -> None:
        """Take note that a request is complete, or will never be."""
        self._known.discard(connection)
        if not self._known and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._resting.clear()

    def _wake(self) -> None:
        now, resting = self._loop.time(), self._resting
        for _ in range(_AT_ONCE):
            if not resting or resting[0][0] > now:
                break
            _, connection = resting.popleft()
            if connection in self._known:
                connection.flow.resume_reading()
        self._timer = None
        if resting:
            self._timer = self._loop.call_later(max(_TURN_S, resting[0][0] - now), self._wake)
