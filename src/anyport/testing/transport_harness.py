"""What a check of a client's transport works with: how to make one, and how to speak over it in each era."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from anyport.protocol.calls import META_CLIENT_CAPABILITIES, META_CLIENT_INFO, META_VERSION
from anyport.protocol.errors import AnyportError
from anyport.protocol.jsonrpc import ErrorResponse, Notification, Request, RequestId, Response
from anyport.protocol.revisions import LATEST_LEGACY, LATEST_MODERN, Era
from anyport.protocol.types.json import JsonObject
from anyport.testing.expecting import equal, within
from anyport.transports.calling import Answer, ClientTransport, Incoming

INFO: Final[JsonObject] = {"name": "check", "version": "1"}
CAPABILITIES: Final[JsonObject] = {"roots": {}}
ROOT: Final = "file:///check"


@dataclass(frozen=True, slots=True)
class TransportHarness:
    """A kind of transport, ready to be checked.

    Attributes:
        make: Returns a transport, not started, that reaches a server of `anyport.testing.transport_server.make_server`,
            and the same one each time, or one of its own.
        sever: Cuts the connection of the transport that was started last, as a network or a kill would; ``None`` where
            there is nothing to cut.
        eras: What the transport can carry.
        remembers: The eras in which a server remembers something of a connection, so that its loss is told.
    """

    make: Callable[[], ClientTransport]
    sever: Callable[[], Awaitable[object]] | None = None
    eras: tuple[Era, ...] = ("modern", "legacy")
    remembers: tuple[Era, ...] = ("modern", "legacy")

    @asynccontextmanager
    async def open(self, era: Era) -> AsyncGenerator[Side]:
        """Make a transport, start it, do the handshake of the era, and close it at the end."""
        side = Side(self.make(), era)
        await side.start()
        try:
            yield side
        finally:
            await within(side.transport.aclose(), "closing")


@dataclass(slots=True)
class Side:
    """A client's side of one transport.

    Attributes:
        transport: The transport.
        era: The era that is spoken.
        events: What came in: names of notifications with their progress, and of answers that a check noted.
        lost: What was told about the end of the connection.
        gone: The end of the connection was told.
    """

    transport: ClientTransport
    era: Era
    events: list[str] = field(default_factory=list[str])
    lost: list[AnyportError] = field(default_factory=list[AnyportError])
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    _last_id: int = 0

    async def start(self) -> None:
        """Start the transport, and do what its era opens with."""
        await within(self.transport.start(Incoming(self._notified, _answer, self._lost)), "starting")
        if self.era == "modern":
            self.transport.settle(LATEST_MODERN)
            return
        self.transport.settle(None)
        params: JsonObject = {
            "protocolVersion": LATEST_LEGACY.name,
            "capabilities": CAPABILITIES,
            "clientInfo": INFO,
        }
        answer = await within(self.transport.request(Request(self.next_id(), "initialize", params)), "the handshake")
        equal(type(answer), Response, "the answer to initialize")
        self.transport.settle(LATEST_LEGACY)
        await within(self.transport.notify(Notification("notifications/initialized", {})), "a notification")

    def next_id(self) -> int:
        """Return an id that was not used before."""
        self._last_id += 1
        return self._last_id

    def call(
        self,
        tool: str,
        arguments: JsonObject | None = None,
        *,
        request_id: RequestId | None = None,
        progress: bool = False,
    ) -> asyncio.Task[Answer]:
        """Begin to call a tool of the server."""
        number = self.next_id() if request_id is None else request_id
        meta: JsonObject = {"progressToken": number} if progress else {}
        if self.era == "modern":
            meta |= {
                META_VERSION: LATEST_MODERN.name,
                META_CLIENT_INFO: INFO,
                META_CLIENT_CAPABILITIES: CAPABILITIES,
            }
        params: JsonObject = {"name": tool, "arguments": arguments or {}}
        if meta:
            params["_meta"] = meta
        return asyncio.ensure_future(self.transport.request(Request(number, "tools/call", params)))

    async def text(self, tool: str, **arguments: str | int) -> str:
        """Call a tool and return what it says."""
        return text_of(await within(self.call(tool, dict(arguments)), f"a call of {tool}"))

    def _notified(self, notification: Notification) -> None:
        shown = notification.params.get("progress", "")
        self.events.append(f"{notification.method} {shown}".rstrip())

    def _lost(self, error: AnyportError) -> None:
        self.lost.append(error)
        self.gone.set()


def text_of(answer: Answer) -> str:
    """Return what the result of a tool says; an error's code and message."""
    if isinstance(answer, ErrorResponse):
        return f"error {answer.error.code}: {answer.error.message}"
    content = answer.result.get("content")
    first = content[0] if isinstance(content, list) and content else None
    return str(first.get("text")) if isinstance(first, dict) else f"no content: {answer.result}"


async def _answer(request: Request) -> Answer:
    return Response(request.id, {"roots": [{"uri": ROOT}]} if request.method == "roots/list" else {})
