"""An `Exchange` over ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final, cast

from anyport.protocol.errors import RefusedRequest
from anyport.protocol.exchange import Disconnected, HeaderList

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_LISTS: Final = frozenset({"accept", "accept-encoding", "accept-language", "cookie", "x-forwarded-for", "forwarded", "via"})
"""Fields that may come several times because their value is a list (RFC 9110, 5.3)."""


def read_headers(fields: Iterable[tuple[bytes, bytes]], limit: int) -> dict[str, str]:
    """Return header fields by name.

    Args:
        fields: Names in lower case with their values.
        limit: Largest sum of names and values, in bytes.

    Raises:
        RefusedRequest: HTTP 431 over the limit; 400 for a field that came twice though its value is no list: two
            readers could take different ones.
    """
    found: dict[str, str] = {}
    size = 0
    for raw_name, raw_value in fields:
        size += len(raw_name) + len(raw_value)
        name = raw_name.decode("latin-1")
        if name in found:
            found[name] = _joined(name, found[name], raw_value.decode("latin-1"))
        else:
            found[name] = raw_value.decode("latin-1")
    if size > limit:
        raise RefusedRequest(431, f"The header fields are larger than {limit} bytes (limit header_bytes)")
    return found


def _joined(name: str, first: str, second: str) -> str:
    if name in _LISTS:
        return f"{first}, {second}"
    if name.startswith("mcp-") or name in ("host", "origin", "content-type", "content-length", "authorization"):
        raise RefusedRequest(400, f"The header {name[:100]} came twice")
    return first


class AsgiExchange:
    """One HTTP request of an ASGI server.

    Args:
        scope: The ASGI scope.
        receive: Takes events from the server.
        send: Gives events to the server.
        headers: The request's header fields, from `read_headers`.
    """

    __slots__ = ("_receive", "_send", "_watcher", "headers", "local", "method", "path", "peer")

    def __init__(self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str]) -> None:
        self._receive = receive
        self._send = send
        self._watcher: asyncio.Task[None] | None = None
        self.method = cast("str", scope["method"])
        self.path = cast("str", scope["path"])
        self.headers = headers
        client, server = scope.get("client"), scope.get("server")
        self.peer = cast("str", client[0]) if client else None
        # A server on a Unix socket reports its path and no port: nothing that a browser could name.
        self.local = cast("str", server[0]) if server and server[1] is not None else None

    async def read_body(self, limit: int) -> bytes:
        """Return the whole body; see `Exchange.read_body`."""
        announced = self.headers.get("content-length")
        if announced is not None and announced.isdigit() and int(announced[:20]) > limit:
            raise _too_large(limit)
        event = await self._receive()
        body = cast("bytes", event.get("body", b""))
        if event["type"] == "http.request" and not event.get("more_body", False) and len(body) <= limit:
            return body
        chunks, size = [body], len(body)
        while event["type"] == "http.request":
            if size > limit:
                raise _too_large(limit)
            if not event.get("more_body", False):
                return b"".join(chunks)
            event = await self._receive()
            chunks.append(cast("bytes", event.get("body", b"")))
            size += len(chunks[-1])
        raise Disconnected

    async def respond(self, status: int, headers: HeaderList, body: bytes) -> None:
        """Send a complete answer; see `Exchange.respond`."""
        length = (b"content-length", b"%d" % len(body))
        await self._send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
        await self._send({"type": "http.response.body", "body": body})

    async def start_stream(self, status: int, headers: HeaderList) -> None:
        """Send the head of a streamed answer; see `Exchange.start_stream`."""
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": b"", "more_body": True})

    async def send(self, chunk: bytes) -> None:
        """Send a piece of the body; see `Exchange.send`."""
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def finish(self) -> None:
        """End the body; see `Exchange.finish`."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def watch(self, gone: Callable[[], None]) -> None:
        """Call ``gone`` when the client leaves; see `Exchange.watch`."""
        self._watcher = asyncio.get_running_loop().create_task(self._wait_for_disconnect(gone))

    def unwatch(self) -> None:
        """Stop watching; see `Exchange.unwatch`."""
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None

    async def _wait_for_disconnect(self, gone: Callable[[], None]) -> None:
        event = await self._receive()
        while event["type"] != "http.disconnect":
            event = await self._receive()
        # What leaves may cancel the watcher, which is done by now.
        self._watcher = None
        gone()


def _too_large(limit: int) -> RefusedRequest:
    # The rest of the body is not read: the connection cannot carry another request.
    return RefusedRequest(413, f"The body is larger than {limit} bytes (limit body_bytes)", ((b"connection", b"close"),))
