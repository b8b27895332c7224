"""The head of a request: what it asks for, what is wrong with it, and how to ignore its wish for another protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol
from urllib.parse import unquote

import httptools
from msgspec import Struct

from anyport.protocol.errors import McpError, RefusedRequest
from anyport.protocol.exchange import HeadNotes
from anyport.protocol.limits import Limits
from anyport.transports.http.edge.line import Fields, Handle
from anyport.transports.http.fields import CLOSE

_CONTINUE: Final = b"100-continue"
_LONGEST: Final = 2048
_MOST: Final = 512
"""Heads that are kept, and bytes of each."""
_NOT_KEPT: Final = frozenset({b"transfer-encoding", b"expect", b"upgrade"})
_VERSIONS: Final = frozenset({"1.0", "1.1"})


class Head(Struct, frozen=True):
    """The head of a request.

    Attributes:
        method: In capitals.
        url: The request target, as it came.
        version: Of HTTP.
        fields: Header fields, names in lower case.
        keep_alive: The connection goes on after the answer.
    """

    method: str
    url: bytes
    version: str
    fields: Fields
    keep_alive: bool

    @property
    def expecting(self) -> bool:
        """Whether the client waits for "100 Continue" before it sends the body."""
        return any(name == b"expect" and value.lower() == _CONTINUE for name, value in self.fields)


class Target(Struct, frozen=True):
    """What a request asks for.

    Attributes:
        path: The path, decoded.
        raw_path: The path as it came.
        query: What follows it.
        authority: What comes before the path in a whole URL; ``None`` where there is only a path.
    """

    path: str
    raw_path: bytes
    query: bytes
    authority: bytes | None = None


class Route(Struct, frozen=True):
    """Everything that a head decides.

    Attributes:
        head: The head.
        target: What it asks for.
        handle: What answers; ``None`` for the ASGI application, or for what has failed already.
        headers: Header fields by name.
        problem: Why there are none.
        forwarded: A proxy says whom it speaks for.
        notes: What whoever answers has found out about the head.
        at_once: What answers, where nothing is to be looked at before; ``None`` elsewhere.
        is_chunked: An answer may come in chunks.
    """

    head: Head
    target: Target
    handle: Handle | None
    headers: Mapping[str, str]
    problem: McpError | None = None
    forwarded: bool = False
    notes: HeadNotes | None = None
    at_once: Handle | None = None
    is_chunked: bool = False


NO_HEAD: Final = Head("GET", b"", "1.1", [], keep_alive=False)
NOWHERE: Final = Route(NO_HEAD, Target("", b"", b""), None, {})
"""Of what is no request, and is answered all the same."""


class Known(Struct, frozen=True):
    """A head that was read before.

    Attributes:
        head: Its bytes, the empty line included.
        size: Of the whole request, in bytes.
        route: What it decides.
    """

    head: bytes
    size: int
    route: Route


UNKNOWN: Final = Known(b"", 0, NOWHERE)
"""No head; nothing of its size comes."""


class Memory:
    """Heads that were read, by their bytes: what a parser said of them it would say again.

    Clients send few different ones: the same fields, and bodies of few lengths. A head is kept if its body had a
    `Content-Length` and the connection goes on after it; nothing else about a connection is in it.

    Attributes:
        known: The heads.
    """

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: dict[bytes, Known] = {}

    def keep(self, head: bytes, route: Route, size: int) -> None:
        """Keep a head, if it may be.

        Args:
            head: Its bytes, the empty line included.
            route: What it decides.
            size: Of the whole request, in bytes.
        """
        if len(head) > _LONGEST or route.handle is None or route.problem is not None or not route.head.keep_alive:
            return
        if any(name in _NOT_KEPT for name, _ in route.head.fields):
            return
        if len(self.known) >= _MOST:
            self.known.clear()
        self.known[head] = Known(head, size, route)


def read_target(url: bytes) -> Target:
    """Take a request target apart.

    Raises:
        RefusedRequest: HTTP 400: it is none.
    """
    if url == b"*":
        return Target("*", url, b"")
    try:
        parsed = httptools.parse_url(url)
        raw = parsed.path or b"/"
        path = raw.decode("ascii")
        authority = _authority(parsed.host, parsed.port, parsed.userinfo)
    except (httptools.HttpParserInvalidURLError, UnicodeDecodeError):
        raise RefusedRequest(400, f"The request target {url[:100]!r} is no path and no URL", CLOSE) from None
    return Target(unquote(path) if "%" in path else path, raw, parsed.query or b"", authority)


def _authority(host: bytes | None, port: int | None, user: bytes | None) -> bytes | None:
    if host is None:
        return None
    if user is not None:
        raise RefusedRequest(400, "The request target names a user, which no URL over HTTP may", CLOSE)
    name = b"[%b]" % host if b":" in host else host
    return name if port is None else b"%b:%d" % (name, port)


def check_head(head: Head, target: Target, limits: Limits) -> None:
    """Refuse a head that is too large, or that two readers could take for requests to different hosts.

    Args:
        head: The head.
        target: What it asks for.
        limits: ``url_bytes`` and ``header_fields`` apply.

    Raises:
        RefusedRequest: HTTP 400, 414 or 431; the connection cannot go on.
    """
    if len(head.url) > limits.url_bytes:
        raise RefusedRequest(
            414, f"The request target is longer than {limits.url_bytes} bytes (limit url_bytes)", CLOSE
        )
    if len(head.fields) > limits.header_fields:
        raise RefusedRequest(431, f"There are more than {limits.header_fields} fields (limit header_fields)", CLOSE)
    if target.authority is not None:
        # RFC 9112, 3.2.2, has the target decide, and others have the field decide.
        asked = _without_port(target.authority, head.url)
        if any(_without_port(value, head.url) != asked for name, value in head.fields if name == b"host"):
            raise RefusedRequest(400, "The request target and the field Host name different hosts", CLOSE)


def check_fields(head: Head, limits: Limits) -> None:
    """Refuse what an endpoint of ours refuses by itself, before an application sees it.

    Args:
        head: The head.
        limits: ``header_bytes`` applies.

    Raises:
        RefusedRequest: HTTP 431 for too much; 400 for no ``Host`` or several (RFC 9112, 3.2).
    """
    size = sum(len(name) + len(value) for name, value in head.fields)
    if size > limits.header_bytes:
        raise RefusedRequest(431, f"The fields are larger than {limits.header_bytes} bytes (limit header_bytes)", CLOSE)
    hosts = sum(name == b"host" for name, _ in head.fields)
    if hosts > 1 or (hosts == 0 and head.version == "1.1"):
        raise RefusedRequest(400, f"There must be one field Host; there are {hosts}", CLOSE)


def _without_port(authority: bytes, url: bytes) -> bytes:
    """Return an authority in lower case, without the port that its scheme has anyway."""
    return authority.lower().removesuffix(b":443" if url[:6].lower() == b"https:" else b":80")


def check_framing(version: str, method: str, fields: Fields) -> None:
    """Refuse what two readers could take for messages of different lengths (RFC 9112, 6.1), or for another protocol.

    Args:
        version: Of HTTP.
        method: In capitals.
        fields: Header fields, names in lower case.

    Raises:
        RefusedRequest: HTTP 400, 405, 501 or 505; the connection cannot go on.
    """
    if version not in _VERSIONS:
        raise RefusedRequest(505, f"HTTP/{version[:10]} is not spoken here; HTTP/1.1 is", CLOSE)
    if method == "CONNECT":
        raise RefusedRequest(405, "CONNECT is not served here: this is no proxy", (*CLOSE, (b"allow", b"GET, POST")))
    codings = [value for name, value in fields if name == b"transfer-encoding"]
    if codings:
        if version == "1.0" or len(codings) > 1:
            raise RefusedRequest(400, "Transfer-Encoding may come once, and only in HTTP/1.1", CLOSE)
        if codings[0].strip().lower() != b"chunked":
            raise RefusedRequest(501, "The only Transfer-Encoding read here is chunked", CLOSE)


class Reader(Protocol):
    """What httptools tells what it reads."""

    def on_message_begin(self) -> None:
        """Take note that a request begins."""
        ...

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request target."""
        ...

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field."""
        ...

    def on_headers_complete(self) -> None:
        """Take note that the head is complete."""
        ...

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        ...

    def on_message_complete(self) -> None:
        """Take note that the request is complete."""
        ...


class UpgradeIgnored:
    """Reads a request that asks for another protocol as if it did not (RFC 9110, 7.8), and what follows it.

    httptools takes the head of such a request for the end of HTTP. So the head is read once more without what asks for
    the upgrade, and nothing is said about it a second time.

    Args:
        reader: Is told about the body, and about all requests after it.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._again = True

    def on_message_begin(self) -> None:
        """See `Reader`."""
        if not self._again:
            self._reader.on_message_begin()

    def on_url(self, url: bytes) -> None:
        """See `Reader`."""
        if not self._again:
            self._reader.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """See `Reader`."""
        if not self._again:
            self._reader.on_header(name, value)

    def on_headers_complete(self) -> None:
        """See `Reader`."""
        if self._again:
            self._again = False
        else:
            self._reader.on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """See `Reader`."""
        self._reader.on_body(body)

    def on_message_complete(self) -> None:
        """See `Reader`."""
        self._reader.on_message_complete()


def without_upgrade(method: bytes, url: bytes, version: str, fields: Fields) -> bytes:
    """Return a head that asks for no other protocol; what it says of the connection and of the body stays.

    Args:
        method: As it came.
        url: As it came.
        version: Of HTTP.
        fields: Header fields, names in lower case.
    """
    lines = [b"%b %b HTTP/%b\r\n" % (method, url, version.encode())]
    for name, value in fields:
        if name == b"connection":
            options = [each for each in value.split(b",") if each.strip().lower() != b"upgrade"]
            value = b",".join(options)
        if name != b"upgrade":
            lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join([*lines, b"\r\n"])
