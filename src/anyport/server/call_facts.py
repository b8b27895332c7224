"""What a handler knows of the call at hand and of the server around it: the part of a `Context` that only tells."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Protocol, cast

from typing_extensions import TypeVar

from anyport.protocol.calls import Call, Reply, TransportName
from anyport.protocol.changes import Change
from anyport.protocol.jsonrpc import RequestId
from anyport.protocol.limits import Limits
from anyport.protocol.trace_context import TraceContext, read_baggage, read_trace_context
from anyport.protocol.types import ResourceContents
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.server.extensions import client_settings, require_extension
from anyport.server.threads import ThreadPool

if TYPE_CHECKING:
    from anyport.server.context import Context
    from anyport.server.speech import Speech

StateT = TypeVar("StateT", default=Any)


class ReadableResources(Protocol):
    """What a context reads resources from."""

    def contents(self, uri: str, call: Call, context: Context[Any]) -> Awaitable[list[ResourceContents]]:
        """Read a resource on behalf of a call."""
        ...


class Publisher(Protocol):
    """What a context tells of changes."""

    def publish(self, change: Change) -> None:
        """Tell everybody of a change."""
        ...


class Surroundings(Protocol):
    """What a context tells of the server around it.

    Attributes:
        context_type: What the functions of the server receive.
    """

    context_type: type[Context[Any]]
    name: str
    version: str
    limits: Limits
    threads: ThreadPool
    dependency_overrides: dict[Callable[..., object], Callable[..., object]]

    @property
    def state(self) -> object:
        """What the lifespan yielded."""
        ...

    @property
    def resources(self) -> ReadableResources:
        """The resources that the server has."""
        ...

    @property
    def subscriptions(self) -> Publisher:
        """Who is told what changes."""
        ...


class CallFacts(Generic[StateT]):
    """Who called, and how; what the lifespan opened.

    Attributes:
        over: The call has its result or is given up: nothing more is sent.
        speech: What it says before its result; ``None`` as long as it says nothing.
    """

    __slots__ = ("_call", "_loop", "_once", "_reply", "_server", "over", "speech")

    def __init__(self, call: Call, reply: Reply, server: Surroundings) -> None:
        self._call = call
        self._reply = reply
        self._server = server
        # What the parts of a context need that ask and speak: a call makes one object in one step.
        self._loop = asyncio.get_running_loop()
        self._once: dict[str, JsonValue] | None = None
        self.over = False
        self.speech: Speech | None = None

    @property
    def request_id(self) -> RequestId:
        """Id of the JSON-RPC request."""
        return self._call.id

    @property
    def session_id(self) -> str | None:
        """Id of the legacy HTTP session, or of a conversation over HTTP+SSE; ``None`` elsewhere."""
        return self._call.carrier.session_id

    @property
    def transport(self) -> TransportName:
        """Which transport carried the request."""
        return self._call.carrier.transport

    @property
    def revision(self) -> str:
        """Protocol version of the request, such as ``2026-07-28``."""
        return self._call.revision.name

    @property
    def client(self) -> JsonObject | None:
        """``clientInfo`` as the client reports it: for display and logs, never for decisions (META-04)."""
        return self._call.client

    @property
    def headers(self) -> Mapping[str, str]:
        """HTTP header fields of the request, names in lower case; empty where the transport has none."""
        return self._call.carrier.headers or {}

    @property
    def principal(self) -> str | None:
        """Who was authenticated; ``None`` for nobody."""
        return self._call.carrier.principal

    @property
    def meta(self) -> JsonObject:
        """``_meta`` of the request."""
        return self._call.meta

    @property
    def trace(self) -> TraceContext | None:
        """Where the request stands in a trace of its client; ``None`` where it says nothing that can be read."""
        return read_trace_context(self._call.meta)

    @property
    def baggage(self) -> str | None:
        """W3C baggage of the request; ``None`` where there is none that can be read."""
        return read_baggage(self._call.meta)

    @property
    def cancelled(self) -> bool:
        """Whether the call is given up, by its client or for its timeout; for plain functions, which go on."""
        return self.over or self._reply.cancelled

    @property
    def capabilities(self) -> Mapping[str, JsonValue]:
        """What the client declared that it can do: ``elicitation``, ``sampling``, ``roots`` and more."""
        return MappingProxyType(self._call.capabilities)

    @property
    def state(self) -> StateT:
        """What the server's lifespan yielded."""
        return cast("StateT", self._server.state)

    @property
    def server(self) -> Surroundings:
        """The server that serves the call."""
        return self._server

    def extension(self, name: str) -> JsonObject | None:
        """Return what the client declares about an extension of the protocol; ``None`` where it does not speak it.

        Args:
            name: Id of the extension, such as ``io.example/thing``.
        """
        return client_settings(self._call, name)

    def require_extension(self, name: str) -> JsonObject:
        """Return what the client declares about an extension that this call cannot do without (VER-12).

        Args:
            name: Id of the extension.

        Raises:
            MissingClientCapability: The client does not speak it.
            InvalidRequest: The same, in a revision without extensions.
        """
        return require_extension(self._call, name)
