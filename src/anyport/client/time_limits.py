"""How long a request may take: a time for the server, which stands still while the user is asked, and one in all."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Clock:
    """The clock of one request.

    Args:
        seconds: Time for the server; ``None`` for no limit.
        until: Time of the loop at which everything ends; ``None`` for no limit.
        resets: Progress starts the time for the server again.
    """

    __slots__ = ("_left", "_loop", "_resets", "_running", "_seconds", "_timer", "_until")

    def __init__(self, seconds: float | None, until: float | None, *, resets: bool = False) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._until = until
        self._resets = resets
        self._left: float | None = None
        self._running = False
        self._timer = asyncio.timeout_at(self._after(seconds))

    async def __aenter__(self) -> Self:
        await self._timer.__aenter__()
        self._running = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        self._running = False
        return await self._timer.__aexit__(kind, error, traceback)

    @property
    def expired(self) -> bool:
        """Whether the time ran out."""
        return self._timer.expired()

    def progressed(self) -> None:
        """Take that the server reported progress."""
        if self._resets and self._left is None:
            self._set(self._after(self._seconds))

    def pause(self) -> None:
        """Stop the time for the server: the user is asked."""
        when = self._timer.when()
        if self._seconds is not None and self._left is None and when is not None:
            self._left = max(0.0, when - self._loop.time())
            self._set(self._until)

    def resume(self) -> None:
        """Let the time for the server go on."""
        left, self._left = self._left, None
        if left is not None:
            self._set(self._after(left))

    def _after(self, seconds: float | None) -> float | None:
        if seconds is None:
            return self._until
        when = self._loop.time() + seconds
        return when if self._until is None or when < self._until else self._until

    def _set(self, when: float | None) -> None:
        if self._running and not self._timer.expired():
            self._timer.reschedule(when)
