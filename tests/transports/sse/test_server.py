"""HTTP+SSE of 2024-11-05: streams, messages, and who may use which (SSE-01, S04, S05, S34, D12, D24)."""

from __future__ import annotations

import json
import re
from typing import cast

import pytest

from anyport.errors import LocalProtocolError
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.serving.asgi import AsgiApp
from tests.drivers.asgi import call, initialize, legacy, post, text_of
from tests.drivers.sse import SseClient
from tests.transports.sse.example import BEGAN, ENDED, make_server, sse_app, sse_call, until

# --- a conversation ---------------------------------------------------------------------------------------------------


async def test_a_whole_conversation() -> None:
    """SSE-01, S04: the endpoint event first, then each answer as an event `message`."""
    client = SseClient(sse_app())
    url = await client.endpoint()
    assert re.fullmatch(r"/messages\?session_id=[\w-]{32}", url)
    assert client.stream.status == 200
    assert client.stream.headers["content-type"] == "text/event-stream"
    assert client.stream.headers["cache-control"] == "no-store"
    assert client.stream.headers["x-accel-buffering"] == "no"
    opened = cast("JsonObject", (await client.ask(initialize("2024-11-05")))["result"])
    assert opened["protocolVersion"] == "2024-11-05"
    answer = await client.post(legacy("notifications/initialized", request_id=None))
    assert (answer.status, answer.body) == (202, b"")
    assert text_of(await client.ask(sse_call("add", {"a": 1, "b": 2}))) == "3"
    assert (await client.ask(legacy("ping", request_id="p"))) == {"jsonrpc": "2.0", "id": "p", "result": {}}
    await client.leave()


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_every_legacy_revision(version: str) -> None:
    """The handshake decides, as everywhere; batches are what 2025-03-26 has."""
    client = SseClient(sse_app())
    assert cast("JsonObject", (await client.open(version))["result"])["protocolVersion"] == version
    two = [sse_call("add", {"a": 1, "b": 1}, request_id=1), sse_call("add", {"a": 2, "b": 2}, request_id=2)]
    answer = await client.post(cast("JsonValue", two))
    if version == "2025-03-26":
        assert answer.status == 202
        batch = cast("list[JsonObject]", cast("object", await client.message()))
        assert sorted(text_of(each) for each in batch) == ["2", "4"]
    else:
        assert (answer.status, answer.error_code) == (400, -32600)
    await client.leave()


async def test_a_modern_request() -> None:
    """VER-10: both eras on one stream; this one needs no handshake."""
    client = SseClient(sse_app())
    await client.endpoint()
    answer = await client.ask(call("who", request_id="m"))
    said = cast("JsonObject", cast("JsonObject", answer["result"])["structuredContent"])
    assert said["revision"] == "2026-07-28"
    await client.leave()


async def test_what_a_call_knows() -> None:
    client = SseClient(sse_app())
    await client.open()
    await client.post(sse_call("who"), {"user-agent": "test/1"})
    found = json.loads(text_of(await client.message()))
    assert found == {
        "transport": "sse",
        "revision": "2024-11-05",
        "session": client.url.partition("=")[2],
        "agent": "test/1",
    }
    await client.leave()


async def test_notifications_come_before_the_answer() -> None:
    client = SseClient(sse_app())
    await client.open()
    await client.post(sse_call("steps", _meta={"progressToken": 5}))
    assert [(await client.message()).get("method") for _ in range(3)] == ["notifications/progress"] * 2 + [None]
    await client.leave()


async def test_a_call_is_cancelled_by_a_message() -> None:
    """CAN-01: and gets no answer."""
    client = SseClient(sse_app())
    await client.open()
    await client.post(sse_call("wait", {"key": "cancelled"}, request_id=7))
    await until(BEGAN["cancelled"])
    cancel = legacy("notifications/cancelled", {"requestId": 7}, request_id=None)
    assert (await client.post(cancel)).status == 202
    await until(ENDED["cancelled"])
    assert (await client.ask(legacy("ping", request_id=8)))["id"] == 8
    await client.leave()


