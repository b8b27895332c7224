"""Tools: the registry, ``tools/list`` and ``tools/call``."""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from typing import cast

import msgspec
from msgspec import UNSET, Struct, UnsetType, structs
from pydantic_core import ValidationError
from typing_extensions import TypedDict

from anyport.protocol.calls import Call, Reply
from anyport.protocol.changes import TOOLS_CHANGED
from anyport.protocol.errors import InvalidParams, LocalProtocolError, McpError, MethodNotFound, ToolError
from anyport.protocol.headers import check_parameters
from anyport.protocol.jsonrpc import ResultLike
from anyport.protocol.revisions import Revision
from anyport.protocol.shapes import KnownCall
from anyport.protocol.types import CallToolResult, Icon, ListToolsResult, Tool, ToolAnnotations
from anyport.protocol.types.json import JsonObject
from anyport.server.bounds import Bounds, make_bounds
from anyport.server.context import Context, Surroundings
from anyport.server.declarations import DeclarationError, name_of
from anyport.server.dispatch import Envelope
from anyport.server.foreign_schemas import ForeignSchema, compile_schema
from anyport.server.functions import Functions, description_of
from anyport.server.manners import Manner, manner_of
from anyport.server.pages import PAGE_SIZE, Catalogue
from anyport.server.results import Output, compile_output, failed
from anyport.server.revision_fields import content_for_revision, for_revision
from anyport.server.signature import (
    AnyFunction,
    Signature,
    compile_signature,
    input_errors,
    resolve_hints,
)

_encode = msgspec.json.Encoder().encode
_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,128}\Z")


class ToolOptions(Struct, frozen=True, kw_only=True):
    """What a declaration may say about a tool; see `anyport.Server.tool`."""

    name: str | None = None
    title: str | None = None
    description: str | None = None
    annotations: ToolAnnotations | None = None
    icons: Sequence[Icon] = ()
    meta: JsonObject | None = None
    input_schema: JsonObject | None = None
    structured_output: bool = True
    timeout: float | UnsetType | None = UNSET
    max_concurrency: int | None = None
    resumable: bool = False


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
    timeout: float | None
    max_concurrency: int | None
    resumable: bool


class RegisteredTool(Struct, frozen=True):
    """A tool with everything about it compiled.

    Attributes:
        definition: What ``tools/list`` says.
        function: What the author wrote.
        signature: Its compiled parameters.
        output: Its compiled return annotation.
        foreign: Validator of an input schema that the author wrote by hand.
        bounds: How long and how often it may run; ``None`` without bounds.
        uses_context: It may report, log and ask.
        is_plain: It takes nothing but its arguments, which its signature alone checks, and has no bounds.
        manner: How its questions are asked in the modern era.
    """

    definition: Tool
    function: AnyFunction
    signature: Signature
    output: Output
    foreign: ForeignSchema | None
    bounds: Bounds | None
    uses_context: bool
    is_plain: bool
    manner: Manner


