"""What a call over HTTP may say before its result: JSON until the handler speaks, an event stream from then on."""

from __future__ import annotations

import asyncio
from typing import Final

from anyport.protocol.calls import BackChannel
from anyport.protocol.exchange import Exchange, HeaderList
from anyport.protocol.jsonrpc import ResultLike, encode_notification
from anyport.protocol.sse import encode_comment, encode_event

ATTEND_AFTER_S: Final = 0.05
"""Seconds into a call from which its connection is watched: quick calls cost neither a task nor a timer that fires."""

_STREAM_HEADERS: Final[HeaderList] = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
_KEEP_ALIVE: Final = encode_comment()


class HttpReply:
    """The answer to one HTTP request while it is being made.

    Args:
        exchange: The request.
        accepts: Whether the client accepts JSON, and whether it accepts an event stream; where it accepts no stream,
            notifications are dropped.
        extra: Header fields that go with the answer whatever its form.
        cancel_on_disconnect: The modern rule; a legacy call goes on without its connection (LEG-06).
        silence_s: Seconds of silence after which the answer becomes a stream with keep-alive comments.
    """

    __slots__ = (
        "_exchange", "_extra", "_gone", "_lock", "_loop", "_may_stream", "_pulse", "_silence_s", "_started", "_stops", "_streams",
        "_task", "_timer", "back_channel", "cancelled",
    )  # fmt: skip

    def __init__(
        self,
        exchange: Exchange,
        *,
        accepts: tuple[bool, bool],
        extra: HeaderList,
        cancel_on_disconnect: bool,
        silence_s: float,
    ) -> None:
        may_json, self._may_stream = accepts
        self._exchange = exchange
        self._extra = extra
        self._stops = cancel_on_disconnect
        self._silence_s = silence_s
        self._streams = not may_json
        self._started = False
        self._gone = False
        self._lock: asyncio.Lock | None = None
        self._task = asyncio.current_task()
        self._pulse: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(ATTEND_AFTER_S, self._attend)
        self.cancelled = False
        self.back_channel: BackChannel | None = None

    async def notify(self, method: str, params: ResultLike) -> None:
        """Send a notification on the call's own stream, which starts with the first one (HTTP-08)."""
        if self._may_stream and not self.cancelled:
            await self._send(encode_event(encode_notification(method, params), event="message"))

    async def finish(self, status: int, headers: HeaderList, body: bytes) -> None:
        """Send the final message and end the answer.

        Args:
            status: HTTP status, where the head is not sent yet.
            headers: Header fields of a plain answer, where the head is not sent yet.
            body: The message.
        """
        self.release()
        if self._gone:
            return
        if not self._streams:
            await self._exchange.respond(status, [*headers, *self._extra], body)
            return
        await self._send(encode_event(body, event="message"))
        await self._exchange.finish()

    async def abandon(self) -> None:
        """End the answer to a cancelled call, which gets no message (CAN-01)."""
        self.release()
        if self._gone:
            return
        if not self._may_stream:
            await self._exchange.respond(202, self._extra, b"")
            return
        await self._send(b"")
        await self._exchange.finish()

    def release(self) -> None:
        """Stop watching the connection and the clock."""
        self._timer.cancel()
        self._exchange.unwatch()

    def cancel(self) -> None:
        """Give the call up: its task is cancelled and nothing more is said."""
        self.cancelled = True
        if self._task is not None:
            self._task.cancel()

    async def _send(self, chunk: bytes) -> None:
        self._streams = True
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:
            if not self._started:
                self._started = True
                await self._exchange.start_stream(200, [*_STREAM_HEADERS, *self._extra])
            if chunk:
                await self._exchange.send(chunk)

    def _attend(self) -> None:
        self._exchange.watch(self._disconnected)
        self._timer = self._loop.call_later(self._silence_s, self._break_silence)

    def _break_silence(self) -> None:
        if self._may_stream and not self._gone and not self.cancelled:
            # The one task of a long call; it ends by itself.
            self._pulse = self._loop.create_task(self._send(_KEEP_ALIVE))
            self._timer = self._loop.call_later(self._silence_s, self._break_silence)

    def _disconnected(self) -> None:
        self._gone = True
        if self._stops:
            self.cancel()
