"""Header fields of a request: by name, each once, bounded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from anyport.protocol.errors import HeaderMismatch, RefusedRequest
from anyport.protocol.exchange import HeadNotes
from anyport.protocol.headers import SESSION

CLOSE: Final = ((b"connection", b"close"),)
"""Fields of an answer after which the connection cannot go on."""

_LISTS: Final = frozenset(
    {"accept", "accept-encoding", "accept-language", "cookie", "x-forwarded-for", "forwarded", "via"}
)
"""Fields that may come several times because their value is a list (RFC 9110, 5.3)."""

_SINGLE: Final = frozenset(
    {"host", "origin", "content-type", "content-length", "content-encoding", "authorization", SESSION}
)
"""Fields that decide something, and of which two readers could take different ones."""


_LONGEST: Final = 2048
_MOST: Final = 512
"""Sets of fields that are kept, and bytes of each."""


class KnownFields:
    """Header fields that were read before: clients send few different sets, over and over (ADR 0057).

    Args:
        limit: As for `read_headers`.
    """

    __slots__ = ("_known", "_last", "_limit", "_recent")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._recent: object = None
        self._last: tuple[Mapping[str, str], HeadNotes | None] = {}, None
        self._known: dict[tuple[tuple[bytes, bytes], ...], tuple[Mapping[str, str], HeadNotes]] = {}

    def read(self, fields: Iterable[tuple[bytes, bytes]]) -> tuple[Mapping[str, str], HeadNotes | None]:
        """Return header fields by name, and the notes that are kept with them.

        Args:
            fields: Names in lower case with their values.

        Raises:
            McpError: As `read_headers`.
        """
        # To compare is quicker than to look up: no field has a hash yet.
        if fields == self._recent:
            return self._last
        whole = tuple(fields)
        try:
            known = self._known.get(whole)
        except TypeError:
            # ASGI lets a field be a list, which cannot be looked up.
            return read_headers(whole, self._limit), None
        if known is None:
            return self._read_anew(whole)
        # Of a list that nobody changes: the one that it came in is the server's.
        self._recent, self._last = list(whole), known
        return known

    def _read_anew(self, fields: tuple[tuple[bytes, bytes], ...]) -> tuple[Mapping[str, str], HeadNotes | None]:
        found = MappingProxyType(read_headers(fields, self._limit))
        if SESSION in found or sum(len(name) + len(value) for name, value in fields) > _LONGEST:
            # Sessions are many, and each has fields of its own.
            return found, None
        if len(self._known) >= _MOST:
            self._known.clear()
            self._recent = None
        self._known[fields] = found, HeadNotes()
        return self._known[fields]


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


def too_large(limit: int, *, expecting: bool) -> RefusedRequest:
    """Return the refusal of a body.

    Args:
        limit: Largest body, in bytes.
        expecting: The client waits for "100 Continue" before it sends the body.
    """
    # The server reads on and throws away what comes, so that the client, which is still sending, sees the answer
    # rather than a reset (RFC 9110, 15.5.14). One that waits for "100 Continue" sends nothing more.
    return RefusedRequest(413, f"The body is larger than {limit} bytes (limit body_bytes)", CLOSE if expecting else ())


def too_slow(seconds: float) -> RefusedRequest:
    """Return the refusal of a body that takes too long.

    Args:
        seconds: Those that it had.
    """
    return RefusedRequest(408, f"The body did not come within {seconds:g} seconds (limit body_s)", CLOSE)
