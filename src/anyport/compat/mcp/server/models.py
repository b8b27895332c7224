"""What is passed around at the start of a low-level server."""

from __future__ import annotations

from dataclasses import dataclass

from anyport.protocol.types.json import JsonObject


@dataclass(kw_only=True)
class NotificationOptions:
    """Which lists may change; a capability is declared with them.

    Attributes:
        prompts_changed: The list of prompts.
        resources_changed: The list of resources.
        tools_changed: The list of tools.
    """

    prompts_changed: bool = False
    resources_changed: bool = False
    tools_changed: bool = False


@dataclass(kw_only=True)
class InitializationOptions:
    """What a server says of itself.

    Attributes:
        server_name: Its name.
        server_version: Its version.
        capabilities: What it declares, as the wire has it.
        instructions: How to use it, for the model.
        website_url: Where to read more.
    """

    server_name: str
    server_version: str
    capabilities: JsonObject
    instructions: str | None = None
    website_url: str | None = None


@dataclass
class ReadResourceContents:
    """What a resource holds.

    Attributes:
        content: Text, or bytes.
        mime_type: What they are; default: plain text, or bytes of no known kind.
        meta: ``_meta`` of it.
    """

    content: str | bytes
    mime_type: str | None = None
    meta: JsonObject | None = None
