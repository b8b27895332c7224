"""The answers that a client waits for on a channel that its calls share: lines, or the event stream of HTTP+SSE.

What is no message never stops the channel: an answer that cannot be read fails the request that it was meant for, if
that can be told, and anything else is skipped and logged.
"""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import re
from collections import deque
from collections.abc import Sequence
from typing import Final, cast

from anyport.protocol.correlation import Sent
from anyport.protocol.errors import AnyportError, McpError, RemoteProtocolError
from anyport.protocol.jsonrpc import (
    Notification,
    Request,
    RequestId,
    Response,
    decode_batch,
)
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonValue
from anyport.transports.calling import Answer

logger = logging.getLogger("anyport.client")

_SHOWN: Final = 200
_REMEMBERED: Final = 256
"""Ids of requests that have ended which are still known, to tell a late answer from one to nothing."""
_LOOKS_LIKE_MESSAGE: Final = re.compile(rb'\s*\{.{0,200}"jsonrpc"', re.DOTALL)
_ANSWER_TO: Final = re.compile(
    rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2.0"\s*,\s*)?"id"\s*:\s*(\d{1,16})\s*,\s*(?:"jsonrpc"\s*:\s*"2.0"\s*,\s*)?'
    rb'"(?:result|error)"'
)
_ANSWER: Final = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2.0"\s*,\s*)?"(?:result|error)"')
_ID_LAST: Final = re.compile(rb',\s*"id"\s*:\s*(\d{1,16})\s*\}\s*\Z')


