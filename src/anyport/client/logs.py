"""What a server logs, and other things that are told to callbacks of the user while nobody waits for them."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from msgspec import Struct

from anyport.protocol.types import LOG_LEVELS, LoggingLevel
from anyport.protocol.types.json import JsonObject, JsonValue

logger = logging.getLogger("anyport.client")

T = TypeVar("T")

_KEPT: Final = 1000
"""Things that wait for a slow callback; the oldest are dropped."""
_LAST_WORDS_S: Final = 1.0


class LogMessage(Struct, frozen=True):
    """A log message of a server.

    Attributes:
        level: Severity.
        data: What is logged: often a text, but any value.
        logger: Who logs, where the server says so.
    """

    level: LoggingLevel
    data: JsonValue
    logger: str | None = None


LogCallback = Callable[[LogMessage], object]
"""Called with each log message; what it returns is awaited if it can be."""


def read_log(params: JsonObject) -> LogMessage | None:
    """Return the message in the parameters of ``notifications/message``; ``None`` where there is none."""
    level, name = params.get("level"), params.get("logger")
    for known in LOG_LEVELS:
        if level == known:
            return LogMessage(known, params.get("data"), name if isinstance(name, str) else None)
    return None


class Teller(Generic[T]):
    """Tells a callback one thing after the other; whoever has something to tell does not wait.

    What the callback raises is logged, and the next thing is told all the same.

    Args:
        callback: The user's; may be ``async``.
        name: What it is called in the log.
    """

    def __init__(self, callback: Callable[[T], object], name: str) -> None:
        self._callback = callback
        self._name = name
        self._waiting: deque[T] = deque()
        self._task: asyncio.Task[None] | None = None
        self._dropped = 0

    def tell(self, thing: T) -> None:
        """Tell a thing as soon as those before it are told; on the loop."""
        if len(self._waiting) >= _KEPT:
            self._waiting.popleft()
            self._dropped += 1
        self._waiting.append(thing)
        if self._task is None or self._task.done():
            self._start()

    @property
    def busy(self) -> bool:
        """Whether something is not told yet."""
        return bool(self._waiting)

    async def aclose(self) -> None:
        """Let the callback hear what still waits, for a moment."""
        task = self._task
        if task is None or task is asyncio.current_task():
            # Closed by the callback itself, which cannot wait for its own end.
            return
        done, _ = await asyncio.wait((task,), timeout=_LAST_WORDS_S)
        if not done:
            self._waiting.clear()
            task.cancel()

    def _start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(self._ended)

    async def _run(self) -> None:
        while self._waiting:
            if self._dropped:
                logger.warning("%s is too slow: %d were dropped", self._name, self._dropped)
                self._dropped = 0
            told = self._callback(self._waiting.popleft())
            if inspect.isawaitable(told):
                await told

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._task is task:
            self._task = None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("%s failed", self._name, exc_info=error)
        if self._waiting and self._task is None:
            self._start()
