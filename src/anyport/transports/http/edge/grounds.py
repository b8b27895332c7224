"""What the connections of one server have in common."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, cast

from uvicorn.config import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.server import ServerState

from anyport.protocol.errors import McpError
from anyport.protocol.exchange import JSON_HEADERS, HeadNotes
from anyport.protocol.limits import Limits
from anyport.transports.http.edge.heads import Head, Memory, Route, check_head, read_target
from anyport.transports.http.edge.line import Fields, Handle
from anyport.transports.http.edge.sweep import Sweep
from anyport.transports.http.edge.trickle import Trickles
from anyport.transports.http.fields import read_headers
from anyport.transports.steps import Steps

try:
    import resource
except ImportError:  # Windows has no such limit.
    resource = None

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application


_JSON_HEAD: Final = b"HTTP/1.1 200 OK\r\n" + b"".join(b"%b: %b\r\n" % field for field in JSON_HEADERS)
_RESERVE: Final = 64
"""Files that a process opens beside its connections."""


class Grounds:
    """What the connections of one server have in common.

    Args:
        find: Returns what answers requests to a path, without the ASGI application; ``None`` for it.
        limits: Bounds on connections and requests.
        config: Options of the server.
        state: What uvicorn knows of the connections.
        app_state: What the lifespan of the application yields.
        loop: The loop of the connections.
        sweep: Looks after their deadlines.
        forwarded: Reads what trusted proxies say of the client; ``None`` where none are trusted.

    Attributes:
        most_connections: So many may be open at a time.
        steps: Begins their work.
        memory: Heads that were read.
        trickles: Who sends a few bytes at a time.
        standing_fields: Header fields that every answer had at the last look.
        json_head: See `Line.json_head`; made of `standing_fields`.
        idle_s: Seconds from the time of the sweep to the deadline of a silent connection.
    """

    def __init__(
        self,
        find: Callable[[str], Handle | None],
        limits: Limits,
        config: Config,
        state: ServerState,
        *,
        app_state: dict[str, object],
        forwarded: ProxyHeadersMiddleware | None,
        loop: asyncio.AbstractEventLoop,
        sweep: Sweep,
    ) -> None:
        self.find = find
        self.limits = limits
        self.config = config
        self.state = state
        self.app_state = app_state
        self.forwarded = forwarded
        self.loop = loop
        self.sweep = sweep
        self.steps = Steps(loop, state.tasks)
        self.memory = Memory()
        self.trickles = Trickles(loop, limits.header_s / 2)
        self.idle_s = limits.keep_alive_s - sweep.margin
        self.most_connections = min(limits.http_connections, open_files() - _RESERVE)
        self.standing_fields: Fields = []
        self._standing = self.json_head = b""

    def route(self, head: Head) -> Route:
        """Return everything that a head decides.

        Raises:
            RefusedRequest: It is refused, and nothing may be read after it.
        """
        target = read_target(head.url)
        check_head(head, target, self.limits)
        handle = self.find(self.config.root_path + target.path)
        if handle is None:
            return Route(head, target, None, {})
        try:
            headers = MappingProxyType(read_headers(head.fields, self.limits.header_bytes))
        except McpError as error:
            return Route(head, target, handle, {}, problem=error)
        forwarded = "x-forwarded-for" in headers
        return Route(
            head,
            target,
            handle,
            headers,
            forwarded=forwarded,
            notes=HeadNotes(),
            at_once=None if forwarded else handle,
            is_chunked=head.version == "1.1",
        )

    @property
    def app(self) -> ASGI3Application:
        """The ASGI application, with what uvicorn puts around it."""
        return cast("ASGI3Application", self.config.loaded_app)  # pyright: ignore[reportUnknownMemberType] - as uvicorn has it

    def standing(self) -> bytes:
        """Return the header fields that every answer has, encoded."""
        if self.state.default_headers is not self.standing_fields:
            self.make_head()
        return self._standing

    def make_head(self) -> bytes:
        """Encode the fields that every answer has, which uvicorn makes anew each second; return `Line.json_head`."""
        self.standing_fields = fields = self.state.default_headers
        self._standing = b"".join(b"%b: %b\r\n" % field for field in fields)
        self.json_head = b"%b%bcontent-length: " % (_JSON_HEAD, self._standing)
        return self.json_head

    async def client_of(self, client: tuple[str, int] | None, fields: Fields) -> str | None:
        """Return the address of a client, or of the one that it names if it is a proxy that may be believed.

        Args:
            client: Who is connected.
            fields: Header fields, names in lower case.
        """
        scope: dict[str, object] = {"type": "http", "client": client, "headers": fields}
        if self.forwarded is not None:
            await self.forwarded(scope, _receive, _send)  # pyright: ignore[reportArgumentType] - what it looks at
        found = scope["client"]
        return str(cast("tuple[object, object]", found)[0]) if found else None


def open_files() -> float:
    """Return how many files this process may have open."""
    if resource is None:
        return math.inf
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if most == resource.RLIM_INFINITY else most


async def _receive() -> object:
    """Give nothing: the middleware only changes the scope."""
    return None


async def _send(event: object) -> None:
    """Take nothing."""
