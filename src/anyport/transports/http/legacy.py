"""The legacy half of the endpoint: messages that belong to a session, its streams, and its end.

Each request uses its session in the store for as long as it takes, so that whichever process it reaches can serve it
and the session cannot expire meanwhile.
"""

from __future__ import annotations

import asyncio
from typing import Final

from anyport.protocol.calls import Call, Carrier, Service
from anyport.protocol.changes import Changes
from anyport.protocol.errors import Busy, InvalidRequest, McpError, RefusedRequest
from anyport.protocol.exchange import JSON_HEADERS, Exchange, HeaderList
from anyport.protocol.headers import SESSION, VERSION
from anyport.protocol.jsonrpc import (
    ErrorResponse,
    Notification,
    Request,
    Response,
    decode_batch,
    encode_error,
    encode_response,
)
from anyport.protocol.legacy import SUBSCRIBES
from anyport.protocol.limits import Limits
from anyport.protocol.revisions import SUPPORTED_NAMES, find_revision
from anyport.stores.base import Store, StoreError
from anyport.transports.callers import Callers
from anyport.transports.http.batches import Batch
from anyport.transports.http.live_session import HttpSession
from anyport.transports.http.negotiation import Accepts, check_accepts_stream
from anyport.transports.http.reply import Attendance
from anyport.transports.http.session_reply import SessionReply
from anyport.transports.http.sessions import Sessions, refusal_of
from anyport.transports.http.standing import SessionStreams

_UNABLE: Final = 500
"""The least HTTP status that says that the server cannot serve now, or that its store fails."""


