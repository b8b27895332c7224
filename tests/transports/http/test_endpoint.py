"""What the endpoint answers to a request, apart from streams and sessions.

HTTP-01, HTTP-05, HTTP-06, HTTP-11, HTTP-13, HDR-01, HDR-04, LEG-08, META-02, VER-01, VER-10, RPC-04, RPC-13, A13.4,
A13.5.
"""

from __future__ import annotations

import pytest

from anyport import Context, Server
from anyport.errors import McpError
from anyport.protocol.types.json import JsonObject
from tests.drivers.asgi import (
    LEGACY,
    MODERN,
    Exchange,
    call,
    initialize,
    legacy,
    modern,
    open_session,
    post,
    start,
    usual_headers,
)

server = Server("endpoint")


@server.tool
async def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@server.tool
async def whoami(ctx: Context) -> str:
    """Tell what the call knows about where it came from."""
    return f"{ctx.session_id} {ctx.transport} {ctx.revision} {ctx.headers.get('x-trace')}"


@server.tool
async def refuse(code: int) -> str:
    """Fail with a JSON-RPC error of its own."""
    raise McpError(code, "refused by the tool")


app = server.asgi()


def of(answer: Exchange) -> tuple[int, object, object]:
    """Return status, code and id of an error."""
    return answer.status, answer.error_code, answer.json.get("id")


async def test_a_modern_call_is_one_json_body() -> None:
    answer = await post(app, call("add", {"a": 2, "b": 3}))
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert "mcp-session-id" not in answer.headers
    assert answer.text == "5"


@pytest.mark.parametrize("request_id", ["", "a", 0, -1, 2**53 - 1])
async def test_the_id_comes_back_as_it_was(request_id: int | str) -> None:
    answer = await post(app, call("add", {"a": 1, "b": 1}, request_id=request_id))
    assert answer.json["id"] == request_id
    assert type(answer.json["id"]) is type(request_id)


async def test_a_modern_request_knows_no_session() -> None:
    """HTTP-13: ids of sessions are neither looked at nor minted, and Last-Event-ID means nothing."""
    fields = {"mcp-session-id": "made-up", "last-event-id": "7", "x-trace": "t"}
    answer = await post(app, call("whoami"), fields)
    assert answer.status == 200
    assert answer.text == f"None http {MODERN} t"
    assert "mcp-session-id" not in answer.headers


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "TRACE", "BREW"])
async def test_other_http_methods_are_refused(method: str) -> None:
    answer = await post(app, b"", method=method)
    assert of(answer) == (405, -32600, None)
    assert answer.headers["allow"] == "GET, POST, DELETE"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_what_only_sessions_have(method: str) -> None:
    """HTTP-13, LEG-01: a modern client has no session; a legacy one has to name it."""
    modern = await post(app, b"", {"mcp-protocol-version": MODERN}, method=method)
    assert of(modern) == (405, -32600, None)
    assert of(await post(app, b"", method=method)) == (400, -32600, None)


@pytest.mark.parametrize("path", ["/", "", "/mc", "/mcp2", "/mcp/x", "//mcp", "/MCP"])
async def test_other_paths_are_not_found(path: str) -> None:
    answer = await post(app, call("add"), path=path)
    assert of(answer) == (404, -32600, None)
    assert "/mcp" in answer.error_text


@pytest.mark.parametrize(
    "message",
    [
        modern("tools/list", request_id=7),
        modern("server/discover", request_id=7),
        call("add", {"a": 1, "b": 2}, request_id=7),
        call("add", {"a": "x"}, request_id=7),
    ],
    ids=lambda message: str(message["method"]),
)
async def test_what_the_handler_decides_is_200(message: JsonObject) -> None:
    answer = await post(app, message)
    assert answer.status == 200
    assert "result" in answer.json


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (call("no_such_tool", request_id=7), -32602),
        (modern("tools/list", {"cursor": "?"}, request_id=7), -32602),
        (call("refuse", {"code": -32603}, request_id=7), -32603),
        (call("refuse", {"code": 4711}, request_id=7), 4711),
    ],
)
async def test_errors_of_a_running_method_are_200(message: JsonObject, code: int) -> None:
    """A13.5: the HTTP exchange worked."""
    assert of(await post(app, message)) == (200, code, 7)


@pytest.mark.parametrize(
    "method", ["initialize", "ping", "logging/setLevel", "resources/subscribe", "nope", "tools/call/x", "__init__"]
)
async def test_methods_that_the_modern_era_lacks(method: str) -> None:
    assert of(await post(app, modern(method, request_id="m"))) == (404, -32601, "m")


async def test_a_modern_body_without_the_version_header() -> None:
    """A13.4: no guessing that it is legacy."""
    assert of(await post(app, call("add"), {"mcp-protocol-version": None})) == (400, -32020, 1)


async def test_a_modern_header_without_metadata() -> None:
    """META-02: the header says which rules the body breaks."""
    message = legacy("tools/list", request_id=3)
    fields = {"mcp-protocol-version": MODERN, "mcp-method": "tools/list"}
    assert of(await post(app, message, fields)) == (400, -32602, 3)


