"""`FastMCP`: an `anyport.Server` with the constructor, the decorators and the `run` of `fastmcp` (adr/0044)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import ClassVar, Literal, TypeVar, Unpack, cast, overload

from anyport.app import Server
from anyport.compat.fastmcp.adapting import AnyFunction
from anyport.compat.fastmcp.honesty import Missing, NotHonoured, refuse, warn
from anyport.compat.fastmcp.server.components import Components
from anyport.compat.fastmcp.server.context import Context
from anyport.compat.fastmcp.server.options import (
    SERVER_IGNORED,
    SERVER_REFUSED,
    ComponentOptions,
    OnDuplicate,
    ResourceOptions,
    RunSettings,
    ToolOptions,
)
from anyport.compat.fastmcp.server.running import Running
from anyport.protocol.types import Icon
from anyport.server.declarations import names_of_caller
from anyport.server.pages import PAGE_SIZE

FunctionT = TypeVar("FunctionT", bound=AnyFunction)

_BY_FUNCTION = "a function with a decorator: @mcp.tool, @mcp.resource(uri), @mcp.prompt"


class FastMCP(Running, Components, Server):
    """An `anyport.Server` for code that was written for `fastmcp`.

    What anyport's `Server` has is there as well. What it has no part for raises `NotHonoured`, or warns with a
    `CompatWarning`, and says what takes its place.

    Args:
        name: Name of the server.
        instructions: How to use it, for the model.
        version: Its version.
        website_url: Where to read more.
        icons: Icons, as `mcp.types` or anyport has them.
        lifespan: Takes the server; what the context manager that it returns yields is ``ctx.lifespan_context``.
        tools: Functions that are tools.
        on_duplicate: What becomes of a second tool, resource or prompt of one name; default ``warn``.
        mask_error_details: Models read nothing of exceptions but an id.
        list_page_size: Most entries on a page of a list.
        cache_ttl: Seconds that clients may keep lists.
        cache_scope: Who may share them.
        **options: What older versions, and `mcp`, take here: ``host``, ``port``, paths, and more.

    Raises:
        NotHonoured: An option that is not here.
    """

    context_type = Context
    default_name: ClassVar[str] = "FastMCP"

    custom_route = Missing("mount server.asgi() in Starlette or FastAPI, and add the route there")
    add_middleware = Missing("@server.middleware, one function around every method")
    add_provider = Missing("server.mount(other)")
    add_transform = Missing("server.mount(other, namespace=), or another name where a tool is registered")
    add_resource = Missing(_BY_FUNCTION)
    add_template = Missing(_BY_FUNCTION)
    add_resource_fn = Missing(_BY_FUNCTION)
    add_extension = Missing("server.extension(id, settings=, methods=)")
    add_completion_handler = Missing("@server.completion(target, argument=)")
    enable = Missing("register it: server.tools, server.resources and server.prompts change while the server runs")
    disable = Missing("server.tools.remove(name), and its siblings")
    get_tools = Missing("await server.list_tools()")
    get_resources = Missing("await server.list_resources()")
    get_prompts = Missing("await server.list_prompts()")
    get_context = Missing("a parameter that is annotated with Context receives it")
    as_proxy = Missing("a gateway is to come; Client(url) calls the other server")
    from_client = Missing("a gateway is to come; Client(url) calls the other server")
    from_openapi = Missing("tools from OpenAPI are to come")
    from_fastapi = Missing("tools from OpenAPI are to come; server.asgi() mounts in FastAPI")

    def __init__(
        self,
        name: str | None = None,
        instructions: str | None = None,
        *,
        version: str | float | None = None,
        website_url: str | None = None,
        icons: Sequence[object] | None = None,
        lifespan: Callable[..., AbstractAsyncContextManager[object]] | None = None,
        tools: Sequence[AnyFunction] | None = None,
        on_duplicate: OnDuplicate | None = None,
        mask_error_details: bool | None = None,
        list_page_size: int | None = None,
        cache_ttl: float | None = None,
        cache_scope: Literal["public", "private"] | None = None,
        **options: object,
    ) -> None:
        super().__init__(
            name or self.default_name,
            version="0.0.0" if version is None else str(version),
            instructions=instructions,
            website_url=website_url,
            icons=self._structs(icons, Icon),
            lifespan=lifespan,
            errors="masked" if mask_error_details else "safe",
            page_size=PAGE_SIZE if list_page_size is None else list_page_size,
            cache_ttl=cache_ttl or 0.0,
            cache_scope=cache_scope or "private",
        )
        self._instructions = instructions
        self.settings = RunSettings()
        self.on_duplicate: dict[str, OnDuplicate] = dict.fromkeys(
            ("tool", "resource", "prompt"), on_duplicate or "warn"
        )
        self._take_options(options)
        for function in tools or ():
            self.tool(function)

    @property
    def instructions(self) -> str | None:
        """How to use the server, for the model."""
        return self._instructions

    @overload
    def tool(self, function: FunctionT, /, **options: Unpack[ToolOptions]) -> FunctionT: ...

    @overload
    def tool(
        self, called: str | None = None, /, **options: Unpack[ToolOptions]
    ) -> Callable[[FunctionT], FunctionT]: ...

    def tool(  # pyright: ignore[reportIncompatibleMethodOverride] - the name may come first, and options are more
        self, name_or_function: str | FunctionT | None = None, /, **options: Unpack[ToolOptions]
    ) -> FunctionT | Callable[[FunctionT], FunctionT]:
        """Register a function as a tool: ``@mcp.tool``, ``@mcp.tool()``, ``@mcp.tool("name")``.

        Args:
            name_or_function: The function, or the tool's name.
            **options: See `ToolOptions`.

        Returns:
            The function unchanged, or without one a decorator.

        Raises:
            NotHonoured: An option that is not here.
            DeclarationError: The declaration cannot work; the message names file, line and reason.
        """
        return self._decorate(self._register_tool, name_or_function, options, names_of_caller())

    def resource(  # pyright: ignore[reportIncompatibleMethodOverride] - options are more
        self, uri: str, **options: Unpack[ResourceOptions]
    ) -> Callable[[FunctionT], FunctionT]:
        """Register a function that reads a resource, or a family of them: ``@mcp.resource("data://{id}")``.

        Args:
            uri: The URI, or a URI template; ``{path*}`` takes several segments.
            **options: See `ResourceOptions`.

        Raises:
            NotHonoured: An option that is not here.
            DeclarationError: The declaration cannot work; the message names file, line and reason.
        """
        self._check_uri(uri)
        return cast(
            "Callable[[FunctionT], FunctionT]",
            self._decorate(self._register_resource(uri), None, options, names_of_caller()),
        )

    @overload
    def prompt(self, function: FunctionT, /, **options: Unpack[ComponentOptions]) -> FunctionT: ...

    @overload
    def prompt(
        self, called: str | None = None, /, **options: Unpack[ComponentOptions]
    ) -> Callable[[FunctionT], FunctionT]: ...

    def prompt(  # pyright: ignore[reportIncompatibleMethodOverride] - the name may come first, and options are more
        self, name_or_function: str | FunctionT | None = None, /, **options: Unpack[ComponentOptions]
    ) -> FunctionT | Callable[[FunctionT], FunctionT]:
        """Register a function as a prompt: ``@mcp.prompt``, ``@mcp.prompt()``, ``@mcp.prompt("name")``.

        Args:
            name_or_function: The function, or the prompt's name.
            **options: See `ComponentOptions`.

        Raises:
            NotHonoured: An option that is not here.
            DeclarationError: The declaration cannot work; the message names file, line and reason.
        """
        return self._decorate(self._register_prompt, name_or_function, options, names_of_caller())

    def add_tool(self, function: FunctionT, /, **options: Unpack[ToolOptions]) -> FunctionT:
        """Register a function as a tool; see `tool`."""
        self._check_function("add_tool", function)
        self._register_tool(function, options, names_of_caller())
        return function

    def completion(self, target: object = None, /, argument: str | None = None) -> Callable[[FunctionT], FunctionT]:
        """Register a function that completes one argument; see `anyport.Server.completion`.

        Raises:
            NotHonoured: It is to complete every argument, as in the other libraries.
        """
        if not isinstance(target, str) or argument is None:
            raise NotHonoured("completion: one function for all arguments is not here: (target, argument=) for each")
        return super().completion(target, argument)

    def add_prompt(self, function: FunctionT) -> FunctionT:
        """Register a function as a prompt; see `prompt`."""
        self._check_function("add_prompt", function)
        self._register_prompt(function, {}, names_of_caller())
        return function

    def remove_tool(self, name: str) -> None:
        """Take a tool out.

        Raises:
            LocalProtocolError: There is none of that name.
        """
        self.tools.remove(name)

    def mount(  # pyright: ignore[reportIncompatibleMethodOverride] - the other library has changed its order
        self,
        server: Server | str,
        namespace: str | Server | None = None,
        *,
        prefix: str | None = None,
        as_proxy: bool | None = None,
        tool_names: Mapping[str, str] | None = None,
    ) -> None:
        """Show what another server has as part of this one; see `anyport.Server.mount`.

        Args:
            server: The server.
            namespace: What names and URIs get.
            prefix: The same, as it was called before.
            as_proxy: Makes no difference: the other server's own lifespan and middleware run.
            tool_names: Not here.

        Raises:
            NotHonoured: ``tool_names``.
        """
        if isinstance(server, str):
            server, namespace = cast("Server", namespace), server
        refuse("mount", {"tool_names": tool_names}, {"tool_names": "name= where a tool is registered"})
        super().mount(server, cast("str | None", namespace) or prefix or None)

    async def import_server(self, server: Server, prefix: str | None = None) -> None:
        """Do as `mount`: what the other server registers later is there too, which a warning says."""
        warn("import_server: the other server is mounted; what it registers later is shown too")
        self.mount(server, prefix)

    def _take_options(self, options: dict[str, object]) -> None:
        """Take what is said about running, and about what is taken twice; refuse the rest, or warn."""
        for name in ("tool", "resource", "prompt"):
            said = options.pop(f"on_duplicate_{name}s", None)
            if options.pop(f"warn_on_duplicate_{name}s", True) is False and self.on_duplicate[name] == "warn":
                said = "replace" if self._second_wins else "ignore"
            if said is not None:
                self.on_duplicate[name] = cast("OnDuplicate", said)
        for name in tuple(options):
            if hasattr(self.settings, name):
                value = options.pop(name)
                if value is not None:
                    setattr(self.settings, name, value)
            elif name in SERVER_IGNORED and options.pop(name, None):
                warn(f"FastMCP: {name} makes no difference here: {SERVER_IGNORED[name]}")
        refuse("FastMCP", options, SERVER_REFUSED)
        if self.settings.log_level is not None:
            logging.getLogger("anyport").setLevel(self.settings.log_level.upper())
