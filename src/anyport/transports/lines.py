"""A client's side of a channel that carries one message on each line, both ways: stdio, and sockets that reuse it.

What is below the channel reads bytes and writes bytes, and says when the connection is over. The channel matches
answers with requests, hands over what else comes in the order in which it came, and answers what the server asks.

What is no message never stops it: an answer that cannot be read fails the request that it was meant for, if that can be
told, and anything else is skipped and logged, the first of its kind as a warning.
"""

from __future__ import annotations

import asyncio
import copy
import logging
from typing import Final, Protocol, cast

from anyport.protocol.errors import (
    ConnectError,
    McpError,
    ServerExited,
)
from anyport.protocol.framing import LineDecoder, LineTooLong
from anyport.protocol.jsonrpc import (
    Notification,
    Request,
    RequestId,
    decode_batch,
    encode,
    encode_error,
    encode_notification,
    encode_request,
)
from anyport.protocol.limits import Limits
from anyport.protocol.revisions import Revision
from anyport.protocol.types.json import JsonObject
from anyport.transports.awaiting import Awaited, Complaints
from anyport.transports.calling import Answer, Incoming
from anyport.transports.replying import Replies

logger = logging.getLogger("anyport.client")

Gone = ConnectError | ServerExited
"""Why a channel is over."""

_SHOWN: Final = 200
_PIECE: Final = 4 * 1024
"""Bytes that leave together. More do not wait for the end of a turn: the server can begin with the first requests while
the others are still being made, where else each side would wait for all that the other does."""
_UNCANCELLED: Final = frozenset({"initialize", "server/discover"})
"""The handshake is never cancelled (LIFE-08), and a server that is silent on a probe may not know what that means."""


class Wire(Protocol):
    """What carries a channel's bytes to the server."""

    @property
    def full(self) -> bool:
        """Whether the server has not yet taken what was written: who can wait should wait for `room`."""
        ...

    def write(self, data: bytes) -> None:
        """Send bytes, now or as soon as the server takes them; nothing once the connection is over."""
        ...

    async def room(self) -> None:
        """Wait until there is room, or the connection is over."""
        ...


