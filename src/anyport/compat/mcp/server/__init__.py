"""The low-level server of `mcp` 1.x, as a thin layer over `anyport.Server`."""

from __future__ import annotations

from anyport.compat.mcp.server.models import InitializationOptions, NotificationOptions, ReadResourceContents
from anyport.compat.mcp.server.server import RequestContext, Server, request_ctx

__all__ = [
    "InitializationOptions",
    "NotificationOptions",
    "ReadResourceContents",
    "RequestContext",
    "Server",
    "request_ctx",
]
