"""Exchange: one HTTP request and the ways to answer it.

The HTTP rules of MCP are written once, against this interface; ASGI, a native edge, WSGI and a serverless event are
small adapters that implement it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

HeaderList = list[tuple[bytes, bytes]]
"""Header fields of an answer: names in lower case, values ready for the wire."""


class Exchange(Protocol):
    """One HTTP request and its answer.

    Attributes:
        method: HTTP method in capitals.
        path: Path of the URL, decoded.
        headers: Fields of the request, names in lower case. A field that came twice, other than as the list that
            RFC 9110 (5.3) allows, has been refused before.
        peer: Address of the client, ``None`` where there is none.
        local: Address that the request came in on, ``None`` where there is none.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    peer: str | None
    local: str | None

    async def read_body(self, limit: int, hold: Callable[[int], None]) -> bytes:
        """Return the whole body.

        Args:
            limit: Largest body, in bytes.
            hold: Told of bytes as they come, where the body does not come at once, and with a negative number of all
                of them before this returns or raises. What it raises ends the reading.

        Raises:
            RefusedRequest: It is larger than the limit (HTTP 413), or comes too slowly (408); nothing is kept.
            Disconnected: The client went away.
        """
        ...

    def respond(self, status: int, headers: HeaderList, body: bytes) -> Awaitable[None]:
        """Send a complete answer."""
        ...

    async def start_stream(self, status: int, headers: HeaderList) -> None:
        """Send the head of an answer whose body comes in pieces."""
        ...

    async def send(self, chunk: bytes) -> None:
        """Send a piece of the body; waits while the client is slow, and drops it once the client is gone."""
        ...

    async def finish(self) -> None:
        """End the body."""
        ...

    def watch(self, gone: Callable[[], None]) -> None:
        """Call ``gone`` once, as soon as the client closes the connection; only after the body was read."""
        ...

    def unwatch(self) -> None:
        """Stop watching."""
        ...


class Disconnected(Exception):
    """The client closed the connection before its request was complete."""
