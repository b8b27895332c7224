"""Results of tools, for code written for `fastmcp`."""

from __future__ import annotations

from anyport.compat.fastmcp.adapting import ToolResult

__all__ = ["ToolResult"]
