"""Content blocks: what tools, prompts and models say. The field ``type`` tells them apart.

``type`` can be read from every block but is not a field: it is written because of the block's class.
"""

from typing import ClassVar, Literal, TypeAlias

from msgspec import UNSET, Raw, UnsetType, field

from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.protocol.types.messages import Meta, WireStruct
from anyport.protocol.types.meta import Annotations
from anyport.protocol.types.resources import Resource, ResourceContents


class TextContent(WireStruct, tag_field="type", tag="text"):
    """Text.

    Attributes:
        text: The text.
        annotations: How a client may use it.
        meta: From 2025-06-18: ``_meta``.
    """

    type: ClassVar[Literal["text"]] = "text"
    text: str
    annotations: Annotations | None = None
    meta: Meta | None = field(name="_meta", default=None)


class ImageContent(WireStruct, tag_field="type", tag="image"):
    """An image.

    Attributes:
        data: The image in base64.
        mime_type: MIME type of the image.
        annotations: How a client may use it.
        meta: From 2025-06-18: ``_meta``.
    """

    type: ClassVar[Literal["image"]] = "image"
    data: str
    mime_type: str
    annotations: Annotations | None = None
    meta: Meta | None = field(name="_meta", default=None)


class AudioContent(WireStruct, tag_field="type", tag="audio"):
    """Sound, from 2025-03-26.

    Attributes:
        data: The sound in base64.
        mime_type: MIME type of the sound.
        annotations: How a client may use it.
        meta: From 2025-06-18: ``_meta``.
    """

    type: ClassVar[Literal["audio"]] = "audio"
    data: str
    mime_type: str
    annotations: Annotations | None = None
    meta: Meta | None = field(name="_meta", default=None)


class ResourceLink(Resource, tag_field="type", tag="resource_link"):
    """A resource to read if wanted, from 2025-06-18."""

    type: ClassVar[Literal["resource_link"]] = "resource_link"


class EmbeddedResource(WireStruct, tag_field="type", tag="resource"):
    """A resource and its contents.

    Attributes:
        resource: The contents.
        annotations: How a client may use it.
        meta: From 2025-06-18: ``_meta``.
    """

    type: ClassVar[Literal["resource"]] = "resource"
    resource: ResourceContents
    annotations: Annotations | None = None
    meta: Meta | None = field(name="_meta", default=None)


ContentBlock: TypeAlias = TextContent | ImageContent | AudioContent | ResourceLink | EmbeddedResource
"""What a tool or a prompt may say."""


class ToolUseContent(WireStruct, kw_only=True, tag_field="type", tag="tool_use"):
    """A model's wish to call a tool, from 2025-11-25; deprecated from 2026-07-28 (SEP-2577).

    Attributes:
        id: Id of this use, which its result repeats.
        name: Name of the tool.
        input: Arguments for the tool.
        meta: ``_meta``; to be kept when the message is sent again.
    """

    type: ClassVar[Literal["tool_use"]] = "tool_use"
    id: str
    name: str
    input: JsonObject
    meta: Meta | None = field(name="_meta", default=None)


class ToolResultContent(WireStruct, kw_only=True, tag_field="type", tag="tool_result"):
    """What a tool answered a model, from 2025-11-25; deprecated from 2026-07-28 (SEP-2577).

    Attributes:
        tool_use_id: Id of the use that it answers.
        content: What the tool said.
        structured_content: The answer as JSON; an object until 2025-11-25, then any value, ``null`` too. Encoded JSON
            is accepted for sending.
        is_error: Whether the tool failed.
        meta: ``_meta``; to be kept when the message is sent again.
    """

    type: ClassVar[Literal["tool_result"]] = "tool_result"
    tool_use_id: str
    content: list[ContentBlock]
    structured_content: JsonValue | Raw | UnsetType = UNSET
    is_error: bool = False
    meta: Meta | None = field(name="_meta", default=None)


SamplingMessageContentBlock: TypeAlias = TextContent | ImageContent | AudioContent | ToolUseContent | ToolResultContent
"""What a message of a sampling request may hold."""
