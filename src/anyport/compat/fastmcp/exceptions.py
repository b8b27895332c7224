"""The errors of `fastmcp`, as anyport has them."""

from __future__ import annotations

from anyport.errors import AnyportError as FastMCPError
from anyport.errors import McpError, ToolError


class ResourceError(ToolError):
    """A resource cannot be read; the client reads the message."""


class PromptError(ToolError):
    """A prompt cannot be filled in; the client reads the message."""


class ValidationError(ToolError):
    """A parameter or a result is wrong; the model reads the message."""


class NotFoundError(ToolError):
    """There is no such thing; the model reads the message."""


__all__ = ["FastMCPError", "McpError", "NotFoundError", "PromptError", "ResourceError", "ToolError", "ValidationError"]
