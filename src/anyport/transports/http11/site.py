"""The place at a server where messages are posted: requests to one URL, its redirects, and the errors of HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from typing import Final

from anyport import __version__
from anyport.protocol.errors import (
    AnyportError,
    AuthError,
    ConnectError,
    HttpStatusError,
    LocalProtocolError,
    McpError,
)
from anyport.protocol.jsonrpc import ErrorResponse, decode_batch
from anyport.protocol.limits import Limits
from anyport.protocol.urls import Url, parse_url
from anyport.transports.http11.connection import Answer
from anyport.transports.http11.pool import Pool

_REDIRECTS: Final = frozenset({301, 302, 307, 308})
_MAX_REDIRECTS: Final = 5
_ERROR_BODY: Final = 64 * 1024
"""Bytes of an error's body that are read."""
_BODY_S: Final = 5.0
"""Seconds for the body of an error, and for one that nobody needs."""


class Site:
    """Where a client sends its requests.

    Args:
        url: The URL.
        headers: Header fields of every request.
        limits: Bounds on what the server may answer.
        tls: How the server proves who it is; ``None`` for the certificates that the system trusts.

    Attributes:
        url: The URL, as the server's redirects have it by now.

    Raises:
        LocalProtocolError: It is no URL, or a header field cannot be sent.
    """

    def __init__(self, url: str, headers: Mapping[str, str], limits: Limits, tls: ssl.SSLContext | None = None) -> None:
        try:
            self.url = parse_url(url)
        except ValueError as error:
            raise LocalProtocolError(str(error)) from None
        fields = {
            "user-agent": f"anyport/{__version__}",
            # A compressed bomb of a few kilobytes has to be unpacked to be found too large.
            "accept-encoding": "identity",
            **{name.lower(): value for name, value in headers.items()},
        }
        self._pool = Pool(self.url, fields, limits, tls)

    async def send(self, method: str, fields: Mapping[str, str], body: bytes = b"") -> Answer:
        """Send a request, and follow redirects within the origin: elsewhere header fields may be nobody's business.

        Args:
            method: HTTP method.
            fields: Header fields of this request, names in lower case.
            body: The body.

        Raises:
            ConnectError: The server cannot be reached, or the connection broke.
            HttpStatusError: It redirects too often, or to another origin.
            RemoteProtocolError: The answer is not HTTP.
        """
        answer = await self._pool.send(method, self.url, fields, body)
        if answer.status not in _REDIRECTS or "location" not in answer.fields:
            return answer
        for _ in range(_MAX_REDIRECTS):
            self.url = self._redirected(answer)
            await finish(answer)
            answer = await self._pool.send(method, self.url, fields, body)
            if answer.status not in _REDIRECTS or "location" not in answer.fields:
                return answer
        answer.leave()
        raise HttpStatusError(answer.status, f"too many redirects (more than {_MAX_REDIRECTS})", self.url.shown)

    def interrupt(self) -> None:
        """Close the connections that are in use; requests that wait fail."""
        self._pool.interrupt()

    async def aclose(self) -> None:
        """Close every connection, for good."""
        await self._pool.aclose()

    def _redirected(self, answer: Answer) -> Url:
        try:
            target = self.url.join(answer.fields["location"])
        except ValueError as error:
            answer.leave()
            raise HttpStatusError(answer.status, f"redirects to what is no URL ({error})", self.url.shown) from None
        if target.origin != self.url.origin:
            answer.leave()
            raise HttpStatusError(answer.status, f"redirects to another origin: {target.shown}", self.url.shown)
        return target

    async def status_error(self, answer: Answer) -> HttpStatusError:
        """Return the error that an answer means which carries no message, with the start of its body; leaves it."""
        return self.make_error(answer.status, await read_error(answer))

    def make_error(self, status: int, body: bytes) -> HttpStatusError:
        """Return the error that a status and a body mean."""
        kind = AuthError if status in (401, 403) else HttpStatusError
        return kind(status, body[:_ERROR_BODY].decode("utf-8", "replace"), self.url.shown)


async def read_error(answer: Answer) -> bytes:
    """Read the start of an error's body, within bounds, or what of it comes; leaves the answer."""
    pieces: list[bytes] = []
    size = 0
    try:
        with contextlib.suppress(TimeoutError, AnyportError):
            async with asyncio.timeout(_BODY_S):
                while size < _ERROR_BODY and (piece := await answer.piece()):
                    pieces.append(piece)
                    size += len(piece)
    finally:
        answer.leave()
    return b"".join(pieces)[:_ERROR_BODY]


async def finish(answer: Answer) -> None:
    """Read the rest of an answer that nobody needs, so that its connection can be used again; leaves it."""
    if answer.complete:
        await answer.read(_ERROR_BODY)
        answer.leave()
    else:
        await read_error(answer)


def error_in(body: bytes, limits: Limits) -> ErrorResponse | None:
    """Return the JSON-RPC error that a body is; ``None`` where it is none."""
    try:
        message = decode_batch(body, limits)
    except McpError:
        return None
    return message if isinstance(message, ErrorResponse) else None


def closed() -> ConnectError:
    """Return the error of a request to a client that was closed."""
    return ConnectError("The client was closed", unsent=True)
