"""What a call over HTTP may say before its result: JSON until the handler speaks, an event stream from then on."""

from __future__ import annotations

import asyncio
from asyncio import current_task
from collections.abc import Awaitable
from typing import Final

from anyport.protocol.calls import BackChannel
from anyport.protocol.exchange import Exchange, HeaderList
from anyport.protocol.jsonrpc import ResultLike, encode_notification
from anyport.protocol.limits import Limits
from anyport.protocol.sse import encode_comment, encode_event
from anyport.transports.http.negotiation import Accepts

ATTEND_AFTER_S: Final = 0.05
"""Seconds into a call from which its connection is watched, up to twice that: quick calls cost no task and no timer."""

JSON_HEADERS: Final[HeaderList] = [(b"content-type", b"application/json")]
_STREAM_HEADERS: Final[HeaderList] = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
_KEEP_ALIVE: Final = encode_comment()
CANCELLED_HERE: Final = "The call was cancelled by the server"


class Attendance:
    """Finds the calls that last, with one timer for all of them and none while there are none.

    Args:
        limits: ``first_byte_s`` and ``write_s`` apply to the calls.

    Attributes:
        young: Calls that began since the last tick.
        older: Calls that had begun by then.
        loop: The loop that the timer runs on; ``None`` while there is none. An endpoint may meet several loops, one
            after the other, and a timer of one that has ended never fires.
    """

    __slots__ = ("loop", "older", "silence_s", "write_s", "young")

    def __init__(self, limits: Limits) -> None:
        self.silence_s = limits.first_byte_s
        self.write_s = limits.write_s
        self.young: set[HttpReply] = set()
        self.older: set[HttpReply] = set()
        self.loop: asyncio.AbstractEventLoop | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Set the timer."""
        self.loop = loop
        loop.call_later(ATTEND_AFTER_S, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        for reply in self.older:
            reply.attend()
        self.older, self.young = self.young, set()
        if self.older:
            loop.call_later(ATTEND_AFTER_S, self._tick, loop)
        else:
            self.loop = None


class HttpReply:
    """The answer to one HTTP request while it is being made, in the task that makes it.

    Args:
        exchange: The request.
        accepts: Whether the client accepts JSON, and whether it accepts an event stream; where it accepts no stream,
            notifications are dropped.
        cancel_on_disconnect: The modern rule; a legacy call goes on without its connection (LEG-06).
        attendance: Watches the connection and the clock if the call lasts.

    Attributes:
        extra: Header fields that go with the answer whatever its form; ``None`` for none.
        cancelled: The client gave the call up.
        back_channel: The way to ask the client something; ``None`` where there is none.
    """

    # Defaults live on the class: a quick call sets five attributes and looks at two.
    _streams = False
    _started = False
    _ended = False
    _gone = False
    _attended = False
    _lock: asyncio.Lock | None = None
    _pulse: asyncio.Task[None] | None = None
    _timer: asyncio.TimerHandle | None = None
    extra: HeaderList | None = None
    cancelled = False
    back_channel: BackChannel | None = None

    def __init__(
        self, exchange: Exchange, accepts: Accepts, cancel_on_disconnect: bool, attendance: Attendance
    ) -> None:
        self._exchange = exchange
        self._accepts = accepts
        self._stops = cancel_on_disconnect
        self._attendance = attendance
        self._task = task = current_task()
        attendance.young.add(self)
        if task is not None and attendance.loop is not (loop := task.get_loop()):
            attendance.start(loop)

    async def notify(self, method: str, params: ResultLike) -> None:
        """Send a notification on the call's own stream, which starts with the first one (HTTP-08)."""
        if self._accepts[1] and not self._ended and not self.cancelled:
            await self._send(encode_event(encode_notification(method, params), event="message"))

    def finish(self, status: int, headers: HeaderList, body: bytes) -> Awaitable[None]:
        """Send the final message and end the answer.

        Args:
            status: HTTP status, where the head is not sent yet.
            headers: Header fields of a plain answer, where the head is not sent yet.
            body: The message.
        """
        if (self._accepts[0] and not self._streams) or (status != 200 and not self._started):
            # A refusal keeps its status even where the client wants a stream (HTTP-11): a stream's head says 200.
            self._ended = True
            return self._exchange.respond(status, [*headers, *self.extra] if self.extra else headers, body)
        return self._send(encode_event(body, event="message"), last=True)

    async def abandon(self) -> None:
        """End the answer to a cancelled call, which gets no message (CAN-01)."""
        if self._accepts[1]:
            await self._send(b"", last=True)
        else:
            self._ended = True
            await self._exchange.respond(202, self.extra or [], b"")

    def release(self) -> None:
        """Stop watching the connection and the clock: nothing interrupts what is sent from here on."""
        self._attendance.young.discard(self)
        self._attendance.older.discard(self)
        if self._attended:
            self._exchange.unwatch()
            if self._timer is not None:
                self._timer.cancel()

    def cancel(self) -> None:
        """Give the call up: its task is cancelled and nothing more is said."""
        if not self.cancelled:
            self.cancelled = True
            self.interrupt()

    def interrupt(self) -> None:
        """Cancel the task of the call."""
        if self._task is not None:
            self._task.cancel()

    def resume(self) -> None:
        """Take an `interrupt` back that has had its effect: the task has something left to say."""
        if self._task is not None:
            self._task.uncancel()

    def is_cancelled_from_outside(self) -> bool:
        """Whether somebody other than this reply cancelled the task, and so wants its end."""
        return self._task is not None and self._task.cancelling() > int(self.cancelled)

    def attend(self) -> None:
        """Watch the connection and the clock from now on: the call lasts."""
        self._attended = True
        self._exchange.watch(self._disconnected)
        self._timer = asyncio.get_running_loop().call_later(self._attendance.silence_s, self._break_silence)

    async def _send(self, chunk: bytes, *, last: bool = False) -> None:
        if self._gone:
            self._ended = self._ended or last
            return
        self._streams = True
        if self._lock is None:
            self._lock = asyncio.Lock()
        try:
            async with asyncio.timeout(self._attendance.write_s), self._lock:
                if self._ended:
                    return
                self._ended = last
                if not self._started:
                    self._started = True
                    await self._exchange.start_stream(200, [*_STREAM_HEADERS, *(self.extra or ())])
                if chunk:
                    await self._exchange.send(chunk)
                if last:
                    await self._exchange.finish()
        except TimeoutError:
            # The client holds the connection and reads nothing (limit write_s): it has left for all that matters.
            self._disconnected()

    def _break_silence(self) -> None:
        if not self._accepts[1] or self._gone or self.cancelled:
            return
        self._streams = True
        # Behind a message that the client has not taken yet a sign of life would say nothing.
        if self._lock is None or not self._lock.locked():
            self._pulse = asyncio.create_task(self._send(_KEEP_ALIVE))
        self._timer = asyncio.get_running_loop().call_later(self._attendance.silence_s, self._break_silence)

    def _disconnected(self) -> None:
        self._gone = True
        if self._stops and not self._ended:
            self.cancel()
