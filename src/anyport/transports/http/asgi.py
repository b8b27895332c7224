"""An `Exchange` over ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final

from anyport.protocol.errors import HeaderMismatch, RefusedRequest
from anyport.protocol.exchange import Disconnected, HeaderList
from anyport.protocol.limits import Limits

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_LISTS: Final = frozenset(
    {"accept", "accept-encoding", "accept-language", "cookie", "x-forwarded-for", "forwarded", "via"}
)
"""Fields that may come several times because their value is a list (RFC 9110, 5.3)."""

_SINGLE: Final = frozenset(
    {"host", "origin", "content-type", "content-length", "content-encoding", "authorization", "mcp-session-id"}
)
"""Fields that decide something, and of which two readers could take different ones."""

_CLOSE: Final = ((b"connection", b"close"),)


def read_headers(fields: Iterable[tuple[bytes, bytes]], limit: int) -> dict[str, str]:
    """Return header fields by name.

    Args:
        fields: Names in lower case with their values.
        limit: Largest sum of names and values, in bytes.

    Raises:
        RefusedRequest: HTTP 431 over the limit; 400 for a field that came twice and must not.
        HeaderMismatch: A field of the header mirror came twice (HDR-04).
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
    if name in _SINGLE:
        raise RefusedRequest(400, f"The header {name} came twice")
    if name.startswith("mcp-"):
        raise HeaderMismatch(f"The header {name[:100]} came twice")
    return first


class AsgiExchange:
    """One HTTP request of an ASGI server.

    Args:
        scope: The ASGI scope.
        receive: Takes events from the server.
        send: Gives events to the server.
        limits: Bounds on header fields, and on the time that the body takes.

    Raises:
        McpError: The header fields are refused; see `read_headers`.
    """

    __slots__ = ("_body_s", "_receive", "_send", "_watcher", "headers", "local", "method", "path", "peer")

    def __init__(self, scope: Scope, receive: Receive, send: Send, limits: Limits) -> None:
        self._receive = receive
        self._send = send
        self._body_s = limits.body_s
        self._watcher: asyncio.Task[None] | None = None
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        client, server = scope.get("client"), scope.get("server")
        self.peer: str | None = client[0] if client else None
        # A server on a Unix socket reports its path and no port: nothing that a browser could name.
        self.local: str | None = server[0] if server and server[1] is not None else None
        self.headers: Mapping[str, str] = read_headers(scope["headers"], limits.header_bytes)

    async def read_body(self, limit: int, hold: Callable[[int], None]) -> bytes:
        """Return the whole body; see `Exchange.read_body`."""
        announced = self.headers.get("content-length")
        if announced is not None and announced.isdecimal() and int(announced[:20]) > limit:
            raise self._too_large(limit)
        event = await self._receive()
        if event["type"] == "http.request" and not event.get("more_body", False):
            body: bytes = event.get("body", b"")
            if len(body) > limit:
                raise self._too_large(limit)
            return body
        return await self._read_on(event, limit, hold)

    async def _read_on(self, event: Message, limit: int, hold: Callable[[int], None]) -> bytes:
        body = bytearray()
        held = 0
        try:
            async with asyncio.timeout(self._body_s):
                while event["type"] == "http.request":
                    body += event.get("body", b"")
                    if len(body) > limit:
                        raise self._too_large(limit)
                    hold(len(body) - held)
                    held = len(body)
                    if not event.get("more_body", False):
                        return bytes(body)
                    event = await self._receive()
        except TimeoutError:
            raise RefusedRequest(
                408, f"The body did not come within {self._body_s:g} seconds (limit body_s)", _CLOSE
            ) from None
        finally:
            hold(-held)
        raise Disconnected

    def _too_large(self, limit: int) -> RefusedRequest:
        # The server reads on and throws away what comes, so that the client, which is still sending, sees the answer
        # rather than a reset (RFC 9110, 15.5.14). One that waits for "100 Continue" sends nothing more.
        headers = _CLOSE if "expect" in self.headers else ()
        return RefusedRequest(413, f"The body is larger than {limit} bytes (limit body_bytes)", headers)

    def respond(self, status: int, headers: HeaderList, body: bytes) -> Awaitable[None]:
        """Send a complete answer; see `Exchange.respond`."""
        return respond(self._send, status, headers, body)

    async def start_stream(self, status: int, headers: HeaderList) -> None:
        """Send the head of a streamed answer; see `Exchange.start_stream`."""
        await self._give({"type": "http.response.start", "status": status, "headers": headers})

    async def send(self, chunk: bytes) -> None:
        """Send a piece of the body; see `Exchange.send`."""
        await self._give({"type": "http.response.body", "body": chunk, "more_body": True})

    async def finish(self) -> None:
        """End the body; see `Exchange.finish`."""
        await self._give({"type": "http.response.body", "body": b"", "more_body": False})

    def watch(self, gone: Callable[[], None]) -> None:
        """Call ``gone`` when the client leaves; see `Exchange.watch`."""
        self._watcher = asyncio.get_running_loop().create_task(self._wait_for_disconnect(gone))

    def unwatch(self) -> None:
        """Stop watching; see `Exchange.unwatch`."""
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None

    async def _give(self, event: Message) -> None:
        try:
            await self._send(event)
        except OSError:
            # ASGI 2.4: what a server raises once the client is gone. The watcher learns of it in its own way.
            return

    async def _wait_for_disconnect(self, gone: Callable[[], None]) -> None:
        event = await self._receive()
        while event["type"] != "http.disconnect":
            event = await self._receive()
        # What leaves may cancel the watcher, which is done by now.
        self._watcher = None
        gone()


async def respond(send: Send, status: int, headers: HeaderList, body: bytes) -> None:
    """Send a complete answer, which is dropped if the client is gone.

    Args:
        send: Gives events to the server.
        status: HTTP status.
        headers: Header fields; the length is added.
        body: All of it.
    """
    length = (b"content-length", b"%d" % len(body))
    try:
        await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": body})
    except OSError:
        return
