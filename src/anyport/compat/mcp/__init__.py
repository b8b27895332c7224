"""Code written for `mcp` 1.x, over anyport: put `anyport.compat.` before the imports."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from anyport.compat.mcp.client.session import ClientSession
    from anyport.compat.mcp.client.stdio import StdioServerParameters, stdio_client
    from anyport.errors import McpError

__all__ = ["ClientSession", "McpError", "StdioServerParameters", "stdio_client"]

_HOMES: Final = {
    "ClientSession": "anyport.compat.mcp.client.session",
    "McpError": "anyport.errors",
    "StdioServerParameters": "anyport.compat.mcp.client.stdio",
    "stdio_client": "anyport.compat.mcp.client.stdio",
}


def __getattr__(name: str) -> object:
    # Loaded when it is used: a server has no use for it.
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'anyport.compat.mcp' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
