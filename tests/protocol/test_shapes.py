"""Shapes: what one reads is what the decoder reads, and what differs from it elsewhere is left to the decoder."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyport.protocol.calls import Call, Carrier, bind_modern
from anyport.protocol.errors import McpError
from anyport.protocol.jsonrpc import Request, decode
from anyport.protocol.limits import Limits
from anyport.protocol.revisions import V2026_07_28
from anyport.protocol.shapes import KnownCall, Shapes
from anyport.protocol.types.json import JsonObject, JsonValue
from tests.protocol.jsonrpc_samples import OBJECTS

MANY = settings(max_examples=400, deadline=None)
ORDERS: list[Sequence[str]] = [("jsonrpc", "id", "method", "params"), ("method", "params", "jsonrpc", "id")]
META: JsonObject = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "x": [{"{": "["}],
}
HERE = Carrier(transport="memory")


def encoded(number: JsonValue, arguments: JsonValue, order: Sequence[str] = ORDERS[0], **more: JsonValue) -> bytes:
    """A `tools/call` with its members in some order."""
    params: JsonObject = {"name": "add", "arguments": arguments, "_meta": META, **more}
    members: JsonObject = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
    return msgspec.json.encode({key: members[key] for key in order})


def learned(data: bytes, limits: Limits | None = None) -> Shapes:
    """What is left of one message."""
    shapes = Shapes(limits or Limits())
    request = decode(data)
    assert isinstance(request, Request)
    shapes.keep(data, request, V2026_07_28)
    return shapes


def read(shapes: Shapes, data: bytes) -> Call | Request | None:
    """All that is read of a message."""
    found = shapes.read(data, HERE)
    return found.whole() if isinstance(found, KnownCall) else found


def decoded(data: bytes, limits: Limits | None = None) -> Call:
    """What the decoder reads."""
    request = decode(data, limits or Limits())
    assert isinstance(request, Request)
    return bind_modern(request, HERE)


@pytest.mark.parametrize("order", ORDERS)
def test_another_id_and_other_arguments_are_read(order: Sequence[str]) -> None:
    shapes = learned(encoded(7, {"a": 1}, order))
    others: list[JsonObject] = [{"a": 1}, {}, {"b": {"c": [1, 2.5, None, 'ä\n"}']}}]
    for number, arguments in zip((7, 0, 12345), others, strict=True):
        data = encoded(number, arguments, order)
        assert read(shapes, data) == decoded(data)


def test_a_request_without_arguments_has_a_shape() -> None:
    data = b'{"jsonrpc":"2.0","id":%d,"method":"tools/list","params":{"_meta":{}}}'
    request = decode(data % 1)
    assert isinstance(request, Request)
    shapes = Shapes()
    shapes.keep(data % 1, request, None)
    assert shapes.read(data % 22, HERE) == Request(22, "tools/list", {"_meta": {}})


def test_what_is_read_shares_nothing() -> None:
    """An author may change what a call brought."""
    data = encoded(1, {"a": 1})
    shapes = learned(data)
    for _ in range(2):
        call = read(shapes, data)
        assert isinstance(call, Call)
        assert call == decoded(data)
        for each in (call.meta, call.params["arguments"], call.capabilities, call.params):
            assert isinstance(each, dict)
            each.clear()
            each["changed"] = True


@MANY
@given(
    st.sampled_from(ORDERS),
    st.sampled_from(ORDERS),
    st.integers(-(10**18), 10**18) | st.text(max_size=3) | st.none() | st.booleans() | st.floats(allow_nan=False),
    OBJECTS | st.none() | st.lists(st.integers(), max_size=2),
)
def test_what_is_read_is_what_the_decoder_reads(
    known: Sequence[str], order: Sequence[str], number: JsonValue, arguments: JsonValue
) -> None:
    data = encoded(number, arguments, order)
    found = read(learned(encoded(1, {"a": 1}, known)), data)
    if found is not None:
        assert found == decoded(data)
    elif known == order and type(number) is int and 0 <= number < 10**15 and isinstance(arguments, dict):
        # The only layout that a decoder proves without a second look.
        assert msgspec.json.encode(msgspec.json.decode(data)) != data


@MANY
@given(st.sampled_from(ORDERS), st.integers(0, 400), st.binary(max_size=3), st.integers(0, 3))
def test_a_message_that_is_cut_or_filled_up(order: Sequence[str], place: int, piece: bytes, cut: int) -> None:
    """Whatever a few bytes do to a message: it is read as the decoder reads it, or left to it."""
    data = encoded(31, {"a": 1, "b": "x"}, order)
    place %= len(data) + 1
    changed = data[:place] + piece + data[place + cut :]
    found = read(learned(encoded(1, {"a": 1}, order)), changed)
    if found is not None:
        assert found == decoded(changed)


BROKEN = [
    b'{"a":1,"a":2}',
    b'{"a":NaN}',
    b'{"a":1e999}',
    b'{"a":"\xff"}',
    b'{"a":"\\ud800"}',
    b'{"a":1',
    b'{"a":1}}',
    b'{"a":1},"arguments":{}',
    b'{"a":1},"b":{}',
    b"[1]",
    b"null",
    b"",
    b"{" * 3000,
]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("arguments", BROKEN)
def test_arguments_that_need_a_second_look_are_left_to_the_decoder(order: Sequence[str], arguments: bytes) -> None:
    shapes = learned(encoded(1, {"a": 1}, order))
    assert read(shapes, encoded(2, "HERE", order).replace(b'"HERE"', arguments)) is None


@pytest.mark.parametrize("number", [b"-1", b"01", b"1.0", b"1e3", b'"1"', b"", b" 1", b"\xd9\xa1", b"1" * 16, b"null"])
@pytest.mark.parametrize("order", ORDERS)
def test_an_id_that_needs_a_second_look_is_left_to_the_decoder(order: Sequence[str], number: bytes) -> None:
    shapes = learned(encoded(1, {"a": 1}, order))
    assert read(shapes, encoded(424242, {"a": 1}, order).replace(b"424242", number)) is None


def test_depth_is_that_of_the_whole_message() -> None:
    limits = Limits(json_depth=12)
    shapes = learned(encoded(1, {}), limits)
    for levels in range(1, 16):
        arguments: JsonValue = {}
        for _ in range(levels):
            arguments = {"a": arguments}
        data = encoded(1, arguments)
        found = read(shapes, data)
        try:
            expected = decoded(data, limits)
        except McpError:
            assert found is None
        else:
            assert found in (None, expected)
    assert read(shapes, encoded(1, {"a": {}})) is not None


LEFT = [
    json.dumps({"jsonrpc": "2.0", "id": 1, "method": "m", "params": {}}).encode(),
    b'{"jsonrpc":"2.0","id":"a","method":"m","params":{}}',
    b'{"jsonrpc":"2.0","id":-1,"method":"m","params":{}}',
    b'{"jsonrpc":"2.0","id":1,"method":"m"}',
    b'{"jsonrpc":"2.0","id":1,"method":"m","params":{},"x":1}',
    b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"long":"%b"}}' % (b"x" * 5000),
]


@pytest.mark.parametrize("data", LEFT)
def test_a_message_that_leaves_no_shape(data: bytes) -> None:
    assert read(learned(data), data) is None


def test_few_shapes_are_kept_and_messages_that_all_differ_soon_leave_few() -> None:
    shapes = Shapes()
    seen: list[bytes] = []
    for count in range(64 + 64 * 9):
        data = encoded(1, {}, more=count)
        request = decode(data)
        assert isinstance(request, Request)
        shapes.keep(data, request, None)
        if read(shapes, data) is not None:
            seen.append(data)
    assert len(seen) == 64 + 9
    assert [data for data in seen if read(shapes, data) is not None] == seen[-8:]
