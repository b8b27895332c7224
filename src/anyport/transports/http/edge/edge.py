"""Connections of our own under uvicorn: MCP is answered where it is read, every other route by the ASGI application.

uvicorn takes a class of protocols for its connections (``http=``) and keeps what is around them: sockets, TLS, workers,
signals. `Edge` stands for that class; see `EdgeConnection` for what it makes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final

from uvicorn.config import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.server import ServerState

from anyport.protocol.limits import Limits
from anyport.transports.http.edge.connection import EdgeConnection
from anyport.transports.http.edge.grounds import Grounds
from anyport.transports.http.edge.line import Handle
from anyport.transports.http.edge.sweep import Sweep

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

_PERIODS: Final = 8
"""Looks at a connection within the shortest of its deadlines."""


class Edge:
    """Makes the connections of one server: what is given to uvicorn as ``http=``.

    Args:
        find: Returns what answers requests to a path, without the ASGI application; ``None`` for it.
        limits: Bounds on connections and requests.
    """

    def __init__(self, find: Callable[[str], Handle | None], limits: Limits) -> None:
        self._find = find
        self._limits = limits
        self._grounds: Grounds | None = None

    @property
    def memory(self) -> Collection[bytes]:
        """Heads that were read and are remembered."""
        return () if self._grounds is None else self._grounds.memory.known

    def __call__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> EdgeConnection:
        """Make a connection, as uvicorn's server asks for it."""
        if self._grounds is None or self._grounds.state is not server_state:
            self._grounds = self._prepare(config, server_state, app_state)
        return EdgeConnection(self._grounds)

    def _prepare(self, config: Config, state: ServerState, app_state: dict[str, object]) -> Grounds:
        limits, loop = self._limits, asyncio.get_running_loop()
        shortest = min(limits.header_s, limits.body_s, limits.keep_alive_s, limits.write_s)
        return Grounds(
            self._find,
            limits,
            config,
            state,
            app_state=app_state,
            forwarded=_forwarded(config),
            loop=loop,
            sweep=Sweep(loop, min(max(shortest / _PERIODS, 0.02), 0.5)),
        )


def _forwarded(config: Config) -> ProxyHeadersMiddleware | None:
    if not config.proxy_headers:
        return None

    async def keep(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Leave the scope as the middleware has changed it."""

    return ProxyHeadersMiddleware(keep, config.forwarded_allow_ips)