class Tools:
    """The tools of a server, in the order of their registration (TOOL-01).

    Args:
        server: What contexts tell of the server.
        functions: Where plain functions run, and what is told of failures.
        page_size: Most entries on a page of the list.
        timeout: Seconds that a call of a tool may take which does not say it itself; ``None`` for no limit.
    """

    def __init__(
        self, server: Surroundings, functions: Functions, page_size: int = PAGE_SIZE, timeout: float | None = None
    ) -> None:
        self._server = server
        self._functions = functions
        self._timeout = timeout
        changed = functools.partial(server.subscriptions.publish, TOOLS_CHANGED)
        self._tools = Catalogue[RegisteredTool]("tools", page_size, changed)

    def __iter__(self) -> Iterator[RegisteredTool]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)

    @property
    def version(self) -> int:
        """Counts the changes, also of mounted tools; 0 for a server that never had a tool."""
        return self._tools.whole_version

    @property
    def uses_context(self) -> bool:
        """Whether any of them can report and log."""
        return any(tool.uses_context for tool in self._tools.whole())

    def add(
        self, function: AnyFunction, options: ToolOptions, names: Mapping[str, object] | None = None
    ) -> RegisteredTool:
        """Compile and register a function.

        Args:
            function: The tool.
            options: What the declaration says.
            names: Names beside the function's globals that its annotations may use.

        Returns:
            The registered tool.

        Raises:
            DeclarationError: It cannot work: a name that is taken or not allowed, a parameter without a schema.
        """
        name = options.name or name_of(function)
        if not _NAME.match(name):
            raise DeclarationError(function, f"tool name {name!r} must be 1 to 128 of A-Z a-z 0-9 _ - . (TOOL-02)")
        if self._tools.is_taken(name):
            raise DeclarationError(function, f"a tool named {name!r} exists already")
        tool = _compile(name, function, options, names or {}, self._timeout)
        self._tools.add(name, tool)
        return tool

    def remove(self, name: str) -> None:
        """Take a tool out.

        Raises:
            LocalProtocolError: There is none of that name.
        """
        if not self._tools.remove(name):
            raise LocalProtocolError(f"No tool is named {name!r}")

    @property
    def catalogue(self) -> Catalogue[RegisteredTool]:
        """The list, for another one to have it grafted on."""
        return self._tools

    async def list(self, call: Call, reply: Reply) -> ListToolsResult:
        """Answer ``tools/list``, in the form that the revision knows."""
        if not self.version:
            raise MethodNotFound(call.method)
        entries, cursor = self._tools.page(call.params.get("cursor"))
        return ListToolsResult(
            tools=[for_revision(tool.definition, call.revision) for tool in entries], next_cursor=cursor
        )

    def call(self, call: Call, reply: Reply) -> Awaitable[CallToolResult]:
        """Answer ``tools/call``: look the tool up, bind the arguments, run it, make its result (TOOL-04, TOOL-05)."""
        return cast("Awaitable[CallToolResult]", self.call_encoded(call, reply, encoded=False))

    async def call_encoded(self, call: Call, reply: Reply, *, encoded: bool = True) -> CallToolResult | bytes:
        """Do as `call`, where nobody looks at the result.

        Args:
            call: The call.
            reply: What may be said before the result.
            encoded: Whether that is so.

        Returns:
            The result, or its members in encoded form, without braces, where that is quicker.
        """
        name = call.params.get("name")
        tool = self._tools.entries.get(name) if isinstance(name, str) else None
        if tool is None:
            raise self._unknown(call)
        context: Context | None = None
        try:
            bound = _bind(tool, call)
            if tool.bounds is not None or tool.uses_context:
                context = self._server.context_type(call, reply, self._server)
                value = await self._run(tool, bound, context)
            else:
                value = await self._functions.start(tool.function, tool.signature, bound)
            if encoded and call.revision.structured_output:
                members = tool.output.members(value)
                if members is not None:
                    return members
            return _result_of(tool, value, call)
        except McpError:
            raise
        except Exception as error:  # noqa: BLE001 - a tool may raise anything; the model is told, the log has it all
            return self._failure(tool, error)
        finally:
            if context is not None:
                context.over = True
                if context.speech is not None:
                    await context.speech.end()

    def call_known(self, known: KnownCall, envelope: Envelope) -> Awaitable[ResultLike] | None:
        """Do as `call_encoded` for a call that nobody needs to see: the shortest way to an author's function.

        Args:
            known: The call.
            envelope: Completes the result.

        Returns:
            What answers it; ``None`` where the tool wants to know more of the call than its arguments.
        """
        name = known.shape.name
        tool = self._tools.entries.get(name) if isinstance(name, str) else None
        if tool is None or not tool.is_plain or known.arguments is None:
            return None
        return self._answer(tool, known.arguments, known.revision, envelope)

    async def _answer(
        self, tool: RegisteredTool, arguments: JsonObject, revision: Revision, envelope: Envelope
    ) -> ResultLike:
        result: CallToolResult | bytes | None
        try:
            bound = _checked(tool.signature, arguments)
            value = await self._functions.start(tool.function, tool.signature, bound)
            result = tool.output.members(value)
            if result is None:
                result = tool.output.encode(value)
        except McpError:
            raise
        except Exception as error:  # noqa: BLE001 - as in `call_encoded`
            result = self._failure(tool, error)
        return envelope(revision, result)

    def _failure(self, tool: RegisteredTool, error: Exception) -> CallToolResult:
        if isinstance(error, ToolError):
            return failed(str(error))
        return failed(self._functions.describe("tool", tool.definition.name, error))

    def _run(self, tool: RegisteredTool, bound: dict[str, object], context: Context) -> Awaitable[object]:
        if tool.bounds is None:
            return self._functions.run(tool.function, tool.signature, bound, context)
        return tool.bounds.run(self._functions, tool.function, tool.signature, bound, context)

    def manner(self, params: JsonObject) -> Manner:
        """Return how the tool that a call names asks."""
        name = params.get("name")
        tool = self._tools.entries.get(name) if isinstance(name, str) else None
        return "silent" if tool is None else tool.manner

    def _unknown(self, call: Call) -> McpError:
        if not self.version:
            # Without the capability there is no such method (2026-07-28, tools, "Capabilities").
            return MethodNotFound(call.method)
        name = call.params.get("name")
        return InvalidParams(f"Unknown tool: {repr(name[:200]) if isinstance(name, str) else '(no name given)'}")


