"""The HTTP rules of MCP, written once, over an `Exchange`.

Both eras share the endpoint: the body tells which one a message belongs to (VER-10). Modern requests stand alone;
legacy ones belong to a session.
"""

from __future__ import annotations

import asyncio
from typing import Final

from anyport.protocol.calls import Call, Carrier, Service, bind_modern
from anyport.protocol.eras import http_era
from anyport.protocol.errors import (
    Busy,
    Draining,
    InternalError,
    InvalidRequest,
    McpError,
    RefusedRequest,
    UnsupportedVersion,
)
from anyport.protocol.exchange import Disconnected, Exchange
from anyport.protocol.headers import VERSION, check_headers
from anyport.protocol.jsonrpc import (
    ErrorResponse,
    Notification,
    Request,
    Response,
    decode,
    decode_batch,
    encode_error,
    encode_response,
)
from anyport.protocol.limits import Limits
from anyport.protocol.revisions import SUPPORTED_NAMES, find_revision
from anyport.security.guards import HostGuard
from anyport.transports.http.batches import answer_batch
from anyport.transports.http.negotiation import Accepts, negotiate
from anyport.transports.http.reply import CANCELLED_HERE, JSON_HEADERS, Attendance, HttpReply
from anyport.transports.http.sessions import HttpSession, Sessions

SESSION: Final = "mcp-session-id"
_ALLOW: Final = ((b"allow", b"POST, DELETE"),)
_KEPT: Final = 256


