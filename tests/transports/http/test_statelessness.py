"""Modern requests stand alone: nothing is remembered, nothing depends on who calls or on which connection."""

from __future__ import annotations

from typing import cast

import pytest

from anyport import Context, Server
from anyport import errors as public
from anyport.errors import McpError
from anyport.protocol.calls import META_CLIENT_INFO
from anyport.protocol.types.json import JsonObject
from tests.drivers.asgi import call, initialize, legacy, modern, open_session, post


def _server() -> Server:
    server = Server("test")

    @server.tool
    async def count(ctx: Context) -> int:
        """Report progress, then answer."""
        await ctx.report_progress(1, 2)
        return 1

    @server.tool
    async def add(a: int, b: int) -> int:
        return a + b

    return server


async def test_client_info_changes_nothing() -> None:
    """META-04: what a client says of itself decides nothing."""
    app = _server().asgi()
    infos: list[JsonObject] = [{}, {"name": "root", "version": "9"}, {"name": "evil'\"; --", "version": ""}]
    asked: list[tuple[str, JsonObject]] = [
        ("tools/list", {}),
        ("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}}),
    ]
    answers = [
        (await post(app, modern(method, {**params, "_meta": {META_CLIENT_INFO: info}}))).json
        for method, params in asked
        for info in infos
    ]
    assert answers[0] == answers[1] == answers[2]
    assert answers[3] == answers[4] == answers[5]


async def test_any_process_answers() -> None:
    """META-08: related calls need no common connection and no common process."""
    first, second = _server().asgi(), _server().asgi()
    for method in ("server/discover", "tools/list"):
        assert (await post(first, modern(method))).json == (await post(second, modern(method))).json


async def test_no_session_and_no_resumption() -> None:
    """HTTP-14: the modern era mints no session id, honours none, and its events have no ids."""
    app = _server().asgi()
    extra = {"mcp-session-id": "made-up", "last-event-id": "7"}
    asked = call("count", _meta={"progressToken": 1})
    answer = await post(app, asked, extra)
    assert answer.status == 200
    assert "mcp-session-id" not in answer.headers
    assert b"\nid:" not in b"\n" + answer.body
    assert [message.get("method") for message in answer.events] == ["notifications/progress", None]


async def test_without_a_version_header() -> None:
    """HDR-02: without the header a session speaks what it negotiated; a modern body is refused (ADR 0015)."""
    app = _server().asgi()
    fields = await open_session(app, "2025-03-26")
    del fields["mcp-protocol-version"]
    assert "result" in (await post(app, legacy("tools/list"), fields)).json
    refused = await post(app, modern("tools/list"), {"mcp-protocol-version": None})
    assert (refused.status, refused.error_code) == (400, -32020)
    assert (await post(app, initialize("2024-11-05"))).status == 200


async def test_meta_of_others_is_left_alone() -> None:
    """RPC-14: keys under any prefix, reserved ones included, reach the tool and change nothing."""
    server = Server("test")

    @server.tool
    async def look(ctx: Context) -> dict[str, object]:
        return dict(ctx.meta)

    meta: JsonObject = {"com.example/key": {"a": [1]}, "io.modelcontextprotocol/unknown": 1, "plain": None, "": "empty"}
    result = cast("JsonObject", (await post(server.asgi(), call("look", _meta=meta))).json["result"])
    assert meta.items() <= cast("JsonObject", result["structuredContent"]).items()


@pytest.mark.parametrize("name", public.__all__)
def test_codes_are_allowed(name: str) -> None:
    """RPC-10: in the reserved range only the codes that the specification defines, and only with their meaning."""
    kind = getattr(public, name)
    if isinstance(kind, type) and issubclass(kind, McpError):
        defined = {-32020, -32021, -32022}
        assert kind.code in defined | {-32700, -32600, -32601, -32602, -32603} or kind.code > 0
