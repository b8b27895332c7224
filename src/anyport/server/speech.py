"""What a call says before its result: progress that rises and logs, neither faster than a limit, nothing after the end.

A report that comes too fast is held until the next one that may go, or until the end: the client always has the last
(PRG-02). Logs that come too fast are left out, and the client is told how many (LOG-02).
"""

from __future__ import annotations

import time
from typing import Final

from msgspec import Raw

from anyport.protocol.calls import Reply
from anyport.protocol.jsonrpc import encode_json
from anyport.protocol.limits import Limits
from anyport.protocol.types import (
    LOG_LEVELS,
    LoggingLevel,
    LoggingMessageNotificationParams,
    ProgressNotificationParams,
)

SEVERITY: Final = {level: rank for rank, level in enumerate(LOG_LEVELS)}

_PROGRESS: Final = "notifications/progress"
_LOG: Final = "notifications/message"


class Pace:
    """A bucket that fills at a steady rate.

    Args:
        per_second: How many are admitted in a second; as many are admitted at once after a second of silence.
    """

    __slots__ = ("_at", "_left", "_rate")

    def __init__(self, per_second: float) -> None:
        self._rate = per_second
        self._left = per_second
        self._at = time.monotonic()

    def admits(self) -> bool:
        """Whether one more may be said now; it counts as said."""
        now = time.monotonic()
        self._left = min(self._rate, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Speech:
    """What one call says; made when it says something.

    What admits may be called from the thread of a plain function, what sends only on the loop of the call.

    Args:
        reply: Takes the messages.
        limits: ``progress_per_s`` and ``logs_per_s``.
    """

    __slots__ = (
        "_gravest",
        "_held",
        "_latest",
        "_left_out",
        "_limit",
        "_logs",
        "_over",
        "_progress",
        "_reply",
        "_sent",
    )

    def __init__(self, reply: Reply, limits: Limits) -> None:
        self._reply = reply
        self._progress = Pace(limits.progress_per_s)
        self._logs: Pace | None = None
        self._limit = limits.logs_per_s
        self._latest = self._sent = float("-inf")
        self._held: ProgressNotificationParams | None = None
        self._left_out = 0
        self._gravest: LoggingLevel = "debug"
        self._over = False

    def admits_progress(self, params: ProgressNotificationParams) -> bool:
        """Whether a report rises above those before it and may go now; else it may be held."""
        if not params.progress > self._latest:
            return False
        self._latest = params.progress
        if self._progress.admits():
            self._held = None
            return True
        self._held = params
        return False

    def admits_log(self, level: LoggingLevel) -> bool:
        """Whether a log message may go now; else it is counted as left out."""
        if self._logs is None:
            self._logs = Pace(self._limit)
        if self._logs.admits():
            return True
        self._left_out += 1
        self._gravest = max(self._gravest, level, key=SEVERITY.__getitem__)
        return False

    async def send_progress(self, progress: float, message: Raw) -> None:
        """Send a report, unless a later one was faster or the call is over (PRG-01)."""
        if progress > self._sent and not self._over:
            self._sent = progress
            sent = self._reply.notify(_PROGRESS, message)
            # It may wait for a client that does not read: encoded is enough of it.
            del message
            await sent

    async def send_log(self, message: Raw) -> None:
        """Send a log message, unless the call is over."""
        if not self._over:
            sent = self._reply.notify(_LOG, message)
            del message
            await sent

    async def end(self) -> None:
        """Say what is left to say, and nothing from then on."""
        held, self._held = self._held, None
        left_out, self._left_out = self._left_out, 0
        if held is not None:
            await self.send_progress(held.progress, Raw(encode_json(held)))
        if left_out:
            text = f"{left_out} log messages were left out (limit logs_per_s: {self._limit})"
            message = LoggingMessageNotificationParams(level=self._gravest, data=text)
            await self.send_log(Raw(encode_json(message)))
        self._over = True
