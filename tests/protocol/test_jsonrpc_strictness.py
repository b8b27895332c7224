"""The JSON edge: strict UTF-8, unique keys, finite numbers, bounded depth; error texts that repeat nothing (RPC-01)."""

from __future__ import annotations

import json
from typing import cast

import pytest

from anyport.protocol.errors import ParseError
from anyport.protocol.jsonrpc import Request, decode, decode_json
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonValue
from tests.protocol.jsonrpc_samples import nested, refusal, request

# --- what is read -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"-0", 0),
        (b"1E2", 100.0),
        (b"18446744073709551616", 2**64),
        (b"-9223372036854775809", -(2**63) - 1),
        (b"9" * 4300, int("9" * 4300)),
        (b"1." + b"0" * 100_000, 1.0),
        (b"1e-999999", 0.0),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        ('"\U0001f600\u00e9"'.encode(), "\U0001f600\u00e9"),
        (b'"\\u0000\\u001f\x7f"', "\0\x1f\x7f"),
        (b'"{[{["', "{[{["),
    ],
)
def test_values_are_read(text: bytes, value: object) -> None:
    assert decode(request(params=b'{"v":%s}' % text)) == Request(1, "m", {"v": cast("JsonValue", value)})


# --- what is no JSON --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"  ",
        b"{",
        b'{"jsonrpc":"2.0","id":1,"method":"m"',
        request() + b"{}",
        request() + b"\0",
        request(params=b"[1,]"),
        request(params=b"{'a':1}"),
        request(params=b'{"a":01}'),
        request(params=b'{"a":+1}'),
        request(params=b'{"a":.5}'),
        request(params=b'{"a":1.}'),
        request(params=b'{"a":1/*c*/}'),
        request(params=b'{"a":"\t"}'),
        request(params=b'{"a":"\\x"}'),
        request(params=b"{a:1}"),
        request(params=b"{1:1}"),
    ],
)
def test_broken_json_is_refused(data: bytes) -> None:
    error = refusal(data)
    assert (type(error), error.code, error.http_status, error.request_id) == (ParseError, -32700, 400, None)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"nan", b"1e400", b"-1e400", b"1" * 4301])
def test_numbers_without_a_value_are_refused(number: bytes) -> None:
    assert refusal(request(params=b'{"a":%s}' % number)).code == -32700


@pytest.mark.parametrize(
    "data",
    [
        request(params=b'{"a":"\xff"}'),
        request(params=b'{"a":"\xc0\xaf"}'),
        request(params=b'{"a":"\xed\xa0\x80"}'),
        request(params=b'{"\xf8":1}'),
        b"\xef\xbb\xbf" + request(),
        request().decode().encode("utf-16"),
        request().decode().encode("utf-16-le"),
        request().decode().encode("utf-16-be"),
        request().decode().encode("utf-32"),
        request().decode().encode("utf-32-be"),
    ],
)
def test_only_utf8_without_a_mark_is_read(data: bytes) -> None:
    """RPC-01."""
    assert refusal(data).code == -32700


@pytest.mark.parametrize("text", [b'"\\ud800"', b'"\\udc00"', b'"\\udc00\\ud800"', b'"\\ud800x"', b'"\\ud800\\u0041"'])
def test_lone_surrogates_are_refused(text: bytes) -> None:
    assert refusal(request(params=b'{"a":%s}' % text)).code == -32700
    assert refusal(request(params=b"{%s:1}" % text)).code == -32700
    assert refusal(request(id_=text)).code == -32700


@pytest.mark.parametrize(
    "data",
    [
        b'{"jsonrpc":"2.0","id":1,"id":1,"method":"m"}',
        b'{"jsonrpc":"2.0","id":1,"\\u0069d":2,"method":"m"}',
        b'{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}',
        b'{"jsonrpc":"2.0","id":1,"method":"a","\\u006d\\u0065thod":"a"}',
        request(params=b'{"a":1,"a":1}'),
        request(params=b'{"a":{"b":[0,{"c":1,"c":1}]}}'),
        request(params=b'{ "a":{"b":[0,{"c":{},"\\u0063":{}}]}}'),
        request(params=b'{"":1,"":1}'),
        request(params='{"é":1,"\\u00e9":1}'.encode()),
        request(params='{"\U0001f600":1,"\\ud83d\\ude00":1}'.encode()),
        request(params=b'{"a/b":1,"a\\/b":1}'),
        request(params=b'{"a":1' + b',"b":1' * 1000 + b"}"),
    ],
)
def test_a_key_twice_is_refused(data: bytes) -> None:
    """At any depth and however it is spelled: two readers could take different values."""
    error = refusal(data)
    assert (error.code, error.message) == (-32700, "Invalid JSON: an object has a key twice")


