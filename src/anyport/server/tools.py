"""Tools: the registry, ``tools/list`` and ``tools/call``."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec import UNSET, Struct, structs
from pydantic_core import ValidationError

from anyport.protocol.calls import Call, Reply
from anyport.protocol.errors import InvalidParams, LocalProtocolError, McpError, ToolError
from anyport.protocol.headers import check_parameters
from anyport.protocol.types import CallToolResult, Icon, ListToolsResult, Tool, ToolAnnotations
from anyport.protocol.types.json import JsonObject
from anyport.server.context import Context, Surroundings
from anyport.server.declarations import DeclarationError, name_of
from anyport.server.foreign_schemas import ForeignSchema, compile_schema
from anyport.server.functions import Functions, description_of
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


class RegisteredTool(Struct, frozen=True):
    """A tool with everything about it compiled.

    Attributes:
        definition: What ``tools/list`` says.
        function: What the author wrote.
        signature: Its compiled parameters.
        output: Its compiled return annotation.
        foreign: Validator of an input schema that the author wrote by hand.
    """

    definition: Tool
    function: AnyFunction
    signature: Signature
    output: Output
    foreign: ForeignSchema | None


class Tools:
    """The tools of a server, in the order of their registration (TOOL-01).

    Args:
        server: What contexts tell of the server.
        functions: Where plain functions run, and what is told of failures.
        page_size: Most entries on a page of the list.
    """

    def __init__(self, server: Surroundings, functions: Functions, page_size: int = PAGE_SIZE) -> None:
        self._server = server
        self._functions = functions
        self._pool = functions.pool
        self._tools = Catalogue[RegisteredTool]("tools", page_size)

    def __iter__(self) -> Iterator[RegisteredTool]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)

    @property
    def version(self) -> int:
        """Counts the changes."""
        return self._tools.version

    @property
    def uses_context(self) -> bool:
        """Whether any of them can report and log."""
        return any(tool.signature.context_name is not None for tool in self)

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
        if name in self._tools:
            raise DeclarationError(function, f"a tool named {name!r} exists already")
        tool = _compile(name, function, options, names or {})
        self._tools.add(name, tool)
        return tool

    def remove(self, name: str) -> None:
        """Take a tool out.

        Raises:
            LocalProtocolError: There is none of that name.
        """
        if not self._tools.remove(name):
            raise LocalProtocolError(f"No tool is named {name!r}")

    async def list(self, call: Call, reply: Reply) -> ListToolsResult:
        """Answer ``tools/list``, in the form that the revision knows."""
        entries, cursor = self._tools.page(call.params.get("cursor"))
        return ListToolsResult(
            tools=[for_revision(tool.definition, call.revision) for tool in entries], next_cursor=cursor
        )

    async def call(self, call: Call, reply: Reply) -> CallToolResult:
        """Answer ``tools/call``: look the tool up, bind the arguments, run it, make its result (TOOL-04, TOOL-05)."""
        tool = self._find(call.params.get("name"))
        signature = tool.signature
        try:
            bound = _bind(tool, call)
            if signature.context_name is not None:
                bound[signature.context_name] = Context(call, reply, self._server)
            if signature.is_async:
                value = await tool.function(**bound)
            else:
                value = await self._pool.run(functools.partial(tool.function, **bound))
                if inspect.isawaitable(value):
                    value = await value
            result = tool.output.encode(value)
        except ToolError as error:
            return failed(str(error))
        except McpError:
            raise
        except Exception as error:  # noqa: BLE001 - a tool may raise anything; the model is told, the log has it all
            return failed(self._functions.describe("tool", tool.definition.name, error))
        if not call.revision.structured_output:
            result.structured_content = UNSET
            result.content = content_for_revision(result.content, call.revision)
        return result

    def _find(self, name: object) -> RegisteredTool:
        tool = self._tools.entries.get(name) if isinstance(name, str) else None
        if tool is None:
            shown = repr(name[:200]) if isinstance(name, str) else "(no name given)"
            raise InvalidParams(f"Unknown tool: {shown}")
        return tool


def _bind(tool: RegisteredTool, call: Call) -> dict[str, object]:
    """Check the arguments of a call and return them as keyword arguments; what a model can mend is a `ToolError`."""
    arguments = call.params.get("arguments")
    if arguments is None:
        arguments = {}
    elif not isinstance(arguments, dict):
        raise InvalidParams('"arguments" must be an object')
    signature, headers = tool.signature, call.carrier.headers
    if signature.headers and headers is not None and call.revision.header_mirror:
        check_parameters(headers, arguments, signature.headers)
    if tool.foreign is not None and (problem := tool.foreign.check(arguments)):
        raise ToolError(problem)
    try:
        return signature.bind(msgspec.json.encode(arguments))
    except ValidationError as error:
        raise ToolError(input_errors(error, signature.schema)) from None


def _compile(name: str, function: AnyFunction, options: ToolOptions, names: Mapping[str, object]) -> RegisteredTool:
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
    return RegisteredTool(definition, function, signature, output, foreign)