class Endpoint:
    """Answers HTTP requests to the MCP endpoint.

    Args:
        service: What answers calls.
        limits: Bounds on bodies, sessions and calls in flight.
        guard: Checks where requests come from.

    Attributes:
        draining: New messages are refused with HTTP 503; calls in flight go on.
    """

    def __init__(self, service: Service, limits: Limits, guard: HostGuard) -> None:
        self._service = service
        self._limits = limits
        self._guard = guard
        self._sessions = Sessions(limits)
        self._known: dict[tuple[str | None, ...], Accepts] = {}
        self._attendance = Attendance(limits)
        self._bytes = 0
        self._calls: dict[str | None, int] = {}
        self.draining = False

    async def handle(self, exchange: Exchange) -> None:
        """Answer one HTTP request."""
        held = 0
        try:
            if exchange.method != "POST":
                self._guard.check(exchange.headers, exchange.local)
                await self._end_session(exchange)
                return
            accepts = self._admit(exchange)
            body = await exchange.read_body(self._limits.body_bytes, self._hold)
            held = len(body)
            self._bytes += held
            if self._bytes > self._limits.bytes_in_flight:
                raise self._full()
            if SESSION in exchange.headers and body.lstrip(b" \t\r\n")[:1] == b"[":
                await self._serve_batch(exchange, accepts, body)
                return
            call, session = self._take(exchange, body)
            if call is None:
                await exchange.respond(202, [], b"")
            else:
                await self._serve(exchange, accepts, call, session)
        except McpError as error:
            fields = [*JSON_HEADERS, *error.headers]
            await exchange.respond(error.http_status, fields, encode_error(error.request_id, error))
        except Disconnected:
            return
        finally:
            self._bytes -= held

    # --- POST ---------------------------------------------------------------------------------------------------------

    def _admit(self, exchange: Exchange) -> Accepts:
        """Check where a request comes from and what it is written in; clients send few different combinations.

        Returns:
            Which forms of an answer the client takes.

        Raises:
            RefusedRequest: It is refused.
        """
        get = exchange.headers.get
        key = (
            get("host"), get("origin"), exchange.local, get("content-type"), get("accept"), get("content-encoding"),
        )  # fmt: skip
        known = self._known.get(key)
        if known is None:
            self._guard.check(exchange.headers, exchange.local)
            known = negotiate(exchange.headers)
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[key] = known
        return known

    def _hold(self, change: int) -> None:
        """Count bytes of a request that is being read.

        Raises:
            Busy: With those of the others they are too many.
        """
        if change > 0 and self._bytes + change > self._limits.bytes_in_flight:
            raise self._full()
        self._bytes += change

    def _full(self) -> Busy:
        return Busy(f"More than {self._limits.bytes_in_flight} bytes of requests are in flight (limit bytes_in_flight)")

    def _take(self, exchange: Exchange, body: bytes) -> tuple[Call | None, HttpSession | None]:
        """Read a message and make a request self-contained, by the rules of its era.

        Returns:
            The call and the legacy session that it belongs to; no call for a message that gets no answer.

        Raises:
            McpError: It is refused; the error has the request's id where that could be read (RPC-04).
        """
        headers = exchange.headers
        message = decode(body, self._limits)
        if not isinstance(message, Request):
            self._accept(message, exchange)
            return None, None
        try:
            if self.draining or self._calls.get(exchange.peer, 0) >= self._limits.calls_per_address:
                raise self._overload()
            if http_era(message, headers) == "modern":
                check_headers(headers, message.method, message.params)
                return bind_modern(message, Carrier(transport="http", headers=headers)), None
            return self._bind_legacy(message, exchange)
        except McpError as error:
            error.request_id = message.id
            raise

    def _overload(self) -> McpError:
        if self.draining:
            return Draining("The server is shutting down")
        limit = self._limits.calls_per_address
        return Busy(f"{limit} calls from this address are in flight (limit calls_per_address)")

    def _bind_legacy(self, request: Request, exchange: Exchange) -> tuple[Call, HttpSession]:
        opens = SESSION not in exchange.headers
        if opens and request.method != "initialize":
            raise RefusedRequest(
                400,
                "Neither a modern request (no protocolVersion in params._meta) nor part of a session"
                " (no Mcp-Session-Id header, not initialize)",
            )
        session = self._sessions.open(None) if opens else self._session_of(exchange)
        try:
            session.open.admit(request.id)
            carrier = Carrier(transport="http", headers=exchange.headers, session_id=session.id)
            return session.state.receive_request(request, carrier), session
        except McpError:
            if opens:
                self._sessions.end(session)
            raise

    async def _serve(self, exchange: Exchange, accepts: Accepts, call: Call, session: HttpSession | None) -> None:
        caller, calls = exchange.peer, self._calls
        calls[caller] = calls.get(caller, 0) + 1
        reply = HttpReply(exchange, accepts, session is None, self._attendance)
        if session is not None:
            self._enter(session, call, reply)
        status, headers, given_up = 200, JSON_HEADERS, True
        try:
            body = encode_response(call.id, await self._service(call, reply))
        except McpError as error:
            body = encode_error(call.id, error)
            if session is None or isinstance(error, (Busy, Draining)):
                status, headers = error.http_status, [*JSON_HEADERS, *error.headers]
            if session is not None and call.method == "initialize":
                self._sessions.end(session)
                reply.extra = None
        except asyncio.CancelledError:
            # By a client that gave it up, by the tool itself, or by a server that stops: all but the first want an
            # answer, and a task that is about to end has obeyed. A thread of the tool learns of it in any case.
            body = encode_error(call.id, InternalError(CANCELLED_HERE))
            given_up = reply.cancelled
            reply.cancelled = True
        finally:
            reply.release()
            self._leave(caller)
            if session is not None:
                session.open.close(call.id)
                self._sessions.touch(session)
        if reply.cancelled and given_up:
            reply.resume()
            await reply.abandon()
        else:
            await reply.finish(status, headers, body)

    def _enter(self, session: HttpSession, call: Call, reply: HttpReply) -> None:
        session.open.open(call.id, reply)
        if call.method == "initialize":
            reply.extra = [(SESSION.encode(), session.id.encode())]

    def _leave(self, caller: str | None) -> None:
        count = self._calls[caller] - 1
        if count:
            self._calls[caller] = count
        else:
            del self._calls[caller]

    # --- the rest of a session ----------------------------------------------------------------------------------------

    def _session_of(self, exchange: Exchange) -> HttpSession:
        """Return the session that a request names.

        Raises:
            RefusedRequest: HTTP 404 for a session that is not there, 400 for a version header that no legacy revision
                has (LEG-08).
        """
        session = self._sessions.find(exchange.headers[SESSION], None)
        version = exchange.headers.get(VERSION)
        row = find_revision(version)
        if version is not None and (row is None or row.modern):
            known = ", ".join(SUPPORTED_NAMES)
            raise RefusedRequest(
                400, f"MCP-Protocol-Version {version[:64]!r} is not spoken in a session; known are {known}"
            )
        return session

    def _accept(self, message: Notification | Response | ErrorResponse, exchange: Exchange) -> None:
        """Take a message that gets no answer.

        Raises:
            McpError: It is refused (HTTP-06).
        """
        headers = exchange.headers
        if isinstance(message, Notification) and http_era(message, headers) == "modern":
            check_headers(headers, message.method, message.params)
            row = find_revision(headers[VERSION])
            if row is None or not row.modern:
                raise UnsupportedVersion(headers[VERSION], SUPPORTED_NAMES)
            return
        if SESSION not in headers:
            if isinstance(message, Notification):
                raise RefusedRequest(400, "Neither a modern notification (Mcp-Method, version) nor part of a session")
            raise InvalidRequest("A client sends requests and notifications here, no responses")
        session = self._session_of(exchange)
        if isinstance(message, Notification):
            session.take(message)
        # An answer to a request that nobody made is dropped (LEG-04).

    async def _serve_batch(self, exchange: Exchange, accepts: Accepts, body: bytes) -> None:
        session = self._session_of(exchange)
        if not session.state.revision.batches:
            raise InvalidRequest("A message must be one JSON object; this is a batch, which only 2025-03-26 has")
        messages = decode_batch(body, self._limits)
        if not isinstance(messages, list):
            raise InvalidRequest("A batch must be an array")
        caller, calls = exchange.peer, self._calls
        if self.draining or calls.get(caller, 0) >= self._limits.calls_per_address:
            raise self._overload()
        calls[caller] = calls.get(caller, 0) + 1
        carrier = Carrier(transport="http", headers=exchange.headers, session_id=session.id)
        reply = HttpReply(exchange, accepts, False, self._attendance)  # noqa: FBT003 - legacy calls outlive their connection
        try:
            answer = await answer_batch(self._service, session, carrier, reply, messages)
        finally:
            reply.release()
            self._leave(caller)
            self._sessions.touch(session)
        if answer:
            await reply.finish(200, JSON_HEADERS, answer)
        elif any(isinstance(message, Request) for message in messages):
            await reply.abandon()
        else:
            await exchange.respond(202, [], b"")

    async def _end_session(self, exchange: Exchange) -> None:
        """Serve DELETE, and refuse every other HTTP method than POST."""
        if exchange.method != "DELETE":
            raise RefusedRequest(405, f"{exchange.method[:20]} is not served here; MCP messages come by POST", _ALLOW)
        if SESSION not in exchange.headers:
            raise RefusedRequest(400, "DELETE ends a session; it needs the header Mcp-Session-Id")
        self._sessions.end(self._session_of(exchange))
        await exchange.respond(204, [], b"")
