"""The HTTP+SSE transport of revision 2024-11-05, server side (SSE-01).

A client opens an event stream; its first event, ``endpoint``, says where the client posts its messages, and every
message of the server is an event ``message``. Later revisions replaced it by Streamable HTTP; it is still served, in
both eras, for clients that speak nothing else.

A message that can be read is accepted with HTTP 202 and answered on the stream, refusals included; what cannot be read
is refused by its own HTTP answer, since nobody would wait for it on the stream.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Final
from urllib.parse import parse_qs, quote

from anyport.protocol.calls import Carrier, Service
from anyport.protocol.changes import Changes
from anyport.protocol.errors import Busy, Draining, LocalProtocolError, McpError, RefusedRequest
from anyport.protocol.exchange import STREAM_HEADERS, Disconnected, Exchange, check_json_body, refuse
from anyport.protocol.limits import Limits
from anyport.protocol.sse import encode_comment, encode_event
from anyport.security.guards import HostGuard
from anyport.transports.callers import Callers
from anyport.transports.duplex import Load
from anyport.transports.sse.conversation import Backlog, Conversation

logger = logging.getLogger("anyport.transports")

DEFAULT_SSE_PATH: Final = "/sse"
DEFAULT_MESSAGE_PATH: Final = "/messages"
_KEEP_ALIVE: Final = encode_comment()
_QUERY_FIELDS: Final = 16


class SseEndpoint:
    """Answers the requests of the HTTP+SSE transport.

    Args:
        service: What answers calls.
        limits: Bounds on conversations, bodies, what waits for a slow reader, and calls in flight.
        guard: Checks where requests come from.
        message_path: Path of the endpoint that messages are posted to.
        message_url: What the ``endpoint`` event names in its place, before the session id: for a proxy that rewrites
            paths and does not say so. Default: the path below the prefix that the application is served under.
        changes: What clients may want to be told of; ``None`` for nothing.
        callers: Counts calls in flight, where several endpoints share the limits; default: of this one alone.

    Attributes:
        draining: The server is shutting down: new streams and new requests are refused.

    Raises:
        LocalProtocolError: The URL has a line end in it.
    """

    def __init__(
        self,
        service: Service,
        limits: Limits,
        guard: HostGuard,
        message_path: str = DEFAULT_MESSAGE_PATH,
        message_url: str | None = None,
        *,
        changes: Changes | None = None,
        callers: Callers | None = None,
    ) -> None:
        if message_url is not None and not message_url.isprintable():
            raise LocalProtocolError(f"message_url is a URL or a path, not {message_url!r}")
        self._service = service
        self._limits = limits
        self._guard = guard
        self._message_path = message_path
        self._message_url = message_url
        self._conversations: dict[str, Conversation] = {}
        self._of_principal: Counter[str] = Counter()
        self._load = Load()
        self._backlog = Backlog(limits.stream_buffers_bytes)
        self._callers = callers or Callers(limits)
        self._changes = changes
        self._noticed = False
        self.draining = False

    def __len__(self) -> int:
        return len(self._conversations)

    async def converse(self, exchange: Exchange) -> None:
        """Answer a request to the stream endpoint: GET opens a conversation, which lasts as long as the stream.

        Args:
            exchange: The request.
        """
        try:
            self._admit(exchange, "GET")
            await exchange.read_body(self._limits.body_bytes, self._hold)
            conversation = self._open(exchange.principal)
        except McpError as error:
            await refuse(exchange, error)
            return
        except Disconnected:
            return
        exchange.watch(conversation.leave)
        conversation.stream = asyncio.current_task()
        try:
            await self._stream(exchange, conversation)
        except asyncio.CancelledError:
            # By an HTTP server that stops, or since too much waits: stream and task end in good order.
            conversation.outlet.end()
        finally:
            exchange.unwatch()
            self._forget(conversation)
            await conversation.aclose()
        if not conversation.gone:
            await exchange.finish()

    async def receive(self, exchange: Exchange) -> None:
        """Answer a request to the message endpoint: POST brings a message of a conversation.

        Args:
            exchange: The request.
        """
        try:
            self._admit(exchange, "POST")
            check_json_body(exchange.headers)
            conversation = self._find(exchange)
            body = await exchange.read_body(self._limits.body_bytes, self._hold)
            if conversation.outlet.full:
                await self._wait_for_room(conversation, len(body))
            if conversation.gone:
                raise _unknown()
            carrier = Carrier(
                transport="sse", headers=exchange.headers, principal=exchange.principal, session_id=conversation.id
            )
            conversation.duplex.take(body, carrier)
        except McpError as error:
            await refuse(exchange, error)
        except Disconnected:
            return
        else:
            await exchange.respond(202, [], b"")

    async def drain(self, seconds: float) -> None:
        """Let the calls in flight finish, answer those that do not with an error, and end every stream.

        Args:
            seconds: How long they get.
        """
        self.draining = True
        await asyncio.gather(*(conversation.drain(seconds) for conversation in list(self._conversations.values())))

    # --- the stream ---------------------------------------------------------------------------------------------------

    async def _stream(self, exchange: Exchange, conversation: Conversation) -> None:
        await exchange.start_stream(200, STREAM_HEADERS)
        chunk = encode_event(self._url(exchange, conversation).encode(), event="endpoint")
        try:
            while chunk is not None and not conversation.gone:
                async with asyncio.timeout(self._limits.write_s):
                    await exchange.send(chunk or _KEEP_ALIVE)
                chunk = await conversation.outlet.take(self._limits.first_byte_s)
        except TimeoutError:
            logger.info("Dropped a client of HTTP+SSE that read nothing for %g s (limit write_s)", self._limits.write_s)
            conversation.leave()

    def _url(self, exchange: Exchange, conversation: Conversation) -> str:
        if self._message_url is None:
            return f"{quote(exchange.root + self._message_path)}?session_id={conversation.id}"
        mark = "&" if "?" in self._message_url else "?"
        return f"{self._message_url}{mark}session_id={conversation.id}"

    def _open(self, principal: str | None) -> Conversation:
        """Open a conversation.

        Raises:
            Draining: The server is shutting down.
            Busy: There are too many, in all or of this principal.
        """
        limits = self._limits
        if self.draining:
            raise Draining("The server is shutting down")
        if len(self._conversations) >= limits.sessions:
            raise Busy(f"{limits.sessions} conversations are open (limit sessions)")
        if principal is not None:
            if self._of_principal[principal] >= limits.sessions_per_principal:
                raise Busy(
                    f"{limits.sessions_per_principal} conversations of this principal are open"
                    " (limit sessions_per_principal)"
                )
            self._of_principal[principal] += 1
        if not self._noticed:
            self._noticed = True
            logger.warning(
                "A client uses HTTP+SSE, which revision 2025-03-26 replaced by Streamable HTTP (transport http, at"
                " /mcp); clients should move there"
            )
        conversation = Conversation(
            self._service,
            limits,
            principal,
            self._changes,
            load=self._load,
            backlog=self._backlog,
            callers=self._callers,
        )
        self._conversations[conversation.id] = conversation
        return conversation

    def _forget(self, conversation: Conversation) -> None:
        del self._conversations[conversation.id]
        principal = conversation.principal
        if principal is not None:
            self._of_principal[principal] -= 1
            if not self._of_principal[principal]:
                del self._of_principal[principal]

    # --- messages -----------------------------------------------------------------------------------------------------

    def _admit(self, exchange: Exchange, method: str) -> None:
        self._guard.check(exchange.headers, exchange.local)
        if exchange.method != method:
            allow = ((b"allow", method.encode()),)
            raise RefusedRequest(405, f"{exchange.method[:20]} is not served here, only {method}", allow)

    def _find(self, exchange: Exchange) -> Conversation:
        """Return the conversation that a request names.

        Raises:
            RefusedRequest: HTTP 400 for a URL that names none; 404 for one that is not there, or somebody else's.
        """
        try:
            given = parse_qs(exchange.query, max_num_fields=_QUERY_FIELDS).get("session_id", [])
        except ValueError:
            given = []
        if len(given) != 1:
            raise RefusedRequest(400, "Messages are posted to the URL of the endpoint event, session_id included")
        conversation = self._conversations.get(given[0])
        if conversation is None or conversation.gone or conversation.principal != exchange.principal:
            raise _unknown()
        return conversation

    async def _wait_for_room(self, conversation: Conversation, size: int) -> None:
        self._hold(size)
        try:
            await conversation.room()
        finally:
            self._hold(-size)

    def _hold(self, change: int) -> None:
        """Count bytes of a request that is being read.

        Raises:
            Busy: With those of the others they are too many.
        """
        if change > 0 and self._load.size + change > self._limits.bytes_in_flight:
            limit = self._limits.bytes_in_flight
            raise Busy(f"More than {limit} bytes of requests are in flight (limit bytes_in_flight)")
        self._load.size += change


def _unknown() -> RefusedRequest:
    return RefusedRequest(404, "This conversation is unknown or has ended; open a new event stream")
