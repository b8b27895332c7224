"""The HTTP rules of MCP, written once, over an `Exchange`.

Both eras share the endpoint: the body tells which one a message belongs to (VER-10). Modern requests stand alone;
legacy ones belong to a session.
"""

from __future__ import annotations

import asyncio
from typing import Final

from anyport.protocol.calls import Call, Carrier, Service, bind_modern
from anyport.protocol.eras import http_era
from anyport.protocol.errors import Busy, Draining, InternalError, InvalidRequest, McpError, RefusedRequest
from anyport.protocol.exchange import Disconnected, Exchange, HeaderList
from anyport.protocol.headers import VERSION, check_headers
from anyport.protocol.jsonrpc import Message, Notification, Request, decode, encode_error, encode_response
from anyport.protocol.limits import Limits
from anyport.protocol.revisions import SUPPORTED_NAMES, find_revision
from anyport.security.guards import HostGuard
from anyport.transports.http.reply import HttpReply
from anyport.transports.http.sessions import HttpSession, Sessions

SESSION: Final = "mcp-session-id"
_JSON: Final = (b"content-type", b"application/json")


class _Accepts:
    """What the ``Accept`` field allows, remembered per value since clients send few different ones."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[bool, bool]] = {}

    def of(self, accept: str | None) -> tuple[bool, bool]:
        """Return whether JSON and whether an event stream may be answered.

        Raises:
            RefusedRequest: HTTP 406: neither may.
        """
        if accept is None:
            return True, True
        known = self._known.get(accept)
        if known is None:
            known = _read_accept(accept)
            if len(self._known) < 256:
                self._known[accept] = known
        if not any(known):
            raise RefusedRequest(406, "Accept must allow application/json or text/event-stream")
        return known


def _read_accept(accept: str) -> tuple[bool, bool]:
    ranges = {part.split(";")[0].strip().lower() for part in accept.split(",")}
    everything = "*/*" in ranges
    return (
        everything or not ranges.isdisjoint({"application/json", "application/*"}),
        everything or not ranges.isdisjoint({"text/event-stream", "text/*"}),
    )


class Endpoint:
    """Answers HTTP requests to the MCP endpoint.

    Args:
        service: What answers calls.
        limits: Bounds on bodies, sessions and calls in flight.
        guard: Checks where requests come from.
    """

    def __init__(self, service: Service, limits: Limits, guard: HostGuard) -> None:
        self._service = service
        self._limits = limits
        self._guard = guard
        self._sessions = Sessions(limits)
        self._accepts = _Accepts()
        self._bytes = 0
        self.draining = False

    async def handle(self, exchange: Exchange) -> None:
        """Answer one HTTP request."""
        try:
            self._guard.check(exchange.headers, exchange.local)
            if exchange.method == "POST":
                await self._post(exchange)
            elif exchange.method == "DELETE":
                await self._delete(exchange)
            else:
                raise RefusedRequest(
                    405, f"{exchange.method[:20]} is not served here; MCP messages come by POST", ((b"allow", b"POST, DELETE"),)
                )
        except McpError as error:
            await exchange.respond(error.http_status, [_JSON, *error.headers], encode_error(error.request_id, error))
        except Disconnected:
            return

    # --- POST ---------------------------------------------------------------------------------------------------------

    async def _post(self, exchange: Exchange) -> None:
        headers = exchange.headers
        _check_content_type(headers.get("content-type"))
        accepts = self._accepts.of(headers.get("accept"))
        if self.draining:
            raise Draining("The server is shutting down")
        body = await exchange.read_body(self._limits.body_bytes)
        size = len(body)
        if self._bytes + size > self._limits.bytes_in_flight:
            raise Busy(f"{self._bytes} bytes of requests are in flight (limit bytes_in_flight)")
        message = decode(body, self._limits)
        self._bytes += size
        try:
            if not isinstance(message, (Request, Notification)):
                await self._accept_answer(exchange, message)
            elif http_era(message, headers) == "modern":
                await self._serve_modern(exchange, message, accepts)
            else:
                await self._serve_legacy(exchange, message, accepts)
        except McpError as error:
            if isinstance(message, Request):
                error.request_id = message.id
            raise
        finally:
            self._bytes -= size

    async def _serve_modern(
        self, exchange: Exchange, message: Request | Notification, accepts: tuple[bool, bool]
    ) -> None:
        check_headers(exchange.headers, message.method, message.params)
        if isinstance(message, Notification):
            await exchange.respond(202, [], b"")
            return
        call = bind_modern(message, Carrier(transport="http", headers=exchange.headers))
        await self._serve(exchange, call, accepts, None, [])

    async def _serve_legacy(
        self, exchange: Exchange, message: Request | Notification, accepts: tuple[bool, bool]
    ) -> None:
        headers = exchange.headers
        session_id = headers.get(SESSION)
        extra: HeaderList = []
        if session_id is None:
            if not isinstance(message, Request) or message.method != "initialize":
                raise RefusedRequest(
                    400,
                    "Neither a modern request (no protocolVersion in params._meta) nor part of a session"
                    " (no Mcp-Session-Id header, not initialize)",
                )
            session = self._sessions.open(None)
            extra = [(SESSION.encode(), session.id.encode())]
        else:
            session = self._sessions.find(session_id, None)
            _check_legacy_version(headers.get(VERSION))
        if isinstance(message, Notification):
            self._notice(session, message)
            await exchange.respond(202, [], b"")
            return
        try:
            session.open.admit(message.id)
            carrier = Carrier(transport="http", headers=headers, session_id=session.id)
            call = session.state.receive_request(message, carrier)
        except McpError:
            if extra:
                self._sessions.end(session)
            raise
        await self._serve(exchange, call, accepts, session, extra)

    async def _serve(
        self, exchange: Exchange, call: Call, accepts: tuple[bool, bool], session: HttpSession | None, extra: HeaderList
    ) -> None:
        reply = HttpReply(
            exchange,
            accepts=accepts,
            extra=extra,
            cancel_on_disconnect=session is None,
            silence_s=self._limits.first_byte_s,
        )
        if session is not None:
            session.open.open(call.id, reply)
        status, headers = 200, [_JSON]
        try:
            body = encode_response(call.id, await self._service(call, reply))
        except McpError as error:
            body = encode_error(call.id, error)
            if session is None:
                status, headers = error.http_status, [_JSON, *error.headers]
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling() and not reply.cancelled:
                raise
            if task is not None and task.cancelling():
                task.uncancel()
            body = encode_error(call.id, InternalError("The call was cancelled by the server"))
        finally:
            reply.release()
            if session is not None:
                session.open.close(call.id)
        if reply.cancelled:
            await reply.abandon()
        else:
            await reply.finish(status, headers, body)

    # --- the rest of a session ----------------------------------------------------------------------------------------

    async def _accept_answer(self, exchange: Exchange, message: Message) -> None:
        """Take an answer to a back-channel request; nobody asked, so it is dropped (LEG-04, HTTP-05)."""
        session_id = exchange.headers.get(SESSION)
        if session_id is None:
            raise InvalidRequest("A client sends requests and notifications here, no responses")
        self._sessions.find(session_id, None)
        await exchange.respond(202, [], b"")

    def _notice(self, session: HttpSession, notification: Notification) -> None:
        if notification.method == "notifications/cancelled":
            reply = session.open.cancelled(notification.params)
            if reply is not None:
                reply.cancel()
        else:
            session.state.receive_notification(notification)

    async def _delete(self, exchange: Exchange) -> None:
        session_id = exchange.headers.get(SESSION)
        if session_id is None:
            raise RefusedRequest(400, "DELETE ends a session; it needs the header Mcp-Session-Id")
        self._sessions.end(self._sessions.find(session_id, None))
        await exchange.respond(204, [], b"")


def _check_content_type(value: str | None) -> None:
    if value == "application/json":
        return
    kind = (value or "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RefusedRequest(415, f"Content-Type must be application/json; it is {kind[:100] or 'missing'}")


def _check_legacy_version(value: str | None) -> None:
    """Check the version header of a request within a session (LEG-08)."""
    if value is None:
        return
    row = find_revision(value)
    if row is None or row.modern:
        known = ", ".join(name for name in SUPPORTED_NAMES)
        raise RefusedRequest(400, f"MCP-Protocol-Version {value[:64]!r} is not spoken in a session; known are {known}")
