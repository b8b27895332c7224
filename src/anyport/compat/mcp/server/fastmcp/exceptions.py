"""The errors of ``mcp.server.fastmcp``, as anyport has them."""

from __future__ import annotations

from anyport.compat.fastmcp.exceptions import FastMCPError, ResourceError, ToolError, ValidationError

__all__ = ["FastMCPError", "ResourceError", "ToolError", "ValidationError"]
