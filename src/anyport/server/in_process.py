"""Calls of a server by the program that it is part of, without a transport: for tests, scripts, and other servers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import ClassVar, TypeVar, cast

import msgspec
from msgspec import Struct

from anyport.protocol.calls import (
    META_CLIENT_CAPABILITIES,
    META_VERSION,
    BackChannel,
    Call,
    Carrier,
    Service,
)
from anyport.protocol.errors import LocalProtocolError, McpError, ToolError
from anyport.protocol.jsonrpc import ResultLike, as_object
from anyport.protocol.revisions import LATEST_MODERN
from anyport.protocol.types import (
    CallToolResult,
    CompleteResult,
    Completion,
    GetPromptResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    Prompt,
    ReadResourceResult,
    Resource,
    ResourceContents,
    ResourceTemplate,
    TextContent,
    Tool,
)
from anyport.protocol.types.json import JsonObject
from anyport.server.lifespan import Lifespan

ResultT = TypeVar("ResultT", bound=Struct)
EntryT = TypeVar("EntryT", bound=Struct)


class _Unheard:
    """What a call says before its result, where nobody listens."""

    def __init__(self) -> None:
        self.cancelled = False
        self.back_channel: BackChannel | None = None

    async def notify(self, method: str, params: ResultLike) -> None:
        """Drop a notification."""

    async def close_stream(self, retry_s: float) -> None:
        """Do nothing: there is no stream."""


class DirectCalls:
    """The calls of a server that its own program makes.

    Each goes the way of a modern request, through all middleware, as a client would send it; what a function reports or
    logs is dropped, and questions to a user fail. Where the server does not run, its lifespan is started for the call
    and ended after it. For sessions, progress and the older revisions there is ``Client(server)``.

    All raise `McpError` for what a client would read as a JSON-RPC error, and `LocalProtocolError` for arguments
    without a JSON form.
    """

    service: Service
    lifespan: Lifespan
    _ids: ClassVar = itertools.count(1)

    async def call_tool(
        self, name: str, arguments: Mapping[str, object] | None = None, *, raise_on_error: bool = True
    ) -> CallToolResult:
        """Call a tool.

        Args:
            name: Its name.
            arguments: Its arguments by name, as a client would send them.
            raise_on_error: Raise `ToolError` if the tool failed; else the result says so.

        Returns:
            Its result: ``structured_content`` and ``content``.

        Raises:
            ToolError: The tool failed; the message is what it said.
        """
        result = await self._ask("tools/call", {"name": name, "arguments": dict(arguments or {})}, CallToolResult)
        if result.is_error and raise_on_error:
            texts = [block.text for block in result.content if isinstance(block, TextContent)]
            raise ToolError("\n".join(texts) or f"The tool {name!r} failed without saying why")
        return result

    async def read_resource(self, uri: str) -> list[ResourceContents]:
        """Read a resource.

        Args:
            uri: Its URI.
        """
        return (await self._ask("resources/read", {"uri": uri}, ReadResourceResult)).contents

    async def get_prompt(self, name: str, arguments: Mapping[str, str] | None = None) -> GetPromptResult:
        """Get a prompt.

        Args:
            name: Its name.
            arguments: Its arguments by name, as text.
        """
        return await self._ask("prompts/get", {"name": name, "arguments": dict(arguments or {})}, GetPromptResult)

    async def complete(
        self, target: str, argument: str, value: str, known: Mapping[str, str] | None = None
    ) -> Completion:
        """Complete an argument.

        Args:
            target: Name of a prompt, or a URI template.
            argument: Its argument or variable.
            value: What was typed.
            known: Arguments that have a value already.
        """
        template = ":" in target and any(each.uri_template == target for each in await self.list_resource_templates())
        reference = {"type": "ref/resource", "uri": target} if template else {"type": "ref/prompt", "name": target}
        params: dict[str, object] = {"ref": reference, "argument": {"name": argument, "value": value}}
        if known is not None:
            params["context"] = {"arguments": dict(known)}
        return (await self._ask("completion/complete", params, CompleteResult)).completion

    async def list_tools(self) -> list[Tool]:
        """Return all tools."""
        return await self._pages("tools/list", ListToolsResult, lambda page: page.tools)

    async def list_resources(self) -> list[Resource]:
        """Return all resources."""
        return await self._pages("resources/list", ListResourcesResult, lambda page: page.resources)

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        """Return all families of resources."""
        return await self._pages(
            "resources/templates/list", ListResourceTemplatesResult, lambda page: page.resource_templates
        )

    async def list_prompts(self) -> list[Prompt]:
        """Return all prompts."""
        return await self._pages("prompts/list", ListPromptsResult, lambda page: page.prompts)

    async def _pages(
        self, method: str, kind: type[ResultT], entries: Callable[[ResultT], list[EntryT]]
    ) -> list[EntryT]:
        found: list[EntryT] = []
        params: dict[str, object] = {}
        while True:
            page = await self._ask(method, params, kind)
            found += entries(page)
            cursor = cast("str | None", getattr(page, "next_cursor", None))
            if cursor is None:
                return found
            params = {"cursor": cursor}

    async def _ask(self, method: str, params: Mapping[str, object], kind: type[ResultT]) -> ResultT:
        meta: JsonObject = {META_VERSION: LATEST_MODERN.name, META_CLIENT_CAPABILITIES: {}}
        try:
            sent = as_object(cast("JsonObject", {**params, "_meta": meta}))
        except (McpError, msgspec.MsgspecError, TypeError, ValueError) as error:
            raise LocalProtocolError(f"The arguments have no JSON form: {error}") from error
        call = Call(
            method=method,
            params=sent,
            id=next(self._ids),
            revision=LATEST_MODERN,
            carrier=Carrier(transport="memory"),
            meta=meta,
            capabilities={},
        )
        reply = _Unheard()
        await self.lifespan.hold()
        try:
            result = await self.service(call, reply)
        finally:
            reply.cancelled = True
            await self.lifespan.release()
        return msgspec.convert(as_object(result), kind)
