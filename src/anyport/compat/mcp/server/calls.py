"""``tools/call`` of a low-level server: each tool that it lists is a tool of a server that nobody is shown.

So arguments are checked, failures are told and results are encoded in one way, whoever wrote the tool.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias, cast

import msgspec
from pydantic import BaseModel

from anyport.app import Server as PublicServer
from anyport.compat.mcp.types import to_wire
from anyport.errors import ToolError
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.server.foreign_schemas import ForeignSchema
from anyport.types import Call, CallToolResult, Reply, ResultLike

Callee: TypeAlias = Callable[[str, JsonObject], Awaitable[object]]
Listing: TypeAlias = Callable[[Call, Reply], Awaitable[list[JsonObject]]]

_ANYTHING: JsonObject = {"type": "object"}


class Tools:
    """Calls the tools of a low-level server.

    Args:
        public: The server that its clients see.
        callee: Calls any of them.
        listing: Lists them.
        checked: Check arguments.
    """

    def __init__(self, public: PublicServer, callee: Callee, listing: Listing, *, checked: bool) -> None:
        self._hidden = PublicServer(public.name, limits=public.limits)
        self._callee = callee
        self._listing = listing
        self._checked = checked
        self._known: dict[str, JsonObject] = {}

    async def call(self, call: Call, reply: Reply) -> ResultLike:
        """Answer ``tools/call``.

        Raises:
            McpError: There is no such tool, or a parameter is wrong.
        """
        if call.params.get("name") not in self._known:
            await self._renew(call, reply)
        return await self._hidden.tools.call(call, reply)

    async def _renew(self, call: Call, reply: Reply) -> None:
        """Take over what is listed."""
        listed = {cast("str", tool["name"]): tool for tool in await self._listing(call, reply)}
        for name in [name for name, tool in self._known.items() if listed.get(name) != tool]:
            self._hidden.tools.remove(name)
            del self._known[name]
        for name, tool in listed.items():
            if name not in self._known:
                self._add(name, tool)
                self._known[name] = tool

    def _add(self, name: str, tool: JsonObject) -> None:
        schema = tool.get("outputSchema")
        promised = ForeignSchema(cast("JsonObject", schema)) if isinstance(schema, dict) else None

        async def run(**arguments: JsonValue) -> CallToolResult:
            result = _result_of(await self._callee(name, arguments))
            if promised is not None and not result.is_error:
                _keep(promised, result)
            return result

        given = cast("JsonObject", tool.get("inputSchema", _ANYTHING)) if self._checked else _ANYTHING
        self._hidden.tool(name=name, description=name, input_schema=given)(run)


def _result_of(found: object) -> CallToolResult:
    """Return the result that a handler means by what it returned."""
    if isinstance(found, CallToolResult):
        return found
    if isinstance(found, tuple) and len(cast("tuple[object, ...]", found)) == 2:
        blocks, structured = cast("tuple[Iterable[object], JsonObject]", found)
        return _make([to_wire(block) for block in blocks], structured)
    if isinstance(found, dict):
        structured = cast("JsonObject", found)
        return _make([{"type": "text", "text": json.dumps(structured, indent=2)}], structured)
    if isinstance(found, BaseModel):
        return msgspec.convert(to_wire(found), CallToolResult)
    if isinstance(found, Iterable) and not isinstance(found, (str, bytes)):
        return _make([to_wire(block) for block in cast("Iterable[object]", found)], None)
    raise TypeError(f"call_tool returned {type(found).__name__}; it returns content blocks, a dict, or both")


def _make(blocks: list[JsonObject], structured: JsonObject | None) -> CallToolResult:
    result: dict[str, object] = {"content": blocks}
    if structured is not None:
        result["structuredContent"] = structured
    return msgspec.convert(result, CallToolResult)


def _keep(promised: ForeignSchema, result: CallToolResult) -> None:
    """See that a result is what its tool promised (TOOL-03)."""
    structured = cast("JsonValue", result.structured_content)
    if not isinstance(structured, dict):
        raise ToolError("The tool has an outputSchema, and returned no structured content")
    problems = promised.check(structured)
    if problems:
        raise ToolError(f"The result is not what outputSchema promises: {problems}")
