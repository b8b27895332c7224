"""The client of HTTP+SSE by itself, against scripted servers (SSE-01, D01)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from anyport.protocol.errors import (
    ConnectError,
    HttpStatusError,
)
from anyport.protocol.jsonrpc import Notification, Request, Response
from anyport.protocol.limits import Limits
from anyport.protocol.revisions import LATEST_MODERN
from anyport.protocol.types.json import JsonObject
from anyport.transports.calling import Sending
from anyport.transports.sse.client import SseClient
from tests.client.incoming import WAIT, Taken, call
from tests.client.peers import Posted, event, http_peer
from tests.drivers.http_server import HttpProcess
from tests.transports.sse.scripted import Scripted, connected, echo

SERVED = Path(__file__).parent.parent.parent / "serving" / "served.py"


async def test_calls_and_their_answers() -> None:
    """SSE-01: messages go where the first event says, answers come on the stream; one connection serves the POSTs."""
    scripted, taken = Scripted(), Taken()
    scripted.said = echo
    async with connected(scripted, taken) as client:
        for number in range(1, 4):
            answer = await client.request(call(number, text=str(number)), Sending(headers={"X-One": str(number)}))
            assert answer == Response(number, call(number, text=str(number)).params)
        await client.notify(Notification("notifications/initialized", {}))
        assert scripted.peer is not None
        opening, *posts = scripted.peer.requests
    assert (opening.method, opening.headers["accept"], opening.headers["x-token"]) == ("GET", "text/event-stream", "t")
    assert [(posted.method, posted.path) for posted in posts] == [("POST", "/messages?session=1")] * 4
    assert [posted.headers.get("x-one") for posted in posts] == ["1", "2", "3", None]
    assert {posted.headers["x-token"] for posted in posts} == {"t"}
    assert len({posted.connection for posted in posts}) == 1
    assert taken.lost == []


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        (b"messages/?s=1", "/messages/?s=1"),
        (b"/a/b", "/a/b"),
        (b"?s=2", "/mcp?s=2"),
        (b"http://HOST/x", "/x"),
    ],
)
async def test_where_messages_are_posted(endpoint: bytes, path: str) -> None:
    """SSE-01: the reference is read relative to the stream's URL."""
    scripted = Scripted()
    scripted.said = echo

    async def with_host(posted: Posted, writer: asyncio.StreamWriter) -> None:
        scripted.endpoint = endpoint.replace(b"HOST", posted.headers["host"].encode())
        await scripted(posted, writer)

    async with http_peer(with_host) as peer:
        client = SseClient(peer.url, {}, Limits())
        await client.start(Taken().incoming)
        await client.request(call(1))
        await client.aclose()
        assert peer.requests[1].path == path


async def test_what_the_server_says_and_asks_by_itself() -> None:
    """LIFE-07: a ping is answered by a POST; notifications keep their order."""
    scripted, taken = Scripted(), Taken()

    async def talk(posted: Posted, stream: asyncio.StreamWriter) -> None:
        if posted.rpc_method == "tools/call":
            for number in range(3):
                stream.write(event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"number": number}}))
            stream.write(event({"jsonrpc": "2.0", "id": "p", "method": "ping"}))
            stream.write(event({"jsonrpc": "2.0", "id": "r", "method": "roots/list"}))
        elif posted.message.get("id") == "p":
            assert posted.message == {"jsonrpc": "2.0", "id": "p", "result": {}}
            stream.write(event({"jsonrpc": "2.0", "id": 1, "result": {}}))

    async with connected(scripted, taken) as client:
        scripted.said = talk
        assert await client.request(call(1)) == Response(1, {})
        assert [notification.params["number"] for notification in taken.notified] == [0, 1, 2]
        assert [request.method for request in taken.asked] == ["ping", "roots/list"]


