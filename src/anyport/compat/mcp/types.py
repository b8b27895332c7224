"""The types that servers written for `mcp` 1.x make and return, with the names of the wire.

What is not named here is kept as it was given, and goes to the client unchanged. Objects of `mcp.types` itself, plain
dicts and anyport's own types may be returned just as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, TypeVar, cast

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field

from anyport.protocol.types.json import JsonObject
from anyport.types import as_object


class Model(BaseModel):
    """An object of the wire."""

    model_config = ConfigDict(extra="allow", populate_by_name=True, arbitrary_types_allowed=True)

    meta: dict[str, object] | None = Field(default=None, alias="_meta")


class ToolAnnotations(Model):
    """Hints about a tool: ``readOnlyHint``, ``destructiveHint``, ``idempotentHint``, ``openWorldHint``."""

    title: str | None = None


class Tool(Model):
    """A tool, as it is listed."""

    name: str
    title: str | None = None
    description: str | None = None
    inputSchema: dict[str, object]
    outputSchema: dict[str, object] | None = None
    annotations: ToolAnnotations | None = None


class TextContent(Model):
    """Text."""

    type: Literal["text"] = "text"
    text: str


class ImageContent(Model):
    """An image, in base64."""

    type: Literal["image"] = "image"
    data: str
    mimeType: str


class AudioContent(Model):
    """A sound, in base64."""

    type: Literal["audio"] = "audio"
    data: str
    mimeType: str


class Resource(Model):
    """A resource, as it is listed."""

    uri: object
    name: str
    title: str | None = None
    description: str | None = None
    mimeType: str | None = None


class ResourceLink(Resource):
    """A resource, as part of a result."""

    type: Literal["resource_link"] = "resource_link"


class ResourceTemplate(Model):
    """A template of resources, as it is listed."""

    uriTemplate: str
    name: str
    title: str | None = None
    description: str | None = None
    mimeType: str | None = None


class TextResourceContents(Model):
    """What a resource holds, as text."""

    uri: object
    text: str
    mimeType: str | None = None


class BlobResourceContents(Model):
    """What a resource holds, in base64."""

    uri: object
    blob: str
    mimeType: str | None = None


class EmbeddedResource(Model):
    """What a resource holds, as part of a result."""

    type: Literal["resource"] = "resource"
    resource: TextResourceContents | BlobResourceContents


ContentBlock: TypeAlias = TextContent | ImageContent | AudioContent | ResourceLink | EmbeddedResource


class CallToolResult(Model):
    """What a tool answers."""

    content: list[ContentBlock]
    structuredContent: dict[str, object] | None = None
    isError: bool = False


class PromptArgument(Model):
    """An argument of a prompt."""

    name: str
    description: str | None = None
    required: bool | None = None


class Prompt(Model):
    """A prompt, as it is listed."""

    name: str
    title: str | None = None
    description: str | None = None
    arguments: list[PromptArgument] | None = None


class PromptMessage(Model):
    """A message of a prompt."""

    role: Literal["user", "assistant"]
    content: ContentBlock


class GetPromptResult(Model):
    """A prompt with its arguments filled in."""

    description: str | None = None
    messages: list[PromptMessage]


class Icon(Model):
    """An icon."""

    src: str
    mimeType: str | None = None
    sizes: list[str] | None = None


class Annotations(Model):
    """For whom something is, and how much it matters."""

    audience: list[Literal["user", "assistant"]] | None = None
    priority: float | None = None


class SamplingMessage(Model):
    """A message that a model is asked with."""

    role: Literal["user", "assistant"]
    content: ContentBlock | list[ContentBlock]


class CreateMessageRequestParams(Model):
    """What a server asks a model; other fields are there as the wire has them."""

    messages: list[SamplingMessage]
    maxTokens: int
    systemPrompt: str | None = None


class CreateMessageResult(Model):
    """What a model says."""

    role: Literal["user", "assistant"]
    content: ContentBlock
    model: str
    stopReason: str | None = None


class ElicitRequestParams(Model):
    """What a server asks the user."""

    message: str
    mode: Literal["form", "url"] = "form"
    requestedSchema: Mapping[str, object] | None = None
    url: str | None = None
    elicitationId: str | None = None


class ElicitResult(Model):
    """What the user answers."""

    action: Literal["accept", "decline", "cancel"]
    content: dict[str, object] | None = None


class Root(Model):
    """A directory or file that a server may work on."""

    uri: object
    name: str | None = None


class ListRootsResult(Model):
    """All roots."""

    roots: list[Root]


class LoggingMessageNotificationParams(Model):
    """What a server logs."""

    level: str
    data: object
    logger: str | None = None


class PromptReference(Model):
    """The prompt whose argument is completed."""

    type: Literal["ref/prompt"] = "ref/prompt"
    name: str


class ResourceTemplateReference(Model):
    """The resource template whose variable is completed."""

    type: Literal["ref/resource"] = "ref/resource"
    uri: str


class ErrorData(Model):
    """An error, as an answer."""

    code: int
    message: str
    data: object = None


ModelT = TypeVar("ModelT", bound=Model)


def to_wire(value: object) -> JsonObject:
    """Return an object as the wire has it.

    Args:
        value: A model of this module or of another library that is made with pydantic, a type of anyport's, or a dict.

    Raises:
        TypeError: It is none of them.
    """
    if isinstance(value, BaseModel):
        found = value.model_dump(by_alias=True, exclude_none=True, mode="json")
        return cast("JsonObject", {key: str(each) if key == "uri" else each for key, each in found.items()})
    if isinstance(value, Struct):
        return as_object(value)
    if isinstance(value, dict):
        return cast("JsonObject", value)
    raise TypeError(f"{type(value).__name__} is no object of MCP")