def test_keys_that_only_look_alike_are_two() -> None:
    text = b'{"e\\u0301":1,"\\u00e9":2,"A":3,"a":4,"a ":5}'
    assert decode(request(params=text)) == Request(1, "m", {"e\u0301": 1, "\xe9": 2, "A": 3, "a": 4, "a ": 5})


@pytest.mark.parametrize(("depth", "fits"), [(61, True), (62, True), (63, False), (64, False), (500, False)])
def test_depth_is_bounded(depth: int, fits: bool) -> None:
    """The message and its params are two levels; 64 is the limit (63, 64, 65)."""
    data = request(params=b'{"a":%s}' % nested(depth))
    if fits:
        assert isinstance(decode(data), Request)
    else:
        assert refusal(data).message == "JSON is nested deeper than 64 levels (limit json_depth)"


def test_depth_is_what_counts_where_there_are_more_brackets() -> None:
    """64 levels beside many brackets that add none."""
    beside = b"[" + b"[],{}," * 100 + b"%s]"
    assert isinstance(decode_json(beside % nested(63)), list)
    with pytest.raises(ParseError, match="json_depth"):
        decode_json(beside % nested(64))


def test_depth_is_counted_in_objects_too() -> None:
    assert isinstance(decode_json(b'{"a":' * 64 + b"1" + b"}" * 64), dict)
    with pytest.raises(ParseError, match="json_depth"):
        decode_json(b'{"a":' * 65 + b"1" + b"}" * 65)


@pytest.mark.parametrize("data", [nested(100_000), b"[" * 1_000_000, b'{"a":' * 200_000, b" " + nested(100_000)])
def test_a_tower_of_brackets_is_refused_whole_or_not(data: bytes) -> None:
    assert refusal(data).code == -32700


def test_width_is_not_depth() -> None:
    """Many brackets beside each other, or in a string, are no nesting."""
    assert decode_json(b"[" + b"[[]]," * 1000 + b'"' + b"[" * 1000 + b'"]') == [[[]]] * 1000 + ["[" * 1000]


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_depth_is_a_setting(limit: int) -> None:
    limits = Limits(json_depth=limit)
    assert decode_json(nested(limit), limits) is not None
    assert decode_json(b"1", limits) == 1
    # The count of brackets alone must not refuse.
    assert decode_json(b'"' + b"[" * 100 + b'"', limits) == "[" * 100
    with pytest.raises(ParseError, match=f"deeper than {limit} levels"):
        decode_json(nested(limit + 1), limits)


# --- texts and cost ---------------------------------------------------------------------------------------------------

SECRET = "hunter2" * 2000


@pytest.mark.parametrize(
    "data",
    [
        json.dumps({"jsonrpc": SECRET, "id": 1, "method": "m"}).encode(),
        json.dumps({"jsonrpc": "2.0", "id": SECRET, "method": "m"}).encode(),
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": {SECRET: SECRET}}).encode(),
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": "m", "params": SECRET}).encode(),
        json.dumps({"jsonrpc": "2.0", "id": 1, "error": SECRET}).encode(),
        json.dumps([SECRET]).encode(),
        SECRET.encode(),
        b'{"%s":' % SECRET.encode(),
        b'{"%s":1,"%s":1}' % (SECRET.encode(), SECRET.encode()),
        b'{"%s":1e999}' % SECRET.encode(),
        b'["%s\xff"]' % SECRET.encode(),
        nested(60).replace(b"[]", b"[1e999]"),
        nested(60).replace(b"[]", b'["%s",nul]' % SECRET.encode()),
    ],
)
def test_error_texts_do_not_repeat_the_input(data: bytes) -> None:
    message = refusal(data).message
    assert "hunter2" not in message
    assert len(message) <= 260
