"""What `fastmcp.server` offers."""

from __future__ import annotations

from anyport.compat.fastmcp.server.context import Context
from anyport.compat.fastmcp.server.server import FastMCP

__all__ = ["Context", "FastMCP"]
