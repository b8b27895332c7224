"""Tools, from the calling side: listed, called, and their results read."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, TypeVar, Unpack, cast, overload

import msgspec
from msgspec import UNSET, Struct, UnsetType

from anyport.client.cache import ResponseCache
from anyport.client.call_options import CallOptions, Defaults
from anyport.client.connection import Connection
from anyport.client.handshake import Opened
from anyport.client.output import OutputSchemas
from anyport.client.requests import Page, Requests
from anyport.client.results import (
    ToolResult,
    convert_data,
    data_of,
    is_wrapper,
    join_text,
    may_be_wrapped,
    read_result,
    structured,
)
from anyport.protocol.errors import HEADER_MISMATCH, AnyportError, CallDeclined, InvalidOutput, McpError, ToolError
from anyport.protocol.headers import HeaderParameter, header_parameters
from anyport.protocol.types import CallToolResult, Tool
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.transports.calling import Sending

logger = logging.getLogger("anyport.client")

T = TypeVar("T")

_SOUGHT: Final = 1000
"""Names of tools that were not in the list, which is not read again for them."""


class ToolCall(Struct, frozen=True):
    """A call of a tool that is about to be made: to be shown to the user, refused, or written down (TOOL-06).

    Attributes:
        name: Name of the tool.
        arguments: Its arguments.
        tool: Its definition, where it was read; its annotations are the server's word, and not to be trusted.
        server: Name of the server, as it calls itself.
    """

    name: str
    arguments: JsonObject
    tool: Tool | None
    server: str | None


CallCallback: TypeAlias = Callable[[ToolCall], object]
"""Called before each call of a tool; what it returns is awaited if it can be. Anything but ``True`` declines it."""


class ToolRequests(Requests):
    """Lists and calls tools."""

    def __init__(
        self,
        connection: Connection,
        defaults: Defaults,
        cache: ResponseCache | None = None,
        *,
        validates: bool = True,
        on_call: CallCallback | None = None,
    ) -> None:
        super().__init__(connection, defaults, cache)
        self._on_call = on_call
        self._validates = validates
        self._schemas = OutputSchemas()
        self._opened: Opened | None = None
        self._sought: set[str] = set()
        self._seeking: asyncio.Task[None] | None = None
        self._tools: dict[str, Tool] = {}
        self._mirrored: dict[str, tuple[HeaderParameter, ...]] = {}

    async def list_tools(self, *, cursor: str | UnsetType | None = UNSET, **options: Unpack[CallOptions]) -> Page[Tool]:
        """Return the tools of the server.

        A tool whose definition breaks the rules is left out, with a warning that says why (HDR-12).

        Args:
            cursor: Return one page, which begins here: ``None`` for the first, then its ``next_cursor``. Default: all.
            options: See `CallOptions`; times are for each page.

        Raises:
            McpError: The server refuses.
            Timeout: There was no answer in time.
            RemoteProtocolError: The list does not end.
        """
        self._forget_old()
        tools: dict[str, Tool] = {}
        mirrored: dict[str, tuple[HeaderParameter, ...]] = {}
        mirrors = self._connection.known.revision.header_mirror

        def read(entry: JsonValue) -> Tool:
            tool = msgspec.convert(entry, Tool)
            if mirrors:
                mirrored[tool.name] = header_parameters(tool.input_schema)
            tools[tool.name] = tool
            return tool

        found = await self._list("tools/list", "tools", read, cursor, options)
        if cursor is UNSET:
            self._tools, self._mirrored = tools, mirrored
        else:
            self._tools.update(tools)
            self._mirrored.update(mirrored)
        return found

    @overload
    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, object] | None = None,
        *,
        result_type: type[T],
        raise_on_error: bool = True,
        validate_output: bool | None = None,
        **options: Unpack[CallOptions],
    ) -> ToolResult[T]: ...

    @overload
    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, object] | None = None,
        *,
        result_type: None = None,
        raise_on_error: bool = True,
        validate_output: bool | None = None,
        **options: Unpack[CallOptions],
    ) -> ToolResult[JsonValue]: ...

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, object] | None = None,
        *,
        result_type: type[T] | None = None,
        raise_on_error: bool = True,
        validate_output: bool | None = None,
        **options: Unpack[CallOptions],
    ) -> ToolResult[T] | ToolResult[JsonValue]:
        """Call a tool.

        Args:
            name: Name of the tool.
            arguments: Its arguments by name; values that JSON can say.
            result_type: What `data` of the result is to be: a class of pydantic, a data class, or any other annotation.
                Default: plain JSON.
            raise_on_error: Raise `ToolError` if the tool failed; else the result says so.
            validate_output: Whether to check what the tool returned against its ``outputSchema``; default: as the
                client was told.
            options: See `CallOptions`. A call that is out of time is cancelled at the server too.

        Returns:
            What the tool returned.

        Raises:
            ToolError: The tool failed; the message is what it said.
            McpError: The server refused the call, for example because it has no such tool.
            Timeout: There was no answer in time.
            InvalidOutput: It returned something else than its output schema promises; the error has the result.
            RemoteProtocolError: The result is not of the type that was asked for, or breaks the rules.
            ServerExited: The server that the client started ended.
            ConnectError: The connection broke, or was closed during the call.
            LocalProtocolError: The client is not connected, the server declares no tools, or the arguments have no
                JSON form; `CallDeclined` where ``on_call`` declined it.
        """
        params: JsonObject = {"name": name, "arguments": cast(JsonObject, dict(arguments or {}))}
        if self._on_call is not None:
            await self._ask(self._on_call, name, params)
        raw = await self._call_listed(name, params, options)
        result = read_result(raw)
        if result.is_error and raise_on_error:
            raise ToolError(join_text(result.content) or f"The tool {name!r} failed without saying why")
        tool = await self._known_tool(name, result)
        if (self._validates if validate_output is None else validate_output) and not result.is_error:
            self._check(name, tool, raw)
        wrapped = tool is not None and may_be_wrapped(structured(result)) and is_wrapper(tool.output_schema)
        data = data_of(result, wrapped=wrapped and not result.is_error)
        plain = ToolResult(
            data=data,
            structured_content=structured(result),
            content=result.content,
            is_error=result.is_error,
            raw=raw,
        )
        if result_type is None or result.is_error:
            return plain
        return convert_data(plain, result_type, name)

    async def _ask(self, on_call: CallCallback, name: str, params: JsonObject) -> None:
        info = self._connection.known.server_info
        arguments = cast(JsonObject, params["arguments"])
        answer = on_call(ToolCall(name, arguments, self._tools.get(name), None if info is None else info.name))
        if inspect.isawaitable(answer):
            answer = await answer
        if answer is not True:
            raise CallDeclined(f"The call of {name!r} was declined by on_call")

    async def _call_listed(self, name: str, params: JsonObject, options: CallOptions) -> JsonObject:
        try:
            return await self._call(name, params, options)
        except McpError as error:
            # HDR-13: the server wants headers that it had not asked for when, or if, its tools were listed.
            if error.code != HEADER_MISMATCH or not self._connection.known.revision.header_mirror:
                raise
            if self._cache is not None:
                self._cache.drop("tools/list")
            await self.list_tools()
            return await self._call(name, params, options)

    async def _call(self, name: str, params: JsonObject, options: CallOptions) -> JsonObject:
        self._require("tools/call")
        terms = self._defaults.terms(options)
        mirrored = self._mirrored.get(name)
        if mirrored:
            terms = terms.mirroring(Sending(mirrored, terms.sending.headers))
        return await self._connection.request("tools/call", params, terms, harmless=self._may_run_twice(name))

    def _may_run_twice(self, name: str) -> bool:
        """Whether a tool says that running it twice is no harm; one whose definition was never read does not."""
        tool = self._tools.get(name)
        hints = None if tool is None else tool.annotations
        return hints is not None and bool(hints.idempotent_hint or hints.read_only_hint)

    async def _known_tool(self, name: str, result: CallToolResult) -> Tool | None:
        """Return the definition of a tool, if need be from the server: how structured content is read depends on it."""
        self._forget_old()
        if name not in self._tools and structured(result) is not None:
            if name not in self._sought:
                if len(self._sought) >= _SOUGHT:
                    self._sought.clear()
                self._sought.add(name)
                self._seeking = asyncio.ensure_future(self._seek())
            if self._seeking is not None:
                # Calls that end at the same time wait for one list; it goes on for the others if one of them leaves.
                await asyncio.wait((self._seeking,))
        return self._tools.get(name)

    async def _seek(self) -> None:
        try:
            await self.list_tools()
        except AnyportError as error:
            # The call is done and its result must not be lost.
            logger.warning("Cannot tell how results are to be read: %s", error)
        finally:
            if self._seeking is asyncio.current_task():
                self._seeking = None

    def _forget_old(self) -> None:
        """Forget the tools of an earlier life of the server."""
        if self._opened is not self._connection.opened:
            self._opened = self._connection.opened
            self._sought.clear()
            self._tools, self._mirrored = {}, {}

    def _check(self, name: str, tool: Tool | None, raw: JsonObject) -> None:
        """Check a result against what the tool promises (TOOL-03)."""
        if tool is None or tool.output_schema is None:
            return
        if "structuredContent" not in raw:
            problem = "it has no structured content"
        else:
            try:
                problem = self._schemas.ready(tool.output_schema).check(raw["structuredContent"])
            except ValueError as error:
                problem = f"the schema cannot be used: {str(error).splitlines()[0][:300]}"
        if problem:
            message = f"The result of {name!r} is not what its outputSchema promises: {problem}"
            raise InvalidOutput(f"{message} (validate_output=False takes it as it is)", raw)
