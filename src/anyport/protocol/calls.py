"""What crosses from a transport to a server: ``Service = (Call, Reply) -> Result``.

A server, a mounted server, a proxy and a test double are all services. A `Call` is self-contained: nothing about it
has to be looked up in a connection, which is what the modern era asks for and what the legacy adapters make true.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Final, Literal, Protocol

from msgspec import Struct

from anyport.protocol.errors import InvalidMeta, InvalidParams, UnsupportedVersion
from anyport.protocol.jsonrpc import Request, RequestId, ResultLike
from anyport.protocol.revisions import SUPPORTED_NAMES, Revision, find_modern
from anyport.protocol.types import LOG_LEVELS, LoggingLevel
from anyport.protocol.types.json import JsonObject, JsonValue

META_VERSION = "io.modelcontextprotocol/protocolVersion"
META_CLIENT_INFO = "io.modelcontextprotocol/clientInfo"
META_CLIENT_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
META_LOG_LEVEL = "io.modelcontextprotocol/logLevel"
META_SERVER_INFO = "io.modelcontextprotocol/serverInfo"
META_SUBSCRIPTION_ID = "io.modelcontextprotocol/subscriptionId"

TransportName = Literal["stdio", "http", "sse", "memory", "socket", "serverless"]


class Carrier(Struct, frozen=True, kw_only=True):
    """What a transport knows about where requests come from; one per connection or HTTP request.

    Attributes:
        transport: Which transport carried the request.
        headers: HTTP header fields, names in lower case; ``None`` where there are none.
        principal: Who was authenticated; ``None`` for nobody.
        session_id: Id of the legacy HTTP session, or of the conversation over HTTP+SSE; ``None`` elsewhere.
    """

    transport: TransportName
    headers: Mapping[str, str] | None = None
    principal: str | None = None
    session_id: str | None = None


class Call(Struct, kw_only=True):
    """A request made self-contained.

    Attributes:
        method: JSON-RPC method.
        params: Its parameters, ``_meta`` included.
        id: Id of the request.
        revision: Row of the revision that the request is spoken in.
        carrier: How it came.
        meta: ``params._meta``, or an empty object.
        client: ``clientInfo`` as the client reports it; for display only (META-04). ``None`` when not sent.
        capabilities: What the client declared.
        log_level: Least severe level that the client wants as log notifications; ``None`` for no notifications.
    """

    method: str
    params: JsonObject
    id: RequestId
    revision: Revision
    carrier: Carrier
    meta: JsonObject
    client: JsonObject | None = None
    capabilities: JsonObject
    log_level: LoggingLevel | None = None

    @property
    def progress_token(self) -> RequestId | None:
        """Token under which the client wants progress, or ``None`` (PRG-01)."""
        token = self.meta.get("progressToken")
        return token if isinstance(token, (str, int)) and not isinstance(token, bool) else None


class BackChannel(Protocol):
    """Questions to the client during a call: requests in the legacy era, answers in rounds in the modern one."""

    async def request(self, method: str, params: JsonObject, key: str | None = None) -> JsonObject:
        """Send a request to the client and wait for its result.

        Args:
            method: ``elicitation/create``, ``sampling/createMessage`` or ``roots/list``.
            params: Its parameters.
            key: Name of the question in the modern era (MRTR-02); ``None`` for one that is made up. Other eras have no
                use for it.

        Raises:
            McpError: The client answered with an error.
            Timeout: No answer came in time (limit ``answer_s``).
        """
        ...


class Reply(Protocol):
    """What may be said before the result."""

    @property
    def back_channel(self) -> BackChannel | None:
        """The way to ask the client something during the call; ``None`` where there is none."""
        ...

    @property
    def cancelled(self) -> bool:
        """Whether the client gave the call up; safe to read from any thread."""
        ...

    def notify(self, method: str, params: ResultLike) -> Awaitable[None]:
        """Send a notification that belongs to this call; silently dropped once nobody listens."""
        ...

    async def close_stream(self, retry_s: float) -> None:
        """End the stream that carries the call, which goes on: the client comes back for the rest (2025-11-25).

        Does nothing where the client could not come back: in other revisions, and on other transports.

        Args:
            retry_s: Seconds that the client is told to wait (RES-02).
        """
        ...


class Done:
    """An awaitable that is finished: what is returned where nothing is left to wait for."""

    def __await__(self) -> Generator[None, None, None]:
        return _NOTHING

    __iter__ = __await__


_NOTHING: Final = (each for each in ())
DONE: Final = Done()

Service = Callable[[Call, Reply], Awaitable[ResultLike]]


def bind_modern(request: Request, carrier: Carrier) -> Call:
    """Make a modern request self-contained from its ``_meta``.

    Args:
        request: The request as received.
        carrier: How it came.

    Returns:
        The call.

    Raises:
        InvalidMeta: A required field of ``_meta`` is missing or of the wrong type (META-02).
        UnsupportedVersion: The revision is unknown or not a modern one (VER-01).
        InvalidParams: ``logLevel`` is no level (LOG-01).
    """
    params = request.params
    meta = params.get("_meta")
    if not isinstance(meta, dict):
        raise InvalidMeta(f'"params._meta" must be an object with "{META_VERSION}" and "{META_CLIENT_CAPABILITIES}"')
    version = meta.get(META_VERSION)
    if not isinstance(version, str):
        raise InvalidMeta(f'"params._meta" must have "{META_VERSION}" as a string')
    revision = find_modern(version)
    if revision is None:
        raise UnsupportedVersion(version, SUPPORTED_NAMES)
    capabilities = meta.get(META_CLIENT_CAPABILITIES)
    if not isinstance(capabilities, dict):
        raise InvalidMeta(f'"params._meta" must have "{META_CLIENT_CAPABILITIES}" as an object')
    client = meta.get(META_CLIENT_INFO)
    if client is not None and not isinstance(client, dict):
        raise InvalidMeta(f'"{META_CLIENT_INFO}" must be an object')
    level = meta.get(META_LOG_LEVEL)
    return Call(
        method=request.method,
        params=params,
        id=request.id,
        revision=revision,
        carrier=carrier,
        meta=meta,
        client=client,
        capabilities=capabilities,
        log_level=None if level is None else check_log_level(level),
    )


def check_log_level(value: JsonValue) -> LoggingLevel:
    """Return a logging level, or raise `InvalidParams` that lists the known ones (LOG-01)."""
    if value in LOG_LEVELS:
        return value
    raise InvalidParams(f"Unknown log level; known are {', '.join(LOG_LEVELS)}")
