"""The stdio client: newline-framed messages with a child process (2026-07-28, stdio).

Answers find their requests by id. What the child writes beside messages is skipped, with a warning for the first such
line, and what it writes to stderr is kept for errors.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, cast

from anyport.protocol.correlation import Sent
from anyport.protocol.errors import ConnectError, McpError, RemoteProtocolError, ServerExited
from anyport.protocol.framing import LineDecoder, LineTooLong, encode_line
from anyport.protocol.headers import HeaderParameter
from anyport.protocol.jsonrpc import (
    ErrorResponse,
    Message,
    Notification,
    Request,
    Response,
    decode_batch,
    encode,
    encode_notification,
    encode_request,
)
from anyport.protocol.limits import Limits
from anyport.protocol.revisions import Revision
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.transports.stdio.child import Child

logger = logging.getLogger("anyport.client")

Answer = Response | ErrorResponse

_LOOKS_LIKE_MESSAGE: Final = re.compile(rb'\s*\{.{0,200}"jsonrpc"', re.DOTALL)
_UNCANCELLED: Final = frozenset({"initialize", "server/discover"})
"""The handshake is never cancelled (LIFE-08), and a server that is silent on a probe may not know what that means."""


class StdioClient:
    """A client's side of one server process.

    Args:
        command: Program and arguments of the server.
        environment: Its environment.
        limits: ``line_bytes`` and the bounds on messages apply to what the server sends.
        notified: Takes each notification.
        asked: Answers requests of the server, which only the legacy era has.

    Attributes:
        probe_silence_s: Seconds of silence after which a server counts as legacy (VER-05).
    """

    probe_silence_s: float | None = 2.0

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        limits: Limits,
        notified: Callable[[Notification], None],
        asked: Callable[[Request], Awaitable[Answer]],
    ) -> None:
        self._command = command
        self._environment = environment
        self._limits = limits
        self._notified = notified
        self._asked = asked
        self._lines = LineDecoder(limits.line_bytes)
        self._sent: Sent[asyncio.Future[Answer]] = Sent()
        self._child = Child(self._feed, self._exited)
        self._answering: set[asyncio.Task[None]] = set()
        self._modern = False
        self._closed = False
        self._warned = False

    async def start(self) -> None:
        """Start the server.

        Raises:
            ConnectError: It cannot be started.
        """
        await self._child.start(self._command, self._environment)

    def settle(self, revision: Revision | None) -> None:
        """Take the revision that is spoken from here on; ``None`` for the legacy handshake, which has none."""
        self._modern = revision is not None and revision.modern

    async def request(self, request: Request, mirrored: tuple[HeaderParameter, ...] = ()) -> Answer:
        """Send a request and wait for its answer; given up, it is cancelled at the server too (STDIO-05).

        Args:
            request: The request.
            mirrored: Not used: this transport has no headers.

        Raises:
            ServerExited: The process ended before it answered.
            RemoteProtocolError: The answer is no message.
            ConnectError: The client was closed.
        """
        self._check_open()
        line = encode_line(encode_request(request.id, request.method, request.params))
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._sent.open(request.id, answer)
        written = False
        try:
            await self._child.write(line)
            written = True
            return await answer
        except asyncio.CancelledError:
            if written and request.method not in _UNCANCELLED:
                params: JsonObject = {"requestId": request.id, "reason": "The client gave the request up"}
                self._child.write_now(encode_line(encode_notification("notifications/cancelled", params)))
            raise
        finally:
            self._sent.forget(request.id)

    async def notify(self, notification: Notification) -> None:
        """Send a notification.

        Raises:
            ServerExited: The process has ended.
            ConnectError: The client was closed.
        """
        self._check_open()
        await self._child.write(encode_line(encode(notification)))

    async def aclose(self) -> None:
        """End the server in order; requests that still wait fail."""
        self._closed = True
        self._fail_all(ConnectError("The client was closed"))
        for task in self._answering:
            task.cancel()
        await self._child.aclose()

    # --- messages in --------------------------------------------------------------------------------------------------

    def _feed(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            if isinstance(line, LineTooLong):
                self._refuse_long(line)
            else:
                self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            found = decode_batch(line, self._limits)
        except McpError as error:
            self._refuse(error, line)
            return
        for message in found if isinstance(found, list) else [found]:
            if isinstance(message, McpError):
                self._refuse(message, line)
            else:
                self._receive(message)

    def _receive(self, message: Message) -> None:
        if isinstance(message, Notification):
            self._notified(message)
        elif isinstance(message, Request):
            self._answer(message)
        else:
            waiting = self._sent.match(message)
            if waiting is None:
                logger.debug("Ignored an answer that nobody waits for: id %r", message.id)
            elif not waiting.done():
                waiting.set_result(message)

    def _answer(self, request: Request) -> None:
        if self._modern:
            logger.warning(
                "Ignored a request of the server, which the modern era does not have: %s", request.method[:80]
            )
            return
        task = asyncio.get_running_loop().create_task(self._write_answer(request))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _write_answer(self, request: Request) -> None:
        await self._child.write(encode_line(encode(await self._asked(request))))

    def _refuse(self, error: McpError, line: bytes) -> None:
        """Take something that is no message: an answer gone wrong if it can be told for what, else a stray print."""
        meant = self._meant(line, error)
        for waiting in meant:
            if not waiting.done():
                waiting.set_exception(RemoteProtocolError(f"The server's answer is no valid message: {error}"))
        if not meant:
            level = logging.DEBUG if self._warned else logging.WARNING
            logger.log(level, "Skipped output of the server that is no message (%s): %r", error, line[:200])
            self._warned = True

    def _meant(self, line: bytes, error: McpError) -> list[asyncio.Future[Answer]]:
        """Take the request that an invalid answer was meant for, as well as that can be told.

        It is read leniently: what makes it invalid may be bad UTF-8, a lone surrogate, a key that comes twice.
        """
        try:
            value = cast(JsonValue, json.loads(line.decode("utf-8", "replace")))
        except (ValueError, RecursionError):
            # Only the one request that waits can have been meant.
            return self._sent.drain() if len(self._sent) == 1 and _LOOKS_LIKE_MESSAGE.match(line) else []
        found = value.get("id") if isinstance(value, dict) and "method" not in value else None
        waiting = self._sent.match(ErrorResponse(found, error.to_wire())) if type(found) is int else None
        return [] if waiting is None else [waiting]

    def _refuse_long(self, line: LineTooLong) -> None:
        message = f"The server sent a line of more than {line.limit} bytes (limit line_bytes)"
        logger.warning("%s: %r...", message, line.prefix[:200])
        if len(self._sent) == 1:
            # Whose answer it was cannot be read, but only one can have been meant.
            self._fail_all(RemoteProtocolError(message))

    # --- the end ------------------------------------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._closed:
            raise ConnectError("The client was closed")
        if self._child.exit is not None:
            raise ServerExited(self._child.exit.code, self._child.exit.stderr_tail)

    def _exited(self, error: ServerExited) -> None:
        for line in self._lines.close():
            if not isinstance(line, LineTooLong):
                self._take(line)
        for waiting in self._sent.drain():
            if not waiting.done():
                # One exception object for each waiter: a traceback belongs to one call.
                waiting.set_exception(ServerExited(error.code, error.stderr_tail))

    def _fail_all(self, error: ConnectError | RemoteProtocolError) -> None:
        for waiting in self._sent.drain():
            if not waiting.done():
                waiting.set_exception(type(error)(*error.args))
