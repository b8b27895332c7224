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
from anyport.transports.http.reply import CANCELLED_HERE, HttpReply
from anyport.transports.http.sessions import HttpSession


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
        self.back_channel: BackChannel | None = None

    async def notify(self, method: str, params: ResultLike) -> None:
        """Send a notification on the stream of the batch."""
        if not self.cancelled:
            await self._reply.notify(method, params)

    def cancel(self) -> None:
        """Give this call up; the others of the batch go on."""
        if not self.cancelled:
            self.cancelled = True
            if self._running:
                self._reply.interrupt()

    async def answer(self, service: Service, call: Call) -> bytes | None:
        """Serve the call.

        Returns:
            The answer; ``None`` where the call was given up.
        """
        if self.cancelled:
            return None
        self._running = True
        try:
            answer = encode_response(call.id, await service(call, self))
        except McpError as error:
            answer = encode_error(call.id, error)
        except asyncio.CancelledError:
            answer = encode_error(call.id, InternalError(CANCELLED_HERE))
        self._running = False
        if self.cancelled:
            self._reply.resume()
            return None
        return answer


async def answer_batch(
    service: Service,
    session: HttpSession,
    carrier: Carrier,
    reply: HttpReply,
    messages: Sequence[Message | InvalidRequest],
) -> bytes:
    """Serve a batch.

    Args:
        service: What answers calls.
        session: Whose batch it is.
        carrier: How it came.
        reply: The answer to the whole batch.
        messages: The entries; one that is no message is the error that answers it.

    Returns:
        The answers as a JSON array; empty where no entry gets one.
    """
    answers, waiting = _open_calls(session, carrier, reply, messages)
    try:
        for request_id, (call, entry) in list(waiting.items()):
            answer = await entry.answer(service, call)
            del waiting[request_id]
            session.open.close(request_id)
            if answer is not None:
                answers.append(answer)
            if reply.is_cancelled_from_outside():
                break
    finally:
        for request_id in waiting:
            session.open.close(request_id)
    answers += [encode_error(request_id, InternalError(CANCELLED_HERE)) for request_id in waiting]
    return b"[" + b",".join(answers) + b"]" if answers else b""


def _open_calls(
    session: HttpSession, carrier: Carrier, reply: HttpReply, messages: Sequence[Message | InvalidRequest]
) -> tuple[list[bytes], dict[RequestId, tuple[Call, BatchEntry]]]:
    """Take every entry; return the answers that are known already and the calls that wait for theirs."""
    answers: list[bytes] = []
    waiting: dict[RequestId, tuple[Call, BatchEntry]] = {}
    for message in messages:
        if isinstance(message, InvalidRequest):
            answers.append(encode_error(message.request_id, message))
        elif isinstance(message, Notification):
            session.take(message)
        elif isinstance(message, Request):
            try:
                session.open.admit(message.id)
                call = session.state.receive_request(message, carrier)
            except McpError as error:
                answers.append(encode_error(message.id, error))
            else:
                entry = BatchEntry(reply)
                session.open.open(message.id, entry)
                waiting[message.id] = call, entry
    return answers, waiting