async def test_leaving_cancels_the_calls_of_the_client_and_of_nobody_else() -> None:
    """S05: one conversation for each client."""
    app = sse_app()
    first, second = SseClient(app), SseClient(app)
    await first.open()
    await second.open()
    assert first.url != second.url
    await first.post(sse_call("wait", {"key": "first"}))
    await second.post(sse_call("wait", {"key": "second"}))
    await until(BEGAN["first"])
    await until(BEGAN["second"])
    await first.leave()
    await until(ENDED["first"])
    assert not first.stream.complete
    assert text_of(await second.ask(sse_call("release", {"key": "second"}, request_id=2))) == "ok"
    assert text_of(await second.message()) == "released"
    assert (await first.post(legacy("ping"))).status == 404
    await second.leave()
    assert app.sse is not None
    assert len(app.sse) == 0


async def test_equal_ids_of_two_clients() -> None:
    app = sse_app()
    clients = [SseClient(app) for _ in range(20)]
    for client in clients:
        await client.open()
    for number, client in enumerate(clients):
        await client.post(sse_call("add", {"a": number, "b": 0}, request_id=1))
    assert [text_of(await client.message()) for client in clients] == [str(number) for number in range(20)]
    for client in clients:
        await client.leave()


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (b"session_id=unknown", 404),
        (b"session_id=", 400),
        (b"", 400),
        (b"session_id=a&session_id=b", 400),
        (b"&".join(b"x=1" for _ in range(50)), 400),
        (b"session_id=%ff%00", 404),
    ],
)
async def test_an_unknown_client(query: bytes, status: int) -> None:
    """S05: 404 with a JSON error."""
    answer = await post(sse_app(), legacy("ping"), path="/messages", scope={"query_string": query})
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert (answer.error_code, answer.json.get("id")) == (-32600, None)


BAD_BODIES = [
    (b"{", 400, -32700),
    (b"", 400, -32700),
    (b"[]", 400, -32600),
    (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', 400, -32600),
    (b"\xff", 400, -32700),
    (b'"' + b"x" * 2000 + b'"', 413, -32600),
]


@pytest.mark.parametrize(("body", "status", "code"), BAD_BODIES)
async def test_what_cannot_be_read_is_refused_at_once(body: bytes, status: int, code: int) -> None:
    """RPC-02: by the HTTP answer; the conversation goes on."""
    client = SseClient(sse_app(Limits(body_bytes=1000)))
    await client.open()
    answer = await client.post(body, {"content-type": "application/json"})
    assert (answer.status, answer.error_code) == (status, code)
    assert text_of(await client.ask(sse_call("add", {"a": 1, "b": 2}))) == "3"
    await client.leave()


async def test_what_can_be_read_is_refused_on_the_stream() -> None:
    """The client waits there for the answer to its request."""
    client = SseClient(sse_app())
    await client.endpoint()
    refused = await client.ask(sse_call("add", {"a": 1, "b": 2}, request_id=3))
    assert (refused["id"], cast("JsonObject", refused["error"])["code"]) == (3, -32600)
    await client.leave()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": None}, 415),
        ({"content-encoding": "gzip"}, 415),
        ({"content-type": "application/json; charset=utf-8", "content-encoding": "identity"}, 202),
    ],
)
async def test_types_of_messages(headers: dict[str, str | None], status: int) -> None:
    client = SseClient(sse_app())
    await client.open()
    assert (await client.post(legacy("notifications/x", request_id=None), headers)).status == status
    await client.leave()


@pytest.mark.parametrize("path", ["/sse", "/sse/", "/messages", "/messages/"])
@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "HEAD", "PATCH"])
async def test_other_methods(path: str, method: str) -> None:
    answer = await post(sse_app(), b"", method=method, path=path)
    assert answer.status == 405
    assert answer.headers["allow"] == ("GET" if "sse" in path else "POST")


