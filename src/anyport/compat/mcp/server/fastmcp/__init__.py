"""`FastMCP` and `Context` of `mcp` 1.x, for code that imports them from ``mcp.server.fastmcp`` (adr/0044)."""

from __future__ import annotations

from anyport.compat.fastmcp.utilities.types import Audio, Image
from anyport.compat.mcp.server.fastmcp.server import Context, FastMCP
from anyport.compat.mcp.types import Icon

__all__ = ["Audio", "Context", "FastMCP", "Icon", "Image"]
