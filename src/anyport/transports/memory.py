"""Both ends in one process: a call is a function call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from anyport.protocol.calls import BackChannel, Carrier, Service, bind_modern
from anyport.protocol.errors import Timeout
from anyport.protocol.jsonrpc import Notification, Request, ResultLike, as_object
from anyport.protocol.types.json import JsonObject

Listener = Callable[[Notification], Awaitable[None]]
Answerer = Callable[[str, JsonObject], Awaitable[JsonObject]]
"""Takes method and parameters of a server's question and returns the result, or raises `McpError`."""


class MemoryBackChannel:
    """Asks a client in the same process, in the legacy era.

    Args:
        answerer: Answers as a client would.
        answer_s: Seconds that an answer may take.
    """

    def __init__(self, answerer: Answerer, answer_s: float) -> None:
        self._answerer = answerer
        self._answer_s = answer_s

    async def request(self, method: str, params: JsonObject, key: str | None = None) -> JsonObject:
        """Ask; `anyport.protocol.calls.BackChannel`."""
        try:
            async with asyncio.timeout(self._answer_s):
                return as_object(await self._answerer(method, as_object(params)))
        except TimeoutError:
            raise Timeout(f"No answer to {method} within {self._answer_s:g} s (limit answer_s)") from None


class MemoryReply:
    """Hands a call's notifications to a listener.

    Args:
        listener: Receives each notification as a client would; ``None`` drops them.
    """

    def __init__(self, listener: Listener | None = None) -> None:
        self._listener = listener
        self._task = asyncio.current_task()
        self.cancelled = False
        self.back_channel: BackChannel | None = None

    async def notify(self, method: str, params: ResultLike) -> None:
        """Deliver a notification, as plain objects; none once the client has given the call up."""
        # Client and tool share a task: what is cancelled in one is cancelled in the other, which learns of it first.
        given_up = self.cancelled or (self._task is not None and self._task.cancelling() > 0)
        if self._listener is not None and not given_up:
            await self._listener(Notification(method, as_object(params)))

    async def close_stream(self, retry_s: float) -> None:
        """Do nothing: there is no stream."""


class MemoryTransport:
    """A client's side of a server in the same process, in the modern era.

    Args:
        service: The server.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._carrier = Carrier(transport="memory")

    async def request(self, request: Request, listener: Listener | None = None) -> JsonObject:
        """Send a request and return its result as plain objects.

        Args:
            request: A modern request, metadata included.
            listener: Receives the notifications that belong to it.

        Raises:
            McpError: The answer is an error.
        """
        reply = MemoryReply(listener)
        try:
            return as_object(await self._service(bind_modern(request, self._carrier), reply))
        finally:
            reply.cancelled = True