async def test_an_unknown_version_names_the_known_ones() -> None:
    message = modern("tools/list", {"_meta": {"io.modelcontextprotocol/protocolVersion": "2099-01-01"}})
    answer = await post(app, message)
    assert of(answer) == (400, -32022, 1)
    error = answer.json["error"]
    assert isinstance(error, dict)
    data = error["data"]
    assert isinstance(data, dict)
    assert data["requested"] == "2099-01-01"
    assert isinstance(data["supported"], list)
    assert data["supported"][0] == MODERN


async def test_a_modern_notification() -> None:
    """HTTP-06."""
    answer = await post(app, modern("notifications/cancelled", {"requestId": 9}, request_id=None))
    assert (answer.status, answer.body) == (202, b"")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"mcp-method": "notifications/other"}, -32020),
        ({"mcp-method": None}, -32020),
        ({"mcp-protocol-version": None}, -32020),
        ({"mcp-protocol-version": LEGACY}, -32020),
    ],
)
async def test_a_modern_notification_with_wrong_headers(fields: dict[str, str | None], code: int) -> None:
    answer = await post(app, modern("notifications/cancelled", {"requestId": 9}, request_id=None), fields)
    assert of(answer) == (400, code, None)


async def test_a_modern_notification_of_an_unknown_version() -> None:
    meta: JsonObject = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2099-01-01"}}
    answer = await post(app, modern("notifications/cancelled", meta, request_id=None))
    assert of(answer) == (400, -32022, None)


@pytest.mark.parametrize("method", ["tools/list", "tools/call", "ping", "notifications/initialized"])
async def test_neither_modern_nor_in_a_session(method: str) -> None:
    """SES-02."""
    answer = await post(app, legacy(method, request_id=4))
    assert of(answer) == (400, -32600, 4)
    assert "Mcp-Session-Id" in answer.error_text


async def test_a_legacy_notification_without_a_session() -> None:
    assert of(await post(app, legacy("notifications/initialized", request_id=None))) == (400, -32600, None)


@pytest.mark.parametrize("member", ["result", "error"])
async def test_answers_to_nobody(member: str) -> None:
    """HTTP-05, RPC-13: a client has no answers to send, unless a session asked (LEG-04)."""
    content: JsonObject = {} if member == "result" else {"code": 1, "message": "no"}
    message: JsonObject = {"jsonrpc": "2.0", "id": 1, member: content}
    assert of(await post(app, message)) == (400, -32600, None)
    answer = await post(app, message, await open_session(app))
    assert (answer.status, answer.body) == (202, b"")


async def test_both_eras_at_once() -> None:
    """VER-10."""
    session = await open_session(app)
    old = await post(app, legacy("tools/call", {"name": "whoami"}), session)
    new = await post(app, call("whoami"))
    assert old.status == new.status == 200
    assert old.text == f"{session['mcp-session-id']} http {LEGACY} None"
    assert new.text == f"None http {MODERN} None"


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "Application/JSON", " application/json ;x=y"],
)
async def test_media_types_that_are_json(content_type: str) -> None:
    assert (await post(app, call("add", {"a": 1, "b": 1}), {"content-type": content_type})).status == 200


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/jsonx", "application/x-www-form-urlencoded", "json"]
)
async def test_media_types_that_are_not(content_type: str | None) -> None:
    """Among them the three that a page may send across origins without asking first."""
    answer = await post(app, call("add"), {"content-type": content_type})
    assert of(answer) == (415, -32600, None)
    assert "application/json" in answer.error_text


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip"])
async def test_compressed_bodies_are_refused(coding: str) -> None:
    assert of(await post(app, call("add"), {"content-encoding": coding})) == (415, -32600, None)


async def test_identity_is_no_compression() -> None:
    assert (await post(app, call("add", {"a": 1, "b": 1}), {"content-encoding": "identity"})).status == 200


async def test_a_header_that_came_twice() -> None:
    """Two readers could take different ones (HDR-04)."""
    message = call("add", {"a": 1, "b": 1})
    for name, status, code in [
        ("mcp-method", 400, -32020),
        ("mcp-name", 400, -32020),
        ("mcp-protocol-version", 400, -32020),
        ("mcp-param-region", 400, -32020),
        ("mcp-session-id", 400, -32600),
        ("host", 400, -32600),
        ("origin", 400, -32600),
        ("content-type", 400, -32600),
        ("authorization", 400, -32600),
    ]:
        fields = usual_headers(message)
        raw = [(key.encode(), value.encode()) for key, value in fields.items() if key != name]
        raw += [(name.encode(), fields.get(name, "x").encode())] * 2
        answer = await start(app, message, scope={"headers": raw}).done()
        assert of(answer) == (status, code, None), name
        assert name in answer.error_text


async def test_lists_may_come_in_several_fields() -> None:
    message = call("add", {"a": 1, "b": 1})
    fields = usual_headers(message)
    del fields["accept"]
    raw = [(key.encode(), value.encode()) for key, value in fields.items()]
    raw += [(b"accept", b"application/json"), (b"accept", b"text/event-stream"), (b"x-a", b"1"), (b"x-a", b"2")]
    answer = await start(app, message, scope={"headers": raw}).done()
    assert answer.status == 200


async def test_initialize_says_who_serves() -> None:
    answer = await post(app, initialize())
    assert answer.status == 200
    result = answer.json["result"]
    assert isinstance(result, dict)
    assert result["protocolVersion"] == LEGACY
