"""Requests to the client on a shared channel: what the legacy era has for asking during a call.

A modern call has none of this: nothing but answers and notifications may come to a modern client (RPC-13, STDIO-04).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from anyport.protocol.correlation import Sent
from anyport.protocol.errors import LocalProtocolError, McpError, RemoteProtocolError, Timeout
from anyport.protocol.jsonrpc import ErrorResponse, Response, encode_notification, encode_request
from anyport.protocol.types.json import JsonObject


class Questions:
    """The requests that are open at the client of one channel.

    Args:
        write: Sends a message.
        answer_s: Seconds that an answer may take.
    """

    def __init__(self, write: Callable[[bytes], None], answer_s: float) -> None:
        self._write = write
        self._answer_s = answer_s
        self._sent: Sent[asyncio.Future[JsonObject]] = Sent()
        self._closed = False

    def __len__(self) -> int:
        return len(self._sent)

    def take(self, answer: Response | ErrorResponse) -> bool:
        """Take an answer of the client; whether it belongs to an open request. Late and foreign ones do not."""
        waiting = self._sent.match(answer)
        if waiting is None:
            return False
        if waiting.done():
            return True
        if isinstance(answer, ErrorResponse):
            waiting.set_exception(McpError.from_wire(answer.error))
        else:
            waiting.set_result(answer.result)
        return True

    def close(self) -> None:
        """Fail everything that waits: the client is gone."""
        self._closed = True
        for waiting in self._sent.drain():
            if not waiting.done():
                waiting.set_exception(_gone())

    async def request(self, method: str, params: JsonObject, asked: set[asyncio.Future[JsonObject]]) -> JsonObject:
        """Send a request and wait for its result.

        Args:
            method: Its method.
            params: Its parameters.
            asked: Holds what is waited for meanwhile.

        Raises:
            McpError: The client answered with an error.
            RemoteProtocolError: The client left.
            Timeout: No answer came in time (limit ``answer_s``).
        """
        if self._closed:
            raise _gone()
        request_id, waiting = self._sent.next_id(), asyncio.get_running_loop().create_future()
        self._sent.open(request_id, waiting)
        asked.add(waiting)
        self._write(encode_request(request_id, method, params))
        reason = "The call that asked was given up"
        try:
            async with asyncio.timeout(self._answer_s):
                return await waiting
        except TimeoutError:
            reason = f"No answer within {self._answer_s:g} s"
            raise Timeout(f"No answer to {method} within {self._answer_s:g} s (limit answer_s)") from None
        finally:
            asked.discard(waiting)
            if waiting.cancelled() and not self._closed:
                self._sent.forget(request_id)
                self._write(encode_notification("notifications/cancelled", {"requestId": request_id, "reason": reason}))


class CallQuestions:
    """The back-channel of one call.

    Args:
        questions: Those of its channel.
    """

    __slots__ = ("_asked", "_cancelled", "_questions")

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self._asked: set[asyncio.Future[JsonObject]] = set()
        self._cancelled = False

    async def request(self, method: str, params: JsonObject, key: str | None = None) -> JsonObject:
        """Ask the client; `anyport.protocol.calls.BackChannel`."""
        if self._cancelled:
            raise LocalProtocolError("The call was given up: nothing can be asked any more")
        return await self._questions.request(method, params, self._asked)

    def cancel(self) -> None:
        """Take every open question back: the call is given up, and a thread of it may wait for the answer."""
        self._cancelled = True
        for waiting in self._asked:
            waiting.cancel()


def _gone() -> RemoteProtocolError:
    return RemoteProtocolError("The client left without an answer")
