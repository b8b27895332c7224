"""What a call over HTTP may say before its result: JSON until the handler speaks, an event stream from then on."""

from __future__ import annotations

import asyncio
from asyncio import current_task
from collections.abc import Awaitable
from typing import Final

from anyport.protocol.calls import DONE, BackChannel
from anyport.protocol.errors import ENDED, InternalError
from anyport.protocol.exchange import STREAM_HEADERS, Exchange, HeaderList
from anyport.protocol.jsonrpc import RequestId, ResultLike, encode_error, encode_notification
from anyport.protocol.limits import Limits
from anyport.protocol.sse import encode_comment, encode_message
from anyport.transports.first_steps import Rest, step
from anyport.transports.http.negotiation import Accepts

ATTEND_AFTER_S: Final = 0.05
"""Seconds into a call from which its connection is watched, up to twice that: quick calls cost no task and no timer."""

KEEP_ALIVE: Final = encode_comment()
CANCELLED_HERE: Final = "The call was cancelled by the server"


class Attendance:
    """Finds the calls that last, with one timer for all of them and none while there are none.

    Args:
        limits: ``first_byte_s`` and ``write_s`` apply to the calls.

    Attributes:
        young: Calls that began since the last tick.
        older: Calls that had begun by then.
        lasting: Calls that are being attended.
        loop: The loop that the timer runs on; ``None`` while there is none. An endpoint may meet several loops, one
            after the other, and a timer of one that has ended never fires.
    """

    __slots__ = ("lasting", "loop", "older", "silence_s", "write_s", "young")

    def __init__(self, limits: Limits) -> None:
        self.silence_s = limits.first_byte_s
        self.write_s = limits.write_s
        self.young: set[HttpReply] = set()
        self.older: set[HttpReply] = set()
        self.lasting: set[HttpReply] = set()
        self.loop: asyncio.AbstractEventLoop | None = None

    def in_flight(self) -> set[HttpReply]:
        """Return the answers that are being made, none of which has begun to be sent as a whole."""
        return self.young | self.older | self.lasting

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Set the timer."""
        self.loop = loop
        loop.call_later(ATTEND_AFTER_S, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        for reply in self.older:
            reply.attend()
        self.lasting |= self.older
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
        call_id: Id of the call; ``None`` for a batch.
        extra: Header fields that go with the answer whatever its form; ``None`` for none.
        cancelled: The client gave the call up.
    """

    # Defaults live on the class: a quick call sets and looks at none of these.
    _started = False
    _gone = False
    _lock: asyncio.Lock | None = None
    _senders = 0
    _pulse: asyncio.Task[None] | None = None
    _timer: asyncio.TimerHandle | None = None
    call_id: RequestId | None = None

    def __init__(
        self, exchange: Exchange, accepts: Accepts, cancel_on_disconnect: bool, attendance: Attendance
    ) -> None:
        self._exchange = exchange
        self._accepts = accepts
        self._stops = cancel_on_disconnect
        self._attendance = attendance
        self._streams = self._ended = self._attended = self.cancelled = False
        self.extra: HeaderList | None = None
        self._task = task = current_task()
        attendance.young.add(self)
        if task is not None and attendance.loop is not (loop := task.get_loop()):
            attendance.start(loop)

    @property
    def back_channel(self) -> BackChannel | None:
        """The way to ask the client something; ``None`` where there is none."""
        return None

    def notify(self, method: str, params: ResultLike) -> Awaitable[None]:
        """Send a notification on the call's own stream, which starts with the first one (HTTP-08)."""
        if self._accepts[1] and not self._ended and not self.cancelled:
            return self._send(encode_message(encode_notification(method, params)))
        return DONE

    async def close_stream(self, retry_s: float) -> None:
        """End the stream, for the client to come back; a modern client could not."""

    def finish(self, status: int, headers: HeaderList, body: bytes) -> Awaitable[None]:
        """Send the final message and end the answer.

        Args:
            status: HTTP status, where the head is not sent yet.
            headers: Header fields of a plain answer, where the head is not sent yet.
            body: The message.
        """
        if self._ended:
            # Answered from outside, when the server could wait no longer.
            return asyncio.sleep(0)
        if (self._accepts[0] and not self._streams) or (status != 200 and not self._started):
            # A refusal keeps its status even where the client wants a stream (HTTP-11): a stream's head says 200.
            self._ended = True
            return self._exchange.respond(status, [*headers, *self.extra] if self.extra else headers, body)
        return self._send(encode_message(body), last=True)

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
            self._attendance.lasting.discard(self)
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

    def stopped(self, *, draining: bool) -> tuple[bytes, bool]:
        """Take note that the call was cancelled, in its task.

        By a client that gave it up, by the tool itself, or by a server that stops: all but the first want an answer,
        and a task that is about to end has obeyed. A thread of the tool learns of it in any case.

        Args:
            draining: The server stops.

        Returns:
            The answer, and whether the client gave the call up and gets none.
        """
        given_up, self.cancelled = self.cancelled, True
        return encode_error(self.call_id, InternalError(ENDED if draining else CANCELLED_HERE)), given_up

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
        rest: Rest | None = None
        if not self._senders:
            if self._send_now(chunk, last=last):
                return
            rest = step(self._send_in_turn(chunk, last=last))
            if rest is None:
                return
        if self._lock is None:
            self._lock = asyncio.Lock()
        self._senders += 1
        try:
            # Where something is left of a chunk, nobody else sends: the lock is free.
            async with asyncio.timeout(self._attendance.write_s), self._lock:
                await (rest or self._send_in_turn(chunk, last=last))
        except TimeoutError:
            # The client holds the connection and reads nothing (limit write_s): it has left for all that matters.
            self._disconnected()
        finally:
            self._senders -= 1

    def _send_now(self, chunk: bytes, *, last: bool) -> bool:
        """Do as `_send_in_turn`, if nothing has to be waited for."""
        if not self._ended:
            if not self._exchange.send_now(None if self._started else self._stream_headers(), chunk, last=last):
                return False
            self._started, self._ended = True, last
        return True

    def _stream_headers(self) -> HeaderList:
        return [*STREAM_HEADERS, *self.extra] if self.extra else STREAM_HEADERS

    async def _send_in_turn(self, chunk: bytes, *, last: bool) -> None:
        if self._ended:
            return
        self._ended = last
        if self._gone:
            return
        if not self._started:
            self._started = True
            await self._exchange.start_stream(200, self._stream_headers())
        if chunk:
            await self._exchange.send(chunk)
        if last:
            await self._exchange.finish()

    def _break_silence(self) -> None:
        if not self._accepts[1] or self._gone or self.cancelled:
            return
        self._streams = True
        # Behind a message that the client has not taken yet a sign of life would say nothing.
        if self._lock is None or not self._lock.locked():
            self._pulse = asyncio.create_task(self._beat())
        self._timer = asyncio.get_running_loop().call_later(self._attendance.silence_s, self._break_silence)

    async def _beat(self) -> None:
        """Send a sign of life."""
        await self._send(KEEP_ALIVE)

    def _disconnected(self) -> None:
        self._gone = True
        if self._stops and not self._ended:
            self.cancel()
