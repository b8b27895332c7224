"""A connection of ours, as the requests on it see it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Protocol

from uvicorn.protocols.http.flow_control import FlowControl

from anyport.protocol.errors import McpError
from anyport.protocol.exchange import Exchange
from anyport.transports.steps import Steps

logger = logging.getLogger("anyport.http")

Handle = Callable[[Exchange], Awaitable[None]]
"""What answers a request."""

Fields = list[tuple[bytes, bytes]]
"""Header fields as they came, names in lower case."""


class Line(Protocol):
    """A connection.

    Attributes:
        flow: Pauses reading, and knows whether the peer reads.
        loop: The loop of the connection.
        transport: What is written to.
        peer: Address of the client; ``None`` for none.
        local: Address that it came in on; ``None`` where that is no address.
        steps: Begins what the server waits for before it ends.
        ending: The connection ends with the answer that is being made, whatever the client asked for.
    """

    flow: FlowControl
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    peer: str | None
    local: str | None
    steps: Steps
    ending: bool

    @property
    def root(self) -> str:
        """Prefix that the outside puts before all paths."""
        ...

    def standing(self) -> bytes:
        """Return the header fields that every answer has, encoded."""
        ...

    def json_head(self) -> bytes:
        """Return the head of what most answers are, HTTP 200 and JSON, up to the number of its ``Content-Length``."""
        ...

    def write(self, data: bytes | memoryview) -> None:
        """Send bytes."""
        ...

    def start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run something that the server waits for before it ends."""
        ...

    async def client_of(self, fields: Fields) -> str | None:
        """Return the address of the client that a proxy, if it may be believed, names in header fields."""
        ...

    def answered(self, whole: bytes = b"", *, close: bool) -> None:
        """Go on after an answer that is written.

        Args:
            whole: What is still to be written of it.
            close: The connection ends with it.
        """
        ...

    def refuse(self, error: McpError) -> None:
        """Answer with an error what is being answered, and hang up."""
        ...

    def abort(self) -> None:
        """Hang up."""
        ...


class Asked(Protocol):
    """A request on a connection: first in a queue, then answered."""

    def begin(self) -> None:
        """Answer: those before it on the connection are answered."""
        ...

    def feed(self, chunk: bytes) -> None:
        """Take a piece of the body."""
        ...

    def end(self) -> None:
        """Take note that the body is complete."""
        ...

    def fail(self, problem: McpError) -> None:
        """Give up waiting for the rest of the body."""
        ...

    def lost(self) -> None:
        """Take note that the connection is gone."""
        ...
