"""GET: follow a kept stream from some event to its end, whichever process writes it (RES-04).

What is sent is read from the log, and from nothing else: a message of the bus says only that there is something to
read. So nothing is sent twice, nothing is left out, and what the bus loses is found at the next look.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from asyncio import current_task
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from anyport.protocol.errors import InternalError, RefusedRequest
from anyport.protocol.exchange import STREAM_HEADERS, Exchange
from anyport.protocol.jsonrpc import RequestId, encode_error
from anyport.protocol.limits import Limits
from anyport.protocol.sse import encode_comment, encode_message, encode_priming
from anyport.stores.base import Store, StoreError, StreamEnded, StreamLost, SubscriptionLost
from anyport.transports.http.inbox import Taken
from anyport.transports.http.kept_streams import CALL, entry, event_id, log_key, read_entry
from anyport.transports.http.live_session import HttpSession
from anyport.transports.http.reply import KEEP_ALIVE

logger = logging.getLogger("anyport.transports")

WRITER_S: Final = 10.0
"""Seconds in which the process that writes a stream says that it lives; a loop may be held up that long by a tool."""

_RETRY: Final = b"retry: 1000\n\n"
_LOST: Final = InternalError("The process that served this call has ended before it had a result")
_decode_ids = msgspec.json.Decoder(RequestId | list[RequestId]).decode


class Follower:
    """One connection that follows a stream.

    Args:
        exchange: The HTTP request.
        session: Whose stream it is.
        stream: Name of the stream.
        store: Where it is kept.
        limits: ``first_byte_s`` is the time between signs of life, ``write_s`` what the client has to read.

    Attributes:
        name: Name of the connection.
    """

    def __init__(self, exchange: Exchange, session: HttpSession, stream: str, store: Store, limits: Limits) -> None:
        self.name = f"{session.token}.{secrets.token_hex(8)}"
        self._exchange = exchange
        self._session = session
        self._stream = stream
        self._key = log_key(session.id, stream)
        self._store = store
        self._limits = limits
        self._task = current_task()
        self._after = 0
        self._gap = 0
        self._events: list[tuple[int, bytes]] = []
        # Whether the client knows the whole stream already.
        self._is_known = False
        self._started = False
        self._gone = False
        self._stopped = False
        self._last_words = b""
        # Whether the writer was asked to say that it lives, and has not said so yet.
        self._asked = False

    def stop(self) -> None:
        """End the answer; another connection follows the stream, or nobody any more."""
        if not self._stopped:
            self._stopped = True
            if self._task is not None:
                self._task.cancel()

    def drain(self) -> None:
        """End the answer; the client is to come back to another process."""
        if self._session.state.revision.priming_event:
            self._last_words = _RETRY
        self.stop()

    async def check(self, after: int) -> None:
        """Find what follows a position, before anything is said or changed.

        Raises:
            RefusedRequest: HTTP 410: there is no such stream in this session, or what follows is not kept.
        """
        self._after = after
        self._is_known = bool(after) and await self._is_over()
        try:
            self._events = [] if self._is_known else await self._read(after)
        except StreamLost as lost:
            if lost.kept_from is None or not self._stream.startswith(CALL):
                raise RefusedRequest(
                    410, "What followed this event is not kept, or it belongs to no stream of this session"
                ) from lost
            # The oldest messages of a call had to go (limits stream_events, stream_bytes); its result counts for more.
            self._gap = lost.kept_from - 1 - after
            self._after = lost.kept_from - 1
            self._events = await self._read(self._after)

    async def run(self) -> None:
        """Answer with what was found and what follows it, until the stream ends, the client leaves or `stop`."""
        self._session.inbox.join()
        try:
            await self._session.inbox.listening()
            if not self._is_known:
                await self._follow(self._events)
        except asyncio.CancelledError:
            # `stop`, or a server that ends: both want the end of the answer.
            if self._stopped and self._task is not None:
                self._task.uncancel()
        except StreamLost as error:
            # Its session has ended, or it was kept for as long as streams are: the client hears it when it comes back.
            logger.debug("A stream that a client follows has ended: %s", error)
        except StoreError as error:
            logger.warning("A stream that a client follows broke off: %s", error)
        finally:
            self._session.inbox.leave()
            self._exchange.unwatch()
            self._stopped = True
        await self._end()

    async def _follow(self, events: list[tuple[int, bytes]]) -> None:
        while True:
            try:
                async with self._store.bus.subscribe(self._key) as wakes:
                    # What was appended before this did not wake anybody here.
                    events += await self._read(self._after + len(events))
                    if not self._started:
                        await self._start()
                    while not await self._pass_on(events):
                        if not await self._wait(wakes):
                            return
                        events = await self._read(self._after)
                    return
            except SubscriptionLost:
                events = []

    async def _is_over(self) -> bool:
        """Whether the client knows the whole stream: the event that it names is the last one."""
        try:
            found = await self._store.events.read(self._key, self._after - 1)
        except StreamLost:
            return False
        return bool(found) and read_entry(found[0][1])[0] in ("last", "end")

    async def _read(self, after: int) -> list[tuple[int, bytes]]:
        return await self._store.events.read(self._key, after)

    async def _start(self) -> None:
        self._started = True
        await self._send(b"", start=True)
        if self._gap:
            await self._send(encode_comment(f"{self._gap} messages are not kept any more"))
        self._exchange.watch(self._left)
        await self._tell()

    async def _tell(self) -> None:
        """Have everybody else leave the stream to this connection, and its writer, if it is elsewhere, say it lives."""
        self._asked = self._stream.startswith(CALL) and self._stream not in self._session.writers
        await self._session.tell(Taken(self._stream, self.name))

    async def _pass_on(self, events: list[tuple[int, bytes]]) -> bool:
        """Send events; the result says whether that is all there will ever be."""
        revision = self._session.state.revision
        for position, kept in events:
            self._after = position
            kind, message = read_entry(kept)
            name = event_id(self._stream, position) if revision.resumable else None
            if kind == "end":
                return True
            if kind != "head":
                await self._send(encode_message(message, name))
            elif name is not None and revision.priming_event:
                await self._send(encode_priming(name))
            if kind == "last":
                return True
        return self._gone

    async def _wait(self, wakes: AsyncIterator[bytes]) -> bool:
        """Wait for something to read; the result says whether there may be any."""
        try:
            async with asyncio.timeout(WRITER_S if self._asked else self._limits.first_byte_s):
                await anext(wakes)
        except TimeoutError:
            return await self._break_silence()
        except StopAsyncIteration:
            return False
        self._asked = False
        return True

    async def _break_silence(self) -> bool:
        if self._asked:
            return await self._end_for_writer()
        await self._send(KEEP_ALIVE)
        await self._tell()
        return not self._gone

    async def _end_for_writer(self) -> bool:
        """Answer for a process that has died; whatever it said before is kept."""
        try:
            events = await self._read(0)
        except StreamLost:
            return False
        kind, call_ids = read_entry(events[0][1])
        if kind != "head":
            return False
        try:
            await self._store.events.append(self._key, entry("last", _answer_for(call_ids)), final=True)
        except StreamEnded:
            # It lives, or somebody else found out.
            return True
        return True

    async def _send(self, chunk: bytes, *, start: bool = False) -> None:
        if self._gone:
            return
        try:
            async with asyncio.timeout(self._limits.write_s):
                if start:
                    await self._exchange.start_stream(200, STREAM_HEADERS)
                else:
                    await self._exchange.send(chunk)
        except TimeoutError:
            # The client holds the connection and reads nothing (limit write_s): it has left for all that matters.
            self._gone = True

    async def _end(self) -> None:
        if not self._started:
            await self._send(b"", start=True)
        if self._last_words:
            await self._send(self._last_words)
        if not self._gone:
            await self._exchange.finish()

    def _left(self) -> None:
        self._gone = True
        self.stop()


def _answer_for(call_ids: bytes) -> bytes:
    """Return what answers a call, or a batch, whose process has ended without a result."""
    found: RequestId | list[RequestId] = _decode_ids(call_ids)
    if isinstance(found, list):
        return b"[" + b",".join(encode_error(each, _LOST) for each in found) + b"]"
    return encode_error(found, _LOST)