class Complaints:
    """Logs what is wrong with a server: the first of each kind as a warning, and the others as details."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def __call__(self, kind: str, message: str, *arguments: object) -> None:
        """Log something.

        Args:
            kind: What it is one of.
            message: The message, with places for the arguments.
            *arguments: The arguments.
        """
        level = logging.DEBUG if kind in self._told else logging.WARNING
        self._told.add(kind)
        logger.log(level, message, *arguments)


class Awaited:
    """The requests that wait for an answer, and what comes in.

    Args:
        limits: Bounds on messages.
        complain: Logs what is wrong with the server.

    Attributes:
        complaint: The last error that the server sent without saying which request it is about; ``""`` for none.
        strayed: The beginning of the first thing that was no message; ``""`` for none.
    """

    def __init__(self, limits: Limits, complain: Complaints) -> None:
        self.complaint = ""
        self.strayed = ""
        self._limits = limits
        self._complain = complain
        self._sent: Sent[asyncio.Future[Answer]] = Sent()
        self._answered: deque[RequestId] = deque(maxlen=_REMEMBERED)
        self._given_up: deque[RequestId] = deque(maxlen=_REMEMBERED)

    def __len__(self) -> int:
        return len(self._sent)

    def ids(self) -> list[RequestId]:
        """Return the ids of the requests that wait."""
        return self._sent.ids()

    def open(self, request_id: RequestId) -> asyncio.Future[Answer]:
        """Wait for an answer from now on.

        Raises:
            LocalProtocolError: The id is in use.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._sent.open(request_id, answer)
        return answer

    def give_up(self, request_id: RequestId) -> None:
        """Stop waiting for an answer, which may come all the same."""
        self._sent.forget(request_id)
        self._given_up.append(request_id)

    def forget(self, request_id: RequestId) -> None:
        """Stop waiting for an answer, if that was not done yet."""
        self._sent.forget(request_id)

    def fail_all(self, error: AnyportError) -> None:
        """Fail everything that waits."""
        for waiting in self._sent.drain():
            # One exception object for each waiter: a traceback belongs to one call.
            _fail(waiting, copy.copy(error))

    # --- messages in --------------------------------------------------------------------------------------------------

    def take(self, data: bytes) -> Sequence[Notification | Request]:
        """Take a message or a batch; returns what of it is no answer, in order."""
        try:
            found = decode_batch(data, self._limits)
        except McpError as error:
            self._refuse(error, data)
            return ()
        if not isinstance(found, list):
            if isinstance(found, (Notification, Request)):
                return (found,)
            self._receive(found)
            return ()
        others: list[Notification | Request] = []
        errors: list[McpError] = []
        for message in found:
            if isinstance(message, McpError):
                errors.append(message)
            elif isinstance(message, (Notification, Request)):
                others.append(message)
            else:
                self._receive(message)
        # After the whole messages, which are answered by now: whatever waits under an id in it was meant by the others.
        for error in errors[:1]:
            self._refuse(error, data)
        return others

    def refuse_large(self, message: str, beginning: bytes = b"") -> bool:
        """Take that something was too large to be kept.

        Args:
            message: What it was, and the limit that decides.
            beginning: Its beginning, as far as that is known.

        Returns:
            Whether it could be told whose answer it was.
        """
        self._complain("large", "%s: %r...", message, beginning[:_SHOWN])
        # Whose answer it was can mostly be read from its beginning; if not, and only one waits, that one was meant.
        meant = self._named(beginning) or (self._sent.drain() if len(self._sent) == 1 else [])
        for waiting in meant:
            _fail(waiting, RemoteProtocolError(message))
        return bool(meant)

    def refuse_end(self, message: str, beginning: bytes, end: bytes) -> None:
        """Take the end of what was too large to be kept, where its beginning did not tell whose answer it was.

        Args:
            message: What it was, and the limit that decides.
            beginning: Its beginning.
            end: Its end.
        """
        for waiting in self._named(beginning, end):
            _fail(waiting, RemoteProtocolError(message))

    def _receive(self, answer: Answer) -> None:
        waiting = self._sent.match(answer)
        if waiting is None:
            self._ignore(answer)
        elif not waiting.done():
            self._answered.append(cast("RequestId", answer.id))
            waiting.set_result(answer)

    def _ignore(self, answer: Answer) -> None:
        if answer.id is None:
            error = answer.error
            self.complaint = f"error {error.code}: {error.message[:_SHOWN]}"
            self._complain("complaint", "The server reported an error and did not say of what: %s", self.complaint)
        elif answer.id in self._given_up:
            logger.debug("Ignored an answer to a request that was given up: id %r", answer.id)
        elif answer.id in self._answered:
            self._complain("twice", "Ignored a second answer to a request: id %r", answer.id)
        else:
            self._complain("nothing", "Ignored an answer to a request that was never sent: id %.200r", answer.id)

    def _refuse(self, error: McpError, data: bytes) -> None:
        """Take something that is no message: an answer gone wrong if it can be told for what, else a stray print."""
        meant = self._meant(data)
        for waiting in meant:
            _fail(waiting, RemoteProtocolError(f"The server's answer is no valid message: {error}"))
        if not meant:
            self.strayed = self.strayed or data[:_SHOWN].decode("utf-8", "replace")
            self._complain("junk", "Skipped output of the server that is no message (%s): %r", error, data[:_SHOWN])

    def _meant(self, data: bytes) -> list[asyncio.Future[Answer]]:
        """Take the requests that an invalid answer was meant for, as well as that can be told.

        It is read leniently: what makes it invalid may be bad UTF-8, a lone surrogate, a key that comes twice.
        """
        try:
            value = cast(JsonValue, json.loads(data.decode("utf-8", "replace")))
        except (ValueError, RecursionError):
            named = self._named(data, data[-_SHOWN:])
            # Otherwise only the one request that waits can have been meant.
            return named or (self._sent.drain() if len(self._sent) == 1 and _LOOKS_LIKE_MESSAGE.match(data) else [])
        found: list[asyncio.Future[Answer]] = []
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, dict) and "method" not in entry and type(entry.get("id")) is int:
                waiting = self._sent.match(Response(cast(int, entry["id"]), {}))
                found += [] if waiting is None else [waiting]
        return found

    def _named(self, beginning: bytes, end: bytes = b"") -> list[asyncio.Future[Answer]]:
        """Take the request that something names which begins, or begins and ends, as its answer."""
        named = _ANSWER_TO.match(beginning) or (_ANSWER.match(beginning) and _ID_LAST.search(end))
        waiting = self._sent.match(Response(int(named[1]), {})) if named else None
        return [] if waiting is None else [waiting]


def _fail(waiting: asyncio.Future[Answer], error: AnyportError) -> None:
    if not waiting.done():
        waiting.set_exception(error)
