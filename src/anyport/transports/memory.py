"""Both ends in one process: a call is a function call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Raw

from anyport.protocol.calls import BackChannel, Carrier, Service, bind_modern
from anyport.protocol.jsonrpc import Notification, Request, ResultLike, decode_json, encode_json
from anyport.protocol.types.json import JsonObject

Listener = Callable[[Notification], Awaitable[None]]


class MemoryReply:
    """Hands a call's notifications to a listener.

    Args:
        listener: Receives each notification as a client would; ``None`` drops them.
    """

    def __init__(self, listener: Listener | None = None) -> None:
        self._listener = listener
        self.cancelled = False
        self.back_channel: BackChannel | None = None

    async def notify(self, method: str, params: ResultLike) -> None:
        """Deliver a notification, as plain objects."""
        if self._listener is not None and not self.cancelled:
            await self._listener(Notification(method, as_object(params)))


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


def as_object(result: ResultLike) -> JsonObject:
    """Return what would be read at the other end of a wire."""
    value = decode_json(bytes(result) if isinstance(result, Raw) else encode_json(result))
    if not isinstance(value, dict):
        raise TypeError("a result must be an object")
    return value
