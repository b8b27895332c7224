"""JSON-RPC batches over HTTP, which revision 2025-03-26 has and no other (RPC-16).

The entries are served one after the other, which its transport page leaves to the server, so a batch needs no tasks
and takes one place among the calls of its client. The answers leave together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from anyport.protocol.calls import BackChannel, Call, Carrier, Service
from anyport.protocol.errors import InternalError, InvalidRequest, McpError
from anyport.protocol.jsonrpc import (
    Message,
    Notification,
    Request,
    RequestId,
    ResultLike,
    encode_error,
    encode_response,
)
from anyport.protocol.legacy import LegacySession
from anyport.transports.http.live_session import HttpSession
from anyport.transports.http.reply import CANCELLED_HERE, HttpReply


class BatchEntry:
    """What one call of a batch may say before its result.

    Args:
        reply: The answer to the whole batch.
    """

    __slots__ = ("_reply", "_running", "back_channel", "cancelled")

    def __init__(self, reply: HttpReply) -> None:
        self._reply = reply
        self._running = False
        self.cancelled = False
        self.back_channel: BackChannel | None = reply.back_channel

    async def notify(self, method: str, params: ResultLike) -> None:
        """Send a notification on the stream of the batch."""
        if not self.cancelled:
            await self._reply.notify(method, params)

    async def close_stream(self, retry_s: float) -> None:
        """Do nothing: the other calls of the batch share the stream, and the revision with batches knows no retry."""

    def cancel(self) -> None:
        """Give this call up; the others of the batch go on."""
        if not self.cancelled:
            self.cancelled = True
            if self._running:
                self._reply.interrupt()

    async def answer(self, service: Service, call: Call, session: LegacySession) -> bytes | None:
        """Serve the call.

        Args:
            service: What answers it.
            call: The call.
            session: Takes note of what was granted.

        Returns:
            The answer; ``None`` where the call was given up.
        """
        if self.cancelled:
            return None
        self._running = True
        try:
            answer = encode_response(call.id, await service(call, self))
            if not self.cancelled:
                session.granted(call)
        except McpError as error:
            answer = encode_error(call.id, error)
        except asyncio.CancelledError:
            answer = encode_error(call.id, InternalError(CANCELLED_HERE))
        self._running = False
        if self.cancelled:
            self._reply.resume()
            return None
        return answer


class Batch:
    """A batch that is being served.

    Args:
        service: What answers calls.
        session: Whose batch it is.
        carrier: How it came.
        reply: The answer to the whole batch.

    Attributes:
        foreign: Answers and cancellations for calls that are not served here.
    """

    def __init__(self, service: Service, session: HttpSession, carrier: Carrier, reply: HttpReply) -> None:
        self._service = service
        self._session = session
        self._carrier = carrier
        self._reply = reply
        self._answers: list[bytes] = []
        self._waiting: dict[RequestId, tuple[Call, BatchEntry]] = {}
        self.foreign: list[Message] = []

    async def answer(self, messages: Sequence[Message | InvalidRequest]) -> bytes:
        """Serve the batch.

        Args:
            messages: The entries; one that is no message is the error that answers it.

        Returns:
            The answers as a JSON array; empty where no entry gets one.
        """
        for message in messages:
            self._take(message)
        answers, waiting, opened = self._answers, self._waiting, self._session.open
        try:
            for request_id, (call, entry) in list(waiting.items()):
                answer = await entry.answer(self._service, call, self._session.state)
                del waiting[request_id]
                opened.close(request_id)
                if answer is not None:
                    answers.append(answer)
                if self._reply.is_cancelled_from_outside():
                    break
        finally:
            for request_id in waiting:
                opened.close(request_id)
        answers += [encode_error(request_id, InternalError(CANCELLED_HERE)) for request_id in waiting]
        return b"[" + b",".join(answers) + b"]" if answers else b""

    def _take(self, message: Message | InvalidRequest) -> None:
        """Take an entry: it is answered already, waits for its turn, or gets no answer."""
        if isinstance(message, InvalidRequest):
            self._answers.append(encode_error(message.request_id, message))
        elif isinstance(message, Request):
            self._open(message)
        elif isinstance(message, Notification) and message.method != "notifications/cancelled":
            self._session.state.receive_notification(message)
        elif not self._session.receive(message):
            self.foreign.append(message)

    def _open(self, request: Request) -> None:
        try:
            self._session.open.admit(request.id)
            call = self._session.state.receive_request(request, self._carrier)
        except McpError as error:
            self._answers.append(encode_error(request.id, error))
        else:
            entry = BatchEntry(self._reply)
            self._session.open.open(request.id, entry)
            self._waiting[request.id] = call, entry
