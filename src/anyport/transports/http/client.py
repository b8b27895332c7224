"""The Streamable HTTP client, for both eras: each message is a POST of its own.

An answer is one JSON body or an event stream that ends with it. Modern requests mirror their method, name and marked
parameters in headers (SEP-2243); legacy ones carry the session that ``initialize`` opened. The only module that
imports aiohttp, and imported only where a target is a URL.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Final

import aiohttp
from yarl import URL

from anyport.protocol.eras import speaks_modern
from anyport.protocol.errors import (
    AuthError,
    ConnectError,
    HttpStatusError,
    LocalProtocolError,
    McpError,
    RemoteProtocolError,
    SessionLost,
)
from anyport.protocol.headers import VERSION, HeaderParameter, build_headers
from anyport.protocol.jsonrpc import (
    ErrorResponse,
    Message,
    Notification,
    Request,
    Response,
    decode_batch,
    encode,
    encode_request,
)
from anyport.protocol.limits import Limits
from anyport.protocol.revisions import Revision
from anyport.protocol.sse import EventDecoder, EventTooLarge
from anyport.protocol.types.json import JsonObject

logger = logging.getLogger("anyport.client")

Answer = Response | ErrorResponse

_SESSION: Final = "mcp-session-id"
_REDIRECTS: Final = frozenset({301, 302, 307, 308})
_MAX_REDIRECTS: Final = 5
_ERROR_BODY: Final = 64 * 1024
"""Bytes of an error's body that are read."""
_BACKGROUND_S: Final = 5.0
"""Seconds for what is said without waiting for it: a cancellation, an answer to the server."""
_STREAM_END_S: Final = 0.05
"""Seconds for a stream to end after its answer."""
_DELETE_S: Final = 2.0


