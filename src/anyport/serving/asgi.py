"""The ASGI application: one server's endpoint at one path, with a lifespan that needs no wiring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from anyport.protocol.errors import LocalProtocolError, RefusedRequest
from anyport.protocol.jsonrpc import encode_error
from anyport.security.guards import HostGuard
from anyport.serving.application import Application
from anyport.transports.http.asgi import AsgiExchange, Receive, Scope, Send, read_headers
from anyport.transports.http.endpoint import Endpoint

DEFAULT_PATH = "/mcp"


class AsgiApp:
    """An ASGI application that serves MCP over Streamable HTTP.

    Args:
        application: What is served.
        path: Path of the endpoint.
        allowed_hosts: ``Host`` values served beside the local ones; see `HostGuard`.
        allowed_origins: ``Origin`` values that may call; see `HostGuard`.

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
        self._paths = frozenset({self.path, f"{self.path.rstrip('/')}/"})
        self.endpoint = Endpoint(application.service, application.limits, HostGuard(allowed_hosts, allowed_origins))
        self._started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of an ASGI server."""
        if scope["type"] == "http":
            if not self._started:
                await self._start()
            try:
                headers = read_headers(scope["headers"], self._limits.header_bytes)
            except RefusedRequest as error:
                await _refuse(scope, receive, send, error)
                return
            if scope["path"] in self._paths or self._is_mounted_here(scope):
                await self.endpoint.handle(AsgiExchange(scope, receive, send, headers))
            else:
                await _refuse(scope, receive, send, RefusedRequest(404, f"MCP is served at {self.path}"))
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    def _is_mounted_here(self, scope: Scope) -> bool:
        """Whether a framework mounted this application, so that the mount point is part of the path."""
        root = cast("str", scope.get("root_path", ""))
        if not root:
            return False
        rest = cast("str", scope["path"]).removeprefix(root)
        return rest in self._paths or rest in ("", "/")

    async def _start(self) -> None:
        await self._application.lifespan.start()
        self._started = True

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.endpoint.draining = True
        await self._application.lifespan.aclose()
        self._started = False
        await send({"type": "lifespan.shutdown.complete"})


async def _refuse(scope: Scope, receive: Receive, send: Send, error: RefusedRequest) -> None:
    exchange = AsgiExchange(scope, receive, send, {})
    fields = [(b"content-type", b"application/json"), *error.headers]
    await exchange.respond(error.http_status, fields, encode_error(None, error))
