"""The client of HTTP+SSE (2024-11-05): one event stream in, a POST for each message out (SSE-01).

The first event, ``endpoint``, says where messages are posted; every message of the server, answers included, is an
event ``message``. The server knows a client by its stream, so that what ends the stream ends everything.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import logging
import ssl
from collections.abc import Mapping
from typing import Final

from anyport.protocol.errors import (
    AnyportError,
    ConnectError,
    RemoteProtocolError,
    SessionLost,
)
from anyport.protocol.jsonrpc import (
    ErrorResponse,
    Notification,
    Request,
    encode,
    encode_notification,
    encode_request,
)
from anyport.protocol.limits import Limits
from anyport.protocol.revisions import Revision
from anyport.protocol.sse import EventDecoder, EventTooLarge
from anyport.protocol.types.json import JsonObject
from anyport.transports.awaiting import Awaited
from anyport.transports.calling import PLAIN, Answer, Incoming, Sending
from anyport.transports.http11.events import Events
from anyport.transports.http11.inbox import POST_S, Inbox
from anyport.transports.http11.site import Site, closed, error_in, finish, read_error

logger = logging.getLogger("anyport.client")

_OPEN_S: Final = 30.0
"""Seconds in which the stream has to be there, and has to say where messages are posted."""
_ORDER_S: Final = 1.0
"""Seconds for a request to be accepted before it is taken back all the same."""
_SHOWN: Final = 200
_UNCANCELLED: Final = frozenset({"initialize", "server/discover"})
"""The handshake is never cancelled (LIFE-08), and a server that is silent on a probe may not know what that means."""


class SseClient:
    """A client's side of one HTTP+SSE server.

    Args:
        url: URL of the event stream.
        headers: Header fields of every request.
        limits: ``event_bytes`` is the largest event taken from the server.
        tls: How the server proves who it is; ``None`` for the certificates that the system trusts.

    Attributes:
        probe_silence_s: Seconds of silence after which a server counts as legacy: one that is older than the question
            may not answer it.

    Raises:
        LocalProtocolError: The URL is none, or a header field cannot be sent.
    """

    probe_silence_s: float | None = 2.0

    def __init__(self, url: str, headers: Mapping[str, str], limits: Limits, tls: ssl.SSLContext | None = None) -> None:
        self._make_site = lambda: Site(url, headers, limits, tls)
        # Told here, where the mistake is made, rather than at the start.
        self._make_site()
        self._limits = limits
        self._conversation: _Conversation | None = None

    async def start(self, incoming: Incoming) -> None:
        """Open the stream, and wait until it says where messages are posted.

        Raises:
            ConnectError: The server cannot be reached, or says nothing.
            HttpStatusError: There is no event stream; `AuthError` for status 401 and 403.
            RemoteProtocolError: Its first event is not what it has to be.
        """
        site = self._make_site()
        conversation = _Conversation(site, incoming, self._limits)
        timer = asyncio.timeout(_OPEN_S)
        try:
            async with timer:
                await conversation.open()
        except BaseException as error:
            await conversation.aclose()
            if isinstance(error, TimeoutError) and timer.expired():
                what = f"{site.url.shown} did not say where messages are posted within {_OPEN_S:g} s"
                raise ConnectError(what, unsent=True) from None
            raise
        self._conversation = conversation

    def settle(self, revision: Revision | None) -> None:
        """Take the revision that is spoken from here on; ``None`` for the legacy handshake, which has none."""
        if self._conversation is not None:
            self._conversation.inbox.modern = revision is not None and revision.modern

    async def request(self, request: Request, sending: Sending = PLAIN) -> Answer:
        """Send a request and wait for its answer; given up, it is cancelled at the server too.

        Args:
            request: The request.
            sending: Header fields of this request; nothing is mirrored.

        Raises:
            ConnectError: The stream is gone, or the server cannot be reached.
            HttpStatusError: The server refused the message; `AuthError` for status 401 and 403.
            SessionLost: The server no longer knows the stream.
            RemoteProtocolError: The answer is no message.
        """
        return await self._running().request(request, sending)

    async def notify(self, notification: Notification) -> None:
        """Send a notification; see `request` for what is raised."""
        await self._running().post(encode(notification))

    async def aclose(self) -> None:
        """Close the stream; requests that still wait fail."""
        conversation, self._conversation = self._conversation, None
        if conversation is not None:
            await conversation.aclose()

    def _running(self) -> _Conversation:
        if self._conversation is None:
            raise closed()
        return self._conversation


class _Conversation:
    """One stream, from its opening to its end."""

    def __init__(self, site: Site, incoming: Incoming, limits: Limits) -> None:
        self.inbox = Inbox(incoming, limits, self.post)
        self._site = site
        self._limits = limits
        self._events: Events | None = None
        self._awaited = Awaited(limits, self.inbox.tell)
        self._reading: asyncio.Task[None] | None = None
        self._posting: set[asyncio.Task[None]] = set()
        self._gone: AnyportError | None = None

    async def open(self) -> None:
        answer = await self._site.send("GET", {"accept": "text/event-stream", "cache-control": "no-store"})
        if answer.status != 200 or answer.content_type != "text/event-stream":
            raise await self._site.status_error(answer)
        events = Events(answer, EventDecoder(self._limits.event_bytes))
        while (event := await events.next()) is not None:
            if isinstance(event, EventTooLarge) or event.event != "endpoint":
                raise RemoteProtocolError(f"The first event of {self._site.url.shown} is not `endpoint`")
            self._post_to(event.text)
            self._reading = asyncio.get_running_loop().create_task(self._read(events))
            return
        raise ConnectError(f"{self._site.url.shown} ended the stream before it said where messages are posted")

    def _post_to(self, reference: str) -> None:
        stream = self._site.url
        try:
            url = stream.join(reference)
        except ValueError as error:
            raise RemoteProtocolError(f"{stream.shown} names an endpoint that is none: {error}") from None
        if url.origin != stream.origin:
            # Header fields may hold credentials, which are for this server alone.
            raise RemoteProtocolError(f"{stream.shown} names an endpoint of another origin: {url.shown}")
        self._site.url = url

    # --- messages out -------------------------------------------------------------------------------------------------

    async def request(self, request: Request, sending: Sending) -> Answer:
        self._check()
        body = encode_request(request.id, request.method, request.params)
        loop = asyncio.get_running_loop()
        answer = self._awaited.open(request.id)
        posting = loop.create_task(self._post_request(body, sending, request, answer))
        self._posting.add(posting)
        posting.add_done_callback(self._posting.discard)
        try:
            return await answer
        except asyncio.CancelledError:
            self._awaited.give_up(request.id)
            if request.method not in _UNCANCELLED and self._gone is None:
                params: JsonObject = {"requestId": request.id, "reason": "The client gave the request up"}
                cancelled = encode_notification("notifications/cancelled", params)
                taking_back = loop.create_task(self._take_back(posting, cancelled))
                self._posting.add(taking_back)
                taking_back.add_done_callback(self._posting.discard)
            if answer.done() and not answer.cancelled():
                # Both came at once; an error that nobody looks at would be reported.
                answer.exception()
            raise
        finally:
            self._awaited.forget(request.id)
            if not posting.done():
                # Its answer may be here before the 202 is; a server that stalls it is not waited for.
                timer = loop.call_later(POST_S, posting.cancel)
                posting.add_done_callback(lambda _: timer.cancel())

    async def _take_back(self, posting: asyncio.Task[None], cancelled: bytes) -> None:
        """Cancel a request once it is there: on another connection the one might overtake the other."""
        await asyncio.wait((posting,), timeout=_ORDER_S)
        self.inbox.begin(functools.partial(self.post, cancelled))

    async def _post_request(
        self, body: bytes, sending: Sending, request: Request, answer: asyncio.Future[Answer]
    ) -> None:
        try:
            refusal = await self.post(body, sending, request)
        except AnyportError as error:
            if answer.done():
                logger.debug("The POST of a request failed that has its answer: %s", error)
            else:
                answer.set_exception(error)
            return
        if refusal is not None and not answer.done():
            answer.set_result(refusal)

    async def post(self, body: bytes, sending: Sending = PLAIN, request: Request | None = None) -> Answer | None:
        """Post a message; returns the error that answers a request, if the server refuses it with one."""
        self._check()
        fields = {name.lower(): value for name, value in (sending.headers or {}).items()}
        answer = await self._site.send("POST", {**fields, "content-type": "application/json"}, body)
        if answer.status < 300:
            await finish(answer)
            return None
        refused = await read_error(answer)
        if answer.status == 404:
            lost = SessionLost(f"HTTP 404: {refused[:500].decode('utf-8', 'replace') or 'the stream is unknown'}")
            self.inbox.lost(lost)
            raise lost
        found = error_in(refused, self._limits) if answer.status not in (401, 403) else None
        if found is not None and request is not None and found.id in (None, request.id):
            return ErrorResponse(request.id, found.error)
        raise self._site.make_error(answer.status, refused)

    def _check(self) -> None:
        if self._gone is not None:
            error = copy.copy(self._gone)
            if isinstance(error, ConnectError):
                error.unsent = True
            raise error

    # --- messages in --------------------------------------------------------------------------------------------------

    async def _read(self, events: Events) -> None:
        shown = self._site.url.shown
        error: AnyportError = ConnectError(f"The event stream of {shown} ended")
        try:
            while (event := await events.next()) is not None:
                if isinstance(event, EventTooLarge):
                    what = f"The server sent an event of more than {event.limit} bytes (limit event_bytes)"
                    self._awaited.refuse_large(what)
                elif event.event == "message" and event.data:
                    for message in self._awaited.take(event.data):
                        self.inbox.take(message)
                else:
                    logger.debug("Ignored an event of the server: %r", event.event[:_SHOWN])
        except (ConnectError, RemoteProtocolError) as found:
            error = found
        finally:
            self._end(error)

    # --- the end ------------------------------------------------------------------------------------------------------

    def _end(self, error: AnyportError) -> None:
        if self._gone is None:
            self._gone = error
            self._awaited.fail_all(error)
            self.inbox.lost(error)

    async def aclose(self) -> None:
        if self._gone is None:
            self._gone = closed()
        await self.inbox.aclose()
        self._awaited.fail_all(ConnectError("The client was closed"))
        tasks = [*self._posting, *([] if self._reading is None else [self._reading])]
        for task in tasks:
            task.cancel()
        await self._site.aclose()
        if tasks:
            await asyncio.wait(tasks, timeout=POST_S)
