"""The back-channel over HTTP: requests of the server on the stream of a call, their answers by POST (2025-11-25).

The answer may reach another process, which passes it on by the bus. Ids are made up and unguessable, so that one means
one question of one session, wherever it was asked.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable
from typing import Protocol

from anyport.protocol.correlation import Sent
from anyport.protocol.errors import LocalProtocolError, McpError, Timeout
from anyport.protocol.jsonrpc import ErrorResponse, RequestId, Response, encode_notification, encode_request
from anyport.protocol.types.json import JsonObject
from anyport.transports.http.inbox import Inbox


class Questions:
    """The open questions of one session in this process."""

    __slots__ = ("_sent",)

    def __init__(self) -> None:
        self._sent: Sent[asyncio.Future[JsonObject]] = Sent()

    def open(self) -> tuple[str, asyncio.Future[JsonObject]]:
        """Return the id of a new question, and what will hold its answer."""
        question_id = secrets.token_urlsafe(16)
        future: asyncio.Future[JsonObject] = asyncio.get_running_loop().create_future()
        self._sent.open(question_id, future)
        return question_id, future

    def answer(self, message: Response | ErrorResponse) -> bool:
        """Take an answer; the result says whether it was waited for here."""
        future = self._sent.match(message)
        if future is None:
            return False
        if future.done():
            return True
        if isinstance(message, Response):
            future.set_result(message.result)
        else:
            error = message.error
            future.set_exception(McpError.from_wire(error))
        return True

    def close(self, question_id: RequestId) -> None:
        """Wait no more; an answer that comes later is ignored (CAN-01)."""
        self._sent.forget(question_id)


class AskingReply(Protocol):
    """The stream of a call, as far as its questions need it."""

    @property
    def reachable(self) -> bool:
        """Whether the client gets what is said, now or when it comes back."""
        ...

    def say(self, message: bytes) -> Awaitable[None]:
        """Send a message."""
        ...


class HttpBackChannel:
    """The questions of one call.

    Args:
        reply: The stream that carries them.
        questions: Those of the session.
        inbox: Hears of answers that reached another process.
        answer_s: Seconds that an answer may take.
    """

    __slots__ = ("_answer_s", "_inbox", "_open", "_questions", "_reply", "_sent")

    def __init__(self, reply: AskingReply, questions: Questions, inbox: Inbox, answer_s: float) -> None:
        self._reply = reply
        self._questions = questions
        self._inbox = inbox
        self._answer_s = answer_s
        self._open: dict[str, asyncio.Future[JsonObject]] = {}
        self._sent: set[str] = set()

    async def request(self, method: str, params: JsonObject, key: str | None = None) -> JsonObject:
        """Ask the client and wait for its answer; see `BackChannel.request`.

        Raises:
            McpError: The client answered with an error.
            Timeout: No answer came in time (limit ``answer_s``), or the client left and cannot come back.
            LocalProtocolError: The call is over.
        """
        if not self._reply.reachable:
            raise Timeout(f"Nobody is there to answer {method}: the client left, or the call is over")
        question_id, future = self._questions.open()
        self._open[question_id] = future
        self._inbox.join()
        try:
            await self._inbox.listening()
            if not future.done():
                self._sent.add(question_id)
                await self._reply.say(encode_request(question_id, method, params))
            async with asyncio.timeout(self._answer_s):
                return await future
        except TimeoutError:
            raise Timeout(f"No answer to {method} within {self._answer_s:g} seconds (limit answer_s)") from None
        finally:
            self._inbox.leave()
            self._questions.close(question_id)
            if self._open.pop(question_id, None) is not None and not _is_answered(future):
                await self._withdraw(question_id)
            self._sent.discard(question_id)

    async def close(self) -> None:
        """Withdraw every question that is open: the call is over."""
        for question_id, future in list(self._open.items()):
            del self._open[question_id]
            self._questions.close(question_id)
            if not future.done():
                future.set_exception(LocalProtocolError("The call that asked is over"))
                await self._withdraw(question_id)

    async def _withdraw(self, question_id: str) -> None:
        if question_id not in self._sent:
            return
        self._sent.discard(question_id)
        params: JsonObject = {"requestId": question_id, "reason": "The question is withdrawn"}
        await self._reply.say(encode_notification("notifications/cancelled", params))


def _is_answered(future: asyncio.Future[JsonObject]) -> bool:
    return future.done() and not future.cancelled()
