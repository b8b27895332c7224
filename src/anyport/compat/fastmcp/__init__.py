"""`FastMCP`, `Context` and `Client` for code written for `fastmcp`: change the import, and it runs (adr/0044)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from anyport.compat.fastmcp.honesty import CompatWarning, NotHonoured
from anyport.compat.fastmcp.server.context import Context
from anyport.compat.fastmcp.server.server import FastMCP
from anyport.compat.fastmcp.utilities.types import Audio, File, Image

if TYPE_CHECKING:
    from anyport.compat.fastmcp_client import Client

__all__ = ["Audio", "Client", "CompatWarning", "Context", "FastMCP", "File", "Image", "NotHonoured"]


def __getattr__(name: str) -> object:
    if name != "Client":
        raise AttributeError(f"module 'anyport.compat.fastmcp' has no attribute {name!r}")
    # Loaded when it is used: a server has no use for it.
    return importlib.import_module("anyport.compat.fastmcp_client").Client
