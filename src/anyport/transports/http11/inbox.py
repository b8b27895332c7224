"""What a server says over HTTP beside the answers that are waited for: its notifications, and what it asks."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from anyport.protocol.errors import AnyportError, McpError
from anyport.protocol.jsonrpc import Notification, Request, encode_error
from anyport.protocol.limits import Limits
from anyport.transports.awaiting import Complaints
from anyport.transports.calling import Incoming
from anyport.transports.replying import Replies

logger = logging.getLogger("anyport.client")

POST_S: Final = 5.0
"""Seconds for a message that nobody waits for: a cancellation, an answer to the server."""
_CLEAN_UP_S: Final = 1.0


class Inbox:
    """Takes messages from the start of a client to its end.

    Args:
        incoming: Who takes them.
        limits: ``calls_per_connection`` bounds what the server asks at a time.
        post: Brings an encoded answer to the server.

    Attributes:
        modern: The modern era is spoken, in which a server asks nothing.
        tell: Logs what is wrong with the server.
    """

    def __init__(self, incoming: Incoming, limits: Limits, post: Callable[[bytes], Awaitable[object]]) -> None:
        self.modern = False
        self._incoming: Incoming | None = incoming
        self._post = post
        self._limit = limits.calls_per_connection
        self._replies = Replies(self._limit, self._reply)
        self._tasks: set[asyncio.Task[None]] = set()
        self.tell = Complaints()
        self._is_lost = False

    def take(self, message: Notification | Request) -> None:
        """Take a message."""
        if self._incoming is None:
            return
        if isinstance(message, Request):
            self._answer(self._incoming, message)
        elif not self._replies.cancel(message):
            self._incoming.notified(message)

    def lost(self, error: AnyportError) -> None:
        """Tell that the connection is gone, once."""
        if self._incoming is not None and not self._is_lost:
            self._is_lost = True
            self._incoming.lost(error)

    def begin(self, work: Callable[[], Awaitable[object]]) -> None:
        """Do something that nobody waits for, within bounds; that it failed is logged."""
        task = asyncio.get_running_loop().create_task(_within(POST_S, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Hand nothing over any more, and answer nothing."""
        self._incoming = None
        for task in self._tasks:
            task.cancel()
        await self._replies.aclose()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLEAN_UP_S)

    # --- what the server asks -----------------------------------------------------------------------------------------

    def _answer(self, incoming: Incoming, request: Request) -> None:
        if self.modern:
            # Nothing may be answered either (HTTP-05).
            method = request.method[:80]
            self.tell("asked", "Ignored a request of the server, which the modern era does not have: %s", method)
            return
        try:
            self._replies.begin(incoming, request)
        except McpError as error:
            self.tell("refused", "Refused a request of the server: %s", error)
            if len(self._tasks) < self._limit:
                # A server that asks without end and takes no answers gets none: what waits for it stays bounded.
                self._reply(encode_error(request.id, error))

    def _reply(self, message: bytes) -> None:
        self.begin(functools.partial(self._post, message))


async def _within(seconds: float, work: Callable[[], Awaitable[object]]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await work()
    except (TimeoutError, AnyportError) as error:
        logger.debug("A message did not reach the server: %s", error or "no answer in time")
