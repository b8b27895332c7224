"""What a client and its server share over Streamable HTTP, from a start of the client to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from anyport.protocol.eras import speaks_modern
from anyport.protocol.errors import (
    METHOD_NOT_FOUND,
    ConnectError,
    HttpStatusError,
    McpError,
    RemoteProtocolError,
    SessionLost,
)
from anyport.protocol.headers import SESSION, VERSION, build_headers
from anyport.protocol.jsonrpc import (
    ErrorResponse,
    Notification,
    Request,
    Response,
    decode_batch,
    encode,
)
from anyport.protocol.limits import Limits
from anyport.protocol.revisions import Revision
from anyport.transports.calling import Answer, Incoming, Sending
from anyport.transports.http11.connection import Answer as HttpAnswer
from anyport.transports.http11.inbox import Inbox
from anyport.transports.http11.site import Site, error_in, finish, read_error

logger = logging.getLogger("anyport.client")

_JSON: Final = {"content-type": "application/json"}
_LAST_EVENT: Final = "last-event-id"
_SHOWN: Final = 500
_DELETE_S: Final = 2.0
"""Seconds for the server to take that the session ends."""


class Conversation:
    """One client at one endpoint.

    Args:
        site: Where requests go.
        incoming: Who takes what comes in without having been waited for.
        limits: Bounds on messages.

    Attributes:
        inbox: Takes what comes in.
        limits: The same.
        closing: The client is being closed.
    """

    def __init__(self, site: Site, incoming: Incoming, limits: Limits) -> None:
        self.inbox = Inbox(incoming, limits, self._post_answer)
        self.limits = limits
        self.closing = asyncio.Event()
        self._site = site
        self._session_id: str | None = None
        self._is_lost = False
        self._revision: Revision | None = None
        self._fields: Mapping[str, str] = {}

    @property
    def shown(self) -> str:
        """The URL without what may be secret."""
        return self._site.url.shown

    @property
    def in_session(self) -> bool:
        """Whether the server gave a session."""
        return self._session_id is not None

    @property
    def modern(self) -> bool:
        """Whether the modern era is spoken."""
        return self.inbox.modern

    # --- the session --------------------------------------------------------------------------------------------------

    def settle(self, revision: Revision | None) -> None:
        """Take the revision that is spoken from here on."""
        self._revision = revision
        self.inbox.modern = revision is not None and revision.modern
        self._gather_fields()

    def begin_session(self, answer: HttpAnswer) -> None:
        """Take the session that the answer to ``initialize`` opens, if it does (SES-02)."""
        self._session_id = answer.fields.get(SESSION)
        self._gather_fields()

    def forget_session(self) -> None:
        """Belong to no session: one is opened without the id of the last (SES-03)."""
        self._session_id = None
        self._is_lost = False
        self._gather_fields()

    def _gather_fields(self) -> None:
        fields: dict[str, str] = {}
        if self._session_id is not None:
            fields[SESSION] = self._session_id
        if self._revision is not None and self._revision.version_header:
            fields[VERSION] = self._revision.name
        self._fields = fields

    def _lose(self, message: str, *, unsent: bool) -> SessionLost:
        self._is_lost = True
        lost = SessionLost(message, unsent=unsent)
        self.inbox.lost(SessionLost(message, unsent=unsent))
        return lost

    # --- requests out -------------------------------------------------------------------------------------------------

    async def post(self, body: bytes, fields: Mapping[str, str] | None = None) -> HttpAnswer:
        """Post a message; see `Site.send` for what is raised.

        Args:
            body: The message.
            fields: Header fields of this request; ``None`` for those of the session.
        """
        return await self._site.send("POST", {**(self._fields if fields is None else fields), **_JSON}, body)

    def fields_for(self, request: Request, sending: Sending) -> Mapping[str, str]:
        """Return the header fields of a request: those that the user gave for it, and those of its era.

        Raises:
            LocalProtocolError: A value cannot be mirrored.
        """
        if speaks_modern(request):
            fields = build_headers(request.method, request.params, sending.mirrored)
        else:
            fields = self._fields
        return {**lowered(sending.headers), **fields} if sending.headers else fields

    async def follow(self, last_event_id: str) -> HttpAnswer:
        """Ask for the standing stream, or for the one that an event belongs to, behind that event (RES-04)."""
        fields = {"accept": "text/event-stream", **self._fields}
        if last_event_id:
            fields[_LAST_EVENT] = last_event_id
        return await self._site.send("GET", fields)

    async def post_notification(self, notification: Notification) -> None:
        """Post a message that gets no answer.

        Raises:
            ConnectError: The server cannot be reached, or the connection broke.
            HttpStatusError: The server refused it.
            SessionLost: The server no longer knows the session.
        """
        fields = self._fields
        if self.modern:
            fields = {**build_headers(notification.method, notification.params), **fields}
        await self._post_message(encode(notification), fields)

    async def _post_answer(self, answer: bytes) -> None:
        await self._post_message(answer, self._fields)

    async def _post_message(self, body: bytes, fields: Mapping[str, str]) -> None:
        accepted = await self.post(body, fields)
        if accepted.status >= 300:
            await self.refused(accepted, None, in_session=SESSION in fields)
        await finish(accepted)

    async def aclose(self) -> None:
        """End the session, if there is one (SES-04), and close every connection."""
        self.closing.set()
        try:
            await self.inbox.aclose()
            self._site.interrupt()
            if self._session_id is not None and not self._is_lost:
                await self._delete()
        finally:
            await self._site.aclose()

    async def _delete(self) -> None:
        try:
            async with asyncio.timeout(_DELETE_S):
                (await self._site.send("DELETE", self._fields)).leave()
        except (TimeoutError, ConnectError, RemoteProtocolError) as error:
            # 405 is allowed and so is no answer: the server ends idle sessions by itself.
            logger.debug("The session was not ended: %s", error or "no answer in time")

    # --- answers in ---------------------------------------------------------------------------------------------------

    def take(self, data: bytes, request: Request | None) -> Answer | None:
        """Take what came in; returns the answer to a request if it was in it.

        Raises:
            RemoteProtocolError: It is no message.
        """
        try:
            found = decode_batch(data, self.limits)
        except McpError as error:
            raise RemoteProtocolError(f"The server's answer is no valid message: {error}") from None
        if isinstance(found, Response) and request is not None and found.id == request.id:
            return found
        answer: Answer | None = None
        for message in found if isinstance(found, list) else [found]:
            if isinstance(message, McpError):
                raise RemoteProtocolError(f"The server's answer is no valid message: {message}")
            if isinstance(message, (Notification, Request)):
                self.inbox.take(message)
            elif request is not None and answer is None and message.id in (None, request.id):
                answer = message
            else:
                self.inbox.tell("nothing", "Ignored an answer to nothing that was asked here: id %.200r", message.id)
        if isinstance(answer, ErrorResponse) and answer.id is None and request is not None:
            return ErrorResponse(request.id, answer.error)
        return answer

    async def refused(self, answer: HttpAnswer, request: Request | None, *, in_session: bool) -> ErrorResponse:
        """Read an HTTP error: a JSON-RPC error in its body is the answer (VER-07), anything else is an exception.

        Args:
            answer: The HTTP answer; it is left.
            request: What it answers; ``None`` for what gets no answer.
            in_session: Whether it answers something that was sent with a session.

        Raises:
            HttpStatusError: It carries no message; `AuthError` for status 401 and 403.
            SessionLost: The server no longer knows the session (SES-03).
        """
        body = await read_error(answer)
        found = error_in(body, self.limits) if answer.status not in (401, 403) else None
        mine = found is not None and request is not None and found.id == request.id
        if answer.status == 404 and in_session and not (mine and found and found.error.code == METHOD_NOT_FOUND):
            raise self.unknown_session(answer.status, body, unsent=True)
        if found is not None and request is not None and (mine or found.id is None):
            return ErrorResponse(request.id, found.error)
        raise self._site.make_error(answer.status, body)

    def status_error(self, status: int, body: bytes) -> HttpStatusError:
        """Return the error that an HTTP answer without a message means."""
        return self._site.make_error(status, body)

    def unknown_session(self, status: int, body: bytes, *, unsent: bool) -> SessionLost:
        """Return the error that the session is unknown, and tell that it is lost."""
        found = error_in(body, self.limits)
        said = body[:_SHOWN].decode("utf-8", "replace") or "the session is unknown to the server"
        return self._lose(f"HTTP {status}: {said}" if found is None else found.error.message, unsent=unsent)


def lowered(fields: Mapping[str, str]) -> dict[str, str]:
    """Return header fields with their names in lower case."""
    return {name.lower(): value for name, value in fields.items()}
