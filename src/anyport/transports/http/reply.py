"""What a call over HTTP may say before its result: JSON until the handler speaks, an event stream from then on."""

from __future__ import annotations

import asyncio
from typing import Final

from anyport.protocol.calls import BackChannel
from anyport.protocol.exchange import Exchange, HeaderList
from anyport.protocol.jsonrpc import ResultLike, encode_notification
from anyport.protocol.limits import Limits
from anyport.protocol.sse import encode_comment, encode_event

ATTEND_AFTER_S: Final = 0.05
"""Seconds into a call from which its connection is watched, up to twice that: quick calls cost no task and no timer."""

JSON_HEADERS: Final[HeaderList] = [(b"content-type", b"application/json")]
_STREAM_HEADERS: Final[HeaderList] = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
_KEEP_ALIVE: Final = encode_comment()


class Attendance:
    """Finds the calls that last, with one timer for all of them and none while there are none.

    Args:
        limits: ``first_byte_s`` and ``write_s`` apply to the calls.
    """

    __slots__ = ("_loop", "_older", "_young", "silence_s", "write_s")

    def __init__(self, limits: Limits) -> None:
        self.silence_s = limits.first_byte_s
        self.write_s = limits.write_s
        self._young: set[HttpReply] = set()
        self._older: set[HttpReply] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, reply: HttpReply) -> None:
        """Look after a call, from `ATTEND_AFTER_S` on."""
        self._young.add(reply)
        loop = asyncio.get_running_loop()
        # An endpoint may meet several loops, one after the other; a timer of one that has ended never fires.
        if loop is not self._loop:
            self._loop = loop
            loop.call_later(ATTEND_AFTER_S, self._tick)

    def discard(self, reply: HttpReply) -> None:
        """Forget a call that is over."""
        self._young.discard(reply)
        self._older.discard(reply)

    def _tick(self) -> None:
        for reply in self._older:
            reply.attend()
        self._older, self._young = self._young, set()
        if self._older:
            asyncio.get_running_loop().call_later(ATTEND_AFTER_S, self._tick)
        else:
            self._loop = None


class HttpReply:
    """The answer to one HTTP request while it is being made, in the task that makes it.

    Args:
        exchange: The request.
        accepts: Whether the client accepts JSON, and whether it accepts an event stream; where it accepts no stream,
            notifications are dropped.
        cancel_on_disconnect: The modern rule; a legacy call goes on without its connection (LEG-06).
        attendance: Watches the connection and the clock if the call lasts.

    Attributes:
        extra: Header fields that go with the answer whatever its form.
        cancelled: The client gave the call up.
        back_channel: The way to ask the client something; ``None`` where there is none.
    """

    __slots__ = (
        "_attendance", "_attended", "_ended", "_exchange", "_gone", "_lock", "_may_stream", "_pulse", "_started", "_stops",
        "_streams", "_task", "_timer", "back_channel", "cancelled", "extra",
    )  # fmt: skip

    def __init__(
        self,
        exchange: Exchange,
        accepts: tuple[bool, bool],
        cancel_on_disconnect: bool
        attendance: Attendance,
    ) -> None:
        may_json, self._may_stream = accepts
        self._exchange = exchange
        self._stops = cancel_on_disconnect
        self._attendance = attendance
        self._streams = not may_json
        self._started = self._ended = self._gone = self._attended = False
        self._lock: asyncio.Lock | None = None
        self._task = asyncio.current_task()
        self._pulse: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.extra: HeaderList = []
        self.cancelled = False
        self.back_channel: BackChannel | None = None
        attendance.add(self)

    async def notify(self, method: str, params: ResultLike) -> None:
        """Send a notification on the call's own stream, which starts with the first one (HTTP-08)."""
        if self._may_stream and not self._ended and not self.cancelled:
            await self._send(encode_event(encode_notification(method, params), event="message"))

    async def finish(self, status: int, headers: HeaderList, body: bytes) -> None:
        """Send the final message and end the answer.

        Args:
            status: HTTP status, where the head is not sent yet.
            headers: Header fields of a plain answer, where the head is not sent yet.
            body: The message.
        """
        if self._gone:
            self._ended = True
        elif not self._streams or (status != 200 and not self._started):
            # A refusal keeps its status even where the client wants a stream (HTTP-11): a stream's head says 200.
            self._ended = True
            await self._exchange.respond(status, [*headers, *self.extra] if self.extra else headers, body)
        else:
            await self._send(encode_event(body, event="message"), last=True)

    async def abandon(self) -> None:
        """End the answer to a cancelled call, which gets no message (CAN-01)."""
        if self._gone:
            self._ended = True
        elif self._may_stream:
            await self._send(b"", last=True)
        else:
            self._ended = True
            await self._exchange.respond(202, self.extra, b"")

    def release(self) -> None:
        """Stop watching the connection and the clock: nothing interrupts what is sent from here on."""
        self._attendance.discard(self)
        if self._attended:
            self._exchange.unwatch()
            if self._timer is not None:
                self._timer.cancel()

    def cancel(self) -> None:
        """Give the call up: its task is cancelled and nothing more is said."""
        if not self.cancelled:
            self.cancelled = True
            if self._task is not None:
                self._task.cancel()

    def attend(self) -> None:
        """Watch the connection and the clock from now on: the call lasts."""
        self._attended = True
        self._exchange.watch(self._disconnected)
        self._timer = asyncio.get_running_loop().call_later(self._attendance.silence_s, self._break_silence)

    async def _send(self, chunk: bytes, *, last: bool = False) -> None:
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
                    await self._exchange.start_stream(200, [*_STREAM_HEADERS, *self.extra])
                if chunk:
                    await self._exchange.send(chunk)
                if last:
                    await self._exchange.finish()
        except TimeoutError:
            # The client holds the connection and reads nothing (limit write_s): it has left for all that matters.
            self._disconnected()

    def _break_silence(self) -> None:
        if not self._may_stream or self._gone or self.cancelled:
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