class HttpClient:
    """A client's side of one MCP endpoint.

    Args:
        url: URL of the endpoint.
        headers: Header fields of every request.
        limits: ``line_bytes`` is the largest message taken from the server.
        notified: Takes each notification.
        asked: Answers requests of the server, which only the legacy era has.

    Attributes:
        probe_silence_s: ``None``: a server that accepts connections answers, and may be slow to start.

    Raises:
        LocalProtocolError: The URL is none.
    """

    probe_silence_s: float | None = None

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        limits: Limits,
        notified: Callable[[Notification], None],
        asked: Callable[[Request], Awaitable[Answer]],
    ) -> None:
        try:
            self._url = URL(url)
        except ValueError as error:
            raise LocalProtocolError(f"Not a URL: {url!r} ({error})") from None
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise LocalProtocolError(f"Not an http or https URL with a host: {url!r}")
        self._headers = headers
        self._limits = limits
        self._notified = notified
        self._asked = asked
        self._session_id: str | None = None
        self._revision: Revision | None = None
        self._http: aiohttp.ClientSession | None = None
        self._responses: set[aiohttp.ClientResponse] = set()
        self._background: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Make ready; nothing is sent yet."""
        defaults = {
            "accept": "application/json, text/event-stream",
            "content-type": "application/json",
            # A compressed bomb of a few kilobytes would have to be unpacked to be found too large.
            "accept-encoding": "identity",
        }
        self._http = aiohttp.ClientSession(
            headers={**defaults, **{name.lower(): value for name, value in self._headers.items()}},
            # Times are the caller's: each call has one, and a stream may be silent for long.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            connector=aiohttp.TCPConnector(limit=0),
        )

    def settle(self, revision: Revision | None) -> None:
        """Take the revision that is spoken from here on; ``None`` for the legacy handshake, which has none."""
        self._revision = revision

    async def request(self, request: Request, mirrored: tuple[HeaderParameter, ...] = ()) -> Answer:
        """Send a request and wait for its answer.

        Given up, a modern request ends with its connection (HTTP-10) and a legacy one is cancelled by a notification
        (LEG-06).

        Args:
            request: The request.
            mirrored: Parameters that are mirrored in headers.

        Raises:
            ConnectError: The server cannot be reached, or the connection broke.
            HttpStatusError: The answer is no MCP message; `AuthError` for status 401 and 403.
            SessionLost: The server no longer knows the session.
            RemoteProtocolError: The answer breaks the rules.
        """
        modern = speaks_modern(request)
        headers = build_headers(request.method, request.params, mirrored) if modern else self._legacy_headers()
        body = encode_request(request.id, request.method, request.params)
        try:
            async with self._post(body, headers) as response:
                if request.method == "initialize" and response.status < 300:
                    self._session_id = response.headers.get(_SESSION)
                return await self._read_answer(response, request)
        except (ConnectError, RemoteProtocolError):
            if self._http is None:
                raise ConnectError("The client was closed") from None
            raise
        except asyncio.CancelledError:
            if not modern and request.method != "initialize":
                params: JsonObject = {"requestId": request.id, "reason": "The client gave the request up"}
                cancelled = Notification("notifications/cancelled", params)
                self._start_background(functools.partial(self._post_message, cancelled))
            raise

    async def notify(self, notification: Notification) -> None:
        """Send a notification.

        Raises:
            ConnectError: The server cannot be reached.
            HttpStatusError: The server refused it.
        """
        await self._post_message(notification)

    async def aclose(self) -> None:
        """End the session, if there is one (SES-04), and close every connection."""
        http, self._http = self._http, None
        if http is None:
            return
        for response in list(self._responses):
            # Closing the session alone would leave whoever reads a stream waiting.
            response.close()
        for task in self._background:
            task.cancel()
        try:
            if self._session_id is not None:
                async with asyncio.timeout(_DELETE_S), http.delete(self._url, headers=self._legacy_headers()):
                    pass
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            # 405 is allowed and so is no answer: the server ends idle sessions by itself.
            logger.debug("The session was not ended: %r", error)
        finally:
            await http.close()

    # --- requests out -------------------------------------------------------------------------------------------------

    def _legacy_headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        if self._session_id is not None:
            headers[_SESSION] = self._session_id
        if self._revision is not None and self._revision.version_header:
            headers[VERSION] = self._revision.name
        return headers

    @contextlib.asynccontextmanager
    async def _post(self, body: bytes, headers: Mapping[str, str]) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Post a body; a response that is left before its end takes its connection with it."""
        try:
            response = await self._follow(body, headers)
            self._responses.add(response)
            try:
                yield response
            finally:
                self._responses.discard(response)
                if response.content.at_eof():
                    response.release()
                else:
                    response.close()
        except aiohttp.ClientConnectorError as error:
            raise ConnectError(f"Cannot connect to {self._shown}: {_reason(error)}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectError(f"The connection to {self._shown} broke: {_reason(error)}") from error

    async def _follow(self, body: bytes, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        """Post, and follow redirects within the origin: elsewhere the header fields may be nobody's business."""
        followed = 0
        while self._http is not None:
            response = await self._http.post(self._url, data=body, headers=headers, allow_redirects=False)
            location = response.headers.get("location")
            if response.status not in _REDIRECTS or location is None:
                return response
            response.close()
            followed += 1
            target = self._url.join(URL(location))
            if followed > _MAX_REDIRECTS or target.origin() != self._url.origin():
                why = "too many redirects" if followed > _MAX_REDIRECTS else "redirects to another origin"
                raise HttpStatusError(response.status, f"{why}: {target.with_user(None)}", self._shown)
            self._url = target
        raise ConnectError("The client was closed")

    async def _post_message(self, message: Message) -> None:
        """Post a message that gets no answer."""
        async with self._post(encode(message), self._legacy_headers()) as response:
            if response.status >= 300:
                await self._raise_status(response)

    def _start_background(self, work: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.get_running_loop().create_task(self._in_background(work))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _in_background(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(_BACKGROUND_S):
                await work()
        except (TimeoutError, ConnectError, HttpStatusError) as error:
            logger.debug("A message did not reach the server: %s", error)

    # --- answers in ---------------------------------------------------------------------------------------------------

    async def _read_answer(self, response: aiohttp.ClientResponse, request: Request) -> Answer:
        if response.status >= 300:
            return await self._read_error(response, request)
        if response.content_type == "text/event-stream":
            return await self._read_stream(response, request)
        limit = self._limits.line_bytes
        body = await _read(response, limit + 1)
        if len(body) > limit:
            raise RemoteProtocolError(f"The answer is larger than {limit} bytes (limit line_bytes)")
        if not body:
            raise RemoteProtocolError(f"The server answered {request.method} with an empty HTTP {response.status}")
        if not _is_json(response):
            raise HttpStatusError(response.status, body[:_ERROR_BODY].decode("utf-8", "replace"), self._shown)
        answer = self._take(body, request)
        if answer is None:
            raise RemoteProtocolError(f"The server's message is no answer to {request.method}")
        return answer

    async def _read_stream(self, response: aiohttp.ClientResponse, request: Request) -> Answer:
        events = EventDecoder(self._limits.line_bytes)
        async for chunk in response.content.iter_any():
            for event in events.feed(chunk):
                if isinstance(event, EventTooLarge):
                    raise RemoteProtocolError(
                        f"The server sent an event of more than {event.limit} bytes (limit line_bytes)"
                    )
                # The first event of a resumable stream has an id and nothing else (RES-01).
                answer = self._take(event.data, request) if event.event == "message" and event.data else None
                if answer is not None:
                    await _read_end(response)
                    return answer
        raise RemoteProtocolError(f"The server ended the stream without an answer to {request.method}")

    async def _read_error(self, response: aiohttp.ClientResponse, request: Request) -> Answer:
        """Read an HTTP error: a JSON-RPC error in its body is the answer (VER-07), anything else is an exception."""
        body = await _read(response, _ERROR_BODY)
        if response.status not in (401, 403):
            answer = _error_in(body)
            if answer is not None and response.status == 404 and _SESSION in response.request_info.headers:
                raise SessionLost(answer.error.message)
            if answer is not None and answer.id in (None, request.id):
                return ErrorResponse(request.id, answer.error)
        return await self._raise_status(response, body)

    async def _raise_status(self, response: aiohttp.ClientResponse, body: bytes | None = None) -> Answer:
        if body is None:
            body = await _read(response, _ERROR_BODY)
        text = body.decode("utf-8", "replace")
        if response.status == 404 and _SESSION in response.request_info.headers:
            raise SessionLost(f"HTTP 404: {text[:500] or 'the session is unknown to the server'}")
        kind = AuthError if response.status in (401, 403) else HttpStatusError
        raise kind(response.status, text, self._shown)

    def _take(self, data: bytes, request: Request) -> Answer | None:
        """Take what came in; returns the answer if it was in it.

        Raises:
            RemoteProtocolError: It is no message.
        """
        try:
            found = decode_batch(data, self._limits)
        except McpError as error:
            raise RemoteProtocolError(f"The server's answer is no valid message: {error}") from None
        answer: Answer | None = None
        for message in found if isinstance(found, list) else [found]:
            if isinstance(message, Notification):
                self._notified(message)
            elif isinstance(message, Request):
                self._answer(message)
            elif isinstance(message, McpError):
                raise RemoteProtocolError(f"The server's answer is no valid message: {message}")
            elif message.id == request.id or message.id is None:
                answer = message
            else:
                logger.debug("Ignored an answer to another request: id %r", message.id)
        return answer

    def _answer(self, request: Request) -> None:
        if self._revision is not None and self._revision.modern:
            logger.warning(
                "Ignored a request of the server, which the modern era does not have: %s", request.method[:80]
            )
        else:
            self._start_background(functools.partial(self._post_answer, request))

    async def _post_answer(self, request: Request) -> None:
        await self._post_message(await self._asked(request))

    @property
    def _shown(self) -> str:
        """The URL without the password that may be in it."""
        return str(self._url.with_user(None))


def _is_json(response: aiohttp.ClientResponse) -> bool:
    kind = response.content_type
    return kind == "application/json" or kind.endswith("+json")


def _error_in(body: bytes) -> ErrorResponse | None:
    try:
        message = decode_batch(body)
    except McpError:
        return None
    return message if isinstance(message, ErrorResponse) else None


async def _read_end(response: aiohttp.ClientResponse) -> None:
    """Read the end of a stream whose answer is here, so that its connection can be used again."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_STREAM_END_S):
            while not response.content.at_eof():
                await response.content.readany()


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Return the body, or as much of it as the limit allows."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size >= limit:
            break
    return b"".join(chunks)[:limit]


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientResponseError):
        line, *_ = error.message.split("\n")
        return f"it does not speak HTTP: {line}"
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return str(cause) or type(cause).__name__
