"""Questions of a server as requests (legacy), answered by the user's callbacks.

How many there are at a time is the transport's to bound, and a question that is taken back is its to cancel.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from anyport.client.answers import ELICIT, ROOTS, SAMPLE, Answers
from anyport.protocol.errors import INTERNAL_ERROR, METHOD_NOT_FOUND, ErrorObject, McpError
from anyport.protocol.jsonrpc import ErrorResponse, Request, Response
from anyport.protocol.types.json import JsonObject
from anyport.transports.calling import Answer

logger = logging.getLogger("anyport.client")

_ASKED: Final = frozenset({ELICIT, SAMPLE, ROOTS})


class Questions:
    """The questions of one server.

    Args:
        answers: Answers them.
        hold: Told that the first question came.
        release: Told that the last one is answered.
    """

    def __init__(self, answers: Answers, hold: Callable[[], None], release: Callable[[], None]) -> None:
        self._answers = answers
        self._hold = hold
        self._release = release
        self._open = 0

    async def answer(self, request: Request, server: str | None) -> Answer:
        """Answer a question, or a ping; what was not declared nobody may ask (LIFE-05).

        Args:
            request: The question.
            server: Who asks.
        """
        if request.method == "ping":
            return Response(request.id, {})
        if request.method not in _ASKED or not self._answers.offers(request.method):
            message = f"Not offered by this client: {request.method[:80]}"
            return ErrorResponse(request.id, ErrorObject(METHOD_NOT_FOUND, message))
        return await self._ask(request, server)

    async def _ask(self, request: Request, server: str | None) -> Answer:
        asking = self._answers.answer(request.method, request.params, server)
        # A task of its own: what the user's callback raises is told to the server, and does not end the transport's.
        task = asyncio.ensure_future(asking)
        self._open += 1
        if self._open == 1:
            self._hold()
        try:
            await asyncio.wait((task,))
            return _outcome(request, task)
        finally:
            task.cancel()
            self._open -= 1
            if not self._open:
                self._release()


def _outcome(request: Request, task: asyncio.Task[JsonObject]) -> Answer:
    error = None if task.cancelled() else task.exception()
    if error is None:
        return Response(request.id, task.result())
    if isinstance(error, McpError):
        return ErrorResponse(request.id, error.to_wire())
    logger.error("The answer to %s failed", request.method, exc_info=error)
    # What went wrong in the user's code is nothing that a server has to know.
    return ErrorResponse(request.id, ErrorObject(INTERNAL_ERROR, f"The client could not answer {request.method}"))
