"""The types of the protocol that authors and callers handle: content blocks, results, annotations, definitions."""

from __future__ import annotations

from anyport.protocol.types import (
    Annotations,
    AudioContent,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    Icon,
    ImageContent,
    Implementation,
    LoggingLevel,
    ResourceContents,
    ResourceLink,
    TextContent,
    Tool,
    ToolAnnotations,
)

__all__ = [
    "Annotations",
    "AudioContent",
    "CallToolResult",
    "ContentBlock",
    "EmbeddedResource",
    "Icon",
    "ImageContent",
    "Implementation",
    "LoggingLevel",
    "ResourceContents",
    "ResourceLink",
    "TextContent",
    "Tool",
    "ToolAnnotations",
]
