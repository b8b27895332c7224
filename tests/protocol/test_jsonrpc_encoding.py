"""Encoding: what a service returns becomes one line of JSON or a typed error, no crash (RPC-01, RPC-04, RPC-08)."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import math
import uuid
from typing import cast

import pytest
from msgspec import UNSET, Raw

from anyport.protocol.errors import ErrorObject, InternalError, InvalidParams, McpError, ParseError
from anyport.protocol.jsonrpc import (
    ErrorResponse,
    Response,
    ResultLike,
    decode,
    encode,
    encode_error,
    encode_json,
    encode_notification,
    encode_request,
    encode_response,
)
from anyport.protocol.types import CallToolResult, TextContent
from anyport.protocol.types.json import JsonObject, JsonValue

LONE = "a\ud800b"


class Unknown:
    """Nothing that JSON has a form for, and no friend of error messages either."""

    def __repr__(self) -> str:
        raise RuntimeError("do not print me")


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: float
    label: str = ""


def result_of(value: object) -> object:
    """What the other end reads for `value` in a result."""
    data = encode_response(1, {"v": cast("JsonValue", value)})
    assert b"\n" not in data
    return cast("dict[str, dict[str, object]]", json.loads(data))["result"]["v"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encode_response(1, {}), b'{"jsonrpc":"2.0","id":1,"result":{}}'),
        (encode_response("a", Raw(b'{"b":1}')), b'{"jsonrpc":"2.0","id":"a","result":{"b":1}}'),
        (
            encode_response(1, CallToolResult(content=[TextContent(text="x")])),
            b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"x"}]}}',
        ),
        (encode_request(1, "m"), b'{"jsonrpc":"2.0","id":1,"method":"m"}'),
        (encode_request(1, "m", {"a": None}), b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":null}}'),
        (encode_notification("m"), b'{"jsonrpc":"2.0","method":"m"}'),
        (encode_notification("m", {}), b'{"jsonrpc":"2.0","method":"m","params":{}}'),
        (
            encode_error(None, InvalidParams("no", {"a": 1})),
            b'{"jsonrpc":"2.0","error":{"code":-32602,"message":"no","data":{"a":1}}}',
        ),
        (encode_error(0, ErrorObject(5, "no")), b'{"jsonrpc":"2.0","id":0,"error":{"code":5,"message":"no"}}'),
    ],
)
def test_the_form_on_the_wire(data: bytes, expected: bytes) -> None:
    assert data == expected


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (math.nan, None),
        (-math.inf, None),
        ({"a": [math.inf, 1.5]}, {"a": [None, 1.5]}),
        ({1: "x", 2.5: "y"}, {"1": "x", "2.5": "y"}),
        ({3}, [3]),
        ((1, (2,)), [1, [2]]),
        (datetime.datetime(2026, 7, 28, 1, 2, 3, tzinfo=datetime.UTC), "2026-07-28T01:02:03Z"),
        (datetime.date(2026, 7, 28), "2026-07-28"),
        (decimal.Decimal("1.50"), "1.50"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Colour.RED, "red"),
        (Point(1, "p"), {"x": 1, "label": "p"}),
        (b"\xff", "/w=="),
        (2**70, 2**70),
        (Raw(b'{"b": 1}'), {"b": 1}),
        ([Raw(b"1"), {"c": Raw(b"null")}], [1, {"c": None}]),
    ],
)
@pytest.mark.parametrize("beside", ["plain", LONE], ids=["plain", "lone"])
def test_values_beyond_json_are_written_the_same_way(value: object, read: object, beside: str) -> None:
    """Also where a lone surrogate beside them takes the escaping encoder."""
    assert result_of([value, beside]) == [read, beside]


def test_lone_surrogates_are_escaped() -> None:
    """Valid JSON text, valid UTF-8; nothing else is touched."""
    data = encode_response(1, {LONE: ["\udfff", "\u00e9", "\U0001f600"]})
    assert data.isascii()
    assert json.loads(data)["result"] == {LONE: ["\udfff", "\u00e9", "\U0001f600"]}
    with pytest.raises(ParseError):
        decode(data)


def recursive() -> list[object]:
    found: list[object] = []
    found.append(found)
    return found


def tower() -> list[object]:
    found: list[object] = []
    for _ in range(100_000):
        found = [found]
    return found


@pytest.mark.parametrize(
    "value",
    [
        Unknown(),
        object(),
        {None: 1},
        {(1, 2): 1},
        {True: 1},
        {"a": {"b": [Unknown()]}},
        1j,
        10**5000,
        UNSET,
        iter([1]),
        recursive(),
        tower(),
        range(3),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("beside", ["plain", LONE], ids=["plain", "lone"])
def test_what_json_cannot_say_is_a_typed_error(value: object, beside: str) -> None:
    with pytest.raises(InternalError, match="has no JSON form") as caught:
        encode_json({"a": value, "b": beside})
    assert len(caught.value.message) < 300


def test_a_broken_raw_beside_a_lone_surrogate_is_a_typed_error() -> None:
    with pytest.raises(InternalError):
        encode_json([Raw(b"{"), LONE])


@pytest.mark.parametrize(
    "text",
    [
        b'{\n "a" : "\\n" ,\r\n "b" : [ 1.50 , 1e2 ] }',
        b'\n{"a":"\\n","b":[1.50,1e2]}\n',
        b'{"a":"\\n",\r"b":[1.50,1e2]}',
    ],
)
def test_line_ends_inside_a_raw_do_not_reach_the_wire(text: bytes) -> None:
    """STDIO-01: an author's own encoder may indent; the numbers stay as they were written."""
    assert encode_response(1, Raw(text)) == b'{"jsonrpc":"2.0","id":1,"result":{"a":"\\n","b":[1.50,1e2]}}'


