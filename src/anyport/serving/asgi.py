"""The ASGI application: one server's endpoint at one path, with a lifespan that needs no wiring."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence
from typing import cast

from anyport.protocol.errors import InternalError, LocalProtocolError, McpError, RefusedRequest
from anyport.protocol.jsonrpc import encode_error
from anyport.security.guards import HostGuard
from anyport.serving.application import Application
from anyport.transports.http.asgi import AsgiExchange, Receive, Scope, Send, respond
from anyport.transports.http.endpoint import Endpoint
from anyport.transports.http.reply import JSON_HEADERS

logger = logging.getLogger("anyport.serving")

DEFAULT_PATH = "/mcp"


class AsgiApp:
    """An ASGI application that serves MCP over Streamable HTTP.

    Args:
        application: What is served.
        path: Path of the endpoint.
        allowed_hosts: ``Host`` values served beside the local ones; see `HostGuard`.
        allowed_origins: ``Origin`` values that may call; see `HostGuard`.

    Attributes:
        path: Path of the endpoint, without a slash at its end.
        endpoint: What answers requests to it.

    Raises:
        LocalProtocolError: The path does not start with a slash.
    """

    def __init__(
        self,
        application: Application,
        *,
        path: str = DEFAULT_PATH,
        allowed_hosts: Sequence[str] = (),
        allowed_origins: Sequence[str] = (),
    ) -> None:
        if not path.startswith("/"):
            raise LocalProtocolError(f"path must start with a slash; it is {path!r}")
        self._application = application
        self._limits = application.limits
        self.path = path.rstrip("/") or "/"
        self._paths = frozenset({path.rstrip("/"), f"{path.rstrip('/')}/"})
        self.endpoint = Endpoint(application.service, application.limits, HostGuard(allowed_hosts, allowed_origins))
        # A lifespan lives on one loop. A test client may bring a new one for each request.
        self._started_on: asyncio.AbstractEventLoop | None = None
        self._starts = application.lifespan.is_wanted
        self._warned = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of an ASGI server."""
        if scope["type"] == "http":
            if scope["path"] not in self._paths and not self._is_mounted_here(scope):
                await _refuse(send, RefusedRequest(404, f"Nothing is served here; MCP is at {self.path}"))
                return
            if self._starts and self._started_on is not asyncio.get_running_loop() and not self.endpoint.draining:
                await self._start_late(send)
            try:
                exchange = AsgiExchange(scope, receive, send, self._limits)
            except McpError as error:
                await _refuse(send, error)
                return
            await self.endpoint.handle(exchange)
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
        await self._start()
        try:
            yield
        finally:
            await self._end()

    def _is_mounted_here(self, scope: Scope) -> bool:
        """Whether a framework or a proxy put this application below a prefix, which is then part of the path."""
        root = cast("str", scope.get("root_path", "")).rstrip("/")
        path = cast("str", scope["path"])
        if not root or not path.startswith(root):
            return False
        rest = path[len(root) :]
        return rest in self._paths or rest in ("", "/")

    async def _start(self) -> None:
        await self._application.lifespan.start()
        self.endpoint.draining = False
        self._started_on = asyncio.get_running_loop()

    async def _start_late(self, send: Send) -> None:
        """Start on a request, where nobody told of a start-up before.

        Raises:
            Exception: Whatever the author's lifespan raised, after an answer with HTTP 500; the next request tries
                again.
        """
        try:
            await self._start()
        except Exception:
            await _refuse(send, InternalError("The server could not start; its log says why"), 500)
            raise
        if not self._warned:
            self._warned = True
            logger.warning(
                "%s started with its first request; for its lifespan to end in good order, pass the outer application"
                " `lifespan=app.lifespan`, where `app` is what `server.asgi()` returned",
                self._application.name,
            )

    async def _end(self) -> None:
        self.endpoint.draining = True
        self._started_on = None
        try:
            await self._application.lifespan.aclose()
        finally:
            # It may be started again, as between two uses of a test client.
            self.endpoint.draining = False

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._start()
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
