"""The HTTP rules of MCP, written once, over an `Exchange`.

Both eras share the endpoint: the body tells which one a message belongs to (VER-10). Modern requests stand alone;
legacy ones belong to a session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Final

from anyport.protocol.calls import DONE, Call, Carrier, Service, bind_modern
from anyport.protocol.changes import LISTEN, Changes
from anyport.protocol.eras import http_era
from anyport.protocol.errors import ENDED, Busy, Draining, InternalError, McpError, RefusedRequest, UnsupportedVersion
from anyport.protocol.exchange import JSON_HEADERS, Disconnected, Exchange, HeadNotes, refuse
from anyport.protocol.headers import SESSION, VERSION, check_headers, mirrored_by
from anyport.protocol.jsonrpc import (
    ErrorResponse,
    Notification,
    Request,
    Response,
    decode,
    encode_error,
    encode_response,
    glance,
)
from anyport.protocol.limits import Limits
from anyport.protocol.revisions import SUPPORTED_NAMES, find_revision
from anyport.protocol.shapes import KnownCall, Shapes, known_service
from anyport.security.guards import HostGuard
from anyport.stores.base import Store
from anyport.transports.callers import Callers
from anyport.transports.http.legacy import LegacyEndpoint
from anyport.transports.http.negotiation import Accepts, json_alone, negotiate
from anyport.transports.http.reply import Attendance, HttpReply

LegacyMessage = Request | Notification | Response | ErrorResponse

_KEPT: Final = 256
_BRACE: Final = b"{"
_BRACKET: Final = b"["
_SPACE: Final = b" \t\r\n"


class Endpoint:
    """Answers HTTP requests to the MCP endpoint.

    Args:
        service: What answers calls.
        limits: Bounds on bodies, sessions and calls in flight.
        guard: Checks where requests come from.
        store: Where legacy sessions are kept.
        changes: Where the changes come from that clients are told of; ``None`` where nothing ever changes.
        json_only: Every answer is one JSON body: notifications are dropped, and there are no streams.
        callers: Counts calls in flight, where several endpoints share the limits; default: of this one alone.
    """

    def __init__(
        self,
        service: Service,
        limits: Limits,
        guard: HostGuard,
        store: Store,
        *,
        changes: Changes | None = None,
        json_only: bool = False,
        callers: Callers | None = None,
    ) -> None:
        self._service = service
        self._known_service = known_service(service)
        self._limits = limits
        self._most = limits.body_bytes
        self._guard = guard
        self._known: dict[tuple[str | None, ...], Accepts] = {}
        self._attendance = Attendance(limits)
        self._callers = callers or Callers(limits)
        self._legacy = LegacyEndpoint(service, limits, store, self._attendance, self._callers, changes)
        self._json_only = json_only
        self._bytes = 0
        self._draining = False

    @property
    def draining(self) -> bool:
        """Whether new messages are refused with HTTP 503; calls in flight go on, streams opened by GET end."""
        return self._draining

    @draining.setter
    def draining(self, value: bool) -> None:
        self._draining = self._legacy.draining = value
        if value:
            self._legacy.drain()

    async def aclose(self) -> None:
        """End every stream of a session, and wait until what was begun for them is through."""
        await self._legacy.aclose()

    def handle(self, exchange: Exchange) -> Awaitable[None]:
        """Answer one HTTP request, in the task that this is called in."""
        body = exchange.body
        if body is None or len(body) > self._most or exchange.method != "POST":
            return self._receive(exchange)
        try:
            return self._begin(exchange, self._admit(exchange), body)
        except McpError as error:
            return refuse(exchange, error)

    async def _receive(self, exchange: Exchange) -> None:
        """Answer a request whose body has to be waited for, or that has none."""
        try:
            if exchange.method != "POST":
                await self._serve_other(exchange)
                return
            accepts = self._admit(exchange)
            body = await exchange.read_body(self._most, self._hold)
            await self._begin(exchange, accepts, body)
        except McpError as error:
            await refuse(exchange, error)
        except Disconnected:
            return

    def _begin(self, exchange: Exchange, accepts: Accepts, body: bytes) -> Awaitable[None]:
        """Read a message, and return what answers it.

        Raises:
            McpError: It is refused.
        """
        size, notes, callers = len(body), exchange.notes, self._callers
        if self._bytes + size > self._limits.bytes_in_flight:
            raise self._full()
        if notes is not None and notes.shapes is not None and callers.total < callers.least and not self._draining:
            # The usual case: the head and all but the id and the arguments were there before.
            carrier = None if exchange.principal is not None else notes.carrier
            known = notes.shapes.read(body, carrier or _carrier(exchange))
            if type(known) is KnownCall:
                return self._serve(exchange, accepts, known, size)
            if known is not None:
                return self._counted(exchange, self._legacy.serve(exchange, accepts, known), size)
        if not body.startswith(_BRACE) and SESSION in exchange.headers and body.lstrip(_SPACE).startswith(_BRACKET):
            return self._counted(exchange, self._serve_batch(exchange, accepts, body), size)
        taken = self._take(exchange, body)
        if isinstance(taken, Call):
            if taken.method == LISTEN and not accepts[1]:
                raise _no_stream(taken)
            return self._serve(exchange, accepts, taken, size)
        if taken is None:
            return exchange.respond(202, [], b"")
        if isinstance(taken, Request):
            return self._counted(exchange, self._legacy.serve(exchange, accepts, taken), size)
        return self._counted(exchange, self._legacy.accept(exchange, taken), size)

    async def _counted(self, exchange: Exchange, work: Awaitable[None], size: int) -> None:
        """Do what answers a request of so many bytes."""
        self._bytes += size
        try:
            await work
        except McpError as error:
            await refuse(exchange, error)
        finally:
            self._bytes -= size

    def end_calls(self) -> None:
        """Stop every call in flight; each is answered with an error by its own task."""
        for reply in self._attendance.in_flight():
            reply.interrupt()

    async def answer_calls(self) -> None:
        """Answer the calls that go on although they were stopped, without them."""
        for reply in self._attendance.in_flight():
            await reply.finish(200, JSON_HEADERS, encode_error(reply.call_id, InternalError(ENDED)))

    # --- POST ---------------------------------------------------------------------------------------------------------

    def _admit(self, exchange: Exchange) -> Accepts:
        """Check where a request comes from and what it is written in, once for each head that is remembered.

        Returns:
            Which forms of an answer the client takes.

        Raises:
            RefusedRequest: It is refused.
        """
        notes = exchange.notes
        if notes is None:
            return self._look_up(exchange)
        if notes.accepts is None or notes.local != exchange.local:
            notes.accepts = self._look_up(exchange)
            notes.local = exchange.local
        return notes.accepts

    def _look_up(self, exchange: Exchange) -> Accepts:
        """Do the checks of `_admit`; clients send few different combinations."""
        get = exchange.headers.get
        key = (
            get("host"), get("origin"), exchange.local, get("content-type"), get("accept"), get("content-encoding"),
        )  # fmt: skip
        known = self._known.get(key)
        if known is None:
            self._guard.check(exchange.headers, exchange.local)
            known = negotiate(exchange.headers)
            if self._json_only:
                known = json_alone(known)
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

    def _take(self, exchange: Exchange, body: bytes) -> Call | LegacyMessage | None:
        """Read a message and make a modern request self-contained.

        Returns:
            The call; a legacy message as it is; ``None`` for a modern one that gets no answer.

        Raises:
            McpError: It is refused; the error has the request's id where that could be read (RPC-04).
        """
        headers = exchange.headers
        busy = self._callers.refusal(exchange.principal, exchange.peer)
        if busy is not None and not self._draining:
            self._refuse_at_a_glance(body, busy)
        message = decode(body, self._limits)
        if not isinstance(message, Request):
            if isinstance(message, Notification) and http_era(message, headers) == "modern":
                _check_notification(message, headers)
                return None
            return message
        try:
            if self._draining:
                raise _draining()
            # Listen streams have limits of their own.
            if busy is not None and message.method != LISTEN:
                raise busy
            bound = bind_modern(message, _carrier(exchange)) if _is_modern(exchange, message) else message
            self._keep_shape(exchange.notes, body, message, bound)
            return bound
        except McpError as error:
            error.request_id = message.id
            raise

    def _keep_shape(self, notes: HeadNotes | None, body: bytes, request: Request, bound: Call | Request) -> None:
        """Keep the shape of a body, from the second one on that comes with a head."""
        if notes is None or request.method == LISTEN:
            return
        if notes.shapes is None:
            notes.shapes = Shapes(self._limits)
        else:
            notes.shapes.keep(body, request, bound.revision if isinstance(bound, Call) else None)

    def _refuse_at_a_glance(self, body: bytes, busy: Busy) -> None:
        """Refuse a request of which it is known before it is decoded that it has no room.

        Raises:
            Busy: This is one.
        """
        seen = glance(body, self._limits)
        if seen is not None and seen[1] != LISTEN:
            busy.request_id = seen[0]
            raise busy

    async def _serve(self, exchange: Exchange, accepts: Accepts, call: Call | KnownCall, size: int) -> None:
        """Answer a call that came in so many bytes."""
        listens = call.method == LISTEN
        reply = HttpReply(exchange, accepts, True, self._attendance)  # noqa: FBT003 - a modern call ends with its connection
        reply.call_id = call.id
        status, headers, given_up = 200, JSON_HEADERS, True
        self._bytes += size
        if not listens:
            self._callers.enter(exchange.principal, exchange.peer)
        try:
            try:
                answer = self._known_service(call, reply) if type(call) is KnownCall else self._service(call, reply)
                body = encode_response(call.id, await answer)
            except McpError as error:
                body = encode_error(call.id, error)
                status, headers = error.http_status, [*JSON_HEADERS, *error.headers]
            except asyncio.CancelledError:
                body, given_up = reply.stopped(draining=self._draining)
            finally:
                reply.release()
                if not listens:
                    self._callers.leave(exchange.principal, exchange.peer)
            if reply.cancelled and given_up:
                reply.resume()
                await reply.abandon()
            else:
                rest = reply.finish(status, headers, body)
                if rest is not DONE:
                    await rest
        finally:
            self._bytes -= size

    # --- legacy -------------------------------------------------------------------------------------------------------

    async def _serve_batch(self, exchange: Exchange, accepts: Accepts, body: bytes) -> None:
        if self._draining:
            raise _draining()
        self._callers.admit(exchange.principal, exchange.peer)
        await self._legacy.serve_batch(exchange, accepts, body)

    async def _serve_other(self, exchange: Exchange) -> None:
        """Serve GET and DELETE, which only sessions have (HTTP-13), and refuse every other HTTP method than POST."""
        self._guard.check(exchange.headers, exchange.local)
        version = find_revision(exchange.headers.get(VERSION))
        is_modern = version is not None and version.modern and SESSION not in exchange.headers
        if exchange.method not in ("GET", "DELETE") or is_modern or (self._json_only and exchange.method == "GET"):
            allowed = b"POST, DELETE" if self._json_only else b"GET, POST, DELETE"
            raise RefusedRequest(
                405, f"{exchange.method[:20]} is not served here; MCP messages come by POST", ((b"allow", allowed),)
            )
        if exchange.method == "DELETE":
            await self._legacy.end(exchange)
        elif self._draining:
            raise _draining()
        else:
            await self._legacy.stream(exchange)


def _carrier(exchange: Exchange) -> Carrier:
    """Return what calls are told of their request."""
    notes = exchange.notes
    if notes is None or exchange.principal is not None:
        return Carrier(transport="http", headers=exchange.headers, principal=exchange.principal)
    if notes.carrier is None:
        notes.carrier = Carrier(transport="http", headers=exchange.headers)
    return notes.carrier


def _no_stream(call: Call) -> RefusedRequest:
    refusal = RefusedRequest(406, f"{LISTEN} is answered with text/event-stream; Accept must allow it")
    refusal.request_id = call.id
    return refusal


def _draining() -> Draining:
    return Draining("The server is shutting down")


def _is_modern(exchange: Exchange, request: Request) -> bool:
    """Tell whether a request is a modern one, whose header fields then say what its body says.

    Raises:
        HeaderMismatch: They do not.
    """
    notes = exchange.notes
    known = None if notes is None else notes.mirrored
    if known is not None and known == mirrored_by(request.method, request.params):
        return True
    if http_era(request, exchange.headers) == "legacy":
        return False
    check_headers(exchange.headers, request.method, request.params)
    if notes is not None:
        notes.mirrored = mirrored_by(request.method, request.params)
    return True


def _check_notification(message: Notification, headers: Mapping[str, str]) -> None:
    """Check the header fields of a modern notification.

    Raises:
        McpError: It is refused (HTTP-06).
    """
    check_headers(headers, message.method, message.params)
    row = find_revision(headers[VERSION])
    if row is None or not row.modern:
        raise UnsupportedVersion(headers[VERSION], SUPPORTED_NAMES)
