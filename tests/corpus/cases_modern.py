"""Modern messages that say too little, or something else than they may.

META-01, META-02, VER-01, RPC-17, TOOL-04, TOOL-05, PAG-01, LOG-01, HTTP-11.
"""

from __future__ import annotations

from anyport.protocol.calls import META_CLIENT_CAPABILITIES, META_CLIENT_INFO, META_LOG_LEVEL, META_VERSION
from anyport.protocol.types.json import JsonObject, JsonValue
from tests.corpus.case import LEGACY, META, MODERN, RESULT, SILENCE, Case, Transport, modern, request, tool

_HEADERS: dict[str, str | None] = {"mcp-protocol-version": MODERN, "mcp-method": "tools/list"}
_HTTP: tuple[Transport, ...] = ("http",)


def _meta(name: str, meta: JsonValue, *, status: int = 400, contains: str = "") -> Case:
    body = request("tools/list", {"_meta": meta})
    return Case(name=f"_meta: {name}", body=body, code=-32602, id=7, status=status, headers=_HEADERS, contains=contains)


def _changed(name: str, value: JsonValue) -> JsonValue:
    return {**META, name: value}


def _note(method: str, params: JsonObject) -> JsonObject:
    return {"jsonrpc": "2.0", "method": method, "params": params}


def _less(name: str) -> JsonValue:
    return {key: value for key, value in META.items() if key != name}


_KINDS: dict[str, JsonValue] = {"null": None, "true": True, "a number": 1, "an array": [], "an object": {}}
_WRONG_LEVELS: dict[str, JsonValue] = {"unknown": "loud", "in capitals": "INFO", "a number": 1, "an array": ["info"]}
_WRONG_INFOS: dict[str, JsonValue] = {"text": "me", "a number": 1, "an array": []}
_NO_ARGUMENTS: dict[str, JsonValue] = {"a list": [1, 2], "text": "a=1", "a number": 3, "true": True}
_CURSORS: dict[str, JsonValue] = {
    "unknown": "made-up",
    "empty": "",
    "a number": 1,
    "an object": {},
    "base64": "eyJ4Ijox",
}
_NO_IDS: tuple[JsonValue, ...] = (99, None, True, [1], {"a": 1}, 1.5)
_UNKNOWN_VERSIONS = ["2099-01-01", "", " ", "v999.0.0", "2026-7-28", "DRAFT-2026", "2026-07-28\x00", "x" * 500]
_MISSING_METHODS = [
    "initialize",
    "ping",
    "logging/setLevel",
    "resources/subscribe",
    "resources/unsubscribe",
    "notifications/cancelled",
    "nope",
    "Tools/List",
    "tools/list/",
    "tools",
    "rpc.discover",
    "../tools/list",
    "__class__",
]
_WRONG_ARGUMENTS: dict[str, tuple[JsonValue, str]] = {
    "missing": ({"a": 1}, "b"),
    "none at all": ({}, "a"),
    "text for a number": ({"a": "one", "b": 2}, "a"),
    "null": ({"a": None, "b": 2}, "a"),
    "a fraction": ({"a": 1.5, "b": 2}, "a"),
    "an array": ({"a": [1], "b": 2}, "a"),
    "an object": ({"a": {"b": 1}, "b": 2}, "a"),
    "one too many": ({"a": 1, "b": 2, "c": 3}, "c"),
    "a name that Python has": ({"a": 1, "b": 2, "__class__": 3}, "__class__"),
}

