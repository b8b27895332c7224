"""The types that authors and callers handle: content blocks, results, definitions, and for middleware calls."""

from __future__ import annotations

from anyport.protocol.calls import Call, Carrier, Reply, Service
from anyport.protocol.jsonrpc import ResultLike, as_object
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
from anyport.server.middleware import Middleware

__all__ = [
    "Annotations",
    "AudioContent",
    "Call",
    "CallToolResult",
    "Carrier",
    "ContentBlock",
    "EmbeddedResource",
    "Icon",
    "ImageContent",
    "Implementation",
    "LoggingLevel",
    "Middleware",
    "Reply",
    "ResourceContents",
    "ResourceLink",
    "ResultLike",
    "Service",
    "TextContent",
    "Tool",
    "ToolAnnotations",
    "as_object",
]
