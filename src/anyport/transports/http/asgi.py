"""An `Exchange` over ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from anyport.protocol.errors import RefusedRequest
from anyport.protocol.exchange import Disconnected, HeaderList, HeadNotes
from anyport.protocol.limits import Limits
from anyport.transports.http.fields import KnownFields, too_large, too_slow

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PRINCIPAL: Final = "anyport.principal"
"""Key of the ASGI scope under which whoever authenticates, an ASGI application around this one, says who calls."""


class AsgiExchange:
    """One HTTP request of an ASGI server.

    Args:
        scope: The ASGI scope; `PRINCIPAL` in it says who calls.
        receive: Takes events from the server.
        send: Gives events to the server.
        limits: Bounds on the time that the body takes.
        known: Reads the header fields.

    Raises:
        McpError: The header fields are refused; see `KnownFields.read`.
    """

    __slots__ = (
        "_limits",
        "_receive",
        "_scope",
        "_send",
        "_watcher",
        "body",
        "headers",
        "local",
        "method",
        "notes",
        "path",
        "peer",
        "principal",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, limits: Limits, known: KnownFields) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._limits = limits
        self._watcher: asyncio.Task[None] | None = None
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        client, server = scope.get("client"), scope.get("server")
        self.peer: str | None = client[0] if client else None
        # A server on a Unix socket reports its path and no port: nothing that a browser could name.
        self.local: str | None = server[0] if server and server[1] is not None else None
        self.principal: str | None = scope.get(PRINCIPAL)
        self.headers: Mapping[str, str]
        self.body: bytes | None = None
        self.notes: HeadNotes | None
        self.headers, self.notes = known.read(scope["headers"])

    @property
    def root(self) -> str:
        """See `Exchange.root`."""
        return str(self._scope.get("root_path", "")).rstrip("/")

    @property
    def query(self) -> str:
        """See `Exchange.query`."""
        return bytes(self._scope.get("query_string", b"")).decode("latin-1")

    async def read_body(self, limit: int, hold: Callable[[int], None]) -> bytes:
        """Return the whole body; see `Exchange.read_body`."""
        notes = self.notes
        if notes is None or not notes.fits:
            announced = self.headers.get("content-length", "")
            if announced.isdecimal() and int(announced[:20]) > limit:
                raise self._too_large(limit)
            if notes is not None:
                notes.fits = True
        event = await self._receive()
        if event["type"] == "http.request" and not event.get("more_body", False):
            body: bytes = event.get("body", b"")
            if len(body) > limit:
                raise self._too_large(limit)
            return body
        return await self._read_on(event, limit, hold)

    async def _read_on(self, event: Message, limit: int, hold: Callable[[int], None]) -> bytes:
        body = bytearray()
        seconds = self._limits.body_s
        step = self._limits.body_bytes_per_s * seconds
        held, granted = 0, step
        try:
            async with asyncio.timeout(seconds) as patience:
                while event["type"] == "http.request":
                    body += event.get("body", b"")
                    if len(body) > limit:
                        raise self._too_large(limit)
                    hold(len(body) - held)
                    held = len(body)
                    if held >= granted:
                        granted = held + step
                        patience.reschedule(asyncio.get_running_loop().time() + seconds)
                    if not event.get("more_body", False):
                        return bytes(body)
                    event = await self._receive()
        except TimeoutError:
            raise too_slow(seconds) from None
        finally:
            hold(-held)
        raise Disconnected

    def _too_large(self, limit: int) -> RefusedRequest:
        return too_large(limit, expecting="expect" in self.headers)

    def respond(self, status: int, headers: HeaderList, body: bytes) -> Awaitable[None]:
        """Send a complete answer; see `Exchange.respond`."""
        return respond(self._send, status, headers, body)

    async def start_stream(self, status: int, headers: HeaderList) -> None:
        """Send the head of a streamed answer; see `Exchange.start_stream`."""
        await self._give({"type": "http.response.start", "status": status, "headers": headers})

    async def send(self, chunk: bytes) -> None:
        """Send a piece of the body; see `Exchange.send`."""
        await self._give({"type": "http.response.body", "body": chunk, "more_body": True})

    def send_now(self, headers: HeaderList | None, chunk: bytes, *, last: bool) -> bool:
        """Send nothing: whether a server waits for a client is its own affair; see `Exchange.send_now`."""
        return False

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