async def test_a_server_that_asks_in_the_modern_era(caplog: pytest.LogCaptureFixture) -> None:
    """RPC-13: nothing is answered."""
    scripted, taken = Scripted(), Taken()

    async def ask(posted: Posted, stream: asyncio.StreamWriter) -> None:
        stream.write(event({"jsonrpc": "2.0", "id": "p", "method": "ping"}))
        await echo(posted, stream)

    async with connected(scripted, taken) as client:
        scripted.said = ask
        client.settle(LATEST_MODERN)
        await client.request(call(1))
    assert taken.asked == []
    assert "Ignored a request of the server" in caplog.text


async def test_a_request_that_is_given_up() -> None:
    """LEG-06, LIFE-08: the server is told, but not of a handshake."""
    scripted = Scripted()
    async with connected(scripted, Taken()) as client:
        assert scripted.peer is not None
        for request in (Request(1, "initialize", {}), call(2)):
            calling = asyncio.create_task(client.request(request))
            await scripted.peer.wait_for(request.method)
            calling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await calling
        cancelled = await scripted.peer.wait_for("notifications/cancelled")
        params = cancelled.message["params"]
        assert isinstance(params, dict)
        assert params["requestId"] == 2
        methods = [posted.rpc_method for posted in scripted.peer.requests if posted.method == "POST"]
        assert methods == ["initialize", "tools/call", "notifications/cancelled"]


async def test_a_cancellation_does_not_overtake_its_request() -> None:
    """CAN-01: on another connection it might, and a server ignores what it does not know yet."""
    scripted, gate, order = Scripted(), asyncio.Event(), list[str]()

    async def slowly(posted: Posted, writer: asyncio.StreamWriter) -> None:
        if posted.rpc_method == "tools/call":
            await gate.wait()
        order.append(str(posted.rpc_method))
        await scripted(posted, writer)

    async with http_peer(slowly) as peer:
        client = SseClient(peer.url, {}, Limits())
        await client.start(Taken().incoming)
        calling = asyncio.create_task(client.request(call(1)))
        await peer.wait_for("tools/call")
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(peer.wait_for("notifications/cancelled"), 0.2)
        gate.set()
        await peer.wait_for("notifications/cancelled")
        assert order[-2:] == ["tools/call", "notifications/cancelled"]
        await client.aclose()


async def start_again(client: SseClient, taken: Taken) -> None:
    """Start; the server may not have heard of the last one's end yet."""
    while True:
        try:
            await client.start(taken.incoming)
        except HttpStatusError as error:
            if error.status != 429:
                raise
        else:
            return


async def test_a_server_of_ours() -> None:
    """SSE-01: both eras over a real connection; a stream that is left is forgotten at once (D24)."""
    given = {"on": "sse", "run": {"port": 0}, "limits": {"sessions": 1}}
    with await asyncio.to_thread(HttpProcess, SERVED, json.dumps(given)) as server:
        url = f"http://{server.host}:{server.port}/sse"
        opening: JsonObject = {
            "protocolVersion": "2024-11-05",
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        }
        client, taken = SseClient(url, {}, Limits()), Taken()
        for _ in range(2):
            async with asyncio.timeout(WAIT):
                await start_again(client, taken)
                assert isinstance(await client.request(Request(1, "initialize", opening)), Response)
                await client.notify(Notification("notifications/initialized", {}))
                answer = await client.request(call(2, text="grüße"))
                assert isinstance(answer, Response)
                assert answer.result["content"] == [{"type": "text", "text": "grüße"}]
                await client.aclose()
    assert taken.lost == []


async def test_closing_while_a_call_waits() -> None:
    scripted, taken = Scripted(), Taken()
    async with connected(scripted, taken) as client:
        assert scripted.peer is not None
        calling = asyncio.create_task(client.request(call(1)))
        await scripted.peer.wait_for("tools/call")
        await client.aclose()
        with pytest.raises(ConnectError, match="was closed"):
            await calling
        async with asyncio.timeout(WAIT):
            await scripted.peer.left.wait()
    assert taken.lost == []
