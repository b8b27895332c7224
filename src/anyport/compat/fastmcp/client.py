"""The path `fastmcp.client`, which is where clients import `Client` from."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anyport.compat.fastmcp_client import CallToolResult, Client

__all__ = ["CallToolResult", "Client"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'anyport.compat.fastmcp.client' has no attribute {name!r}")
    # It stands beside this package, since it uses the types of `mcp`, whose shim uses this package.
    return getattr(importlib.import_module("anyport.compat.fastmcp_client"), name)
