"""The ASGI application: one server's endpoint at one path, with a lifespan that needs no wiring."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import cast

from anyport.protocol.errors import InternalError, LocalProtocolError, McpError, RefusedRequest
from anyport.protocol.exchange import JSON_HEADERS, Exchange
from anyport.protocol.jsonrpc import encode_error
from anyport.security.guards import HostGuard
from anyport.serving.application import Application
from anyport.transports.callers import Callers
from anyport.transports.http.asgi import AsgiExchange, Receive, Scope, Send, respond
from anyport.transports.http.endpoint import Endpoint
from anyport.transports.http.fields import KnownFields
from anyport.transports.sse.server import DEFAULT_MESSAGE_PATH, DEFAULT_SSE_PATH, SseEndpoint

logger = logging.getLogger("anyport.serving")

DEFAULT_PATH = "/mcp"

_Handle = Callable[[Exchange], Awaitable[None]]


class AsgiApp:
    """An ASGI application that serves MCP over Streamable HTTP, and over HTTP+SSE where that is wanted.

    Args:
        application: What is served.
        path: Path of the endpoint.
        streamable: Serve Streamable HTTP.
        sse: Serve HTTP+SSE.
        sse_path: Path of its event stream.
        message_path: Path that its messages are posted to.
        message_url: What its clients are told in place of that path; see `SseEndpoint`.
        allowed_hosts: ``Host`` values served beside the local ones; see `HostGuard`.
        allowed_origins: ``Origin`` values that may call; see `HostGuard`.
        json_only: Every answer is one JSON body; see `HttpOptions`.

    Attributes:
        path: Path where clients begin, without a slash at its end: the endpoint's, or the event stream's where there is
            no other.
        paths: Where clients of each transport begin.
        endpoint: What answers requests to the endpoint.
        sse: What answers requests of HTTP+SSE; ``None`` where it is not served.

    Raises:
        LocalProtocolError: A path does not start with a slash, or two are the same.
    """

    def __init__(
        self,
        application: Application,
        *,
        path: str = DEFAULT_PATH,
        streamable: bool = True,
        sse: bool = False,
        sse_path: str = DEFAULT_SSE_PATH,
        message_path: str = DEFAULT_MESSAGE_PATH,
        message_url: str | None = None,
        allowed_hosts: Sequence[str] = (),
        allowed_origins: Sequence[str] = (),
        json_only: bool = False,
    ) -> None:
        self._application = application
        self._limits = application.limits
        self._known_fields = KnownFields(application.limits.header_bytes)
        self._routes: dict[str, _Handle] = {}
        guard = HostGuard(allowed_hosts, allowed_origins)
        callers = Callers(application.limits)
        self.endpoint = Endpoint(
            application.service,
            application.limits,
            guard,
            application.store,
            changes=application.subscriptions,
            json_only=json_only,
            callers=callers,
        )
        self.sse: SseEndpoint | None = None
        if streamable:
            self._add_route("path", path, self.endpoint.handle)
        if sse:
            self.sse = SseEndpoint(
                application.service,
                application.limits,
                guard,
                message_path.rstrip("/") or "/",
                message_url,
                changes=application.subscriptions,
                callers=callers,
            )
            self._add_route("sse_path", sse_path, self.sse.converse)
            self._add_route("message_path", message_path, self.sse.receive)
        first, self._first = next(iter(self._routes.items()))
        self.path = first or "/"
        self.paths = ([self.path] if streamable else []) + ([sse_path.rstrip("/") or "/"] if sse else [])
        # A lifespan lives on one loop. A test client may bring a new one for each request.
        self._started_on: asyncio.AbstractEventLoop | None = None
        self._warned = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of an ASGI server."""
        if scope["type"] == "http":
            handle = self._routes.get(scope["path"]) or self._mounted_here(scope)
            if handle is None:
                await _refuse(send, RefusedRequest(404, f"Nothing is served here; MCP is at {self.path}"))
                return
            if self._started_on is not asyncio.get_running_loop() and not self.endpoint.draining:
                await self._start_late(send)
            try:
                exchange = AsgiExchange(scope, receive, send, self._limits, self._known_fields)
            except McpError as error:
                await _refuse(send, error)
                return
            await handle(exchange)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            # Before the handshake is accepted this refuses it, with HTTP 403.
            await send({"type": "websocket.close", "code": 1000, "reason": "MCP is served over HTTP POST"})

    @contextlib.asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncGenerator[None, None]:
        """Start and end the server with the application that it is mounted in: ``Starlette(lifespan=mcp.lifespan)``.

        Args:
            app: The outer application, as frameworks pass it; not used.
        """
        await self.start()
        try:
            yield
        finally:
            await self._end()

    def _add_route(self, option: str, path: str, handle: _Handle) -> None:
        if not path.startswith("/"):
            raise LocalProtocolError(f"{option} must start with a slash; it is {path!r}")
        bare = path.rstrip("/")
        if bare in self._routes:
            raise LocalProtocolError(f"{option} is {path!r}, which is another endpoint's path already")
        self._routes[bare] = self._routes[f"{bare}/"] = handle

    def find(self, path: str) -> _Handle | None:
        """Return what answers requests to a path; ``None`` where nothing is served."""
        return self._routes.get(path)

    def _mounted_here(self, scope: Scope) -> _Handle | None:
        """Return what serves a path that a framework or a proxy has put a prefix before; ``None`` for another one."""
        root = cast("str", scope.get("root_path", "")).rstrip("/")
        path = cast("str", scope["path"])
        if not root or not path.startswith(root):
            return None
        rest = path[len(root) :]
        return self._routes.get(rest) or (self._first if rest in ("", "/") else None)

    async def start(self) -> None:
        """Start the server, unless it has been started."""
        await self._application.lifespan.start()
        self.set_draining(draining=False)
        self._started_on = asyncio.get_running_loop()

    async def _start_late(self, send: Send) -> None:
        """Start on a request, where nobody told of a start-up before.

        Raises:
            Exception: Whatever the author's lifespan raised, after an answer with HTTP 500; the next request tries
                again.
        """
        try:
            await self.start()
        except Exception:
            await _refuse(send, InternalError("The server could not start; its log says why"), 500)
            raise
        # What nobody would miss at the end needs no warning.
        if self._application.lifespan.is_wanted and not self._warned:
            self._warned = True
            logger.warning(
                "%s started with its first request; for its lifespan to end in good order, pass the outer application"
                " `lifespan=app.lifespan`, where `app` is what `server.asgi()` returned",
                self._application.name,
            )

    async def _end(self) -> None:
        self.set_draining(draining=True)
        self._started_on = None
        self._application.subscriptions.end()
        try:
            drains = [self._application.lifespan.drain(self._limits.drain_s)]
            if self.sse is not None:
                drains.append(self.sse.drain(self._limits.drain_s))
            await asyncio.gather(*drains)
            await self.endpoint.aclose()
            await self._application.lifespan.aclose()
        finally:
            # It may be started again, as between two uses of a test client.
            self.set_draining(draining=False)

    def set_draining(self, *, draining: bool) -> None:
        """Refuse new calls, or take them again."""
        self.endpoint.draining = draining
        if self.sse is not None:
            self.sse.draining = draining

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except Exception as error:
            logger.exception("The lifespan of %s failed", self._application.name)
            await send({"type": "lifespan.startup.failed", "message": f"{type(error).__name__}: {error}"})
            raise
        await send({"type": "lifespan.startup.complete"})
        try:
            await receive()
        except asyncio.CancelledError:
            # A server in a hurry, as uvicorn is after a second signal, takes the loop down and tells nobody.
            return
        try:
            await self._end()
        except Exception as error:
            logger.exception("The lifespan of %s did not end in good order", self._application.name)
            await send({"type": "lifespan.shutdown.failed", "message": f"{type(error).__name__}: {error}"})
            raise
        await send({"type": "lifespan.shutdown.complete"})


async def _refuse(send: Send, error: McpError, status: int | None = None) -> None:
    fields = [*JSON_HEADERS, *error.headers]
    await respond(send, status or error.http_status, fields, encode_error(error.request_id, error))
