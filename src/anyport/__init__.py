"""anyport: serve and call MCP over every transport, in every protocol revision.

The public names; each is imported when it is first used, so that a server pays for nothing it does not touch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from anyport.app import Server
    from anyport.client.client import Client
    from anyport.client.group import ClientGroup
    from anyport.protocol.errors import McpError, ToolError
    from anyport.protocol.limits import Limits
    from anyport.server.asks import Ask
    from anyport.server.content import Audio, File, Image
    from anyport.server.context import Context
    from anyport.server.depends import Depends
    from anyport.server.messages import AssistantMessage, Message, UserMessage

__version__ = "0.1.0"

_HOMES: Final = {
    "Ask": "anyport.server.asks",
    "AssistantMessage": "anyport.server.messages",
    "Audio": "anyport.server.content",
    "Client": "anyport.client.client",
    "ClientGroup": "anyport.client.group",
    "Context": "anyport.server.context",
    "Depends": "anyport.server.depends",
    "File": "anyport.server.content",
    "Image": "anyport.server.content",
    "Limits": "anyport.protocol.limits",
    "McpError": "anyport.protocol.errors",
    "Message": "anyport.server.messages",
    "Server": "anyport.app",
    "ToolError": "anyport.protocol.errors",
    "UserMessage": "anyport.server.messages",
}

__all__ = [
    "Ask",
    "AssistantMessage",
    "Audio",
    "Client",
    "ClientGroup",
    "Context",
    "Depends",
    "File",
    "Image",
    "Limits",
    "McpError",
    "Message",
    "Server",
    "ToolError",
    "UserMessage",
    "__version__",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'anyport' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