CASES: tuple[Case, ...] = (
    # What is missing while the header says modern; over stdio such a message is legacy, and a session is open there.
    Case(name="no params", body=request("tools/list"), code=-32602, id=7, headers=_HEADERS, on=_HTTP),
    Case(name="no _meta", body=request("tools/list", {}), code=-32602, id=7, headers=_HEADERS, on=_HTTP),
    *(
        Case(
            name=f"_meta: {name}",
            body=request("tools/list", {"_meta": value}),
            code=-32602,
            id=7,
            headers=_HEADERS,
            on=_HTTP,
        )
        for name, value in {**_KINDS, "text": "x", "without a version": _less(META_VERSION)}.items()
    ),
    # Over HTTP the version header differs from whatever is no text.
    *(
        Case(
            name=f"_meta: version is {name}",
            body=request("tools/list", {"_meta": _changed(META_VERSION, value)}),
            code=-32602 if value is None else -32020,
            id=7,
            headers=_HEADERS,
            stdio_code=-32602,
        )
        for name, value in _KINDS.items()
    ),
    _meta("no capabilities", _less(META_CLIENT_CAPABILITIES), contains="clientCapabilities"),
    *(
        _meta(f"capabilities are {name}", _changed(META_CLIENT_CAPABILITIES, value))
        for name, value in {**_KINDS, "text": "x"}.items()
        if value != {}
    ),
    *(_meta(f"client info is {name}", _changed(META_CLIENT_INFO, value)) for name, value in _WRONG_INFOS.items()),
    *(
        _meta(f"log level is {name}", _changed(META_LOG_LEVEL, value), status=200)
        for name, value in _WRONG_LEVELS.items()
    ),
    *(
        Case(
            name=f"version {version[:20]!r}",
            body=request("tools/list", {"_meta": _changed(META_VERSION, version)}),
            code=-32022,
            id=7,
            headers={"mcp-protocol-version": version},
            contains="2026-07-28",
            on=("http", "stdio") if version.isprintable() and version.strip() else ("stdio",),
        )
        for version in _UNKNOWN_VERSIONS
    ),
    *(
        Case(
            name=f"the legacy version {version}",
            body=request("tools/list", {"_meta": _changed(META_VERSION, version)}),
            code=-32022,
            id=7,
            contains="2026-07-28",
        )
        for version in ("2024-11-05", "2025-03-26", "2025-06-18", LEGACY)
    ),
    # Methods
    *(
        Case(name=f"method {method!r}", body=modern(method), code=-32601, id=7, status=404)
        for method in _MISSING_METHODS
    ),
    # No field value begins with a space: over HTTP such a method cannot be mirrored.
    Case(name="method ' tools/list'", body=modern(" tools/list"), code=-32020, id=7, stdio_code=-32601),
    Case(name="a method of 5,000 characters", body=modern("m" * 5000), code=-32601, id=7, status=404),
    Case(
        name="a request that is only known as a notification",
        body=modern("notifications/initialized"),
        code=-32601,
        id=7,
        status=404,
    ),
    # Tools
    Case(
        name="tool: no name",
        body=modern("tools/call", {"arguments": {}}),
        code=-32020,
        id=7,
        stdio_code=-32602,
    ),
    *(
        Case(name=f"tool: {name[:20]!r}", body=tool(name, {}), code=-32602, id=7, status=200, contains="Unknown tool")
        for name in ("nope", "ADD", "add ", " add", "add\n", "", "../add", "x" * 1000, "ädd")
    ),
    *(
        Case(name=f"tool: name is {name}", body=tool(value, {}), code=-32602, id=7, status=200, on=("stdio",))
        for name, value in _KINDS.items()
    ),
    *(
        Case(name=f"arguments: {name} instead", body=tool("add", value), code=-32602, id=7, status=200)
        for name, value in _NO_ARGUMENTS.items()
    ),
    *(
        Case(name=f"arguments: {name}", body=tool("add", value), code=RESULT, id=7, status=200, contains=f"{field}: ")
        for name, (value, field) in _WRONG_ARGUMENTS.items()
    ),
    Case(
        name="arguments: null instead",
        body=modern("tools/call", {"name": "add", "arguments": None}),
        code=RESULT,
        id=7,
        status=200,
        contains="a: ",
    ),
    # Lists
    *(
        Case(name=f"cursor: {name}", body=modern("tools/list", {"cursor": value}), code=-32602, id=7, status=200)
        for name, value in _CURSORS.items()
    ),
    Case(name="cursor: null", body=modern("tools/list", {"cursor": None}), code=RESULT, id=7, status=200),
    # Notifications
    *(
        Case(
            name=f"notification {method!r}",
            body=_note(method, {"_meta": META}),
            code=SILENCE,
            status=202,
        )
        for method in ("notifications/cancelled", "notifications/unknown", "tools/list", "nope")
    ),
    *(
        Case(
            name=f"cancelling {value!r}",
            body=_note("notifications/cancelled", {"requestId": value, "_meta": META}),
            code=SILENCE,
            status=202,
        )
        for value in _NO_IDS
    ),
)
