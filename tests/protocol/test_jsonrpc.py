"""JSON-RPC messages and batches: what is read, what is refused, with which code and id (RPC-01 to RPC-05, RPC-16)."""

from __future__ import annotations

from typing import cast

import pytest

from anyport.protocol.errors import ErrorObject, InvalidRequest, ParseError
from anyport.protocol.jsonrpc import (
    ErrorResponse,
    Message,
    Notification,
    Request,
    Response,
    decode,
    decode_batch,
    glance,
    readable_id,
)
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonValue
from tests.protocol.jsonrpc_samples import refusal, request

SAFE = 2**53 - 1

# --- what is read -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"jsonrpc":"2.0","id":1,"method":"m"}', Request(1, "m", {})),
        (b'{"jsonrpc":"2.0","id":"a","method":"m","params":{"x":[1,null]}}', Request("a", "m", {"x": [1, None]})),
        (b'{"jsonrpc":"2.0","id":"","method":"m","params":null}', Request("", "m", {})),
        (b'{"jsonrpc":"2.0","method":"m"}', Notification("m", {})),
        (b'{"jsonrpc":"2.0","method":"m","params":{"x":1},"extra":true}', Notification("m", {"x": 1})),
        (b'{"jsonrpc":"2.0","id":1,"result":{"x":1}}', Response(1, {"x": 1})),
        (
            b'{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}',
            ErrorResponse(1, ErrorObject(-1, "no")),
        ),
        (
            b'{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"no","data":null}}',
            ErrorResponse(None, ErrorObject(-1, "no", None)),
        ),
        (
            b'{"jsonrpc":"2.0","error":{"code":-1,"message":"","data":[1]}}',
            ErrorResponse(None, ErrorObject(-1, "", [1])),
        ),
    ],
)
def test_messages_are_read(data: bytes, message: Message) -> None:
    """Each kind, unknown members ignored, `params: null` as none (RPC-01, RPC-05)."""
    assert decode(data) == message


@pytest.mark.parametrize(
    "layout",
    [
        b' {"jsonrpc" : "2.0" , "id" : 1 , "method" : "m", "params" : { "a" : 1 } } ',
        b'\r\n{"jsonrpc":"2.0",\t"id":1,"method":"m","params":{"a":1}}\n',
        b'{"params":{"\\u0061":1},"\\u006dethod":"\\u006D","id":1,"jsonrpc":"2\\u002e0"}',
    ],
)
def test_layout_does_not_matter(layout: bytes) -> None:
    """White space, order and escapes take the exact check and say the same."""
    assert decode(layout) == Request(1, "m", {"a": 1})


# --- what is no message -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "answered"),
    [
        (b"null", None),
        (b"1", None),
        (b'"m"', None),
        (b"[]", None),
        (b"[%s]" % request(), None),
        (b"{}", None),
        (b'{"id":1,"method":"m"}', 1),
        (b'{"jsonrpc":"1.0","id":1,"method":"m"}', 1),
        (b'{"jsonrpc":2.0,"id":1,"method":"m"}', 1),
        (b'{"jsonrpc":["2.0"],"id":"a","method":"m"}', "a"),
        (b'{"jsonrpc":"2.0","id":1}', 1),
        (b'{"jsonrpc":"2.0","id":1,"method":null}', 1),
        (b'{"jsonrpc":"2.0","id":1,"method":null,"result":{}}', 1),
        (b'{"jsonrpc":"2.0","id":1,"method":1}', 1),
        (b'{"jsonrpc":"2.0","id":1,"method":""}', 1),
        (b'{"jsonrpc":"2.0","id":1,"method":["m"]}', 1),
        (b'{"jsonrpc":"2.0","id":1,"method":"m","result":{}}', 1),
        (b'{"jsonrpc":"2.0","id":1,"method":"m","error":{"code":1,"message":"x"}}', 1),
        (b'{"jsonrpc":"2.0","id":1,"method":"m","params":[]}', 1),
        (b'{"jsonrpc":"2.0","id":1,"method":"m","params":"x"}', 1),
        (b'{"jsonrpc":"2.0","id":1,"method":"m","params":false}', 1),
        (b'{"jsonrpc":"2.0","method":"m","params":1}', None),
        (b'{"jsonrpc":"2.0","id":{},"method":"m"}', None),
    ],
)
def test_what_is_no_message_is_refused_under_its_id(data: bytes, answered: int | str | None) -> None:
    """-32600, with the id wherever a request's could be read (RPC-04)."""
    error = refusal(data)
    assert (type(error), error.code, error.http_status) == (InvalidRequest, -32600, 400)
    assert error.request_id == answered


