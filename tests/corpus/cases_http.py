"""What can only be wrong over HTTP: the header mirror, media types, Accept, HTTP methods, sizes.

HDR-01, HDR-03, HDR-04, HDR-05, HDR-07, HDR-08, HDR-09, HDR-10, HDR-14, HTTP-01, HTTP-04, HTTP-07.
"""

from __future__ import annotations

import base64

from anyport.protocol.types.json import JsonObject, JsonValue
from tests.corpus.case import LEGACY, META, MODERN, RESULT, SILENCE, Case, Transport, modern, request, tool

_HTTP: tuple[Transport, ...] = ("http",)
_ADD = tool("add", {"a": 1, "b": 2})


def _encoded(text: str) -> str:
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def _mirror(name: str, body: JsonValue, code: int, **headers: str | None) -> Case:
    """Return a case of the header mirror; underscores in names of fields stand for hyphens."""
    fields = {field.replace("_", "-"): value for field, value in headers.items()}
    status = 200 if code == RESULT else 400
    return Case(name=f"mirror: {name}", body=body, code=code, id=7, status=status, headers=fields, on=_HTTP)


def _routed(name: str, code: int, arguments: JsonObject | None = None, **headers: str | None) -> Case:
    """Return a case of mirrored parameters."""
    body = tool("route", {"region": "eu"} if arguments is None else arguments)
    usual: dict[str, str | None] = {"mcp_param_region": "eu"}
    return _mirror(f"parameter {name}", body, code, **{**usual, **headers})


def _refused(name: str, status: int, headers: dict[str, str | None], body: JsonValue | bytes = None) -> Case:
    return Case(name=name, body=_ADD if body is None else body, code=-32600, status=status, headers=headers, on=_HTTP)


_VERSION_HEADERS = {
    "missing": None,
    "empty": "",
    "legacy": LEGACY,
    "unknown": "2099-01-01",
    "twice in one": f"{MODERN}, {MODERN}",
    "quoted": f'"{MODERN}"',
    "with a suffix": f"{MODERN}-rc",
}
_METHOD_HEADERS = {
    "missing": None,
    "empty": "",
    "another": "tools/list",
    "in capitals": "TOOLS/CALL",
    "with a suffix": "tools/call;x",
    "encoded": _encoded("tools/call"),
}
_NAME_HEADERS = {
    "missing": None,
    "empty": "",
    "another": "route",
    "in capitals": "ADD",
    "a prefix": "ad",
    "encoded, another": _encoded("route"),
    "encoded without its end": "=?base64?YWRk",
    "encoded without its start": "YWRk?=",
    "encoded with wrong capitals": "=?BASE64?YWRk?=",
    "encoded with bad characters": "=?base64?YW!k?=",
    "encoded with bad padding": "=?base64?YWRkZA=?=",
    "encoded without padding": "=?base64?YWRkZA?=",
    "encoded bytes that are no UTF-8": "=?base64?/w==?=",
    "encoded nothing": "=?base64??=",
    "encoded with a space": "=?base64?YWRk ?=",
    "beyond ASCII": "\xe4dd",
    "quoted": '"add"',
}
_TYPES = [
    None,
    "",
    "text/plain",
    "text/event-stream",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonp",
    "application",
    "*/*",
    "application/xml",
]
_ACCEPTS = [
    "",
    "text/html",
    "image/*",
    "application/xml",
    "application/json;q=0",
    "text/event-stream;q=0.0, application/json;q=0",
    "json",
    ",",
]

