"""`ClientSession` of `mcp` 1.x: its methods and results, over a `Client` of ours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import TracebackType
from typing import Self, TypeVar, cast

from pydantic import AnyUrl

from anyport.client.call_options import CallOptions
from anyport.client.client import Client
from anyport.client.progress import ProgressCallback
from anyport.client.requests import Page
from anyport.compat.fastmcp.honesty import NotHonoured
from anyport.compat.mcp.client.callbacks import Callback, answer_with, ask_with, list_with, log_with
from anyport.compat.mcp.client.ends import End
from anyport.compat.mcp.client.results import (
    CompleteResult,
    EmptyResult,
    InitializeResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    ReadResourceResult,
    read_call,
)
from anyport.compat.mcp.types import CallToolResult, GetPromptResult, to_wire
from anyport.errors import LocalProtocolError
from anyport.protocol.types import (
    LoggingLevel,
    PromptReference,
    ResourceTemplateReference,
)
from anyport.protocol.types.json import JsonObject
from anyport.types import as_object

T = TypeVar("T")


class ClientSession:
    """A session with a server, which begins with `initialize`; to be entered with ``async with``.

    The server may speak any revision, also one that has no sessions.

    Args:
        read_stream: The end that a function such as `stdio_client` gave.
        write_stream: The other one.
        read_timeout_seconds: Time for each request.
        sampling_callback: Samples from a model: called with a context (nothing, here) and the parameters.
        elicitation_callback: Asks the user, called so too.
        list_roots_callback: Returns the roots, called with a context.
        logging_callback: Takes log messages.
        message_handler: Not here; see `Client.listen`.

    Raises:
        NotHonoured: A `message_handler` was given.
    """

    def __init__(
        self,
        read_stream: End,
        write_stream: End,
        read_timeout_seconds: timedelta | None = None,
        *,
        sampling_callback: Callback | None = None,
        elicitation_callback: Callback | None = None,
        list_roots_callback: Callback | None = None,
        logging_callback: Callback | None = None,
        message_handler: Callback | None = None,
    ) -> None:
        if message_handler is not None:
            raise NotHonoured("ClientSession: message_handler is not here: changes are told by Client.listen")
        if read_stream is not write_stream:
            raise LocalProtocolError("ClientSession takes the two ends that one of the client functions gave")
        options = read_stream.options.copy()
        if read_timeout_seconds is not None:
            options["timeout"] = read_timeout_seconds.total_seconds()
        if sampling_callback is not None:
            options["on_sample"] = answer_with(sampling_callback)
        if elicitation_callback is not None:
            options["on_elicit"] = ask_with(elicitation_callback)
        if list_roots_callback is not None:
            options["roots"] = list_with(list_roots_callback)
        if logging_callback is not None:
            options["on_log"] = log_with(logging_callback)
        self.client = read_stream.client = Client(read_stream.target, **options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.client.aclose()

    async def initialize(self) -> InitializeResult:
        """Begin the session.

        Raises:
            AnyportError: See `Client.connect`.
        """
        await self.client.connect()
        info = self.client.server_info
        found: dict[str, object] = {
            "protocolVersion": self.client.revision,
            "capabilities": as_object(self.client.capabilities),
            "serverInfo": {"name": "", "version": ""} if info is None else as_object(info),
            "instructions": self.client.instructions,
        }
        return InitializeResult.model_validate(found)

    def get_server_capabilities(self) -> object:
        """Return what the server offers."""
        return self.client.capabilities

    # --- tools --------------------------------------------------------------------------------------------------------

    async def list_tools(self, cursor: str | None = None) -> ListToolsResult:
        """Return a page of the tools; see `Client.list_tools`."""
        return ListToolsResult.model_validate(_page("tools", await self.client.list_tools(cursor=cursor)))

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, object] | None = None,
        read_timeout_seconds: timedelta | None = None,
        progress_callback: ProgressCallback | None = None,
        *,
        meta: JsonObject | None = None,
    ) -> CallToolResult:
        """Call a tool; that it failed is said in the result. See `Client.call_tool`."""
        options: CallOptions = {"on_progress": progress_callback, "meta": meta}
        if read_timeout_seconds is not None:
            options["timeout"] = read_timeout_seconds.total_seconds()
        return read_call((await self.client.call_tool(name, arguments, raise_on_error=False, **options)).raw)

    # --- resources ----------------------------------------------------------------------------------------------------

    async def list_resources(self, cursor: str | None = None) -> ListResourcesResult:
        """Return a page of the resources; see `Client.list_resources`."""
        return ListResourcesResult.model_validate(_page("resources", await self.client.list_resources(cursor=cursor)))

    async def list_resource_templates(self, cursor: str | None = None) -> ListResourceTemplatesResult:
        """Return a page of the resource templates; see `Client.list_resource_templates`."""
        page = await self.client.list_resource_templates(cursor=cursor)
        return ListResourceTemplatesResult.model_validate(_page("resourceTemplates", page))

    async def read_resource(self, uri: str | AnyUrl) -> ReadResourceResult:
        """Return the contents of a resource; see `Client.read_resource`."""
        contents = await self.client.read_resource(str(uri))
        return ReadResourceResult.model_validate({"contents": [as_object(part) for part in contents]})

    # --- prompts and completions --------------------------------------------------------------------------------------

    async def list_prompts(self, cursor: str | None = None) -> ListPromptsResult:
        """Return a page of the prompts; see `Client.list_prompts`."""
        return ListPromptsResult.model_validate(_page("prompts", await self.client.list_prompts(cursor=cursor)))

    async def get_prompt(self, name: str, arguments: Mapping[str, str] | None = None) -> GetPromptResult:
        """Return a prompt, filled in; see `Client.get_prompt`."""
        return GetPromptResult.model_validate(as_object(await self.client.get_prompt(name, arguments)))

    async def complete(
        self, ref: object, argument: Mapping[str, str], context_arguments: Mapping[str, str] | None = None
    ) -> CompleteResult:
        """Return suggestions; see `Client.complete`.

        Args:
            ref: The prompt or the resource template, as `mcp` writes it or as a dictionary.
            argument: ``name`` and ``value``.
            context_arguments: Arguments that have their value.
        """
        given = cast("Mapping[str, str]", to_wire(ref))
        known = ResourceTemplateReference(uri=given["uri"]) if "uri" in given else PromptReference(name=given["name"])
        found = await self.client.complete(known, argument["name"], argument["value"], context=context_arguments)
        return CompleteResult.model_validate({"completion": as_object(found)})

    # --- the rest -----------------------------------------------------------------------------------------------------

    async def send_ping(self) -> EmptyResult:
        """Ask the server whether it is there."""
        await self.client.ping()
        return EmptyResult()

    async def set_logging_level(self, level: LoggingLevel) -> EmptyResult:
        """Say which log messages are wanted."""
        await self.client.set_log_level(level)
        return EmptyResult()

    async def send_roots_list_changed(self) -> None:
        """Tell the server that the roots changed."""
        await self.client.notify_roots_changed()


def _page(key: str, page: Page[T]) -> dict[str, object]:
    return {key: [to_wire(entry) for entry in page], "nextCursor": page.next_cursor}