def _result_of(tool: RegisteredTool, value: object, call: Call) -> CallToolResult:
    result = tool.output.encode(value)
    if not call.revision.structured_output:
        result.structured_content = UNSET
        result.content = content_for_revision(result.content, call.revision)
    return result


def _bind(tool: RegisteredTool, call: Call) -> dict[str, object]:
    """Check the arguments of a call and return them as keyword arguments; what a model can mend is a `ToolError`."""
    arguments = call.params.get("arguments")
    if arguments is None:
        arguments = {}
    elif not isinstance(arguments, dict):
        raise InvalidParams('"arguments" must be an object')
    signature, headers = tool.signature, call.carrier.headers
    # HTTP+SSE is older than the mirror: its posts have header fields, but no client mirrors anything in them.
    if signature.headers and headers is not None and call.revision.header_mirror and call.carrier.transport != "sse":
        check_parameters(headers, arguments, signature.headers)
    if tool.foreign is not None and (problem := tool.foreign.check(arguments)):
        raise ToolError(problem)
    return _checked(signature, arguments)


def _checked(signature: Signature, arguments: JsonObject) -> dict[str, object]:
    try:
        return signature.bind(_encode(arguments))
    except ValidationError as error:
        raise ToolError(input_errors(error, signature.schema)) from None


def _compile(
    name: str, function: AnyFunction, options: ToolOptions, names: Mapping[str, object], timeout: float | None
) -> RegisteredTool:
    foreign = None
    if options.input_schema is not None:
        foreign = compile_schema(function, options.input_schema)
    signature = compile_signature(function, names=names, accept_extra=foreign is not None)
    if foreign is not None:
        signature = structs.replace(signature, schema=foreign.schema, headers=foreign.headers)
    annotation = resolve_hints(function, names).get("return")
    output = compile_output(function, annotation, structured=options.structured_output)
    description = options.description if options.description is not None else description_of(function)
    definition = Tool(
        name=name,
        title=options.title,
        description=description,
        input_schema=signature.schema,
        output_schema=output.schema,
        annotations=options.annotations,
        icons=list(options.icons) or None,
        meta=options.meta,
    )
    inherited = options.timeout is UNSET
    seconds = timeout if isinstance(options.timeout, UnsetType) else options.timeout
    bounds = make_bounds(function, name, seconds, options.max_concurrency, inherited=inherited)
    uses_context = signature.uses_context
    return RegisteredTool(
        definition,
        function,
        signature,
        output,
        foreign,
        bounds,
        uses_context=uses_context,
        is_plain=bounds is None and foreign is None and not (uses_context or signature.headers),
        manner=manner_of(signature, options.resumable),
    )
