"""Server: what an author builds. Decorators register, the rest composes; no protocol logic lives here."""

from __future__ import annotations

import functools
import importlib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar, Unpack, cast, overload

from anyport.protocol.calls import Call, Reply, Service
from anyport.protocol.changes import LISTEN
from anyport.protocol.errors import LocalProtocolError
from anyport.protocol.jsonrpc import ResultLike
from anyport.protocol.limits import DEFAULT_LIMITS, Limits
from anyport.protocol.types import (
    CacheScope,
    Icon,
    Implementation,
    PromptsCapability,
    ResourcesCapability,
    ServerCapabilities,
    ToolsCapability,
)
from anyport.protocol.types.json import JsonObject
from anyport.security.sealing import Sealer, secrets_of
from anyport.server.announcing import Announcing
from anyport.server.authoring import Authoring
from anyport.server.cache_hints import cache_hints
from anyport.server.completions import Completions
from anyport.server.context import Context
from anyport.server.declarations import names_of_caller
from anyport.server.discovery import Discovery
from anyport.server.dispatch import Dispatcher
from anyport.server.extensions import Extensions
from anyport.server.functions import ErrorDetail, Functions
from anyport.server.in_process import DirectCalls
from anyport.server.lifespan import Lifespan, LifespanFunction
from anyport.server.middleware import Middleware
from anyport.server.pages import PAGE_SIZE
from anyport.server.prompts import Prompts
from anyport.server.resources import Resources
from anyport.server.rounds import Rounds
from anyport.server.subscriptions import Subscriptions
from anyport.server.threads import ThreadPool
from anyport.server.tools import ToolArguments, ToolOptions, Tools

if TYPE_CHECKING:
    from anyport.server.mounting import Mounts
    from anyport.serving.application import HttpOptions, RunOptions
    from anyport.serving.asgi import AsgiApp
    from anyport.stores.base import Store

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])
MiddlewareT = TypeVar("MiddlewareT", bound=Middleware)


