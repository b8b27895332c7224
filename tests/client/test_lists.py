"""Lists on several pages, definitions that break the rules, mirrored parameters (PAG-01, HDR-06 to HDR-13)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator

import pytest

import anyport.transports.http.client as _http_client  # its import would count as a slow callback
from anyport import Client
from anyport.client import requests as requests_module
from anyport.errors import McpError, RemoteProtocolError
from anyport.protocol.types.json import JsonObject
from tests.client.peers import (
    EXAMPLE,
    Posted,
    encoded,
    error,
    http_answer,
    http_peer,
    http_server,
    opened,
    result,
    scripted,
    text_result,
)

assert _http_client


@pytest.fixture(scope="module", name="url")
def serve_url() -> Generator[str]:
    with http_server(f"{EXAMPLE}:server") as url:
        yield url


def listing(pages: list[JsonObject]) -> list[str]:
    """Return a server whose list has these pages, each asked for with the cursor of the one before."""
    return scripted(f"""
pages = json.loads({json.dumps(json.dumps(pages))})
expected = None
for message in modern():
    if message["params"].get("cursor") != expected:
        refuse(message, -32602, "another cursor was expected")
        continue
    page = pages.pop(0) if len(pages) > 1 else pages[0]
    expected = page.get("nextCursor")
    answer(message, page)
""")


def tools(*names: str) -> list[JsonObject]:
    return [{"name": name, "inputSchema": {"type": "object"}} for name in names]


async def test_all_pages() -> None:
    """PAG-01: the empty string is a cursor like any other."""
    pages: list[JsonObject] = [
        {"tools": [*tools("a", "b")], "nextCursor": ""},
        {"tools": [*tools("c")], "nextCursor": "next"},
        {"tools": []},
    ]
    async with Client(listing(pages)) as client:
        assert [tool.name for tool in await client.list_tools()] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ({"tools": [], "nextCursor": "again"}, "do not end"),
        ({"tools": [], "nextCursor": 7}, "a nextCursor that is no text"),
        ({"tools": {}}, "has no list of tools"),
        ({}, "has no list of tools"),
    ],
)
async def test_a_list_that_is_none(page: JsonObject, message: str) -> None:
    """D01: a server cannot keep a client busy for ever."""
    async with Client(listing([page])) as client:
        with pytest.raises(RemoteProtocolError, match=message):
            await client.list_tools()


async def test_endless_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests_module, "MAX_PAGES", 50)
    body = """
number = 0
for message in modern():
    number += 1
    answer(message, {"tools": [], "nextCursor": str(number)})
"""
    async with Client(scripted(body)) as client:
        with pytest.raises(RemoteProtocolError, match="The pages of tools/list do not end"):
            await client.list_tools()


async def test_a_tool_without_what_it_must_have(caplog: pytest.LogCaptureFixture) -> None:
    """One bad definition costs one tool, and the log says which and why."""
    bad: list[JsonObject] = [{"name": "bad"}, {"name": 7, "inputSchema": {}}]
    async with Client(listing([{"tools": [*tools("a"), *bad, "x", *tools("b")]}])) as client:
        assert [tool.name for tool in await client.list_tools()] == ["a", "b"]
    assert "Left out the tool 'bad': Object missing required field `inputSchema`" in caplog.text


def marked(name: str, header: object) -> JsonObject:
    """Return a tool whose parameter `region` is mirrored."""
    entry: JsonObject = {"type": "string", "x-mcp-header": str(header)}
    return {"name": name, "inputSchema": {"type": "object", "properties": {"region": entry}}}


async def test_a_tool_with_a_header_that_cannot_be(caplog: pytest.LogCaptureFixture) -> None:
    """HDR-11, HDR-12: it is dropped where headers matter, with a warning, and the rest is kept."""
    definitions: JsonObject = {"tools": [marked("good", "Region"), marked("bad", "two words")]}

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(opened(posted, "modern") or http_answer(200, encoded(result(posted, definitions))))

    async with http_peer(script) as peer, Client(peer.url) as client:
        assert [tool.name for tool in await client.list_tools()] == ["good"]
    assert "Left out the tool 'bad'" in caplog.text


async def test_a_parameter_is_mirrored_once_it_is_known(url: str) -> None:
    """HDR-06, HDR-08, HDR-13: unlisted, the server refuses; then the client lists and sends the header."""
    async with Client(url) as client:
        assert (await client.call_tool("in_region", {"region": "münchen"})).data == "=?base64?bcO8bmNoZW4=?="
        assert (await client.call_tool("in_region", {"region": "us-west1"})).data == "us-west1"


async def test_a_server_that_always_refuses_the_headers() -> None:
    """HDR-13: one more try, not an endless number."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        if posted.rpc_method == "tools/list":
            writer.write(http_answer(200, encoded(result(posted, {"tools": [marked("any", "Region")]}))))
        else:
            refusal = http_answer(400, encoded(error(posted, -32020, "no")))
            writer.write(opened(posted, "modern") or refusal)

    async with http_peer(script) as peer, Client(peer.url) as client:
        with pytest.raises(McpError, match="no"):
            await client.call_tool("any", {"region": "x"})
        calls = [posted for posted in peer.requests if posted.rpc_method == "tools/call"]
        assert [posted.headers.get("mcp-param-region") for posted in calls] == [None, "x"]


async def test_no_headers_are_mirrored_in_the_legacy_era() -> None:
    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        definitions: JsonObject = {"tools": [marked("any", "Region"), marked("kept", "two words")]}
        answer = definitions if posted.rpc_method == "tools/list" else text_result("fine")
        writer.write(opened(posted, "legacy") or http_answer(200, encoded(result(posted, answer))))

    async with http_peer(script) as peer, Client(peer.url) as client:
        assert [tool.name for tool in await client.list_tools()] == ["any", "kept"]
        await client.call_tool("any", {"region": "x"})
        names = [name for name in peer.requests[-1].headers if name.startswith("mcp-")]
        assert names == ["mcp-protocol-version"]
