"""Server: what an author builds. Decorators register, the rest composes; no protocol logic lives here."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar, Unpack, overload

from typing_extensions import TypedDict

from anyport.protocol.calls import Call, Reply, Service
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
    ToolAnnotations,
    ToolsCapability,
)
from anyport.protocol.types.json import JsonObject
from anyport.server.authoring import Authoring
from anyport.server.cache_hints import cache_hints
from anyport.server.completions import Completions
from anyport.server.declarations import names_of_caller
from anyport.server.discovery import Discovery
from anyport.server.dispatch import Dispatcher
from anyport.server.functions import ErrorDetail, Functions
from anyport.server.lifespan import Lifespan, LifespanFunction
from anyport.server.pages import PAGE_SIZE
from anyport.server.prompts import Prompts
from anyport.server.resources import Resources
from anyport.server.threads import ThreadPool
from anyport.server.tools import ToolOptions, Tools
from anyport.serving.application import HttpOptions, RunOptions
from anyport.serving.run import run

if TYPE_CHECKING:
    from anyport.serving.asgi import AsgiApp

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])


class ToolArguments(TypedDict, total=False):
    """The options of `Server.tool`."""

    name: str
    title: str
    description: str
    annotations: ToolAnnotations
    icons: Sequence[Icon]
    meta: JsonObject
    input_schema: JsonObject
    structured_output: bool


class Server(Authoring):
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
        page_size: Most entries on a page of a list; what is more goes on the next page.
        cache_ttl: Seconds that clients may keep the lists and what they discover about the server. What a resource
            holds has a ``cache_ttl`` of its own.
        cache_scope: Who may share these: ``private``, or ``public`` where they are the same for everybody.
    """

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
        page_size: int = PAGE_SIZE,
        cache_ttl: float = 0.0,
        cache_scope: CacheScope = "private",
    ) -> None:
        if not name:
            raise LocalProtocolError("A server needs a name")
        self.name = name
        self.version = version
        self.limits = limits
        self.lifespan = Lifespan(lifespan, self)
        functions = Functions(ThreadPool(limits.sync_threads, limits.sync_queue), errors)
        self.tools = Tools(self, functions, page_size)
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
        self.service: Service = Dispatcher(
            info,
            {
                "initialize": discovery.initialize,
                "server/discover": discovery.discover,
                "ping": discovery.ping,
                "logging/setLevel": discovery.set_log_level,
                "tools/list": self.tools.list,
                "tools/call": self.tools.call,
                "resources/list": self.resources.list,
                "resources/templates/list": self.resources.list_templates,
                "resources/read": self.resources.read,
                "prompts/list": self.prompts.list,
                "prompts/get": self.prompts.get,
                "completion/complete": self.completions.complete,
            },
            {
                "tools/list": lambda: self.tools.version,
                "resources/list": lambda: self.resources.version,
                "resources/templates/list": lambda: self.resources.version,
                "prompts/list": lambda: self.prompts.version,
                "server/discover": self._version,
            },
            cache_hints(cache_ttl, cache_scope),
        )

    @property
    def state(self) -> object:
        """What the lifespan yielded."""
        return self.lifespan.state

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
                arguments are checked against both), ``structured_output=False`` for no ``outputSchema``.

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

    def asgi(self, **options: Unpack[HttpOptions]) -> AsgiApp:
        """Return an ASGI application that serves MCP over Streamable HTTP.

        It starts itself on its first request, so it can be mounted in any framework without lifespan wiring, and it
        answers ``path`` with and without a trailing slash, without redirects.

        Args:
            **options: ``path`` (default ``/mcp``), ``allowed_hosts``, ``allowed_origins``.
        """
        # Loaded here: a server that stays on stdio has no use for it.
        return importlib.import_module("anyport.serving.asgi").AsgiApp(self, **options)

    def run(self, transport: str | None = None, **options: Unpack[RunOptions]) -> None:
        """Serve until the client leaves or a signal ends the process.

        Args:
            transport: ``stdio`` (the default), or ``http``, which ``streamable-http`` is another word for.
            **options: For ``http``: ``host`` (default ``127.0.0.1``), ``port`` (default 8000), and the options of
                `asgi`.

        Raises:
            ValueError: The transport is unknown; the message lists the known ones.
        """
        run(self, transport, options)

    def _version(self) -> int:
        """Count the changes of all registries: equal numbers mean equal capabilities."""
        return self.tools.version + self.resources.version + self.prompts.version + self.completions.version

    def _capabilities(self) -> ServerCapabilities:
        registries = (self.tools, self.resources, self.prompts, self.completions)
        return ServerCapabilities(
            tools=ToolsCapability() if len(self.tools) else None,
            resources=ResourcesCapability() if self.resources.version else None,
            prompts=PromptsCapability() if self.prompts.version else None,
            completions={} if self.completions.offered else None,
            logging={} if any(registry.uses_context for registry in registries) else None,
        )