@pytest.mark.parametrize(
    "data",
    [
        b'{"jsonrpc":"2.0","id":7,"result":null}',
        b'{"jsonrpc":"2.0","id":7,"result":[]}',
        b'{"jsonrpc":"2.0","id":7,"result":{},"error":{"code":1,"message":"x"}}',
        b'{"jsonrpc":"2.0","id":7,"error":null}',
        b'{"jsonrpc":"2.0","id":7,"error":"x"}',
        b'{"jsonrpc":"2.0","id":7,"error":{"message":"x"}}',
        b'{"jsonrpc":"2.0","id":7,"error":{"code":1.0,"message":"x"}}',
        b'{"jsonrpc":"2.0","id":7,"error":{"code":true,"message":"x"}}',
        b'{"jsonrpc":"2.0","id":7,"error":{"code":1}}',
        b'{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":null}}',
        b'{"jsonrpc":"1.0","id":7,"result":{}}',
        b'{"jsonrpc":"2.0","result":{}}',
        b'{"jsonrpc":"2.0","id":null,"result":{}}',
        b'{"jsonrpc":"2.0","id":1.5,"error":{"code":1,"message":"x"}}',
    ],
)
def test_a_broken_answer_is_refused_without_its_id(data: bytes) -> None:
    """Its id is one of ours: an error that repeats it would answer a request that the peer has open (RPC-04)."""
    error = refusal(data)
    assert (error.code, error.request_id) == (-32600, None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"0", 0),
        (b"-1", -1),
        (b"%d" % SAFE, SAFE),
        (b"-%d" % SAFE, -SAFE),
        (b'"%s"' % (b"x" * 256), "x" * 256),
        (f'"{"é" * 256}"'.encode(), "é" * 256),
        (b'"1"', "1"),
    ],
)
def test_ids_within_bounds(text: bytes, value: int | str) -> None:
    """RPC-02: a string or an integer, kept with its type."""
    message = decode(request(id_=text))
    assert isinstance(message, Request)
    assert (message.id, type(message.id)) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    [
        b"null",
        b"true",
        b"false",
        b"1.0",
        b"1e0",
        b"-0.0",
        b"1.5",
        b"%d" % (SAFE + 1),
        b"-%d" % (SAFE + 1),
        b"9" * 400,
        b'"%s"' % (b"x" * 257),
        b"{}",
        b"[1]",
    ],
)
def test_other_ids_are_refused(text: bytes) -> None:
    """RPC-02; no id comes back that could not have been one."""
    error = refusal(request(id_=text))
    assert (error.code, error.request_id) == (-32600, None)


@pytest.mark.parametrize(("length", "fits"), [(3, True), (4, True), (5, False)])
def test_id_length_is_a_setting(length: int, fits: bool) -> None:
    data, limits = request(id_=b'"%s"' % (b"x" * length)), Limits(id_chars=4)
    if fits:
        assert decode(data, limits) == Request("x" * length, "m", {})
    else:
        assert "limit id_chars" in refusal(data, limits).message


@pytest.mark.parametrize("value", [None, [], 1, "x", {}, {"id": None}, {"id": 1.0}, {"id": 1, "result": {}}])
def test_no_readable_id(value: JsonValue) -> None:
    assert readable_id(value) is None


# --- batches ----------------------------------------------------------------------------------------------------------


def test_a_batch_keeps_order_and_answers_what_is_no_message() -> None:
    """RPC-16."""
    data = b"[" + request() + b',1,{"jsonrpc":"2.0","method":"n"},{"jsonrpc":"2.0","id":5,"method":""},[]'
    data += b',{"jsonrpc":"2.0","id":6,"result":{}}]'
    messages = decode_batch(data)
    assert isinstance(messages, list)
    assert messages[0] == Request(1, "m", {})
    assert messages[2] == Notification("n", {})
    assert messages[5] == Response(6, {})
    refused = [messages[index] for index in (1, 3, 4)]
    assert [type(error) for error in refused] == [InvalidRequest] * 3
    assert [cast("InvalidRequest", error).request_id for error in refused] == [None, 5, None]


def test_a_single_message_is_no_batch() -> None:
    assert decode_batch(request()) == Request(1, "m", {})
    with pytest.raises(InvalidRequest):
        decode_batch(b"1")


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="at least one"):
        decode_batch(b"[]")


@pytest.mark.parametrize(("entries", "fits"), [(2, True), (3, True), (4, False)])
def test_the_length_of_a_batch_is_bounded(entries: int, fits: bool) -> None:
    data, limits = b"[" + b",".join([b"1"] * entries) + b"]", Limits(batch_messages=3)
    if fits:
        assert len(cast("list[object]", decode_batch(data, limits))) == entries
    else:
        with pytest.raises(InvalidRequest, match="limit batch_messages"):
            decode_batch(data, limits)


def test_a_batch_that_is_no_json_is_refused_whole() -> None:
    with pytest.raises(ParseError):
        decode_batch(b"[%s,]" % request())
    with pytest.raises(ParseError, match="twice"):
        decode_batch(b'[%s,{"a":1,"a":1}]' % request())


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"id":2,"method":"b"}}', (1, "a")),
        (b'{"params":{"x":[1,{"id":2}]},"method":"a","id":"one"}', ("one", "a")),
        (b'{"method":"a"}', None),
        (b'{"id":1,"result":{}}', None),
        (b'{"id":null,"method":"a"}', None),
        (b'{"id":1.5,"method":"a"}', None),
        (b'{"id":true,"method":"a"}', None),
        (b'{"id":9007199254740992,"method":"a"}', None),
        (b'{"id":"toolong","method":"a"}', None),
        (b'{"id":1,"method":2}', None),
        (b'[{"id":1,"method":"a"}]', None),
        (b'{"id":1,"method":"a"', None),
        (b'{"id":"\xff","method":"a"}', None),
        (b"", None),
    ],
)
def test_a_glance_sees_who_asks_for_what(data: bytes, expected: object) -> None:
    assert glance(data, Limits(id_chars=6)) == expected
