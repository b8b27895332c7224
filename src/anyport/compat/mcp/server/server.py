"""`Server` as code for the low-level API of `mcp` 1.x uses it; an `anyport.Server` does the work (adr/0040)."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, TypeVar, cast

from msgspec import Struct
from pydantic import BaseModel

from anyport.app import Server as PublicServer
from anyport.compat.mcp.server.calls import Callee, Tools
from anyport.compat.mcp.server.models import InitializationOptions, NotificationOptions, ReadResourceContents
from anyport.compat.mcp.server.stdio import StdioEnd
from anyport.compat.mcp.types import to_wire
from anyport.errors import LocalProtocolError, McpError
from anyport.protocol.errors import INVALID_PARAMS
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.serving.run import serve_stdio
from anyport.types import Call, Reply, ResultLike, Service, as_object

Function = TypeVar("Function", bound=Callable[..., Awaitable[object]])
Decorator = Callable[[Function], Function]
_Answer = Callable[[Call, Reply], Awaitable[ResultLike]]

_HELLO: Final = frozenset({"initialize", "server/discover"})
_DECLARED: Final = {
    "tools/list": "tools",
    "resources/list": "resources",
    "resources/templates/list": "resources",
    "prompts/list": "prompts",
    "completion/complete": "completions",
}


@dataclass(frozen=True)
class RequestContext:
    """What a handler may ask about its request.

    Attributes:
        request_id: Its id.
        meta: ``_meta`` of its parameters.
        lifespan_context: What the lifespan yielded.
    """

    request_id: str | int
    meta: JsonObject
    lifespan_context: object


request_ctx: ContextVar[RequestContext] = ContextVar("request_ctx")


class Server:
    """A server whose handlers answer whole methods.

    Args:
        name: Its name.
        version: Its version.
        instructions: How to use it, for the model.
        website_url: Where to read more.
        lifespan: Takes the server; what the context manager that it returns yields is
            ``request_context.lifespan_context``.

    Attributes:
        server: The `anyport.Server` that does the work, for every other transport: ``app.server.run("http")``.
    """

    def __init__(
        self,
        name: str,
        version: str | None = None,
        instructions: str | None = None,
        website_url: str | None = None,
        *,
        lifespan: Callable[[Server], AbstractAsyncContextManager[object]] | None = None,
    ) -> None:
        self.name = name
        self.version = version
        self.instructions = instructions
        self.website_url = website_url
        self.server = PublicServer(
            name,
            version=version or "0.0.0",
            instructions=instructions,
            website_url=website_url,
            lifespan=None if lifespan is None else lambda _: lifespan(self),
        )
        self.server.middleware(self._answer)
        self._answers: dict[str, _Answer] = {}
        self._tools: Tools | None = None
        self._declared: InitializationOptions | None = None

    @property
    def request_context(self) -> RequestContext:
        """What is known of the request that is being handled.

        Raises:
            LookupError: None is.
        """
        return request_ctx.get()

    # --- handlers -----------------------------------------------------------------------------------------------------

    def list_tools(self) -> Decorator[Function]:
        """Register what lists the tools: ``async def () -> list[Tool]``."""
        return self._lists("tools/list", "tools")

    def call_tool(self, *, validate_input: bool = True) -> Decorator[Function]:
        """Register what calls a tool: ``async def (name, arguments)``.

        It returns content blocks, a dict as structured content, both as a tuple, or a whole result. What it raises the
        model reads as a failed call.

        Args:
            validate_input: Check arguments against ``inputSchema`` of the listed tool first.
        """

        def register(function: Function) -> Function:
            self._tools = Tools(self.server, cast("Callee", function), self._listed_tools, checked=validate_input)
            self._answers["tools/call"] = self._tools.call
            return function

        return register

    def list_resources(self) -> Decorator[Function]:
        """Register what lists the resources: ``async def () -> list[Resource]``."""
        return self._lists("resources/list", "resources")

    def list_resource_templates(self) -> Decorator[Function]:
        """Register what lists the templates: ``async def () -> list[ResourceTemplate]``."""
        return self._lists("resources/templates/list", "resourceTemplates")

    def read_resource(self) -> Decorator[Function]:
        """Register what reads a resource: ``async def (uri) -> str | bytes | Iterable[ReadResourceContents]``.

        The URI is a `str`; `mcp` passes a type of pydantic's, which prints the same.
        """

        def register(function: Function) -> Function:
            async def answer(call: Call, reply: Reply) -> JsonObject:
                uri = _text(call.params, "uri")
                found = await function(uri)
                each = (
                    [ReadResourceContents(found)]
                    if isinstance(found, (str, bytes))
                    else cast("Iterable[ReadResourceContents]", found)
                )
                return {"contents": [_contents(uri, one) for one in each]}

            self._answers["resources/read"] = answer
            return function

        return register

    def list_prompts(self) -> Decorator[Function]:
        """Register what lists the prompts: ``async def () -> list[Prompt]``."""
        return self._lists("prompts/list", "prompts")

    def get_prompt(self) -> Decorator[Function]:
        """Register what fills a prompt in: ``async def (name, arguments) -> GetPromptResult``."""

        def register(function: Function) -> Function:
            async def answer(call: Call, reply: Reply) -> JsonObject:
                return to_wire(await function(_text(call.params, "name"), call.params.get("arguments")))

            self._answers["prompts/get"] = answer
            return function

        return register

    # --- running ------------------------------------------------------------------------------------------------------

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: Mapping[str, JsonObject] | None = None,
    ) -> InitializationOptions:
        """Return what the server says of itself, for `run`."""
        return InitializationOptions(
            server_name=self.name,
            server_version=self.version or "0.0.0",
            capabilities=self.get_capabilities(
                notification_options or NotificationOptions(), experimental_capabilities
            ),
            instructions=self.instructions,
            website_url=self.website_url,
        )

    def get_capabilities(
        self, notification_options: NotificationOptions, experimental_capabilities: Mapping[str, JsonObject] | None
    ) -> JsonObject:
        """Return what the handlers that are registered by now make the server declare."""
        changed = {
            "tools": notification_options.tools_changed,
            "resources": notification_options.resources_changed,
            "prompts": notification_options.prompts_changed,
        }
        declared: JsonObject = {}
        for method in self._answers:
            name = _DECLARED.get(method)
            if name is not None:
                declared[name] = {"listChanged": True} if changed.get(name) else {}
        if experimental_capabilities:
            declared["experimental"] = dict(experimental_capabilities)
        return declared

    async def run(
        self, read_stream: object, write_stream: object, initialization_options: InitializationOptions
    ) -> None:
        """Serve the client on the standard streams until it leaves.

        Args:
            read_stream: The first of what `stdio_server` yields.
            write_stream: The second.
            initialization_options: What the server says of itself; its capabilities are declared as they are here.

        Raises:
            LocalProtocolError: The streams are not those of `stdio_server`.
        """
        if not (isinstance(read_stream, StdioEnd) and isinstance(write_stream, StdioEnd)) or (
            (read_stream.way, write_stream.way) != ("read", "write")
        ):
            raise LocalProtocolError(
                "run takes what anyport's stdio_server yields: async with stdio_server() as (r, w)"
            )
        self._declared = initialization_options
        await serve_stdio(self.server, read_stream.guard)

    # --- middleware ---------------------------------------------------------------------------------------------------

    async def _answer(self, call: Call, reply: Reply, behind: Service) -> ResultLike:
        if call.method in _HELLO:
            return self._introduce(call.method, as_object(await behind(call, reply)))
        answer = self._answers.get(call.method)
        if answer is None:
            return await behind(call, reply)
        token = request_ctx.set(RequestContext(call.id, call.meta, self.server.state))
        try:
            return await answer(call, reply)
        finally:
            request_ctx.reset(token)

    def _introduce(self, method: str, result: JsonObject) -> JsonObject:
        said = self._declared or self.create_initialization_options()
        result = {**result, "capabilities": said.capabilities}
        if said.instructions is not None:
            result["instructions"] = said.instructions
        if method == "initialize":
            result["serverInfo"] = {
                **cast("JsonObject", result["serverInfo"]),
                "name": said.server_name,
                "version": said.server_version,
            }
        return result

    def _lists(self, method: str, key: str) -> Decorator[Function]:
        def register(function: Function) -> Function:
            async def answer(call: Call, reply: Reply) -> JsonObject:
                return _listing(await function(), key)

            self._answers[method] = answer
            return function

        return register

    async def _listed_tools(self, call: Call, reply: Reply) -> list[JsonObject]:
        answer = self._answers.get("tools/list")
        found = {} if answer is None else cast("JsonObject", await answer(call, reply))
        return cast("list[JsonObject]", found.get("tools", []))


def _listing(found: object, key: str) -> JsonObject:
    if isinstance(found, (BaseModel, Struct, dict)):
        return to_wire(cast("object", found))
    return {key: [to_wire(each) for each in cast("Iterable[object]", found)]}


def _contents(uri: str, found: ReadResourceContents) -> JsonObject:
    whole: JsonObject = {"uri": uri}
    if isinstance(found.content, str):
        whole.update(mimeType=found.mime_type or "text/plain", text=found.content)
    else:
        encoded = base64.b64encode(found.content).decode("ascii")
        whole.update(mimeType=found.mime_type or "application/octet-stream", blob=encoded)
    if found.meta:
        whole["_meta"] = found.meta
    return whole


def _text(params: Mapping[str, JsonValue], name: str) -> str:
    value = params.get(name)
    if not isinstance(value, str):
        raise McpError(INVALID_PARAMS, f'"{name}" must be a string')
    return value
