"""Changes in one process: a modern client holds a stream open as any other call, a legacy one is told."""

from __future__ import annotations

import asyncio

from anyport import Server
from anyport.client.in_memory import MemoryClient
from anyport.protocol.calls import META_CLIENT_CAPABILITIES, META_VERSION
from anyport.protocol.jsonrpc import ErrorResponse, Notification, Request, Response
from anyport.protocol.types.json import JsonObject
from anyport.transports.calling import Incoming
from tests.server.listening import ACKNOWLEDGED, TOOLS, UPDATED, WAIT, turns


async def nothing_is_asked(question: Request) -> Response:
    raise AssertionError(question)


def hearing(heard: list[Notification]) -> Incoming:
    return Incoming(heard.append, nothing_is_asked, lambda error: None)


MODERN: JsonObject = {META_VERSION: "2026-07-28", META_CLIENT_CAPABILITIES: {}}


def make_server() -> Server:
    server = Server("near")

    @server.tool
    async def tool() -> str:
        return ""

    @server.resource("test://{name}")
    async def thing(name: str) -> str:
        return name

    return server


async def test_a_modern_stream_is_a_call() -> None:
    """SUB-02, SUB-04."""
    server, heard = make_server(), list[Notification]()
    client = MemoryClient(server)
    await client.start(hearing(heard))
    params: JsonObject = {"_meta": MODERN, "notifications": {"toolsListChanged": True}}
    streaming = asyncio.ensure_future(client.request(Request(1, "subscriptions/listen", params)))
    await turns()
    server.tools.remove("tool")
    await turns()
    server.subscriptions.end()
    async with asyncio.timeout(WAIT):
        answer = await streaming
    assert isinstance(answer, Response)
    assert [notification.method for notification in heard] == [ACKNOWLEDGED, TOOLS]
    await client.aclose()


async def test_a_legacy_client_is_told() -> None:
    """S31: from the end of its handshake to when it leaves."""
    server, heard = make_server(), list[Notification]()
    client = MemoryClient(server)
    await client.start(hearing(heard))
    opening: JsonObject = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "c", "version": "1"},
    }
    await client.request(Request(1, "initialize", opening))
    server.notify_tools_changed()
    await turns()
    assert heard == []
    await client.notify(Notification("notifications/initialized", {}))
    subscribed = await client.request(Request(2, "resources/subscribe", {"uri": "test://a"}))
    assert isinstance(subscribed, Response)
    assert subscribed.result == {}
    refused = await client.request(Request(3, "resources/subscribe", {"uri": "other://a"}))
    assert isinstance(refused, ErrorResponse)
    server.notify_resource_updated("other://a")
    server.notify_tools_changed()
    server.notify_resource_updated("test://a")
    server.notify_resource_updated("test://b")
    await turns()
    assert heard == [Notification(TOOLS, {}), Notification(UPDATED, {"uri": "test://a"})]
    await client.aclose()
    server.notify_tools_changed()
    await turns()
    assert len(heard) == 2
