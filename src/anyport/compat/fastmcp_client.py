"""`Client` of `fastmcp`: its options, methods and results, over a `Client` of ours."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, cast

from anyport.client.answers import Elicitation, ElicitCallback, Roots, SampleCallback
from anyport.client.call_options import DEFAULT_TIMEOUT_S, CallOptions
from anyport.client.client import Client as OurClient
from anyport.client.client_options import ClientOptions
from anyport.client.logs import LogCallback
from anyport.client.progress import ProgressCallback
from anyport.client.targets import Target
from anyport.compat.fastmcp.honesty import refuse
from anyport.compat.mcp.client.callbacks import Callback
from anyport.compat.mcp.client.results import InitializeResult, ReadResourceResult, read_call
from anyport.compat.mcp.types import (
    BlobResourceContents,
    ContentBlock,
    CreateMessageRequestParams,
    ElicitRequestParams,
    GetPromptResult,
    Prompt,
    Resource,
    ResourceTemplate,
    TextResourceContents,
    Tool,
    to_wire,
)
from anyport.protocol.types import (
    Completion,
    LoggingLevel,
    PromptReference,
    ResourceTemplateReference,
)
from anyport.protocol.types import CreateMessageRequestParams as Request
from anyport.protocol.types.json import JsonValue
from anyport.types import as_object

_INSTEAD: Final = {
    "message_handler": "changes are told by anyport.Client.listen",
    "client_info": "a client says that it is anyport",
    "generate_name": "clients have no names",
}
Seconds = datetime.timedelta | float


@dataclass(frozen=True)
class CallToolResult:
    """What a tool came to.

    Attributes:
        content: What it says.
        structured_content: As it was on the wire.
        meta: ``_meta`` of the result.
        data: What it returned, as plain JSON.
        is_error: Whether it failed.
    """

    content: list[ContentBlock]
    structured_content: dict[str, object] | None
    meta: dict[str, object] | None
    data: JsonValue
    is_error: bool


class Client:
    """A client of one server, with the options and results of `fastmcp`.

    Args:
        transport: Any target of `anyport.Client`.
        name: Makes no difference here.
        roots: What the server may work on.
        sampling_handler: Samples from a model: called with messages, parameters and a context (nothing, here).
        elicitation_handler: Asks the user: called with message, type (nothing, here), parameters, context.
        log_handler: Takes log messages.
        progress_handler: Takes the progress of calls.
        timeout: Seconds for each call.
        init_timeout: Makes no difference here: `timeout` counts.
        auth: A token, which goes as ``Authorization: Bearer`` over HTTP.
        more: What is not here.

    Raises:
        NotHonoured: An option that is not here says something.
    """

    def __init__(
        self,
        transport: Target,
        name: str | None = None,
        *,
        roots: Roots | None = None,
        sampling_handler: Callback | None = None,
        elicitation_handler: Callback | None = None,
        log_handler: LogCallback | None = None,
        progress_handler: ProgressCallback | None = None,
        timeout: Seconds | None = None,
        init_timeout: Seconds | None = None,
        auth: str | None = None,
        **more: object,
    ) -> None:
        refuse("Client", more, _INSTEAD)
        options: ClientOptions = {"roots": roots, "on_log": log_handler, "on_progress": progress_handler}
        if sampling_handler is not None:
            options["on_sample"] = _sample_with(sampling_handler)
        if elicitation_handler is not None:
            options["on_elicit"] = _ask_with(elicitation_handler)
        if auth is not None:
            options["headers"] = {"authorization": f"Bearer {auth}"}
        options["timeout"] = _seconds(timeout) or DEFAULT_TIMEOUT_S
        self.client = OurClient(transport, **options)
        self._entered = 0

    async def __aenter__(self) -> Self:
        self._entered += 1
        await self.client.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._entered -= 1
        if self._entered <= 0:
            await self.close()

    async def close(self) -> None:
        """Close the connection."""
        self._entered = 0
        await self.client.aclose()

    def is_connected(self) -> bool:
        """Whether the client is connected."""
        return self.client.state == "connected"

    @property
    def initialize_result(self) -> InitializeResult:
        """What the handshake found out."""
        info = self.client.server_info
        found: dict[str, object] = {
            "protocolVersion": self.client.revision,
            "capabilities": as_object(self.client.capabilities),
            "serverInfo": {"name": "", "version": ""} if info is None else as_object(info),
            "instructions": self.client.instructions,
        }
        return InitializeResult.model_validate(found)

    async def ping(self) -> bool:
        """Ask the server whether it is there."""
        await self.client.ping()
        return True

    # --- tools --------------------------------------------------------------------------------------------------------

    async def list_tools(self) -> list[Tool]:
        """Return all tools."""
        return [Tool.model_validate(to_wire(tool)) for tool in await self.client.list_tools()]

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, object] | None = None,
        *,
        timeout: Seconds | None = None,
        progress_handler: ProgressCallback | None = None,
        raise_on_error: bool = True,
    ) -> CallToolResult:
        """Call a tool; see `anyport.Client.call_tool`.

        Raises:
            ToolError: The tool failed.
        """
        options: CallOptions = {"timeout": _seconds(timeout), "on_progress": progress_handler}
        result = await self.client.call_tool(name, arguments, raise_on_error=raise_on_error, **options)
        wire = read_call(result.raw)
        return CallToolResult(wire.content, wire.structuredContent, wire.meta, result.data, result.is_error)

    # --- resources, prompts, completions ------------------------------------------------------------------------------

    async def list_resources(self) -> list[Resource]:
        """Return all resources."""
        return [Resource.model_validate(to_wire(found)) for found in await self.client.list_resources()]

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        """Return all resource templates."""
        found = await self.client.list_resource_templates()
        return [ResourceTemplate.model_validate(to_wire(template)) for template in found]

    async def read_resource(self, uri: object) -> list[TextResourceContents | BlobResourceContents]:
        """Return the contents of a resource."""
        contents = await self.client.read_resource(str(uri))
        return ReadResourceResult.model_validate({"contents": [as_object(part) for part in contents]}).contents

    async def list_prompts(self) -> list[Prompt]:
        """Return all prompts."""
        return [Prompt.model_validate(to_wire(prompt)) for prompt in await self.client.list_prompts()]

    async def get_prompt(self, name: str, arguments: Mapping[str, object] | None = None) -> GetPromptResult:
        """Return a prompt, filled in; arguments that are no text are written as JSON."""
        texts = {
            key: value if isinstance(value, str) else json.dumps(value) for key, value in (arguments or {}).items()
        }
        return GetPromptResult.model_validate(as_object(await self.client.get_prompt(name, texts)))

    async def complete(self, ref: object, argument: Mapping[str, str]) -> Completion:
        """Return suggestions for ``{"name": ..., "value": ...}``."""
        given = cast("Mapping[str, str]", to_wire(ref))
        known = ResourceTemplateReference(uri=given["uri"]) if "uri" in given else PromptReference(name=given["name"])
        return await self.client.complete(known, argument["name"], argument["value"])

    async def set_logging_level(self, level: LoggingLevel) -> None:
        """Say which log messages are wanted."""
        await self.client.set_log_level(level)


def _seconds(given: Seconds | None) -> float | None:
    return given.total_seconds() if isinstance(given, datetime.timedelta) else given


def _sample_with(handler: Callback) -> SampleCallback:
    def sample(request: Request) -> object:
        params = CreateMessageRequestParams.model_validate(as_object(request))
        return handler(params.messages, params, None)

    return sample


def _ask_with(handler: Callback) -> ElicitCallback:
    def ask(question: Elicitation) -> object:
        params = ElicitRequestParams(message=question.message, requestedSchema=question.schema)
        return handler(question.message, None, params, None)

    return ask
