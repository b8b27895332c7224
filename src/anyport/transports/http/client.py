"""The Streamable HTTP client, for both eras: each message is a POST of its own.

An answer is one JSON body or an event stream that ends with it. Modern requests mirror their method, name and marked
parameters in headers (SEP-2243); legacy ones carry the session that ``initialize`` opened, on whose standing stream the
server says what belongs to no request.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Mapping
from typing import Final

from anyport.protocol.eras import speaks_modern
from anyport.protocol.errors import RemoteProtocolError, Timeout
from anyport.protocol.jsonrpc import Notification, Request, encode_request
from anyport.protocol.limits import Limits
from anyport.protocol.revisions import Revision
from anyport.protocol.types.json import JsonObject
from anyport.transports.calling import PLAIN, Answer, Incoming, Sending
from anyport.transports.http.client_conversation import Conversation, lowered
from anyport.transports.http.client_streams import StandingStream, read_call
from anyport.transports.http11.connection import Answer as HttpAnswer
from anyport.transports.http11.site import Site, closed

_ACCEPT_S: Final = 30.0
"""Seconds for a server to accept a message that gets no answer."""


class HttpClient:
    """A client's side of one MCP endpoint.

    Args:
        url: URL of the endpoint.
        headers: Header fields of every request.
        limits: ``line_bytes`` is the largest JSON body taken from the server, ``event_bytes`` the largest event of a
            stream.
        tls: How the server proves who it is; ``None`` for the certificates that the system trusts.

    Attributes:
        probe_silence_s: ``None``: a server that accepts connections answers, and may be slow to start.

    Raises:
        LocalProtocolError: The URL is none, or a header field cannot be sent.
    """

    probe_silence_s: float | None = None

    def __init__(self, url: str, headers: Mapping[str, str], limits: Limits, tls: ssl.SSLContext | None = None) -> None:
        fields = {"accept": "application/json, text/event-stream", **lowered(headers)}
        self._make_site = functools.partial(Site, url, fields, limits, tls)
        # A mistake in it is told of here, where it is made.
        self._make_site()
        self._limits = limits
        self._conversation: Conversation | None = None
        self._standing: StandingStream | None = None

    async def start(self, incoming: Incoming) -> None:
        """Make ready; nothing is sent yet."""
        self._conversation = Conversation(self._make_site(), incoming, self._limits)

    def settle(self, revision: Revision | None) -> None:
        """Take the revision that is spoken from here on; ``None`` for the legacy handshake, which has none."""
        if self._conversation is not None:
            self._conversation.settle(revision)

    async def request(self, request: Request, sending: Sending = PLAIN) -> Answer:
        """Send a request and wait for its answer.

        Given up, a modern request ends with its connection (HTTP-10) and a legacy one is cancelled by a notification
        (LEG-06).

        Args:
            request: The request.
            sending: Parameters that are mirrored in headers, and header fields of this request.

        Raises:
            ConnectError: The server cannot be reached, or the connection broke.
            HttpStatusError: The answer is no MCP message; `AuthError` for status 401 and 403.
            SessionLost: The server no longer knows the session.
            RemoteProtocolError: The answer breaks the rules.
            LocalProtocolError: A header field cannot be sent.
        """
        conversation = self._running()
        opening = request.method == "initialize"
        if opening:
            await self._close_standing()
            conversation.forget_session()
        body = encode_request(request.id, request.method, request.params)
        try:
            answer = await conversation.post(body, conversation.fields_for(request, sending))
            try:
                if opening and answer.status < 300:
                    conversation.begin_session(answer)
                return await self._read_answer(conversation, answer, request)
            finally:
                answer.leave()
        except asyncio.CancelledError:
            if not opening and not speaks_modern(request):
                params: JsonObject = {"requestId": request.id, "reason": "The client gave the request up"}
                cancelled = Notification("notifications/cancelled", params)
                conversation.inbox.begin(functools.partial(conversation.post_notification, cancelled))
            raise

    async def notify(self, notification: Notification) -> None:
        """Send a notification; after the handshake's, a legacy server may say things by itself (LEG-01).

        Raises:
            ConnectError: The server cannot be reached.
            HttpStatusError: The server refused it.
            SessionLost: The server no longer knows the session.
            Timeout: The server took the notification and does not say whether it accepts it.
        """
        conversation = self._running()
        timer = asyncio.timeout(_ACCEPT_S)
        try:
            async with timer:
                await conversation.post_notification(notification)
        except TimeoutError:
            if not timer.expired():
                raise
            raise Timeout(f"{conversation.shown} did not accept {notification.method} within {_ACCEPT_S:g} s") from None
        if notification.method == "notifications/initialized" and not conversation.modern:
            await self._close_standing()
            self._standing = StandingStream(conversation)

    async def aclose(self) -> None:
        """End the session, if there is one (SES-04), and close every connection."""
        conversation, self._conversation = self._conversation, None
        if conversation is None:
            return
        try:
            await self._close_standing()
        finally:
            await conversation.aclose()

    def _running(self) -> Conversation:
        if self._conversation is None:
            raise closed()
        return self._conversation

    async def _close_standing(self) -> None:
        standing, self._standing = self._standing, None
        if standing is not None:
            await standing.aclose()

    async def _read_answer(self, conversation: Conversation, answer: HttpAnswer, request: Request) -> Answer:
        if answer.status >= 300:
            in_session = conversation.in_session and not speaks_modern(request)
            return await conversation.refused(answer, request, in_session=in_session)
        kind = answer.content_type
        if kind == "text/event-stream":
            return await read_call(conversation, answer, request)
        limit = self._limits.line_bytes
        body = await answer.read(limit + 1)
        if len(body) > limit:
            raise RemoteProtocolError(f"The answer is larger than {limit} bytes (limit line_bytes)")
        if not body:
            raise RemoteProtocolError(f"The server answered {request.method} with an empty HTTP {answer.status}")
        if kind != "application/json" and not kind.endswith("+json"):
            raise conversation.status_error(answer.status, body)
        found = conversation.take(body, request)
        if found is None:
            raise RemoteProtocolError(f"The server's message is no answer to {request.method}")
        return found
