"""The answer to a legacy request: a stream that outlives its connection (2025-11-25, transports, resumability).

Nothing is written down while the answer may still be plain JSON. From its first event on, each is kept before it is
sent, in one order for the log and the wire; the client's leaving changes nothing but who reads it (LEG-06).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Coroutine, Sequence
from typing import Final

from anyport.protocol.calls import DONE, BackChannel
from anyport.protocol.exchange import Exchange, HeaderList
from anyport.protocol.jsonrpc import RequestId, ResultLike, encode_json, encode_notification
from anyport.protocol.sse import encode_message, encode_priming
from anyport.stores.base import Store
from anyport.transports.first_steps import Rest, step
from anyport.transports.http.kept_streams import CALL, KeptStream, Kind, new_name
from anyport.transports.http.live_session import HttpSession
from anyport.transports.http.negotiation import Accepts
from anyport.transports.http.questions import HttpBackChannel
from anyport.transports.http.reply import KEEP_ALIVE, Attendance, HttpReply

_MAX_RETRY_S: Final = 3600.0


class SessionReply(HttpReply):
    """The answer to one request, or batch, of a session.

    Args:
        exchange: The HTTP request.
        accepts: Which forms of an answer the client takes.
        attendance: Watches the connection and the clock if the call lasts.
        session: Whose request it is.
        store: Where the events are kept.
        answer_s: Seconds that answers of the client may take; ``None`` for a call that cannot ask.

    Attributes:
        batch: Ids of the calls of a batch.
        asks: What the client is asked; ``None`` for nothing.
    """

    batch: Sequence[RequestId] = ()

    def __init__(
        self,
        exchange: Exchange,
        accepts: Accepts,
        attendance: Attendance,
        session: HttpSession,
        store: Store,
        answer_s: float | None,
    ) -> None:
        super().__init__(exchange, accepts, False, attendance)  # noqa: FBT003 - a legacy call outlives its connection
        self._session = session
        self._store = store
        self._answer_s = answer_s
        # A stream looks at all of these for each event: at an object that is quicker than at its class.
        self._gone = self._started = self._listens = False
        self._senders = self._speakers = 0
        self._kept: KeptStream | None = None
        self._order: asyncio.Lock | None = None
        self._ends: asyncio.Task[None] | None = None
        self._wakes: asyncio.Task[None] | None = None
        self.asks: HttpBackChannel | None = None

    @property
    def back_channel(self) -> BackChannel | None:
        """The way to ask the client something, made when it is first looked for: few calls ask."""
        if self.asks is None and self._answer_s is not None and self._accepts[1]:
            session = self._session
            self.asks = HttpBackChannel(self, session.questions, session.inbox, self._answer_s)
        return self.asks

    @property
    def reachable(self) -> bool:
        """Whether the client gets what is said, now or when it comes back."""
        return not self._ended and (not self._gone or (self._kept is not None and not self._kept.failed))

    def notify(self, method: str, params: ResultLike) -> Awaitable[None]:
        """Send a notification on the call's own stream, which starts with the first one."""
        if self._accepts[1] and not self._ended and not self.cancelled:
            return self._say("message", encode_notification(method, params))
        return DONE

    def say(self, message: bytes) -> Awaitable[None]:
        """Send a message on the call's own stream."""
        return self._say("message", message)

    async def close_stream(self, retry_s: float) -> None:
        """End the connection, for the client to come back for the rest; see `Reply.close_stream`."""
        if not self._session.state.revision.priming_event or not self._accepts[1]:
            return
        self._streams = True
        await self._in_order(self._close_stream(retry_s))

    async def _close_stream(self, retry_s: float) -> None:
        if self._ended or self._gone or self.cancelled:
            return
        priming = await self._begin()
        if self._kept is None or self._kept.failed:
            return
        await self._send(priming + b"retry: %d\n\n" % round(min(max(retry_s, 0.0), _MAX_RETRY_S) * 1000))
        self._detach()

    def finish(self, status: int, headers: HeaderList, body: bytes) -> Awaitable[None]:
        """Send the final message and end the answer; see `HttpReply.finish`."""
        is_plain = self._accepts[0] and not self._streams
        if is_plain or (status != 200 and not self._streams):
            return super().finish(status, headers, body)
        return self._say("last", body)

    async def abandon(self) -> None:
        """End the answer to a cancelled call, which gets no message (CAN-01)."""
        if self._kept is None:
            await super().abandon()
        else:
            await self._say("end", b"")

    def leave(self) -> Sequence[asyncio.Task[None]]:
        """Let go of what the stream needed: it is over.

        Returns:
            What was begun and is to be waited for.
        """
        self._ended = True
        if self._listens:
            self._listens = False
            self._session.inbox.leave()
        if self._kept is not None:
            self._session.writers.pop(self._kept.name, None)
        if self._ends is None and self._wakes is None:
            return ()
        return [task for task in (self._ends, self._wakes) if task is not None]

    def attend(self) -> None:
        """Watch the connection and the clock from now on, and hear what other processes are told of the call."""
        super().attend()
        self._listen()

    def is_followed(self) -> None:
        """Take note that the client reads the stream on another connection from now on."""
        self._detach()
        if self._kept is not None:
            self._wakes = asyncio.create_task(self._kept.wake())

    def _detach(self) -> None:
        """End the connection, if there is one; what is said from now on is kept for whoever comes back."""
        if self._started and not self._gone and not self._ended:
            self._gone = True
            self._ends = asyncio.create_task(self._hang_up())

    async def _hang_up(self) -> None:
        # A client that reads nothing misses nothing.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._attendance.write_s), self._in_turn():
                await self._exchange.finish()

    def _say(self, kind: Kind, message: bytes) -> Awaitable[None]:
        # At once: an answer that has a stream is none of plain JSON, even if the stream's head is still to be sent.
        self._streams = True
        return self._in_order(self._write(kind, message))

    async def _write(self, kind: Kind, message: bytes) -> None:
        if self._ended:
            return
        chunk = await self._begin() if self._kept is None else b""
        event_id = None
        # A session that has ended takes its streams along; nothing begins them anew.
        if self._kept is not None and self._session.state.state != "closed":
            event_id = await self._kept.append(kind, message)
        if kind != "end":
            chunk += encode_message(message, event_id)
        await self._send(chunk, last=kind != "message")

    async def _begin(self) -> bytes:
        """Begin to keep the stream, where the client may come back for it.

        Returns:
            What begins it on the wire; empty for nothing.
        """
        session = self._session
        revision = session.state.revision
        is_lost = self._gone and not self._started
        if self._kept is not None or is_lost or not revision.resumable or session.state.state == "closed":
            return b""
        kept = KeptStream(self._store, session.id, new_name(CALL))
        self._listen()
        await session.inbox.listening()
        event_id = await kept.append("head", encode_json(self.batch if self.call_id is None else self.call_id))
        self._kept = kept
        session.writers[kept.name] = self
        return encode_priming(event_id) if revision.priming_event and event_id is not None else b""

    async def _beat(self) -> None:
        await self._in_order(self._write_sign())

    async def _write_sign(self) -> None:
        if not self._ended:
            await self._send(await self._begin() + KEEP_ALIVE)

    def _listen(self) -> None:
        if not self._listens:
            self._listens = True
            self._session.inbox.join()

    async def _in_order(self, work: Coroutine[object, None, None]) -> None:
        """Do what keeps and sends something, one after the other."""
        try:
            rest: Rest | None = None
            if not self._speakers:
                rest = step(work)
                if rest is None:
                    return
            if self._order is None:
                self._order = asyncio.Lock()
            self._speakers += 1
            try:
                # Where something is left of the work, nobody else does any: the lock is free.
                async with self._order:
                    await (rest or work)
            finally:
                self._speakers -= 1
        finally:
            work.close()

    def _in_turn(self) -> asyncio.Lock:
        if self._lock is None:
            self._lock = asyncio.Lock()
        return self._lock
