"""Requests of the lists and primitives of a server, with each result judged by an independent model of its revision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import pytest
from mcp_types import methods as theirs

from anyport import McpError, Server
from anyport.protocol.revisions import LATEST_MODERN, REVISIONS, Revision
from anyport.protocol.types.json import JsonObject
from tests.server.calling import ask, make_call

EVERY = pytest.mark.parametrize("revision", REVISIONS, ids=lambda row: row.name)


async def judged(
    server: Server, method: str, params: Mapping[str, object] | None = None, revision: Revision = LATEST_MODERN
) -> JsonObject:
    """The result of a request; fails unless the model of the revision takes it and knows every field."""
    result = await ask(server, make_call(method, params, revision=revision))
    assert theirs.serialize_server_result(method, revision.name, result) == result
    return result


async def items(
    server: Server, method: str, revision: Revision = LATEST_MODERN, params: Mapping[str, object] | None = None
) -> list[JsonObject]:
    """What a list, or the answer to a read or a prompt, holds."""
    result = await judged(server, method, params, revision)
    names = {"tools/list": "tools", "prompts/list": "prompts", "prompts/get": "messages", "resources/read": "contents"}
    names |= {"resources/list": "resources", "resources/templates/list": "resourceTemplates"}
    return cast("list[JsonObject]", result[names[method]])


async def refusal(
    server: Server, method: str, params: Mapping[str, object] | None = None, revision: Revision = LATEST_MODERN
) -> McpError:
    """The error that answers a request."""
    with pytest.raises(McpError) as caught:
        await ask(server, make_call(method, params, revision=revision))
    return caught.value


async def read_one(server: Server, uri: str, revision: Revision = LATEST_MODERN) -> JsonObject:
    """The contents of a resource that has one part."""
    contents = await items(server, "resources/read", revision, {"uri": uri})
    assert len(contents) == 1
    return contents[0]
