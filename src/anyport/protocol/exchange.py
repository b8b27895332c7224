"""Exchange: one HTTP request and the ways to answer it.

The HTTP rules of MCP are written once, against this interface; ASGI, a native edge, WSGI and a serverless event are
small adapters that implement it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from anyport.protocol.calls import Carrier
from anyport.protocol.errors import McpError, RefusedRequest
from anyport.protocol.jsonrpc import encode_error
from anyport.protocol.shapes import Shapes

HeaderList = list[tuple[bytes, bytes]]
"""Header fields of an answer: names in lower case, values ready for the wire."""

JSON_HEADERS: Final[HeaderList] = [(b"content-type", b"application/json")]
STREAM_HEADERS: Final[HeaderList] = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class HeadNotes:
    """What was found out about a head, for the next request that has the same one, byte for byte.

    Attributes:
        local: Address that the request came in on with which the head was admitted.
        accepts: Whether JSON and whether an event stream may be answered; ``None`` while the head is not admitted.
        mirrored: Method, name and version of a body that the header mirror was found equal to; ``None`` for none.
        shapes: Shapes of the bodies that came with the head; ``None`` while it came once.
        carrier: What calls with the head are told of it, where nobody was authenticated.
        fits: The length that it announces for the body is within the limit.
    """

    __slots__ = ("accepts", "carrier", "fits", "local", "mirrored", "shapes")

    def __init__(self) -> None:
        self.local: str | None = None
        self.accepts: tuple[bool, bool] | None = None
        self.mirrored: tuple[str, str | None, str] | None = None
        self.shapes: Shapes | None = None
        self.carrier: Carrier | None = None
        self.fits = False


class Exchange(Protocol):
    """One HTTP request and its answer.

    Attributes:
        method: HTTP method in capitals.
        path: Path of the URL, decoded.
        headers: Fields of the request, names in lower case. A field that came twice, other than as the list that
            RFC 9110 (5.3) allows, has been refused before.
        peer: Address of the client, ``None`` where there is none.
        local: Address that the request came in on, ``None`` where there is none.
        principal: Who was authenticated before the request came here, ``None`` for nobody. What a caller may use, and
            how much of it, is decided by this alone.
        notes: What is kept with a head that is remembered; ``None`` for a head that is read anew each time.
        body: The whole body, where it is there at once; ``None`` where `read_body` has to be asked for it.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    peer: str | None
    local: str | None
    principal: str | None
    notes: HeadNotes | None
    body: bytes | None

    @property
    def root(self) -> str:
        """Prefix that the outside puts before the paths of this application, decoded; empty where there is none."""
        ...

    @property
    def query(self) -> str:
        """What follows the path in the URL, as it came; empty where there is nothing."""
        ...

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

    def send_now(self, headers: HeaderList | None, chunk: bytes, *, last: bool) -> bool:
        """Do what `start_stream`, `send` and `finish` do, if nothing has to be waited for.

        Args:
            headers: Begin the stream with these, and HTTP 200; ``None`` for one that has begun.
            chunk: A piece of the body; empty for none.
            last: End the body.

        Returns:
            Whether it is done; if not, nothing is.
        """
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


def refuse(exchange: Exchange, error: McpError) -> Awaitable[None]:
    """Answer a request with an error, with the status and the header fields that the error has."""
    return exchange.respond(error.http_status, [*JSON_HEADERS, *error.headers], encode_error(error.request_id, error))


class Disconnected(Exception):
    """The client closed the connection before its request was complete."""


def check_json_body(headers: Mapping[str, str]) -> None:
    """Check what a message is written in.

    Args:
        headers: Header fields, names in lower case.

    Raises:
        RefusedRequest: HTTP 415: it is not JSON, or compressed. A page of a browser cannot send JSON elsewhere without
            asking first.
    """
    kind = media_type(headers.get("content-type", ""))
    if kind != "application/json":
        raise RefusedRequest(415, f"Content-Type must be application/json; it is {kind[:100] or 'missing'}")
    coding = headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity"):
        raise RefusedRequest(415, f"Content-Encoding {coding[:100]!r} is not read; send the body as it is")


def media_type(field: str) -> str:
    """Return the media type of a header field, in lower case and without its parameters."""
    return field.partition(";")[0].strip().lower()
