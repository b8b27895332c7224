"""Client: what a user calls servers with, whatever carries the calls and whichever era the server speaks."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self, cast

import msgspec

from anyport import __version__
from anyport.client.connect import Options, Target, make_transport, show
from anyport.client.conversation import Conversation
from anyport.client.handshake import Opened, shake_hands
from anyport.client.progress import ProgressCallback
from anyport.client.results import ToolResult, data_of, is_wrapper, join_text, may_be_wrapped, read_result, structured
from anyport.protocol.errors import (
    HEADER_MISMATCH,
    AnyportError,
    LocalProtocolError,
    McpError,
    RemoteProtocolError,
    Timeout,
    ToolError,
)
from anyport.protocol.headers import HeaderParameter, header_parameters
from anyport.protocol.limits import DEFAULT_LIMITS, Limits
from anyport.protocol.revisions import Era
from anyport.protocol.types import CallToolResult, Implementation, ServerCapabilities, Tool
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.transports.stdio.child import Environment

logger = logging.getLogger("anyport.client")

_MAX_PAGES: Final = 1000


class Client:
    """A client of one MCP server.

    It finds out by itself which era the server speaks. It may be opened and closed from any task::

        async with Client("http://127.0.0.1:8000/mcp") as client:
            result = await client.call_tool("price", {"item": "pen"})

    Args:
        target: A `Server` object (called in this process), an http or https URL, a Python file (started with this
            interpreter; ``FILE:OBJECT`` if it has several servers), or a command as a list.
        era: ``legacy`` or ``modern``, where nothing else will do; default: whichever the server speaks.
        headers: Header fields of every HTTP request.
        env: Environment of a server that the client starts: ``minimal`` (what a program needs to run, none of this
            process's secrets), ``inherit``, or a mapping, which is added to the minimal one.
        timeout: Seconds that opening and each call may take, unless the call says otherwise; ``math.inf`` for no limit.
        limits: Bounds on what the server may send; ``line_bytes`` is the largest message.

    Raises:
        LocalProtocolError: A timeout that is no positive number, or an unknown era.
    """

    def __init__(
        self,
        target: Target,
        *,
        era: Era | None = None,
        headers: Mapping[str, str] | None = None,
        env: Environment = "minimal",
        timeout: float = 60.0,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        if era not in (None, "legacy", "modern"):
            raise LocalProtocolError(f'era must be "legacy" or "modern"; it is {era!r}')
        self._target = target
        self._era: Era | None = era
        self._options = Options(headers or {}, env, limits)
        self._timeout = _checked_timeout(timeout)
        self._lock = asyncio.Lock()
        self._conversation: Conversation | None = None
        self._opened: Opened | None = None
        self._tools: dict[str, Tool] = {}
        self._mirrored: dict[str, tuple[HeaderParameter, ...]] = {}

    # --- opening and closing ------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def connect(self) -> None:
        """Reach the server and find out what it speaks; does nothing where that is done.

        Raises:
            ConnectError: The server cannot be reached or started, or speaks nothing that this client may speak.
            ServerExited: The server that was started ended.
            HttpStatusError: The URL answers, but not as an MCP server; `AuthError` for status 401 and 403.
            McpError: The server refuses.
            Timeout: It did not answer in time.
            LocalProtocolError: The target is of no known kind, or an option does not go with it.
        """
        async with self._lock:
            if self._conversation is None:
                await self._open()

    async def aclose(self) -> None:
        """Close the connection; a server that the client started ends. May be called twice."""
        conversation, self._conversation = self._conversation, None
        if conversation is not None:
            await conversation.transport.aclose()

    async def _open(self) -> None:
        conversation = Conversation(Implementation(name="anyport", version=__version__))
        transport = make_transport(self._target, self._options, conversation.notified, conversation.asked)
        conversation.transport = transport
        opened = False
        timer = asyncio.timeout(self._timeout)
        try:
            async with timer:
                await transport.start()
                self._opened = await shake_hands(conversation, self._era)
            opened = True
        except TimeoutError:
            if timer.expired():
                raise Timeout(f"No connection to {show(self._target)} within {self._timeout:g} s") from None
            raise
        finally:
            if not opened:
                await transport.aclose()
        self._tools = {}
        self._mirrored = {}
        self._conversation = conversation

    # --- what the server is -------------------------------------------------------------------------------------------

    @property
    def server_info(self) -> Implementation | None:
        """What the server says about itself; ``None`` where a modern one says nothing."""
        return self._known().server_info

    @property
    def capabilities(self) -> ServerCapabilities:
        """What the server offers."""
        return self._known().capabilities

    @property
    def instructions(self) -> str | None:
        """How to use the server, for a model."""
        return self._known().instructions

    @property
    def revision(self) -> str:
        """The protocol revision that is spoken."""
        return self._known().revision.name

    @property
    def era(self) -> Era:
        """The era of the revision: ``legacy`` or ``modern``."""
        return self._known().revision.era

    # --- tools --------------------------------------------------------------------------------------------------------

    async def list_tools(self, *, timeout: float | None = None) -> list[Tool]:
        """Return all tools of the server, from every page.

        A tool whose definition breaks the rules is left out, with a warning that says why (HDR-12).

        Args:
            timeout: Seconds for each page; default: the client's.

        Raises:
            McpError: The server refuses, for example because it has no tools at all.
            Timeout: There was no answer in time.
            RemoteProtocolError: The list does not end.
        """
        tools: dict[str, Tool] = {}
        mirrored: dict[str, tuple[HeaderParameter, ...]] = {}
        for entry in await self._pages("tools/list", "tools", timeout):
            try:
                tool = msgspec.convert(entry, Tool)
                if self._known().revision.header_mirror:
                    mirrored[tool.name] = header_parameters(tool.input_schema)
            except ValueError as error:
                name = entry.get("name") if isinstance(entry, dict) else None
                logger.warning("Left out the tool %r: %s", str(name)[:200], error)
            else:
                tools[tool.name] = tool
        self._tools, self._mirrored = tools, mirrored
        return list(tools.values())

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, object] | None = None,
        *,
        timeout: float | None = None,
        on_progress: ProgressCallback | None = None,
        raise_on_error: bool = True,
    ) -> ToolResult:
        """Call a tool.

        Args:
            name: Name of the tool.
            arguments: Its arguments by name; values that JSON can say.
            timeout: Seconds for the whole call; default: the client's. A call that is out of time is cancelled at the
                server too.
            on_progress: Called with progress, total and message for each report of the tool; may be ``async``. What
                it raises ends the call.
            raise_on_error: Raise `ToolError` if the tool failed; else the result says so.

        Returns:
            What the tool returned.

        Raises:
            ToolError: The tool failed; the message is what it said.
            McpError: The server refused the call, for example because it has no such tool.
            Timeout: There was no answer in time.
            ServerExited: The server that the client started ended.
            ConnectError: The connection broke, or was closed during the call.
            LocalProtocolError: The client is not connected, or the arguments have no JSON form.
        """
        params: JsonObject = {"name": name, "arguments": cast(JsonObject, dict(arguments or {}))}
        try:
            raw = await self._call(params, timeout, on_progress)
        except McpError as error:
            # HDR-13: the server wants headers that it had not asked for when, or if, its tools were listed.
            if error.code != HEADER_MISMATCH or not self._known().revision.header_mirror:
                raise
            await self.list_tools(timeout=timeout)
            raw = await self._call(params, timeout, on_progress)
        result = read_result(raw)
        if result.is_error and raise_on_error:
            raise ToolError(join_text(result.content) or f"The tool {name!r} failed without saying why")
        return ToolResult(
            data=data_of(result, wrapped=await self._is_wrapped(name, result, timeout)),
            structured_content=structured(result),
            content=result.content,
            is_error=result.is_error,
            raw=raw,
        )

    async def _call(
        self, params: JsonObject, timeout: float | None, on_progress: ProgressCallback | None
    ) -> JsonObject:
        mirrored = self._mirrored.get(cast(str, params["name"]), ())
        seconds = self._seconds(timeout)
        return await self._open_conversation().request(
            "tools/call", params, timeout=seconds, on_progress=on_progress, mirrored=mirrored
        )

    async def _is_wrapped(self, name: str, result: CallToolResult, timeout: float | None) -> bool:
        """Whether a result is a wrapped value: only the tool's schema tells, and it may have to be fetched."""
        if result.is_error or not may_be_wrapped(structured(result)):
            return False
        if name not in self._tools:
            try:
                await self.list_tools(timeout=timeout)
            except AnyportError as error:
                # The call is done and its result must not be lost.
                logger.warning("Cannot tell whether the result of %r is wrapped: %s", name, error)
        tool = self._tools.get(name)
        return tool is not None and is_wrapper(tool.output_schema)

    async def _pages(self, method: str, key: str, timeout: float | None) -> list[JsonValue]:
        """Return the entries of every page of a list (PAG-01)."""
        found: list[JsonValue] = []
        params: JsonObject = {}
        seen: set[str] = set()
        seconds = self._seconds(timeout)
        for _ in range(_MAX_PAGES):
            result = await self._open_conversation().request(method, params, timeout=seconds)
            entries, cursor = result.get(key), result.get("nextCursor")
            if not isinstance(entries, list):
                raise RemoteProtocolError(f"The answer to {method} has no list of {key}")
            found.extend(entries)
            if cursor is None:
                return found
            if not isinstance(cursor, str) or cursor in seen:
                break
            seen.add(cursor)
            params = {"cursor": cursor}
        raise RemoteProtocolError(f"The pages of {method} do not end")

    # --- the state ----------------------------------------------------------------------------------------------------

    def _open_conversation(self) -> Conversation:
        if self._conversation is None:
            raise LocalProtocolError(
                "The client is not connected: use `async with Client(...)`, or await connect() first"
            )
        return self._conversation

    def _known(self) -> Opened:
        if self._opened is None:
            raise LocalProtocolError(
                "The client was never connected: use `async with Client(...)`, or await connect() first"
            )
        return self._opened

    def _seconds(self, timeout: float | None) -> float | None:
        return self._timeout if timeout is None else _checked_timeout(timeout)


def _checked_timeout(seconds: float) -> float | None:
    """Return seconds as an event loop takes them: ``None`` for no limit."""
    if not seconds > 0:
        raise LocalProtocolError(f"A timeout must be a positive number of seconds; it is {seconds!r}")
    return None if seconds == math.inf else seconds