class Server(Authoring, Announcing, DirectCalls):
    """An MCP server: register functions, then `run` it or mount `asgi`.

    It speaks every protocol revision on every transport; which one carries a call is configuration.

    Args:
        name: Name of the server, as clients see it.
        version: Its version.
        title: Name for people.
        description: What it is, in a sentence.
        website_url: Where to read more.
        icons: Icons for user interfaces.
        instructions: How to use the server, for the model.
        lifespan: Called with the server once per process; the asynchronous context manager that it returns is entered
            before the first call and left at the end, and what it yields is ``ctx.state``.
        errors: How much of a tool's exception reaches the model: ``safe`` its type and first line, ``full`` its whole
            text, ``masked`` nothing but an id. The traceback goes to the log ``anyport.server`` under the same id.
        limits: Bounds on what peers may send and hold.
        store: What outlives a request: legacy sessions, their streams, and messages between processes. It is started
            and closed with the server; its own limits hold. Default: memory of this process, bounded by ``limits``.
        secret: Seals what clients carry for the server between a question and its answer. At least 32 bytes, shared
            by all processes that serve the same clients; with several, the first seals and all open, for a change of
            secrets. Default: the environment's ``ANYPORT_SECRET`` (several separated by commas), else a random one.
        page_size: Most entries on a page of a list; what is more goes on the next page.
        cache_ttl: Seconds that clients may keep the lists and what they discover about the server. What a resource
            holds has a ``cache_ttl`` of its own.
        cache_scope: Who may share these: ``private``, or ``public`` where they are the same for everybody.
        tool_timeout: Seconds that a call of a tool may take, unless the tool has a ``timeout`` of its own; ``None``
            for no limit.

    Attributes:
        dependency_overrides: Functions that stand in for others in `Depends`, for tests: the one that is depended on,
            and the one to run.
        named_store: The store, where one was named.
        context_type: Class of what functions receive by the annotation `Context`; a subclass may give it other words.

    Raises:
        LocalProtocolError: A setting that cannot be.
    """

    context_type: type[Context] = Context

    def __init__(
        self,
        name: str,
        *,
        version: str = "0.0.0",
        title: str | None = None,
        description: str | None = None,
        website_url: str | None = None,
        icons: Sequence[Icon] = (),
        instructions: str | None = None,
        lifespan: LifespanFunction | None = None,
        errors: ErrorDetail = "safe",
        limits: Limits = DEFAULT_LIMITS,
        store: Store | None = None,
        secret: str | bytes | Sequence[str | bytes] | None = None,
        page_size: int = PAGE_SIZE,
        cache_ttl: float = 0.0,
        cache_scope: CacheScope = "private",
        tool_timeout: float | None = None,
    ) -> None:
        if not name:
            raise LocalProtocolError("A server needs a name")
        if tool_timeout is not None and not 0 < tool_timeout < math.inf:
            raise LocalProtocolError(f"tool_timeout must be seconds above 0; it is {tool_timeout!r}")
        self.name = name
        self.version = version
        self.limits = limits
        self.named_store = store
        self._own_store: Store | None = None
        self.dependency_overrides: dict[Callable[..., object], Callable[..., object]] = {}
        self.threads = ThreadPool(limits.sync_threads, limits.sync_queue)
        functions = Functions(self.threads, errors)
        # Before the registries, which publish to it; it asks them for nothing until it is called.
        if isinstance(store, (str, os.PathLike)):
            raise LocalProtocolError(f"store must be a store, such as SqliteStore({str(store)!r}), not a path")
        bus = None if store is None else store.bus
        self.subscriptions = Subscriptions(limits, self._capabilities, self.check_resource, bus, f"changes/{name}")
        sealer = Sealer(secrets_of(secret, os.environ.get("ANYPORT_SECRET")))
        self.rounds = Rounds(limits, sealer, bus, f"parked/{name}")
        parts = (self.subscriptions, self.rounds)
        self.lifespan = Lifespan(lifespan, self, parts, [self.rounds.drain], limits.drain_s)
        if store is not None:
            self.lifespan.join(store)
        self.tools = Tools(self, functions, page_size, tool_timeout)
        self.resources = Resources(self, functions, page_size)
        self.prompts = Prompts(self, functions, page_size)
        self.completions = Completions(self, functions, self.prompts, self.resources)
        info = Implementation(
            name=name,
            version=version,
            title=title,
            description=description,
            website_url=website_url,
            icons=list(icons) or None,
        )
        discovery = Discovery(info, instructions, self._capabilities)
        self.dispatcher = Dispatcher(
            info,
            {
                "initialize": discovery.initialize,
                "server/discover": discovery.discover,
                "ping": discovery.ping,
                "logging/setLevel": discovery.set_log_level,
                "tools/list": self.tools.list,
                "tools/call": self.rounds.around(self.tools.call, self.tools.manner),
                "resources/list": self.resources.list,
                "resources/templates/list": self.resources.list_templates,
                "resources/read": self.rounds.around(self.resources.read, self.resources.manner),
                "prompts/list": self.prompts.list,
                "prompts/get": self.rounds.around(self.prompts.get, self.prompts.manner),
                "completion/complete": self.completions.complete,
                LISTEN: self.subscriptions.listen,
                "resources/subscribe": self.subscriptions.subscribe,
                "resources/unsubscribe": self.subscriptions.unsubscribe,
            },
            {
                "tools/list": lambda: self.tools.version,
                "resources/list": lambda: self.resources.version,
                "resources/templates/list": lambda: self.resources.version,
                "prompts/list": lambda: self.prompts.version,
                "server/discover": self._version,
            },
            cache_hints(cache_ttl, cache_scope),
            {"tools/call": self.rounds.between(self.tools.call_encoded, self.tools.call, self.tools.manner)},
            {"tools/call": self.tools.call_known},
        )
        self.extensions = Extensions(self.dispatcher.extend)
        self.service: Service = self.dispatcher
        self.mounts: Mounts | None = None

    @property
    def state(self) -> object:
        """What the lifespan yielded."""
        return self.lifespan.state

    @property
    def store(self) -> Store:
        """What outlives a request."""
        if self.named_store is not None:
            return self.named_store
        if self._own_store is None:
            # Made here: a server that stays on stdio has no use for it.
            own: Store = importlib.import_module("anyport.serving.own_store").make_store(self.limits)
            self._own_store = own
            self.lifespan.join(own)
        return self._own_store

    def share(self, make: Callable[[Limits], Store]) -> bool:
        """Make ready for several processes; see `anyport.serving.application.Application.share`."""
        # Loaded here: most servers are one process.
        return importlib.import_module("anyport.server.sharing").share(self, make)

    async def __call__(self, call: Call, reply: Reply) -> ResultLike:
        """Answer a call: a server is a `Service`."""
        return await self.service(call, reply)

    @overload
    def tool(self, function: FunctionT, /) -> FunctionT: ...

    @overload
    def tool(self, /, **options: Unpack[ToolArguments]) -> Callable[[FunctionT], FunctionT]: ...

    def tool(
        self, function: FunctionT | None = None, /, **options: Unpack[ToolArguments]
    ) -> FunctionT | Callable[[FunctionT], FunctionT]:
        """Register a function as a tool; with or without parentheses.

        Its name, docstring, parameters and return annotation say everything; options override. The function itself is
        returned unchanged.

        Args:
            function: A ``def`` (runs on a thread) or ``async def`` (runs on the event loop).
            **options: ``name``, ``title``, ``description``, ``annotations`` (hints for clients), ``icons``, ``meta``
                (the tool's ``_meta``), ``input_schema`` (a JSON Schema in place of the one made from the parameters;
                arguments are checked against both), ``structured_output=False`` for no ``outputSchema``, ``timeout``
                (seconds that a call may take, default the server's ``tool_timeout``, ``None`` for no limit: an ``async
                def`` is cancelled, a thread goes on and reads ``ctx.cancelled``; the model reads which setting it
                was), ``max_concurrency`` (calls that may run at a time; one more is refused as busy),
                ``resumable=True`` for one that runs again when the user has answered, instead of waiting in memory; see
                `Context.once`.

        Returns:
            The function, or without one a decorator.

        Raises:
            DeclarationError: The declaration cannot work; the message names file, line and reason.
        """
        names = names_of_caller()
        if function is None:
            return functools.partial(self._add_tool, options, names)
        return self._add_tool(options, names, function)

    def _add_tool(self, options: ToolArguments, names: Mapping[str, object], function: FunctionT) -> FunctionT:
        self.tools.add(function, ToolOptions(**options), names)
        return function

    def middleware(self, function: MiddlewareT) -> MiddlewareT:
        """Register middleware: a function around every method, ``initialize``, streams and unknown methods included.

        ``async def mw(call: Call, reply: Reply, next: Service) -> ResultLike`` (`anyport.types`). It awaits
        ``next(call, reply)``, with another call if it likes (``msgspec.structs.replace``), and returns a result: a
        struct such as ``CallToolResult``, a list that is encoded already (``msgspec.Raw``), or a plain object;
        `anyport.types.as_object` reads all three. It may answer by itself; what a modern result needs is filled in. An
        `McpError` that it raises is the answer; anything else is -32603, with an id that the log has too.

        The one that is registered first is the outermost.

        Returns:
            The function unchanged.

        Raises:
            DeclarationError: It is no ``async def`` of three arguments.
        """
        self.dispatcher.wrap(function)
        return function

    def extension(
        self, name: str, /, settings: JsonObject | None = None, methods: Mapping[str, Service] | None = None
    ) -> None:
        """Declare an extension of the protocol, and answer its methods.

        Clients of 2026-07-28 read it among the capabilities; older revisions have no extensions, and their clients see
        the core alone. A method is ``async def method(call: Call, reply: Reply) -> ResultLike`` (`anyport.types`); a
        client that does not declare the extension itself is refused with -32021. In a tool, ``ctx.extension(name)``
        tells what the client declares.

        Args:
            name: Id of the extension: a prefix, a slash and a name, such as ``io.example/thing``.
            settings: What is declared about it; default: nothing but that it is spoken.
            methods: Its methods, by name on the wire.

        Raises:
            LocalProtocolError: The id cannot be one or is declared, or a method is taken.
            DeclarationError: A method is no ``async def`` of two arguments; the message names file and line.
        """
        self.extensions.add(name, settings or {}, methods or {})

    def mount(self, other: Server, namespace: str | None = None) -> None:
        """Show what another server has as part of this one, now and as it changes.

        A tool or prompt ``x`` of the other server is ``namespace_x`` here, a resource ``shop://items/1`` is
        ``shop://namespace/items/1``. Its functions run as they would there: with its state, its middleware (around the
        calls that are for it), its limits and its ``errors``. Its lifespan starts and ends with this one's.

        Args:
            other: The server; it may have others mounted itself, and may be served on its own too.
            namespace: What names and URIs get; ``None`` to show them as they are.

        Raises:
            LocalProtocolError: A name or URI is taken, the namespace cannot be one, or a server would be in itself.
        """
        if self.mounts is None:
            # Loaded here: few servers are made of others.
            self.mounts = importlib.import_module("anyport.server.mounting").Mounts(self)
        cast("Mounts", self.mounts).add(other, namespace)

    def check_resource(self, uri: str, call: Call) -> None:
        """Check that a URI is that of a resource, here or in what is mounted.

        Raises:
            McpError: It is not.
        """
        (self.mounts or self.resources).check(uri, call)

    def asgi(self, **options: Unpack[HttpOptions]) -> AsgiApp:
        """Return an ASGI application that serves MCP over Streamable HTTP.

        It starts itself on its first request, so it can be mounted in any framework without lifespan wiring, and it
        answers ``path`` with and without a trailing slash, without redirects.

        Args:
            **options: ``path`` (default ``/mcp``), ``allowed_hosts``, ``allowed_origins``, ``json_only=True`` (every
                answer is one JSON body); ``sse=True`` serves HTTP+SSE of 2024-11-05 as well, with ``sse_path``,
                ``message_path`` and ``message_url``.
        """
        # Loaded here: a server that stays on stdio has no use for it.
        return importlib.import_module("anyport.serving.asgi").AsgiApp(self, **options)

    def run(self, transport: str | Sequence[str] | None = None, **options: Unpack[RunOptions]) -> None:
        """Serve until the client leaves or a signal ends the process.

        Args:
            transport: ``stdio`` (the default), ``http``, which ``streamable-http`` is another word for, ``sse`` or
                ``socket``; or a list of them, all at once, in one process with one lifespan.
            **options: For ``http`` and ``sse``: ``host`` (default ``127.0.0.1``), ``port`` (default 8000), and the
                options of `asgi`; ``sse_host`` and ``sse_port`` where the two are to be apart; ``plain_asgi`` to do
                without the HTTP edge. For ``http`` alone: ``workers``, a number of processes (see
                `anyport.serving.application.RunOptions`), each with a lifespan. For ``socket``: ``socket_path``, or
                ``socket_port`` with ``socket_host`` (default ``127.0.0.1``), and ``socket_remote`` for one that other
                machines may reach. For ``stdio``: ``strict_stdout``.

        Raises:
            ValueError: A transport is unknown; the message lists the known ones.
            LocalProtocolError: An option does not go with the transports, or makes no sense.
            SystemExit: An address cannot be listened on (status 1), or the lifespan failed (3).
        """
        # Loaded here: a server that is called in process, or by an ASGI server, has no use for it.
        importlib.import_module("anyport.serving.run").run(self, transport, options)

    async def run_async(self, transport: str | Sequence[str] | None = None, **options: Unpack[RunOptions]) -> None:
        """Serve as `run` does, in an event loop that runs already and goes on afterwards.

        Args:
            transport: As for `run`.
            **options: As for `run`, without ``workers``.
        """
        await importlib.import_module("anyport.serving.run").run_async(self, transport, options)

    def _version(self) -> int:
        """Count the changes of all registries: equal numbers mean equal capabilities."""
        registries = self.tools.version + self.resources.version + self.prompts.version + self.completions.version
        return registries + self.extensions.version

    def _capabilities(self) -> ServerCapabilities:
        registries = (self.tools, self.resources, self.prompts, self.completions)
        return ServerCapabilities(
            # Also where the last one was removed: what was declared stays true.
            tools=ToolsCapability(list_changed=True) if self.tools.version else None,
            resources=ResourcesCapability(subscribe=True, list_changed=True) if self.resources.version else None,
            prompts=PromptsCapability(list_changed=True) if self.prompts.version else None,
            completions={} if self.completions.offered else None,
            logging={} if any(registry.uses_context for registry in registries) else None,
            extensions=self.extensions.settings or None,
        )
