"""What a server writes, judged by independent models of each revision (RPC-04 to RPC-08, VER-03, LIFE-02, TOOL-03).

The models of mcp-types drop what the schema of a revision does not name: a message that comes back whole from them has
every field that is required and none that is unknown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import cast

import pytest
from mcp_types import jsonrpc as their_jsonrpc
from mcp_types import methods as theirs
from pydantic import BaseModel

from anyport import Audio, Context, File, Image, Limits, McpError, Server, ToolError
from anyport.protocol.errors import MethodNotFound
from anyport.protocol.jsonrpc import decode_json, encode_error, encode_notification, encode_response
from anyport.protocol.revisions import LEGACY, REVISIONS, V2026_07_28, Revision
from anyport.protocol.types import (
    Annotations,
    Icon,
    ResourceLink,
    TextContent,
    ToolAnnotations,
)
from anyport.protocol.types.json import JsonObject
from anyport.transports.memory import MemoryReply
from tests.server.calling import Heard, make_call

ICONS = [Icon(src="https://example.com/icon.png", mime_type="image/png", sizes=["48x48"])]
HINTS = ToolAnnotations(title="S", read_only_hint=True, open_world_hint=False)
SPOKEN_TO_ALL = Annotations(audience=["user", "assistant"], priority=0.5)


class Point(BaseModel):
    """Structured output."""

    x: int
    label: str | None = None


async def structured(x: int = 1) -> Point:
    """Returns an object."""
    return Point(x=x)


async def listed() -> list[Point]:
    return [Point(x=1), Point(x=2, label="b")]


def plain(text: str) -> str:
    return text


async def nothing() -> None:
    return None


async def blocks() -> list[object]:
    return [
        TextContent(text="t", annotations=SPOKEN_TO_ALL, meta={"example.com/kept": 1}),
        Image(b"png", annotations=SPOKEN_TO_ALL),
        File(b"bytes", uri="file:///a.bin"),
        File(b"text", uri="file:///a.txt", mime_type="text/plain", annotations=SPOKEN_TO_ALL),
    ]


async def sound() -> Audio:
    return Audio(b"wav")


async def link() -> ResourceLink:
    return ResourceLink(uri="file:///a.txt", name="a", title="A", description="d", mime_type="text/plain", icons=ICONS)


async def refuses() -> str:
    raise ToolError("not today")


async def fails() -> int:
    raise ValueError("broken")


async def raises_on_the_wire() -> str:
    raise McpError(4711, "no", {"why": ["because"]})


async def talks(ctx: Context) -> str:
    await ctx.report_progress(0.5, 2, "half")
    await ctx.report_progress(2)
    await ctx.info("text", logger="wire")
    await ctx.error({"code": [1, None]})
    return "done"


@cache
def make_server() -> Server:
    """A server with a tool for each kind of answer; it keeps nothing between calls."""
    server = Server("wire", version="1.2", title="Wire", description="Writes it all", instructions="Call anything.")
    server.tool(title="Structured", annotations=HINTS, icons=ICONS, meta={"example.com/kept": {"a": [1]}})(structured)
    for function in (listed, plain, nothing, blocks, sound, link, refuses, fails, raises_on_the_wire, talks):
        server.tool(function)
    return server


async def answer(
    server: Server, method: str, revision: Revision, params: Mapping[str, object] | None = None
) -> JsonObject:
    """The whole response, as bytes and back."""
    result = await server.service(make_call(method, params, revision=revision), MemoryReply())
    response = decode_json(encode_response("id-1", result))
    assert isinstance(response, dict)
    read = their_jsonrpc.jsonrpc_message_adapter.validate_python(response)
    assert isinstance(read, their_jsonrpc.JSONRPCResponse)
    assert (read.id, response["jsonrpc"]) == ("id-1", "2.0")
    return cast("JsonObject", response["result"])


def judge(method: str, revision: Revision, result: JsonObject) -> None:
    """Fails unless the model of the revision takes the result and knows every field."""
    assert theirs.serialize_server_result(method, revision.name, result) == without_nulls(result)


def without_nulls(result: JsonObject) -> JsonObject:
    """The models leave out null; nothing else here may hold one at its top."""
    assert None not in result.values()
    return result


EVERY = pytest.mark.parametrize("revision", REVISIONS, ids=lambda row: row.name)
OLD = pytest.mark.parametrize("revision", LEGACY, ids=lambda row: row.name)


@OLD
async def test_the_handshake(revision: Revision) -> None:
    """LIFE-02."""
    params = {"protocolVersion": revision.name, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
    result = await answer(make_server(), "initialize", revision, params)
    judge("initialize", revision, result)
    assert result["protocolVersion"] == revision.name
    assert result["capabilities"] == {"tools": {"listChanged": True}, "logging": {}}


@OLD
@pytest.mark.parametrize(("method", "params"), [("ping", {}), ("logging/setLevel", {"level": "error"})])
async def test_empty_results(revision: Revision, method: str, params: dict[str, str]) -> None:
    assert await answer(make_server(), method, revision, params) == {}


async def test_discovery() -> None:
    """VER-03, CCH-01, META-03."""
    result = await answer(make_server(), "server/discover", V2026_07_28)
    judge("server/discover", V2026_07_28, result)
    assert result["supportedVersions"] == [row.name for row in reversed(REVISIONS)]
    assert result["resultType"] == "complete"
    assert result["_meta"] == {
        "io.modelcontextprotocol/serverInfo": {
            "name": "wire",
            "version": "1.2",
            "title": "Wire",
            "description": "Writes it all",
        }
    }


@EVERY
async def test_the_list_of_tools(revision: Revision) -> None:
    """TOOL-01, TOOL-02, and no field before its revision."""
    result = await answer(make_server(), "tools/list", revision)
    judge("tools/list", revision, result)
    tools = {cast("str", tool["name"]): tool for tool in cast("list[JsonObject]", result["tools"])}
    assert len(tools) == 11
    expected = {"name", "description", "inputSchema"}
    expected |= set() if revision.lacks("2025-03-26") else {"annotations"}
    expected |= set() if revision.lacks("2025-06-18") else {"title", "outputSchema", "_meta"}
    expected |= set() if revision.lacks("2025-11-25") else {"icons"}
    assert set(tools["structured"]) == expected


@EVERY
async def test_what_only_modern_results_carry(revision: Revision) -> None:
    """RPC-06, CCH-01: `resultType` and `serverInfo` in each, freshness in those that may be kept."""
    server = make_server()
    listed = await answer(server, "tools/list", revision)
    called = await answer(server, "tools/call", revision, {"name": "nothing"})
    extra = {"resultType", "_meta"} if revision.modern else set[str]()
    assert set(listed) == {"tools"} | extra | ({"ttlMs", "cacheScope"} if revision.modern else set())
    assert set(called) == {"content"} | extra


CALLS: list[tuple[str, dict[str, object], bool]] = [
    ("structured", {"x": 5}, False),
    ("structured", {"x": "five"}, True),
    ("structured", {"y": 5}, True),
    ("listed", {}, False),
    ("plain", {"text": "\u00e9\n\0"}, False),
    ("plain", {"text": ""}, False),
    ("plain", {}, True),
    ("nothing", {}, False),
    ("blocks", {}, False),
    ("sound", {}, False),
    ("link", {}, False),
    ("refuses", {}, True),
    ("fails", {}, True),
    ("talks", {}, False),
]


@EVERY
@pytest.mark.parametrize(("name", "arguments", "is_error"), CALLS, ids=lambda value: str(value)[:20])
async def test_what_a_tool_returns(revision: Revision, name: str, arguments: dict[str, object], is_error: bool) -> None:
    """TOOL-03, TOOL-05: every kind of content, structured or not, and every failure that a model may read."""
    result = await answer(make_server(), "tools/call", revision, {"name": name, "arguments": arguments})
    judge("tools/call", revision, result)
    assert bool(result.get("isError", False)) is is_error


@EVERY
async def test_structure_comes_with_its_revision(revision: Revision) -> None:
    """TOOL-03: with its text beside it, which is all that older clients get; an object in either era."""
    server = make_server()
    one = await answer(server, "tools/call", revision, {"name": "structured", "arguments": {"x": 3}})
    many = await answer(server, "tools/call", revision, {"name": "listed"})
    texts = [cast("list[JsonObject]", result["content"])[0]["text"] for result in (one, many)]
    assert json.loads(cast("str", texts[0])) == {"x": 3, "label": None}
    if revision.structured_output:
        assert one["structuredContent"] == {"x": 3, "label": None}
        assert many["structuredContent"] == {"result": [{"x": 1, "label": None}, {"x": 2, "label": "b"}]}
    else:
        assert "structuredContent" not in one
        assert "structuredContent" not in many


@EVERY
async def test_what_is_said_before_the_result(revision: Revision) -> None:
    """PRG-01, LOG-01: the token of the request, rising progress, log messages with level and data."""
    heard = Heard()
    call = make_call("tools/call", {"name": "talks"}, revision=revision, meta={"progressToken": "p"}, log_level="info")
    await make_server().service(call, MemoryReply(heard.listen))
    assert [notification.method for notification in heard.notifications] == [
        "notifications/progress",
        "notifications/progress",
        "notifications/message",
        "notifications/message",
    ]
    for notification in heard.notifications:
        message = cast("JsonObject", json.loads(encode_notification(notification.method, notification.params)))
        model = theirs.SERVER_NOTIFICATIONS[notification.method, revision.name]
        assert model.model_validate(message).model_dump(mode="json", by_alias=True, exclude_unset=True) == message


@EVERY
@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("tools/call", {"name": "raises_on_the_wire"}, 4711),
        ("tools/call", {"name": "unknown"}, -32602),
        ("tools/call", {"name": 5}, -32602),
        ("tools/call", {}, -32602),
        ("tools/call", {"name": "plain", "arguments": []}, -32602),
        ("tools/list", {"cursor": "made up"}, -32602),
        ("tools/list", {"cursor": 1}, -32602),
        ("resources/frobnicate", {}, -32601),
    ],
)
async def test_errors(revision: Revision, method: str, params: dict[str, object], code: int) -> None:
    """RPC-04, RPC-08, RPC-11, RPC-17: an error with the id, an integer code, and a message."""
    with pytest.raises(McpError) as caught:
        await answer(make_server(), method, revision, params)
    data = encode_error(7, caught.value)
    read = their_jsonrpc.jsonrpc_message_adapter.validate_json(data)
    assert isinstance(read, their_jsonrpc.JSONRPCError)
    assert (read.id, read.error.code, bool(read.error.message)) == (7, code, True)
    assert read.model_dump(mode="json", by_alias=True, exclude_unset=True) == json.loads(data)


@pytest.mark.parametrize(
    ("revision", "method"),
    [
        *((row, "server/discover") for row in LEGACY),
        *((V2026_07_28, method) for method in ("initialize", "ping", "logging/setLevel")),
    ],
    ids=str,
)
async def test_a_method_of_the_other_era_is_unknown(revision: Revision, method: str) -> None:
    """RPC-17."""
    with pytest.raises(MethodNotFound):
        await answer(make_server(), method, revision)


async def test_a_server_without_tools_offers_none() -> None:
    """TOOL-01: capabilities say what is registered, and every form of it is valid."""
    empty = Server("empty", limits=Limits())
    for revision in LEGACY:
        params = {"protocolVersion": revision.name, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
        result = await answer(empty, "initialize", revision, params)
        judge("initialize", revision, result)
        assert result["capabilities"] == {}
    result = await answer(empty, "server/discover", V2026_07_28)
    judge("server/discover", V2026_07_28, result)
    assert result["capabilities"] == {}
