"""A client's connections to one origin: opened when needed, kept while they are good, never used half-read."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import ssl
from collections.abc import Mapping
from typing import Final

from anyport.protocol.errors import AnyportError, ConnectError, LocalProtocolError
from anyport.protocol.limits import Limits
from anyport.protocol.urls import Url
from anyport.transports.http11.connection import Answer, Connection
from anyport.transports.http11.cookies import Cookies
from anyport.transports.http11.routes import find_route, system_context

CONNECT_S: Final = 30.0
"""Seconds in which a connection has to be there, TLS included."""
_IDLE_S: Final = 4.0
"""Seconds for which a free connection is kept: less than the 5 s after which uvicorn and Node close one by themselves,
so that few requests cross the end of theirs."""
_IDLE: Final = 64
"""Connections that are kept free."""
_GONE_S: Final = 2.0
_SAFE: Final = frozenset({"GET", "DELETE"})
"""Methods that may be sent twice (RFC 9110, 9.2.2)."""
_OWN: Final = frozenset(
    {"connection", "content-length", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Header fields that only the connection knows the value of."""
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")


class Pool:
    """Requests to one origin.

    Args:
        url: A URL of the origin.
        fields: Header fields of every request, in lower case.
        limits: ``header_bytes`` bounds the head of an answer.
        tls: How servers prove who they are; ``None`` for the certificates that the system trusts.

    Raises:
        LocalProtocolError: A header field cannot be sent.
    """

    def __init__(self, url: Url, fields: Mapping[str, str], limits: Limits, tls: ssl.SSLContext | None = None) -> None:
        self._url = url
        self._tls = tls
        self._limits = limits
        self._fields = {"host": url.authority, **{name.lower(): value for name, value in fields.items()}}
        if url.credentials is not None:
            self._fields.setdefault("authorization", url.credentials)
        refused = _OWN.intersection(self._fields) - {"host"}
        if refused:
            raise LocalProtocolError(f"The header {min(refused)!r} is not for users to set")
        self._route = find_route(url)
        self._fields.update(self._route.fields)
        self._common = _encode(self._fields)
        self._cookies = Cookies(secure=url.scheme == "https")
        self._free: list[Connection] = []
        self._all: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def send(self, method: str, url: Url, fields: Mapping[str, str], body: bytes = b"") -> Answer:
        """Send a request and wait for the head of its answer, which has to be left in the end.

        A connection that the server closes as it is used again costs a request only where it may have arrived, and
        may not be repeated.

        Args:
            method: HTTP method.
            url: A URL of the origin.
            fields: Header fields of this request, names in lower case; they replace those of every request.
            body: The body.

        Raises:
            ConnectError: The server cannot be reached, or the connection broke.
            RemoteProtocolError: The answer is not HTTP.
            LocalProtocolError: A header field cannot be sent.
        """
        head = self._head(method, url, fields, body)
        while True:
            connection = self._take()
            fresh = connection is None
            if connection is None:
                connection = await self._connect()
            try:
                answer = await connection.send(head, body)
            except ConnectError as error:
                if fresh or self._closed or not (error.unsent or method in _SAFE):
                    raise
            else:
                if "set-cookie" in answer.fields:
                    self._cookies.take(answer.fields["set-cookie"], url.target)
                return answer

    def interrupt(self) -> None:
        """Close the connections that are in use; requests that wait fail."""
        for connection in self._all.difference(self._free):
            connection.close(ConnectError("The client was closed"))

    async def aclose(self) -> None:
        """Close every connection; requests that wait fail, and later ones too."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        connections = list(self._all)
        self._free.clear()
        for connection in connections:
            connection.close(ConnectError("The client was closed"))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GONE_S):
                for connection in connections:
                    await connection.gone.wait()

    # --- said by connections ------------------------------------------------------------------------------------------

    def freed(self, connection: Connection) -> None:
        """Take a connection that can be used again."""
        if self._closed or len(self._free) >= _IDLE:
            connection.close()
            return
        loop = asyncio.get_running_loop()
        connection.free_since = loop.time()
        self._free.append(connection)
        if self._timer is None:
            self._timer = loop.call_later(_IDLE_S, self._sweep)

    def lost(self, connection: Connection) -> None:
        """Take that a connection is gone."""
        self._all.discard(connection)
        if connection in self._free:
            self._free.remove(connection)

    def _sweep(self) -> None:
        """Close what has been free for too long."""
        loop = asyncio.get_running_loop()
        oldest = loop.time() - _IDLE_S
        while self._free and self._free[0].free_since <= oldest:
            self._free.pop(0).close()
        self._timer = loop.call_at(self._free[0].free_since + _IDLE_S, self._sweep) if self._free else None

    # --- a connection -------------------------------------------------------------------------------------------------

    def _take(self) -> Connection | None:
        """Take the connection that was used last: it is the likeliest to be alive."""
        now = asyncio.get_running_loop().time() if self._free else 0.0
        while self._free:
            connection = self._free.pop()
            # The loop may not have seen its end yet.
            if connection.open and now - connection.free_since < _IDLE_S and not connection.readable():
                return connection
            connection.close()
        return None

    async def _connect(self) -> Connection:
        if self._closed:
            raise ConnectError("The client was closed", unsent=True)
        make = functools.partial(Connection, self, self._url.shown, self._limits.header_bytes)
        timer = asyncio.timeout(CONNECT_S)
        try:
            async with timer:
                connection = await self._route.open(make, self._context())
        except (OSError, AnyportError) as error:
            # A TimeoutError is an OSError too, be it the timer's or the system's own.
            reason = f"no connection within {CONNECT_S:g} s" if timer.expired() else str(error) or type(error).__name__
            raise ConnectError(f"Cannot connect to {self._url.shown}: {reason}", unsent=True) from error
        if self._closed:
            connection.close()
            raise ConnectError("The client was closed", unsent=True)
        if not connection.gone.is_set():
            self._all.add(connection)
        return connection

    def _context(self) -> ssl.SSLContext | None:
        if self._url.scheme != "https":
            return None
        if self._tls is None:
            self._tls = system_context()
        return self._tls

    def _head(self, method: str, url: Url, fields: Mapping[str, str], body: bytes) -> bytes:
        if self._cookies and (sent := self._cookies.of(url.target)):
            own = fields.get("cookie") or self._fields.get("cookie")
            fields = {**fields, "cookie": f"{own}; {sent}" if own else sent}
        if self._fields.keys().isdisjoint(fields):
            rest = self._common + _encode(fields)
        else:
            rest = _encode({**self._fields, **fields})
        line = f"{method} {self._route.target(url)} HTTP/1.1\r\n".encode("latin-1")
        if body or method == "POST":
            return b"%s%scontent-length: %d\r\n\r\n" % (line, rest, len(body))
        return b"%s%s\r\n" % (line, rest)


def _encode(fields: Mapping[str, str]) -> bytes:
    for name, value in fields.items():
        if not _NAME.match(name) or not _VALUE.match(value):
            raise LocalProtocolError(f"The header {name[:80]!r} has characters that HTTP does not allow")
    return "".join([f"{name}: {value}\r\n" for name, value in fields.items()]).encode("latin-1")