@pytest.mark.parametrize(
    ("error", "wire"),
    [
        (McpError(1, LONE), ErrorObject(1, LONE)),
        (McpError(1, "x", LONE), ErrorObject(1, "x", LONE)),
        (McpError(1, "x", cast("JsonValue", object())), ErrorObject(1, "x")),
        (McpError(1, LONE, cast("JsonValue", object())), ErrorObject(1, "a?b")),
        (McpError(1, "x", cast("JsonValue", [math.nan])), ErrorObject(1, "x", [None])),
        (McpError(1, "x", {"a": [1]}), ErrorObject(1, "x", {"a": [1]})),
    ],
)
def test_an_error_always_reaches_the_peer(error: McpError, wire: ErrorObject) -> None:
    """Details that JSON cannot say are left out; code and message are not."""
    for request_id in (7, "a", LONE, None):
        read = cast("JsonObject", json.loads(encode_error(request_id, error)))
        shown = cast("JsonObject", read["error"])
        assert read.get("id") == request_id
        assert ErrorObject(cast("int", shown["code"]), cast("str", shown["message"]), shown.get("data", UNSET)) == wire


def test_a_message_that_is_no_text_does_not_break_the_error() -> None:
    cause = cast("str", ValueError("the cause"))
    assert json.loads(encode_error(1, McpError(5, cause)))["error"] == {"code": 5, "message": "the cause"}


@pytest.mark.parametrize("result", [{}, Raw(b"{}"), CallToolResult(content=[])])
@pytest.mark.parametrize("request_id", [0, -1, 2**53 - 1, "", "1", "\u00e9", '"', "\n"])
def test_the_id_comes_back_as_it_came(request_id: int | str, result: ResultLike) -> None:
    """RPC-04, type included."""
    answer = decode(encode_response(request_id, result))
    assert isinstance(answer, Response)
    assert (answer.id, type(answer.id)) == (request_id, type(request_id))
    failed = decode(encode_error(request_id, InvalidParams("x")))
    assert isinstance(failed, ErrorResponse)
    assert (failed.id, type(failed.id)) == (request_id, type(request_id))


def test_an_error_without_details_and_one_with_null_stay_apart() -> None:
    for error in (ErrorObject(1, "x"), ErrorObject(1, "x", None)):
        assert decode(encode(ErrorResponse(1, error))) == ErrorResponse(1, error)