class LineChannel:
    """One connection to one server, from its start to its end.

    Args:
        incoming: Who takes what comes in.
        limits: ``line_bytes`` and the bounds on messages apply to what the server sends, ``calls_per_connection`` to
            what it asks at a time.
        wire: Carries bytes to the server.
    """

    def __init__(self, incoming: Incoming, limits: Limits, wire: Wire) -> None:
        self._incoming: Incoming | None = incoming
        self._limits = limits
        self._wire = wire
        self._loop = asyncio.get_running_loop()
        self._lines = LineDecoder(limits.line_bytes)
        self._complain = Complaints()
        self._awaited = Awaited(limits, self._complain)
        self._uncancelled: set[RequestId] = set()
        self._replies = Replies(limits.calls_per_connection, self._reply)
        self._modern = False
        self._outgoing: list[bytes] = []
        self._outgoing_size = 0
        self._too_long: LineTooLong | None = None
        self._gone: Gone | None = None

    @property
    def complaint(self) -> str:
        """The last error that the server sent without saying which request it is about; ``""`` for none."""
        return self._awaited.complaint

    @property
    def strayed(self) -> str:
        """The beginning of the first line that was no message; ``""`` for none."""
        return self._awaited.strayed

    def settle(self, revision: Revision | None) -> None:
        """Take the revision that is spoken from here on; ``None`` for the legacy handshake, which has none."""
        self._modern = revision is not None and revision.modern

    # --- messages out -------------------------------------------------------------------------------------------------

    async def request(self, request: Request) -> Answer:
        """Send a request and wait for its answer; given up, it is cancelled at the server too (STDIO-05, CAN-01).

        Raises:
            ConnectError: The connection is over.
            ServerExited: The connection is over, because the server's process is.
            RemoteProtocolError: The answer is no message.
            LocalProtocolError: The id is in use.
        """
        line = encode_request(request.id, request.method, request.params) + b"\n"
        await self._room()
        answer = self._awaited.open(request.id)
        if request.method in _UNCANCELLED:
            self._uncancelled.add(request.id)
        self._write(line)
        try:
            return await answer
        finally:
            # An answer takes the request out of what is open; so it still is only if nobody waits for it any more.
            if answer.cancelled():
                self._give_up(request)
            self._uncancelled.discard(request.id)

    async def notify(self, notification: Notification) -> None:
        """Send a notification.

        Raises:
            ConnectError: The connection is over.
            ServerExited: The connection is over, because the server's process is.
        """
        line = encode(notification) + b"\n"
        await self._room()
        self._write(line)

    def _write(self, line: bytes) -> None:
        """Write at once where nothing else is under way; else with all that is written in this turn of the loop."""
        if not self._outgoing:
            if len(self._awaited) <= 1:
                self._wire.write(line)
                return
            self._loop.call_soon(self._flush)
        self._outgoing.append(line)
        self._outgoing_size += len(line)
        if self._outgoing_size > _PIECE:
            self._flush()

    def _flush(self) -> None:
        if self._outgoing:
            lines, self._outgoing, self._outgoing_size = self._outgoing, [], 0
            self._wire.write(b"".join(lines))

    async def _room(self) -> None:
        while self._wire.full and self._gone is None:
            await self._wire.room()
        if self._gone is not None:
            error = copy.copy(self._gone)
            error.unsent = True
            raise error

    def _give_up(self, request: Request) -> None:
        self._awaited.give_up(request.id)
        if self._gone is None:
            self._cancel_at_server(request.id, "The client gave the request up")

    def _cancel_at_server(self, request_id: RequestId, reason: str) -> None:
        if request_id not in self._uncancelled:
            params: JsonObject = {"requestId": request_id, "reason": reason}
            self._write(encode_notification("notifications/cancelled", params) + b"\n")

    # --- messages in --------------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the server."""
        for line in self._lines.feed(data):
            if isinstance(line, LineTooLong):
                told = self._awaited.refuse_large(_over_limit(line), line.prefix)
                self._too_long = None if told else line
            else:
                self._take(line)
        if self._too_long is not None and self._lines.dropped:
            line, self._too_long = self._too_long, None
            self._awaited.refuse_end(_over_limit(line), line.prefix, self._lines.dropped)

    def _take(self, line: bytes) -> None:
        for message in self._awaited.take(line):
            if isinstance(message, Request):
                self._answer(message)
            elif self._incoming is not None and not self._replies.cancel(message):
                self._incoming.notified(message)

    # --- what the server asks -----------------------------------------------------------------------------------------

    def _answer(self, request: Request) -> None:
        if self._incoming is None:
            return
        if self._modern:
            # STDIO-04: nothing may be answered either.
            self._complain(
                "asked", "Ignored a request of the server, which the modern era does not have: %s", request.method[:80]
            )
            return
        try:
            self._replies.begin(self._incoming, request)
        except McpError as error:
            self._complain("refused", "Refused a request of the server: %s", error)
            if not self._wire.full:
                # A server that asks without end and reads nothing gets nothing: what waits for it stays bounded.
                self._reply(encode_error(request.id, error))

    def _reply(self, message: bytes) -> None:
        self._write(message + b"\n")

    # --- the end ------------------------------------------------------------------------------------------------------

    def end(self, error: Gone) -> None:
        """Take that the connection is over, and why; what came last and is whole still counts."""
        if self._gone is not None:
            return
        for line in self._lines.close():
            self._take_last(line)
        self._gone = error
        self._awaited.fail_all(error)
        self._replies.give_up()
        if self._incoming is not None:
            self._incoming.lost(error)

    async def aclose(self) -> None:
        """Close our side: requests that wait fail, nothing is handed over any more, nothing is answered."""
        self._incoming = None
        if self._gone is None:
            # Over TCP a server cannot tell who has left from who has only ended his input.
            for request_id in [] if self._wire.full else self._awaited.ids():
                self._cancel_at_server(request_id, "The client was closed")
            self._flush()
            self._gone = ConnectError("The client was closed")
        self._awaited.fail_all(self._gone)
        await self._replies.aclose()

    def _take_last(self, line: bytes | LineTooLong) -> None:
        """Take a line that has no end: an answer if it is whole, else the first half of something."""
        try:
            if not isinstance(line, LineTooLong):
                decode_batch(line, self._limits)
                self._take(line)
        except McpError:
            logger.debug("The server ended in the middle of a line: %r", cast(bytes, line)[:_SHOWN])


def _over_limit(line: LineTooLong) -> str:
    return f"The server sent a line of more than {line.limit} bytes (limit line_bytes)"
