"""JSON that is no JSON-RPC message, and what a client may not send (RPC-02, RPC-04, RPC-05, RPC-13, RPC-16)."""

from __future__ import annotations

from anyport.protocol.types.json import JsonObject, JsonValue
from tests.corpus.case import RESULT, SILENCE, Case, modern, request

_LISTED = modern("tools/list")
_ANSWER: JsonObject = {"jsonrpc": "2.0", "id": 7}


def _without(name: str) -> JsonObject:
    return {key: value for key, value in _LISTED.items() if key != name}


def _refused(name: str, body: JsonValue | bytes, answered: int | str | None = None) -> Case:
    return Case(name=name, body=body, code=-32600, id=answered)


_NO_MESSAGE: dict[str, JsonValue] = {
    "null": None,
    "true": True,
    "a number": 1,
    "a string": "ping",
    "an empty object": {},
    "an empty array": [],
    "an array of one request": [_LISTED],
    "an array of a number": [1],
    "an array of arrays": [[_LISTED]],
    "jsonrpc alone": {"jsonrpc": "2.0"},
}
_VERSIONS: dict[str, JsonValue] = {
    "1.0": "1.0",
    "2": "2",
    "2.00": "2.00",
    "a number": 2.0,
    "an integer": 2,
    "null": None,
    "an array": ["2.0"],
    "a space": "2.0 ",
}
_METHODS: dict[str, JsonValue] = {
    "null": None,
    "a number": 1,
    "true": True,
    "empty": "",
    "an array": ["tools/list"],
    "an object": {"name": "tools/list"},
}
_IDS: dict[str, JsonValue] = {
    "null": None,
    "true": True,
    "false": False,
    "a fraction": 1.5,
    "a float that is whole": 1.0,
    "2^53": 2**53,
    "-2^53": -(2**53),
    "beyond 64 bits": 10**30,
    "an array": [1],
    "an object": {"id": 1},
    "257 characters": "x" * 257,
}
_GOOD_IDS: dict[str, int | str] = {
    "empty": "",
    "zero": 0,
    "negative": -7,
    "2^53 - 1": 2**53 - 1,
    "-(2^53 - 1)": -(2**53 - 1),
    "256 characters": "x" * 256,
    "beyond ASCII": "é\u2028😀",
    "what looks like a number": "7",
    "control characters": "\x00\r\n",
}
_PARAMS: dict[str, JsonValue] = {
    "an array": [],
    "an array with an object": [{}],
    "a string": "x",
    "a number": 0,
    "false": False,
}
_ANSWERS: dict[str, JsonObject] = {
    "neither": {},
    "both": {"result": {}, "error": {"code": 1, "message": "x"}},
    "a result that is null": {"result": None},
    "a result that is an array": {"result": []},
    "an error that is null": {"error": None},
    "an error that is a string": {"error": "x"},
    "an error without a code": {"error": {"message": "x"}},
    "an error without a message": {"error": {"code": 1}},
    "an error with a code that is text": {"error": {"code": "1", "message": "x"}},
    "an error with a code that is true": {"error": {"code": True, "message": "x"}},
}

CASES: tuple[Case, ...] = (
    *(_refused(f"message: {name}", body) for name, body in _NO_MESSAGE.items()),
    _refused("jsonrpc missing", _without("jsonrpc"), 7),
    *(_refused(f"jsonrpc: {name}", {**_LISTED, "jsonrpc": value}, 7) for name, value in _VERSIONS.items()),
    _refused("method missing", _without("method"), 7),
    *(_refused(f"method: {name}", {**_LISTED, "method": value}, 7) for name, value in _METHODS.items()),
    *(_refused(f"id: {name}", {**_LISTED, "id": value}) for name, value in _IDS.items()),
    *(
        Case(name=f"good id: {name}", body={**_LISTED, "id": value}, code=RESULT, id=value, status=200)
        for name, value in _GOOD_IDS.items()
    ),
    *(_refused(f"params: {name}", {**_LISTED, "params": value}, 7) for name, value in _PARAMS.items()),
    _refused("a request with a result", {**_LISTED, "result": {}}, 7),
    _refused("a request with an error", {**_LISTED, "error": {"code": 1, "message": "x"}}, 7),
    Case(name="members that nobody knows", body={**_LISTED, "x": 1, "auth": {}}, code=RESULT, id=7, status=200),
    # Answers. Their id is one of ours, so no error repeats it.
    *(
        Case(name=f"an answer: {name}", body={**_ANSWER, **members}, code=-32600, id=7 if name == "neither" else None)
        for name, members in _ANSWERS.items()
    ),
    Case(name="an answer to nobody", body={**_ANSWER, "result": {}}, code=-32600, stdio_code=SILENCE),
    Case(
        name="an error to nobody",
        body={**_ANSWER, "error": {"code": -1, "message": "x"}},
        code=-32600,
        stdio_code=SILENCE,
    ),
    Case(name="an answer in a session", body={**_ANSWER, "result": {}}, place="session", code=SILENCE, status=202),
    Case(
        name="an error in a session without an id",
        body={"jsonrpc": "2.0", "id": None, "error": {"code": -1, "message": "x"}},
        place="session",
        code=SILENCE,
        status=202,
    ),
    Case(name="a batch in a session that has none", body=[request("ping")], place="session", code=-32600),
    Case(name="an empty batch in a session", body=[], place="session", code=-32600),
    Case(name="no message in a session", body={}, place="session", code=-32600),
    Case(name="a bad id in a session", body=request("ping", id=1.5), place="session", code=-32600),
    Case(name="unreadable in a session", body=b"{", place="session", code=-32700),
    Case(name="a key twice in a session", body=b'{"id":7,"id":7}', place="session", code=-32700),
)
