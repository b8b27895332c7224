"""What a server asks its client on a channel: answered a bounded number at a time, given up when nobody wants it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from anyport.protocol.correlation import Received
from anyport.protocol.errors import InternalError, McpError
from anyport.protocol.jsonrpc import Notification, Request, encode, encode_error
from anyport.transports.calling import Answer, Incoming

logger = logging.getLogger("anyport.client")

_SHOWN: Final = 200
_CLEAN_UP_S: Final = 1.0


class Replies:
    """The answers to the requests of one server, from the question to the encoded answer.

    Args:
        limit: How many may be made at once (``calls_per_connection``).
        write: Sends an encoded message to the server.
    """

    def __init__(self, limit: int, write: Callable[[bytes], None]) -> None:
        self._asked: Received[asyncio.Task[Answer]] = Received(limit)
        self._write = write
        self._over = False

    def begin(self, incoming: Incoming, request: Request) -> None:
        """Have a request answered.

        Args:
            incoming: Who answers.
            request: The request.

        Raises:
            McpError: It cannot be taken: its id is in use, or too many are open.
        """
        self._asked.admit(request.id)
        task = asyncio.get_running_loop().create_task(_ask(incoming, request))
        self._asked.open(request.id, task)
        task.add_done_callback(lambda done: self._finish(request, done))

    def cancel(self, notification: Notification) -> bool:
        """Give up what the server no longer wants to know (CAN-01); false where the notification is not about that."""
        if notification.method != "notifications/cancelled":
            return False
        task = self._asked.cancelled(notification.params)
        if task is None:
            return False
        reason = str(notification.params.get("reason", "no reason given"))[:_SHOWN]
        logger.debug("The server gave up its request: %s", reason)
        task.cancel()
        return True

    def give_up(self) -> None:
        """Stop: nothing is answered any more."""
        self._over = True
        for task in self._asked.values():
            task.cancel()

    async def aclose(self) -> None:
        """Stop, and wait for what answers, within bounds."""
        self.give_up()
        if tasks := self._asked.values():
            await asyncio.wait(tasks, timeout=_CLEAN_UP_S)

    def _finish(self, request: Request, task: asyncio.Task[Answer]) -> None:
        self._asked.close(request.id)
        if task.cancelled() or self._over:
            return
        error = task.exception()
        if error is None:
            self._write(_encode_answer(request, task.result()))
            return
        logger.error("Could not answer the server's %s", request.method[:80], exc_info=error)
        failure = error if isinstance(error, McpError) else InternalError("The client failed to answer")
        self._write(encode_error(request.id, failure))


async def _ask(incoming: Incoming, request: Request) -> Answer:
    return await incoming.asked(request)


def _encode_answer(request: Request, answer: Answer) -> bytes:
    try:
        return encode(answer)
    except InternalError as error:
        return encode_error(request.id, error)