async def test_the_method_of_the_other_endpoint() -> None:
    assert (await post(sse_app(), initialize(), path="/sse")).status == 405
    assert (await post(sse_app(), b"", method="GET", path="/messages")).status == 405


@pytest.mark.parametrize(
    ("headers", "status"), [({"host": "evil.example"}, 421), ({"origin": "http://evil.example"}, 403)]
)
async def test_foreign_pages(headers: dict[str, str], status: int) -> None:
    """HTTP-02, S59: on the stream, and on the messages of a conversation whose name was guessed."""
    app = sse_app()
    assert (await post(app, b"", headers, method="GET", path="/sse")).status == status
    client = SseClient(app)
    await client.open()
    assert (await client.post(legacy("ping"), headers)).status == status
    await client.leave()


# --- paths ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slash", ["", "/"])
async def test_both_slash_forms(slash: str) -> None:
    """D12: no redirect, for neither endpoint."""
    client = SseClient(sse_app(), path=f"/sse{slash}")
    await client.endpoint()
    client.url = client.url.replace("?", f"{slash}?")
    assert "result" in await client.ask(initialize())
    await client.leave()


async def test_paths_of_ones_own() -> None:
    app = AsgiApp(make_server(), path="/v1", sse=True, sse_path="/events", message_path="/in box/")
    client = SseClient(app, path="/events")
    assert (await client.endpoint()).startswith("/in%20box?session_id=")
    client.url = client.url.replace("%20", " ")
    assert "result" in await client.ask(initialize())
    assert (await post(app, call("add", {"a": 1, "b": 1}), path="/v1")).text == "2"
    assert (await post(app, b"", method="GET", path="/sse")).status == 404
    await client.leave()


@pytest.mark.parametrize(
    ("root", "path"), [("/api", "/api/sse"), ("/api/", "/api/sse"), ("/api", "/sse"), ("/a b", "/a b/sse")]
)
async def test_below_a_prefix(root: str, path: str) -> None:
    """D12: a framework that mounts it, or a proxy that strips a prefix and says so."""
    client = SseClient(sse_app(), path=path, scope={"root_path": root})
    url = await client.endpoint()
    assert url.startswith(f"{root.rstrip('/').replace(' ', '%20')}/messages?")
    client.url = url.replace("%20", " ")
    assert "result" in await client.ask(initialize())
    await client.leave()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("https://mcp.example.com/x/messages", "https://mcp.example.com/x/messages?session_id="),
        ("/x?tenant=1", "/x?tenant=1&session_id="),
    ],
)
async def test_a_url_of_ones_own(given: str, told: str) -> None:
    """D12: `message_url` for a proxy that rewrites paths and does not say so."""
    client = SseClient(sse_app(message_url=given))
    assert (await client.endpoint()).startswith(told)
    await client.leave()


def test_options_that_cannot_be() -> None:
    with pytest.raises(LocalProtocolError, match="message_url"):
        sse_app(message_url="/x\nevent: evil")
    with pytest.raises(LocalProtocolError, match="sse_path must start with a slash"):
        sse_app(sse_path="sse")
    with pytest.raises(LocalProtocolError, match="message_path is '/sse/', which is another"):
        sse_app(message_path="/sse/")


async def test_without_streamable_http() -> None:
    app = AsgiApp(make_server(), streamable=False, sse=True)
    answer = await post(app, call("add"))
    assert (answer.status, answer.error_text) == (404, "Nothing is served here; MCP is at /sse")
    client = SseClient(app)
    await client.open()
    await client.leave()


async def test_it_is_not_served_unless_asked_for() -> None:
    """Opt-in: `server.asgi()` has one endpoint."""
    assert (await post(make_server().asgi(), b"", method="GET", path="/sse")).status == 404
    client = SseClient(make_server().asgi(sse=True))
    await client.open()
    await client.leave()
