"""Properties of the codec: round trips, no crash on any bytes, the same verdict as a decoder by the book (RPC-01)."""

from __future__ import annotations

import json
import random
import re

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anyport.protocol.errors import InternalError, InvalidRequest, ParseError
from anyport.protocol.jsonrpc import Message, decode, decode_batch, decode_json, encode, encode_json, encode_response
from anyport.protocol.types.json import JsonValue
from tests.protocol.jsonrpc_samples import MESSAGES, OBJECTS, VALUES, Refused, reference_decode

FEW = settings(max_examples=150, deadline=None)


@FEW
@given(MESSAGES)
def test_a_message_survives_the_way_there_and_back(message: Message) -> None:
    assert decode(encode(message)) == message


@FEW
@given(MESSAGES, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_the_layout_says_nothing(message: Message, indent: int | str | None, ascii_only: bool) -> None:
    """The same message from another encoder, in another layout."""
    plain = msgspec.json.decode(encode(message))
    assert decode(json.dumps(plain, indent=indent, ensure_ascii=ascii_only).encode()) == message


@FEW
@given(st.lists(MESSAGES, min_size=1, max_size=5))
def test_a_batch_is_its_messages(messages: list[Message]) -> None:
    """RPC-16."""
    assert decode_batch(b"[" + b",".join(map(encode, messages)) + b"]") == messages


def attempt(data: bytes) -> None:
    """Decode in every way; any other exception fails the test."""
    refused: list[str] = []
    for reader in (decode, decode_batch):
        try:
            reader(data)
        except (ParseError, InvalidRequest) as error:
            refused.append(error.message)
    assert all(len(message) <= 260 for message in refused)


@FEW
@given(st.binary(max_size=60))
@example(b"\xff\xfe")
@example(b"\0" * 8)
@example(b"{" * 5000)
@example(b'{"":' * 5000)
@example(b"-")
@example(b'"\\u')
@example(b'"\\ud800\\u"')
@example(b"1e" + b"9" * 400)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    attempt(data)


TOKENS = st.sampled_from(
    [
        *(
            b"{",
            b"}",
            b"[",
            b"]",
            b",",
            b":",
            b'"',
            b"\\",
            b"\\u",
            b"\\ud83d",
            b"d800",
            b"0",
            b"-",
            b"1",
            b".",
            b"e",
            b" ",
        ),
        *(b"\n", b"null", b"true", b"NaN", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\0"),
        *(b'"id"', b'"id":1', b'"method":"m"', b'"jsonrpc":"2.0"', b'"params":{}', b'"result":{}'),
    ]
)


@FEW
@given(st.lists(TOKENS, max_size=25).map(b"".join))
def test_any_row_of_tokens_is_read_or_refused(data: bytes) -> None:
    attempt(data)


@FEW
@given(MESSAGES, st.randoms(use_true_random=False), st.lists(TOKENS, min_size=1, max_size=3))
def test_any_change_to_a_message_is_read_or_refused(
    message: Message, chance: random.Random, tokens: list[bytes]
) -> None:
    """Bytes cut out, put in twice, or replaced, and the verdict stays that of the book."""
    data = encode(message)
    for token in tokens:
        start = chance.randrange(len(data) + 1)
        stop = min(len(data), start + chance.choice([0, 0, 1, 5]))
        data = data[:start] + token * chance.choice([0, 1, 2]) + data[stop:]
    attempt(data)
    agree(data)


def agree(data: bytes) -> None:
    """The decoder and the reference read the same, or both refuse."""
    try:
        expected = reference_decode(data)
    except Refused:
        with pytest.raises(ParseError):
            decode_json(data)
    else:
        assert same(decode_json(data), expected)


def same(ours: JsonValue, theirs: JsonValue) -> bool:
    """Equal, where 1 and 1.0 and true are three values."""
    return repr(ours) == repr(theirs)


WORDS = st.sampled_from(["a", "b", "id", "", "\u00e9", "\U0001f600", "a/b", '"'])


def spelled(key: str, way: int) -> str:
    """A key as JSON text, in one of the ways that JSON has for it."""
    if way == 0:
        return json.dumps(key, ensure_ascii=False)
    if way == 1:
        return json.dumps(key)
    units = re.findall("....", key.encode("utf-16-be").hex())
    return '"' + "".join(f"\\u{unit}" for unit in units) + '"'


PAIRS = st.recursive(
    st.sampled_from(["1", "null", "[]", "{}", "1.0"]),
    lambda inner: (
        st.lists(st.tuples(WORDS, st.integers(0, 2), inner), max_size=3).map(
            lambda pairs: "{" + ",".join(f"{spelled(key, way)}:{text}" for key, way, text in pairs) + "}"
        )
        | st.lists(inner, max_size=2).map(lambda items: "[" + ",".join(items) + "]")
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(PAIRS)
def test_keys_are_unique_by_the_book(text: str) -> None:
    """Encoding again proves the same as looking at every pair, at any depth and in any spelling."""
    agree(text.encode())


@FEW
@given(VALUES)
def test_values_are_read_as_the_book_reads_them(value: JsonValue) -> None:
    agree(json.dumps(value).encode())
    agree(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=3) | st.complex_numbers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text() | st.integers() | st.none() | st.booleans(), inner, max_size=3)
    ),
    max_leaves=8,
)


@FEW
@given(ANYTHING)
def test_any_python_value_is_written_or_refused(value: object) -> None:
    """Lone surrogates, NaN and odd keys included: JSON in one line, or InternalError."""
    try:
        data = encode_json({"v": value})
    except InternalError:
        return
    assert b"\n" not in data
    json.loads(data)


@FEW
@given(OBJECTS, st.sampled_from([None, 2, "\n"]))
def test_a_result_that_was_encoded_elsewhere_is_one_line(value: dict[str, JsonValue], indent: int | str | None) -> None:
    """STDIO-01, with whatever layout the author's encoder prefers."""
    raw = msgspec.Raw(json.dumps(value, indent=indent).encode())
    data = encode_response(1, raw)
    assert b"\n" not in data
    assert json.loads(data)["result"] == value