CASES: tuple[Case, ...] = (
    *(_mirror(f"version {name}", _ADD, -32020, mcp_protocol_version=value) for name, value in _VERSION_HEADERS.items()),
    *(_mirror(f"method {name}", _ADD, -32020, mcp_method=value) for name, value in _METHOD_HEADERS.items()),
    *(_mirror(f"name {name}", _ADD, -32020, mcp_name=value) for name, value in _NAME_HEADERS.items()),
    _mirror("name in white space", _ADD, RESULT, mcp_name="  add\t"),
    _mirror("name encoded", _ADD, RESULT, mcp_name=_encoded("add")),
    _mirror("names of fields in capitals", _ADD, RESULT, mcp_name=None, MCP_NAME="add"),
    _mirror("a name where the body has none", modern("tools/call", {"arguments": {}}), -32020, mcp_name="add"),
    Case(
        name="mirror: a name where the body has a number",
        body=tool(5, {}),
        code=-32602,
        id=7,
        status=200,
        headers={"mcp-name": "5"},
        on=_HTTP,
    ),
    _mirror("an unknown tool, wrongly named", tool("nope", {}), -32020, mcp_name="add"),
    _mirror("a method that is unknown, and named wrongly", modern("nope"), -32020, mcp_method="tools/list"),
    # Parameters
    _routed("right", RESULT),
    _routed("missing", -32020, mcp_param_region=None),
    _routed("another", -32020, mcp_param_region="us"),
    _routed("in capitals", -32020, mcp_param_region="EU"),
    _routed("empty", -32020, mcp_param_region=""),
    _routed("encoded", RESULT, mcp_param_region=_encoded("eu")),
    _routed("encoded badly", -32020, mcp_param_region="=?base64?!?="),
    _routed("that needs to be encoded", RESULT, {"region": "östlich"}, mcp_param_region=_encoded("östlich")),
    _routed(
        "that is not encoded", -32020, {"region": "östlich"}, mcp_param_region="östlich".encode().decode("latin-1")
    ),
    _routed("without a value", -32020, {}),
    _routed("whose value is null", -32020, {"region": None}),
    _routed("that is a number", RESULT, {"region": "eu", "zone": 42}, mcp_param_zone="42"),
    _routed("that is the same number", RESULT, {"region": "eu", "zone": 42}, mcp_param_zone="42.0"),
    _routed("that is another number", -32020, {"region": "eu", "zone": 42}, mcp_param_zone="43"),
    _routed("that is no number", -32020, {"region": "eu", "zone": 42}, mcp_param_zone="many"),
    _routed("number missing", -32020, {"region": "eu", "zone": 42}),
    _routed("number that the body lacks", -32020, {"region": "eu"}, mcp_param_zone="42"),
    _routed("that is true", RESULT, {"region": "eu", "fast": True}, mcp_param_fast="true"),
    _routed("True with a capital", -32020, {"region": "eu", "fast": True}, mcp_param_fast="True"),
    _routed("1 for true", -32020, {"region": "eu", "fast": True}, mcp_param_fast="1"),
    _routed("that nobody knows", RESULT, mcp_param_unknown="x"),
    # Media types
    *(_refused(f"content type {value!r}", 415, {"content-type": value}) for value in _TYPES),
    *(_refused(f"content encoding {value!r}", 415, {"content-encoding": value}) for value in ("gzip", "deflate", "x")),
    *(_refused(f"accept {value!r}", 406, {"accept": value}) for value in _ACCEPTS),
    Case(
        name="another charset, and its bytes",
        body='{"x":"é"}'.encode("utf-16"),
        code=-32700,
        headers={"content-type": "application/json; charset=utf-16"},
        on=_HTTP,
    ),
    # Sizes
    _refused("a body of limit + 1", 413, {}, b" " * 60_001),
    Case(name="a body of limit", body=b" " * 60_000, code=-32700, on=_HTTP),
    _refused("header fields beyond their limit", 431, {"x-fill": "y" * 8_000}),
    # Modern notifications
    *(
        Case(
            name=f"a notification, {name}",
            body={"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1, "_meta": META}},
            code=-32020,
            headers=headers,
            on=_HTTP,
        )
        for name, headers in {
            "method header missing": {"mcp-method": None},
            "method header wrong": {"mcp-method": "tools/list"},
            "version header missing": {"mcp-protocol-version": None},
            "version header wrong": {"mcp-protocol-version": LEGACY},
        }.items()
    ),
    Case(
        name="a notification without metadata",
        body={"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}},
        code=SILENCE,
        status=202,
        headers={"mcp-protocol-version": MODERN, "mcp-method": "notifications/cancelled"},
        on=_HTTP,
    ),
    # Sessions mean nothing to a modern request
    *(
        Case(
            name=f"a modern request with session id {value!r}",
            body=_ADD,
            code=RESULT,
            id=7,
            status=200,
            headers={"mcp-session-id": value},
            on=_HTTP,
        )
        for value in ("made-up", "", "x" * 500)
    ),
    Case(
        name="a session id and no metadata",
        body=request("tools/list"),
        code=-32600,
        id=7,
        status=404,
        headers={"mcp-session-id": "made-up"},
        on=_HTTP,
    ),
    Case(
        name="who asks: a foreign host", body=_ADD, code=-32600, status=421, headers={"host": "evil.example"}, on=_HTTP
    ),
    Case(
        name="who asks: a foreign page",
        body=_ADD,
        code=-32600,
        status=403,
        headers={"origin": "http://evil.example"},
        on=_HTTP,
    ),
)
