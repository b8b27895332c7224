"""Progress: what the server says about a call on the way, told to the user's callback one after the other."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Final, TypeVar

from anyport.protocol.types.json import JsonObject, JsonValue

T = TypeVar("T")

ProgressCallback = Callable[[float, float | None, str | None], object]
"""Called with progress, total and message; what it returns is awaited if it can be."""

_KEPT: Final = 1000
"""Reports that wait for a slow callback; older ones are dropped, as newer ones say more."""
_UNWIND_S: Final = 1.0


class Progress:
    """The progress of one call.

    Args:
        callback: The user's.
    """

    def __init__(self, callback: ProgressCallback) -> None:
        self._callback = callback
        self._waiting: deque[tuple[float, float | None, str | None]] = deque(maxlen=_KEPT)
        self._more = asyncio.Event()
        self._complete = False

    def receive(self, params: JsonObject) -> None:
        """Take the parameters of ``notifications/progress``; what has no number is ignored."""
        progress, message = _number(params.get("progress")), params.get("message")
        if progress is not None:
            shown = message if isinstance(message, str) else None
            self._waiting.append((progress, _number(params.get("total")), shown))
            self._more.set()

    async def attend(self, answer: Coroutine[object, object, T]) -> T:
        """Wait for the answer of the call and run the callback meanwhile.

        Args:
            answer: What waits for the answer.

        Returns:
            The answer, after the last report has been told.

        Raises:
            Exception: What the callback raises; the call is then given up.
        """
        answering, telling = asyncio.ensure_future(answer), asyncio.ensure_future(self._tell())
        try:
            await asyncio.wait((answering, telling), return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                self._complete = True
                self._more.set()
            await telling
            return await answering
        finally:
            await _unwind(answering, telling)

    async def _tell(self) -> None:
        while not self._complete or self._waiting:
            await self._more.wait()
            self._more.clear()
            while self._waiting:
                told = self._callback(*self._waiting.popleft())
                if inspect.isawaitable(told):
                    await told


async def _unwind(*tasks: asyncio.Future[T] | asyncio.Future[None]) -> None:
    """See to it that no task outlives the call, and that no exception of one is reported as lost."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=_UNWIND_S)
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()


def _number(value: JsonValue) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
