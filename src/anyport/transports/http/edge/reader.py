"""Bytes to requests: what httptools reads, one request after the other, in the words of a connection."""

from __future__ import annotations

from typing import Final, Protocol

import httptools

from anyport.protocol.errors import RefusedRequest
from anyport.transports.http.edge.heads import (
    NOWHERE,
    UNKNOWN,
    Head,
    Known,
    Memory,
    Route,
    UpgradeIgnored,
    check_framing,
    without_upgrade,
)
from anyport.transports.http.edge.line import Asked, Fields, logger
from anyport.transports.http.fields import CLOSE

_BLANK: Final = b"\r\n\r\n"


class Sink(Protocol):
    """What is told about requests."""

    def route(self, head: Head) -> Route:
        """Return everything that a head decides.

        Raises:
            RefusedRequest: It is refused, and nothing may be read after it.
        """
        ...

    def admit(self, route: Route, body: bytes | None = None) -> Asked:
        """Return what takes the body of a request.

        Args:
            route: What its head decides.
            body: All of the body, where it is there already.

        Raises:
            RefusedRequest: It is refused, and nothing may be read after it.
        """
        ...


class RequestReader:
    """Reads the requests of one connection.

    Args:
        sink: Told about them.
        memory: Heads that were read before, on any connection.

    Attributes:
        incoming: Takes the body that is being read; ``None`` between two requests.
        in_head: A request has begun, and its head is not complete.
        body_bytes: Of the body, so many came.
        failed: Nothing can be read any more.
    """

    __slots__ = (
        "_begun",
        "_fields",
        "_last",
        "_memory",
        "_parser",
        "_recent",
        "_route",
        "_sink",
        "_upgrades",
        "_url",
        "body_bytes",
        "failed",
        "in_head",
        "incoming",
    )

    def __init__(self, sink: Sink, memory: Memory) -> None:
        self._sink = sink
        self._memory = memory
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._fields: Fields = []
        self._route = NOWHERE
        self._recent = UNKNOWN
        self._begun = 0
        self._upgrades = self._last = False
        self.incoming: Asked | None = None
        self.body_bytes = 0
        self.in_head = self.failed = False

    def feed(self, data: bytes) -> None:
        """Take what came.

        Raises:
            RefusedRequest: A request is refused, and nothing may be read after it.
        """
        if not self._is_between():
            self._parse(data)
            return
        known = self.recall(data)
        if known is not None:
            self._sink.admit(known.route, data[len(known.head) :])
            return
        before, end = self._begun, data.find(_BLANK) + len(_BLANK)
        self._parse(data)
        # One request, of which the bytes before the body are the head.
        if self._begun == before + 1 and self._is_between() and self.body_bytes == len(data) - end:
            self._memory.keep(data[:end], self._route, len(data))

    def recall(self, data: bytes) -> Known | None:
        """Return the head that begins what came, if that is one whole request, and the head was read before."""
        if self.incoming is not None or self.in_head or self._last or self.failed:
            return None
        recent = self._recent
        if recent.size == len(data) and data.startswith(recent.head):
            # The usual case: a client sends what it sent before, but for the body.
            return recent
        known = self._memory.known.get(data[: data.find(_BLANK) + len(_BLANK)])
        if known is None or known.size != len(data):
            return None
        self._recent = known
        return known

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
        except httptools.HttpParserCallbackError as error:
            raise self._failure(error.__context__) from None
        except httptools.HttpParserError as error:
            raise self._failure(RefusedRequest(400, f"This is no HTTP: {error}", CLOSE)) from None
        else:
            return
        head = without_upgrade(self._parser.get_method(), self._url, self._parser.get_http_version(), self._fields)
        self._upgrades = False
        self._parser = httptools.HttpRequestParser(UpgradeIgnored(self))
        self._parse(head + rest)

    def _is_between(self) -> bool:
        """Whether what comes begins a request."""
        return self.incoming is None and not (self.in_head or self._last or self.failed)

    def close(self) -> None:
        """Read nothing more."""
        self.failed = True
        self.in_head = False
        self.incoming = None
        # The parser and this hold each other.
        del self._parser

    def _failure(self, error: BaseException | None) -> RefusedRequest:
        self.failed = True
        self.in_head = False
        if isinstance(error, RefusedRequest):
            return error
        logger.error("A request could not be read", exc_info=error)
        return RefusedRequest(500, "The server failed to read the request; its log says why", CLOSE)

    # --- what httptools tells -----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """See `Reader`."""
        self._url = b""
        self._fields = []
        self.in_head = True
        self._begun += 1

    def on_url(self, url: bytes) -> None:
        """See `Reader`."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """See `Reader`; what comes after a body is not kept."""
        if self.in_head:
            self._fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """See `Reader`.

        Raises:
            RefusedRequest: See `Sink.take`.
        """
        self.in_head = False
        self.body_bytes = 0
        parser = self._parser
        self._upgrades = parser.should_upgrade()
        version, method = parser.get_http_version(), parser.get_method().decode("ascii")
        check_framing(version, method, self._fields)
        keep_alive = version == "1.1" and parser.should_keep_alive()
        self._last = not keep_alive
        self._route = self._sink.route(Head(method, self._url, version, self._fields, keep_alive))
        self.incoming = self._sink.admit(self._route)

    def on_body(self, body: bytes) -> None:
        """See `Reader`."""
        self.body_bytes += len(body)
        if self.incoming is not None:
            self.incoming.feed(body)

    def on_message_complete(self) -> None:
        """See `Reader`."""
        if self.incoming is not None and not self._upgrades:
            self.incoming.end()
            self.incoming = None