class LegacyEndpoint:
    """Answers the legacy messages that an endpoint receives.

    Args:
        service: What answers calls.
        limits: Bounds on sessions and calls in flight.
        store: Where the sessions are.
        attendance: Watches calls that last.
        callers: Counts the calls, which were admitted there.
        changes: Where the changes come from that standing streams carry; ``None`` where nothing ever changes.
    """

    def __init__(
        self,
        service: Service,
        limits: Limits,
        store: Store,
        attendance: Attendance,
        callers: Callers,
        changes: Changes | None,
    ) -> None:
        self._service = service
        self._limits = limits
        self._store = store
        self._sessions = Sessions(store, limits)
        self._streams = SessionStreams(store, limits, self._sessions, changes)
        self._attendance = attendance
        self._callers = callers
        self.draining = False

    async def serve(self, exchange: Exchange, accepts: Accepts, request: Request) -> None:
        """Answer a request.

        Raises:
            McpError: It is refused; the error has the request's id.
        """
        session_id = exchange.headers.get(SESSION)
        self._callers.enter(exchange.principal, exchange.peer)
        try:
            if session_id is None:
                await self._open(exchange, accepts, request)
                return
            async with self._sessions.use(session_id, exchange.principal) as session:
                if exchange.headers.get(VERSION) != session.state.revision.name:
                    _check_version(exchange)
                session.open.admit(request.id)
                call = session.state.receive_request(request, self._carrier(exchange, session))
                if request.method == "logging/setLevel":
                    await self._sessions.save(session)
                    # Another request of this id may have come meanwhile.
                    session.open.admit(request.id)
                await self._serve(exchange, accepts, call, session)
        except StoreError as error:
            refusal = refusal_of(error)
            refusal.request_id = request.id
            raise refusal from error
        except McpError as error:
            error.request_id = request.id
            raise
        finally:
            self._callers.leave(exchange.principal, exchange.peer)

    async def accept(self, exchange: Exchange, message: Notification | Response | ErrorResponse) -> None:
        """Take a message that gets no answer, apart from HTTP 202.

        Raises:
            McpError: It is refused (HTTP-06).
        """
        if SESSION not in exchange.headers:
            if isinstance(message, Notification):
                raise RefusedRequest(400, "Neither a modern notification (Mcp-Method, version) nor part of a session")
            raise InvalidRequest("A client sends requests and notifications here, no responses")
        session = await self._sessions.find(exchange.headers[SESSION], exchange.principal)
        _check_version(exchange)
        await self._take(session, message)
        await exchange.respond(202, [], b"")

    async def serve_batch(self, exchange: Exchange, accepts: Accepts, body: bytes) -> None:
        """Answer a JSON-RPC batch.

        Raises:
            McpError: It is refused as a whole.
        """
        self._callers.enter(exchange.principal, exchange.peer)
        try:
            async with self._sessions.use(exchange.headers[SESSION], exchange.principal) as session:
                _check_version(exchange)
                await self._serve_batch(exchange, accepts, body, session)
        except StoreError as error:
            raise refusal_of(error) from error
        finally:
            self._callers.leave(exchange.principal, exchange.peer)

    async def stream(self, exchange: Exchange) -> None:
        """Serve GET: the standing stream, or the rest of one that broke off.

        Raises:
            RefusedRequest: There is no such session or stream, or the client takes none.
        """
        if SESSION not in exchange.headers:
            raise RefusedRequest(400, "GET opens a stream of a session; it needs the header Mcp-Session-Id")
        check_accepts_stream(exchange.headers)
        try:
            async with self._sessions.use(exchange.headers[SESSION], exchange.principal) as session:
                _check_version(exchange)
                await self._streams.serve(exchange, session)
        except StoreError as error:
            raise refusal_of(error) from error

    def drain(self) -> None:
        """End every stream that a client opened by GET; safe to call from any thread."""
        self._streams.drain()

    async def aclose(self) -> None:
        """End every stream, and wait until what was begun for them is through."""
        await self._streams.aclose()

    async def end(self, exchange: Exchange) -> None:
        """Serve DELETE.

        Raises:
            RefusedRequest: There is no such session.
        """
        if SESSION not in exchange.headers:
            raise RefusedRequest(400, "DELETE ends a session; it needs the header Mcp-Session-Id")
        session = await self._sessions.find(exchange.headers[SESSION], exchange.principal)
        _check_version(exchange)
        await self._sessions.end(session)
        await exchange.respond(204, [], b"")

    async def _open(self, exchange: Exchange, accepts: Accepts, request: Request) -> None:
        if request.method != "initialize":
            raise RefusedRequest(
                400,
                "Neither a modern request (no protocolVersion in params._meta) nor part of a session"
                " (no Mcp-Session-Id header, not initialize)",
            )
        made = self._sessions.make(exchange.principal)
        call = made.state.receive_request(request, self._carrier(exchange, made))
        await self._sessions.keep(made)
        async with self._sessions.use(made.id, exchange.principal) as session:
            await self._serve(exchange, accepts, call, session)

    def _carrier(self, exchange: Exchange, session: HttpSession) -> Carrier:
        return Carrier(transport="http", headers=exchange.headers, session_id=session.id, principal=session.principal)

    async def _serve(self, exchange: Exchange, accepts: Accepts, call: Call, session: HttpSession) -> None:
        opens = call.method == "initialize"
        answer_s = None if opens else self._limits.answer_s
        reply = SessionReply(exchange, accepts, self._attendance, session, self._store, answer_s)
        reply.call_id = call.id
        session.open.open(call.id, reply)
        if opens:
            reply.extra = [(SESSION.encode(), session.id.encode())]
        status, headers, given_up = 200, JSON_HEADERS, True
        try:
            body = encode_response(call.id, await self._service(call, reply))
            if call.method in SUBSCRIBES:
                await self._grant(call, session)
        except McpError as error:
            body = encode_error(call.id, error)
            status, headers = _head_of(error)
            if opens:
                await self._sessions.end(session)
                reply.extra = None
        except asyncio.CancelledError:
            body, given_up = reply.stopped(draining=self.draining)
        finally:
            reply.release()
            session.open.close(call.id)
        try:
            if reply.cancelled and given_up:
                reply.resume()
                if reply.asks is not None:
                    await reply.asks.close()
                await reply.abandon()
            else:
                if reply.asks is not None:
                    await reply.asks.close()
                await reply.finish(status, headers, body)
        finally:
            for task in reply.leave():
                await task

    async def _grant(self, call: Call, session: HttpSession) -> None:
        session.state.granted(call)
        await self._sessions.save(session)

    async def _take(self, session: HttpSession, message: Notification | Response | ErrorResponse) -> None:
        if not isinstance(message, Notification) or message.method == "notifications/cancelled":
            await self._sessions.pass_on(session, message)
            return
        session.state.receive_notification(message)
        await self._sessions.save(session)

    async def _serve_batch(self, exchange: Exchange, accepts: Accepts, body: bytes, session: HttpSession) -> None:
        if not session.state.revision.batches:
            raise InvalidRequest("A message must be one JSON object; this is a batch, which only 2025-03-26 has")
        messages = decode_batch(body, self._limits)
        if not isinstance(messages, list):
            raise InvalidRequest("A batch must be an array")
        ids = [each.id for each in messages if isinstance(each, Request)]
        reply = SessionReply(exchange, accepts, self._attendance, session, self._store, self._limits.answer_s)
        reply.batch = ids
        batch = Batch(self._service, session, self._carrier(exchange, session), reply)
        try:
            answer = await batch.answer(messages)
            await self._sessions.save(session)
            for message in batch.foreign:
                await self._sessions.pass_on(session, message)
        finally:
            reply.release()
        try:
            if reply.asks is not None:
                await reply.asks.close()
            if answer:
                await reply.finish(200, JSON_HEADERS, answer)
            elif ids:
                await reply.abandon()
            else:
                await exchange.respond(202, [], b"")
        finally:
            for task in reply.leave():
                await task


def _head_of(error: McpError) -> tuple[int, HeaderList]:
    """Return status and header fields of a plain answer that says how a call failed: most failures are answers."""
    if isinstance(error, (Busy, RefusedRequest)) or error.http_status >= _UNABLE:
        return error.http_status, [*JSON_HEADERS, *error.headers]
    return 200, JSON_HEADERS


def _check_version(exchange: Exchange) -> None:
    """See that a message within a session names a legacy revision, if any (LEG-08).

    Raises:
        RefusedRequest: HTTP 400: it does not.
    """
    version = exchange.headers.get(VERSION)
    row = find_revision(version)
    if version is not None and (row is None or row.modern):
        known = ", ".join(SUPPORTED_NAMES)
        raise RefusedRequest(
            400, f"MCP-Protocol-Version {version[:64]!r} is not spoken in a session; known are {known}"
        )
