"""Calls of a server in memory, as its transports make them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

import msgspec

from anyport import Server
from anyport.protocol.calls import META_CLIENT_CAPABILITIES, META_LOG_LEVEL, META_VERSION, Call, Carrier
from anyport.protocol.jsonrpc import Notification, as_object
from anyport.protocol.revisions import LATEST_MODERN, Revision
from anyport.protocol.types import LoggingLevel
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.transports.memory import MemoryReply


class Heard:
    """A client's ear: every notification of a call."""

    def __init__(self) -> None:
        self.notifications: list[Notification] = []

    async def listen(self, notification: Notification) -> None:
        """Keep a notification."""
        self.notifications.append(notification)


def make_call(
    method: str,
    params: Mapping[str, object] | None = None,
    *,
    revision: Revision = LATEST_MODERN,
    meta: JsonObject | None = None,
    log_level: LoggingLevel | None = None,
    carrier: Carrier | None = None,
) -> Call:
    """Return a call as a transport would bind it."""
    found: JsonObject = {META_VERSION: revision.name, META_CLIENT_CAPABILITIES: {}, **(meta or {})}
    if log_level is not None:
        found[META_LOG_LEVEL] = log_level
    return Call(
        method=method,
        params={**cast("JsonObject", dict(params or {})), "_meta": found},
        id=1,
        revision=revision,
        carrier=carrier or Carrier(transport="memory"),
        meta=found,
        capabilities={},
        log_level=log_level,
    )


async def ask(server: Server, call: Call, heard: Heard | None = None) -> JsonObject:
    """Return the result of a call as its peer would read it."""
    reply = MemoryReply(heard.listen if heard else None)
    return as_object(await server.service(call, reply))


async def call_tool(
    server: Server,
    name: str,
    arguments: Mapping[str, object] | None = None,
    *,
    revision: Revision = LATEST_MODERN,
    heard: Heard | None = None,
    meta: JsonObject | None = None,
    log_level: LoggingLevel | None = None,
) -> JsonObject:
    """Return the result of ``tools/call``."""
    call = make_call(
        "tools/call",
        {"name": name, "arguments": arguments or {}},
        revision=revision,
        meta=meta,
        log_level=log_level,
    )
    return await ask(server, call, heard)


def tool_once(server: Server, name: str, arguments: Mapping[str, object] | None = None) -> JsonObject:
    """Call a tool from a test that is not async."""
    return asyncio.run(call_tool(server, name, arguments))


def text_of(result: JsonObject) -> str:
    """Return the text of the first content block."""
    content = cast("list[dict[str, str]]", result["content"])
    return content[0]["text"]


def schema_of(server: Server, name: str) -> JsonObject:
    """Return the input schema of a registered tool."""
    return next(tool.definition.input_schema for tool in server.tools if tool.definition.name == name)


def as_json(value: object) -> JsonValue:
    """Return what a value is on the wire."""
    return cast("JsonValue", msgspec.json.decode(msgspec.json.encode(value)))
