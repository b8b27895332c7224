"""Header field values: plain where it can be, Base64 of UTF-8 where it must (HDR-05, HDR-08 to HDR-10, HDR-14)."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anyport.protocol.errors import LocalProtocolError
from anyport.protocol.headers import decode_value, encode_value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        # the page
        ("us-west1", "us-west1"),
        ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
        (" padded ", "=?base64?IHBhZGRlZCA=?="),
        ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
        ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        # SEP-2243, "Value Encoding Edge Cases"
        (" us-west1", "=?base64?IHVzLXdlc3Qx?="),
        ("us-west1 ", "=?base64?dXMtd2VzdDEg?="),
        (" us-west1 ", "=?base64?IHVzLXdlc3QxIA==?="),
        ("us west 1", "us west 1"),
        (True, "true"),
        (False, "false"),
        (42, "42"),
        ("日本語", "=?base64?5pel5pys6Kqe?="),
        ("line1\r\nline2", "=?base64?bGluZTENCmxpbmUy?="),
        ("\tindented", "=?base64?CWluZGVudGVk?="),
        ("", ""),
        # beyond
        (-7, "-7"),
        (0, "0"),
        (42.0, "42"),
        (2**53 - 1, "9007199254740991"),
        ("true", "true"),
        ("file:///path/to/file%20name.txt", "file:///path/to/file%20name.txt"),
        ("https://example.com/resource?id=123", "https://example.com/resource?id=123"),
        ("=?base64?open", "=?base64?open"),
        ("=?BASE64?x?=", "=?BASE64?x?="),
        ("=?base64??=", "=?base64?PT9iYXNlNjQ/Pz0=?="),
        ("=?base64?=", "=?base64?="),
        ("\x7f", "=?base64?fw==?="),
        ("\0", "=?base64?AA==?="),
    ],
)
def test_values_on_the_wire(value: str | float | bool, text: str) -> None:
    """HDR-08, HDR-10: plain where it can be, Base64 of UTF-8 where it must; and back (HDR-09)."""
    assert encode_value(value) == text
    plain = {True: "true", False: "false"}[value] if isinstance(value, bool) else value
    assert decode_value(text) == (str(int(plain)) if isinstance(plain, (int, float)) else plain)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@example("=?base64?=?base64?YQ==?=?=")
@example("=?base64?")
@example("?=")
@example("\u00a0x\u00a0")
@example("a\tb")
def test_every_text_comes_back(text: str) -> None:
    """HDR-08, HDR-09, HDR-14: and nothing unsafe reaches a header."""
    sent = encode_value(text)
    assert decode_value(sent) == text
    assert decode_value(f" \t{sent}\t ") == text
    assert all(" " <= character <= "~" for character in sent)
    assert sent == sent.strip(" ")


@settings(deadline=None)
@given(st.integers(-(2**53) + 1, 2**53 - 1) | st.booleans())
def test_every_integer_and_boolean_comes_back(value: int | bool) -> None:
    """HDR-10."""
    assert decode_value(encode_value(value)) == (str(value).lower() if isinstance(value, bool) else str(value))


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_field_value_is_read_or_refused(text: str) -> None:
    try:
        decode_value(text)
        decode_value(f"=?base64?{text}?=")
    except ValueError as error:
        refused = str(error)
    else:
        refused = ""
    assert len(refused) < 100


@pytest.mark.parametrize("text", ["\ud800", "a\udfff"])
def test_text_without_utf8_cannot_be_mirrored(text: str) -> None:
    with pytest.raises(LocalProtocolError, match="surrogate"):
        encode_value(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("=?base64?SGVsbG8=?=", "Hello"),
        ("SGVsbG8=", "SGVsbG8="),
        ("=?base64?SGVsbG8=", "=?base64?SGVsbG8="),
        ("=?BASE64?SGVsbG8=?=", "=?BASE64?SGVsbG8=?="),
        ("=?Base64?SGVsbG8=?=", "=?Base64?SGVsbG8=?="),
        ("=?base64?SGVsbG8=?", "=?base64?SGVsbG8=?"),
        ("=?base64?=", "=?base64?="),
        ("=?base64??=", ""),
        ("  foo\t", "foo"),
        ("a\tb", "a\tb"),
        ("", ""),
        (" \t ", ""),
    ],
)
def test_what_is_no_whole_sentinel_is_literal(text: str, value: str) -> None:
    """HDR-09, HDR-05."""
    assert decode_value(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "=?base64?SGVsbG8?=",
        "=?base64?SGVs!!!bG8=?=",
        "=?base64?SGVs bG8=?=",
        "=?base64?SGVsbG8=SGVs?=",
        "=?base64?====?=",
        "=?base64?S?=",
        "=?base64?YnV5==?=",
        "=?base64?YR==?=",
        "=?base64?YQ===?=",
        "=?base64?YQ?=",
        "=?base64?SGVsbG8-_w==?=",
        "=?base64?/w==?=",
        "=?base64?7aCA?=",
        "a\nb",
        "a\rb",
        "a\0b",
        "\x7f",
        "caf\u00e9",
        "\u65e5",
        "\u00a0x",
        "\x0bx",
    ],
)
def test_malformed_field_values_are_refused(text: str) -> None:
    """HDR-09, HDR-14: padding, alphabet, UTF-8, and characters that no field value may have."""
    with pytest.raises(ValueError, match=r"is not valid Base64 of UTF-8|characters that a header field cannot carry"):
        decode_value(text)
