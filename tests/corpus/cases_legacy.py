"""Legacy messages out of order, out of shape, or in a session that is not there.

LIFE-01, LIFE-04, LEG-04, LEG-08, SES-02, SES-03, CAN-01, RPC-17.
"""

from __future__ import annotations

from anyport.protocol.types.json import JsonObject, JsonValue
from tests.corpus.case import LEGACY, MODERN, RESULT, SILENCE, Case, Transport, request

_HTTP: tuple[Transport, ...] = ("http",)
_GOOD: JsonObject = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}


def _opening(name: str, **changes: JsonValue) -> Case:
    """Return a handshake that fails; the server stays as it was."""
    params = {key: value for key, value in {**_GOOD, **changes}.items() if value != "(none)"}
    return Case(
        name=f"initialize: {name}", body=request("initialize", params), place="fresh", code=-32602, id=7, status=200
    )


def _note(method: str, params: JsonValue = None, **members: JsonValue) -> JsonObject:
    return {key: value for key, value in request(method, params, **members).items() if key != "id"}


_NO_TOOLS: tuple[JsonValue, ...] = ("nope", "", 1, None, ["add"])
_CANCELS: dict[str, JsonValue] = {
    "no params": None,
    "no id": {},
    "an id that is not there": {"requestId": 99},
    "an id that is null": {"requestId": None},
    "an id that is true": {"requestId": True},
    "an id that is a fraction": {"requestId": 1.5},
    "an id that is an array": {"requestId": [7]},
    "a reason that is no text": {"requestId": 99, "reason": 5},
}

CASES: tuple[Case, ...] = (
    _opening("no version", protocolVersion="(none)"),
    _opening("a version that is a number", protocolVersion=20251125),
    _opening("a version that is null", protocolVersion=None),
    _opening("a version that is an array", protocolVersion=[LEGACY]),
    _opening("no capabilities", capabilities="(none)"),
    _opening("capabilities that are an array", capabilities=[]),
    _opening("capabilities that are null", capabilities=None),
    _opening("no client info", clientInfo="(none)"),
    _opening("client info that is text", clientInfo="me"),
    _opening("client info that is null", clientInfo=None),
    Case(name="initialize: no params", body=request("initialize"), place="fresh", code=-32602, id=7, status=200),
    Case(
        name="initialize: params that are an array",
        body=request("initialize", [_GOOD]),
        place="fresh",
        code=-32600,
        id=7,
    ),
    Case(
        name="initialize as a notification",
        body=_note("initialize", _GOOD),
        place="fresh",
        code=-32600,
        stdio_code=SILENCE,
    ),
    Case(name="initialize with a bad id", body=request("initialize", _GOOD, id=1.5), place="fresh", code=-32600),
    Case(name="initialize in a batch", body=[request("initialize", _GOOD)], place="fresh", code=-32600),
    Case(name="initialize twice", body=request("initialize", _GOOD), place="session", code=-32600, id=7),
    # Before a session is open
    *(
        Case(name=f"{method} before initialize", body=request(method), place="fresh", code=-32600, id=7)
        for method in ("tools/list", "tools/call", "logging/setLevel", "nope")
    ),
    Case(name="ping before initialize", body=request("ping"), place="fresh", code=-32600, id=7, stdio_code=RESULT),
    *(
        Case(name=f"{method} before initialize", body=_note(method), place="fresh", code=-32600, stdio_code=SILENCE)
        for method in ("notifications/initialized", "notifications/cancelled", "notifications/nope")
    ),
    # In a session
    Case(
        name="initialized as a request", body=request("notifications/initialized"), place="session", code=-32600, id=7
    ),
    *(
        Case(name=f"session: method {method!r}", body=request(method), place="session", code=-32601, id=7, status=200)
        for method in ("nope", "server/discover", "subscriptions/listen", "Tools/List", "notifications/nope", "rpc.x")
    ),
    Case(name="session: no tool named", body=request("tools/call", {}), place="session", code=-32602, id=7, status=200),
    *(
        Case(
            name=f"session: tool {name!r}",
            body=request("tools/call", {"name": name}),
            place="session",
            code=-32602,
            id=7,
            status=200,
        )
        for name in _NO_TOOLS
    ),
    Case(
        name="session: arguments of the wrong type",
        body=request("tools/call", {"name": "add", "arguments": {"a": "x", "b": 1}}),
        place="session",
        code=RESULT,
        id=7,
        status=200,
        contains="a: ",
    ),
    Case(
        name="session: arguments that are an array",
        body=request("tools/call", {"name": "add", "arguments": [1]}),
        place="session",
        code=-32602,
        id=7,
        status=200,
    ),
    Case(
        name="session: an unknown cursor",
        body=request("tools/list", {"cursor": "x"}),
        place="session",
        code=-32602,
        id=7,
        status=200,
    ),
    *(
        Case(
            name=f"cancelling: {name}",
            body=_note("notifications/cancelled", params),
            place="session",
            code=SILENCE,
            status=202,
        )
        for name, params in _CANCELS.items()
    ),
    *(
        Case(name=f"session: notification {method!r}", body=_note(method), place="session", code=SILENCE, status=202)
        for method in ("notifications/nope", "notifications/initialized", "tools/call", "ping", "initialize", "x")
    ),
    Case(
        name="session: a notification whose params are an array", body=_note("ping", []), place="session", code=-32600
    ),
    Case(name="session: a notification with a null id", body=request("ping", id=None), place="session", code=-32600),
    Case(name="session: params that are text", body=request("ping", "x"), place="session", code=-32600, id=7),
    Case(
        name="session: _meta that is an array",
        body=request("ping", {"_meta": []}),
        place="session",
        code=RESULT,
        id=7,
        status=200,
    ),
    # Ids of sessions
    *(
        Case(
            name=f"session id {name}",
            body=request("ping"),
            place="session",
            code=-32600,
            id=7,
            status=404,
            headers={"mcp-session-id": value},
            on=_HTTP,
        )
        for name, value in {
            "unknown": "made-up",
            "empty": "",
            "too long": "x" * 5000,
            "odd": "../x",
            "beyond ASCII": "\xe9",
        }.items()
    ),
    Case(
        name="session id missing",
        body=request("ping"),
        place="session",
        code=-32600,
        id=7,
        headers={"mcp-session-id": None},
        on=_HTTP,
    ),
    Case(
        name="session id unknown, a notification",
        body=_note("ping"),
        place="session",
        code=-32600,
        status=404,
        headers={"mcp-session-id": "x"},
        on=_HTTP,
    ),
    Case(
        name="session id unknown, an answer",
        body={"jsonrpc": "2.0", "id": 7, "result": {}},
        place="session",
        code=-32600,
        status=404,
        headers={"mcp-session-id": "x"},
        on=_HTTP,
    ),
    Case(
        name="session id unknown, initialize",
        body=request("initialize", _GOOD),
        place="session",
        code=-32600,
        id=7,
        status=404,
        headers={"mcp-session-id": "x"},
        on=_HTTP,
    ),
    Case(
        name="session id unknown, a batch",
        body=[request("ping")],
        place="session",
        code=-32600,
        status=404,
        headers={"mcp-session-id": "x"},
        on=_HTTP,
    ),
    # Versions of requests in a session
    *(
        Case(
            name=f"session: version header {version!r}",
            body=request("ping"),
            place="session",
            code=-32600,
            id=7,
            headers={"mcp-protocol-version": version},
            on=_HTTP,
        )
        for version in (MODERN, "2099-01-01", "", "1", "latest", f"{LEGACY}, {LEGACY}")
    ),
)
