"""The `Mcp-*` header mirror: what a client builds, what a server refuses (HDR-01 to HDR-07, HDR-10, HDR-14, HDR-16)."""

from __future__ import annotations

import pytest

from anyport.protocol.calls import META_VERSION
from anyport.protocol.errors import HeaderMismatch
from anyport.protocol.headers import (
    HeaderParameter,
    build_headers,
    check_headers,
    check_parameters,
    value_at,
)
from anyport.protocol.types.json import JsonObject, JsonValue

META: JsonObject = {META_VERSION: "2026-07-28"}
FIELDS = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "buy"}
CALL: JsonObject = {"name": "buy", "arguments": {}, "_meta": META}

# --- standard fields --------------------------------------------------------------------------------------------------


def refused(headers: dict[str, str], method: str = "tools/call", params: JsonObject | None = None) -> str:
    """The text of the refusal; always -32020 with HTTP 400 (HDR-04)."""
    with pytest.raises(HeaderMismatch) as caught:
        check_headers(headers, method, CALL if params is None else params)
    assert (caught.value.code, caught.value.http_status) == (-32020, 400)
    return caught.value.message


@pytest.mark.parametrize(
    ("method", "params", "name"),
    [
        ("tools/call", {"name": "buy"}, "buy"),
        ("prompts/get", {"name": "greet"}, "greet"),
        ("resources/read", {"uri": "file:///a%20b?x=1"}, "file:///a%20b?x=1"),
        ("tools/call", {"name": "日本"}, "=?base64?5pel5pys?="),
        ("tools/call", {"name": "my-tool_name"}, "my-tool_name"),
        ("tools/call", {"name": ""}, ""),
        ("tools/list", {}, None),
        ("server/discover", {"name": "no"}, None),
        ("resources/subscribe", {"uri": "x:y"}, None),
    ],
)
def test_what_is_built_is_accepted(method: str, params: JsonObject, name: str | None) -> None:
    """HDR-01, HDR-03."""
    whole: JsonObject = {**params, "_meta": META}
    built = build_headers(method, whole)
    expected = {"mcp-protocol-version": "2026-07-28", "mcp-method": method}
    assert built == (expected if name is None else {**expected, "mcp-name": name})
    check_headers(built, method, whole)


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_is_required(field: str) -> None:
    """HDR-01, HDR-03, HDR-04: the text names what is missing."""
    assert "is missing" in refused({name: value for name, value in FIELDS.items() if name != field})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mcp-protocol-version", "2025-11-25"),
        ("mcp-protocol-version", "2026-07-28x"),
        ("mcp-protocol-version", ""),
        ("mcp-protocol-version", "=?base64?MjAyNi0wNy0yOA==?="),
        ("mcp-method", "TOOLS/CALL"),
        ("mcp-method", "prompts/get"),
        ("mcp-method", ""),
        ("mcp-method", "=?base64?dG9vbHMvY2FsbA==?="),
        ("mcp-method", "tools/call\0"),
        ("mcp-name", "Buy"),
        ("mcp-name", "foo"),
        ("mcp-name", ""),
        ("mcp-name", "bu y"),
        ("mcp-name", "=?base64?YnV5?"),
        ("mcp-name", "=?BASE64?YnV5?="),
        ("mcp-name", "=?base64?Zm9v?="),
        ("mcp-name", "=?base64?YnV5==?="),
        ("mcp-name", "=?base64?YnV?="),
        ("mcp-name", "buy\x01"),
    ],
)
def test_a_field_that_says_something_else_is_refused(field: str, value: str) -> None:
    """HDR-04, HDR-05, HDR-09: values are case-sensitive, and never repeated."""
    text = refused({**FIELDS, field: value})
    assert field in text.lower()
    assert not value or value not in text


@pytest.mark.parametrize("padding", [" ", "\t", " \t "])
@pytest.mark.parametrize("field", FIELDS)
def test_white_space_around_a_value_does_not_count(field: str, padding: str) -> None:
    """HDR-05."""
    check_headers({**FIELDS, field: f"{padding}{FIELDS[field]}{padding}"}, "tools/call", CALL)


@pytest.mark.parametrize("sent", ["=?base64?YnV5?=", " =?base64?YnV5?= "])
def test_a_name_may_be_encoded_without_need(sent: str) -> None:
    """HDR-09: decoded before it is compared."""
    check_headers({**FIELDS, "mcp-name": sent}, "tools/call", CALL)


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("=?base64?YnV5?=", "=?base64?YnV5?="),
        ("caf\u00e9", "caf\u00e9"),
        ("caf\u00e9", "caf\u00c3\u00a9"),
        (" buy", " buy"),
        ("a\x01b", "a\x01b"),
        ("a\nb", "a\nb"),
    ],
)
def test_equal_characters_are_not_enough(name: str, sent: str) -> None:
    """HDR-04, HDR-08, HDR-09: a body value that had to be encoded, sent as it is."""
    refused({**FIELDS, "mcp-name": sent}, params={"name": name, "_meta": META})


def test_a_name_that_looks_like_a_sentinel_is_encoded_twice() -> None:
    """HDR-08."""
    params: JsonObject = {"name": "=?base64?YnV5?=", "_meta": META}
    check_headers(build_headers("tools/call", params), "tools/call", params)


@pytest.mark.parametrize("name", [None, 1, True, [], {}])
def test_a_body_without_a_name_does_not_match_a_name(name: JsonValue) -> None:
    refused(FIELDS, params={"name": name, "_meta": META})
    assert "mcp-name" not in build_headers("tools/call", {"name": name, "_meta": META})


@pytest.mark.parametrize("meta", [None, {}, [], "x"])
def test_missing_metadata_is_for_the_body_to_tell(meta: JsonValue) -> None:
    """META-02: with its fields in place a request without `_meta` is no header mismatch."""
    check_headers(FIELDS, "tools/call", {"name": "buy", "_meta": meta})
    assert "mcp-protocol-version" not in build_headers("tools/call", {"name": "buy", "_meta": meta})


@pytest.mark.parametrize("version", [1, ["2026-07-28"], True])
def test_a_version_that_is_no_text_matches_nothing(version: JsonValue) -> None:
    refused(FIELDS, params={"name": "buy", "_meta": {META_VERSION: version}})


def test_a_name_field_is_not_looked_at_where_there_is_none() -> None:
    """HDR-03: only three methods mirror a name."""
    check_headers({**FIELDS, "mcp-method": "tools/list", "mcp-name": "anything"}, "tools/list", {"_meta": META})


# --- marked parameters ------------------------------------------------------------------------------------------------

REGION = HeaderParameter(("region",), "mcp-param-region", "string")
COUNT = HeaderParameter(("order", "count"), "mcp-param-count", "integer")
SURE = HeaderParameter(("sure",), "mcp-param-sure", "boolean")
ALL = (REGION, COUNT, SURE)


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        ({}, {}),
        (None, {}),
        ({"region": None, "order": None, "sure": None}, {}),
        ({"region": "eu", "order": {"count": 3}, "sure": False}, {"region": "eu", "count": "3", "sure": "false"}),
        ({"region": "", "order": {}, "sure": True}, {"region": "", "sure": "true"}),
        ({"region": "zürich"}, {"region": "=?base64?esO8cmljaA==?="}),
        ({"order": {"count": 42.0}}, {"count": "42"}),
        ({"order": {"count": -(2**53) + 1}}, {"count": "-9007199254740991"}),
        ({"order": {"count": 0.1}}, {"count": "0.1"}),
        ({"order": "count"}, {}),
    ],
)
def test_what_the_client_mirrors_the_server_accepts(arguments: JsonValue, fields: dict[str, str]) -> None:
    """HDR-06, HDR-07, HDR-10."""
    built = build_headers("tools/call", {"name": "buy", "arguments": arguments, "_meta": META}, ALL)
    assert built == {**FIELDS, **{f"mcp-param-{name}": value for name, value in fields.items()}}
    check_parameters(built, arguments, ALL)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1], {"a": 1}])
def test_what_no_header_can_say_is_left_out(value: JsonValue) -> None:
    assert build_headers("tools/call", {"name": "buy", "arguments": {"region": value}, "_meta": META}, ALL) == FIELDS


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        # in the body, not in the header
        ({"region": "eu"}, {}),
        ({"region": ""}, {}),
        ({"sure": False}, {}),
        ({"order": {"count": 0}}, {}),
        # in the header, not in the body
        ({}, {"region": "eu"}),
        ({"region": None}, {"region": ""}),
        ({"order": {}}, {"count": "3"}),
        # different
        ({"region": "eu"}, {"region": "us"}),
        ({"region": "eu"}, {"region": "EU"}),
        ({"region": "eu"}, {"region": "=?base64?dXM=?="}),
        ({"region": "1"}, {"region": "1.0"}),
        ({"region": ["eu"]}, {"region": "eu"}),
        ({"sure": True}, {"sure": "True"}),
        ({"sure": True}, {"sure": "1"}),
        ({"sure": False}, {"sure": "true"}),
        ({"sure": False}, {"sure": "0"}),
        # malformed
        ({"region": "eu"}, {"region": "=?base64?ZXU?="}),
        ({"region": "eu"}, {"region": "e\x01u"}),
        ({"region": "caf\u00e9"}, {"region": "caf\u00e9"}),
    ],
)
def test_a_parameter_that_differs_is_refused(arguments: JsonObject, fields: dict[str, str]) -> None:
    """HDR-04, HDR-07, HDR-14: -32020, without the value in the text."""
    with pytest.raises(HeaderMismatch, match="Mcp-Param-") as caught:
        check_parameters({f"mcp-param-{name}": value for name, value in fields.items()}, arguments, ALL)
    assert (caught.value.code, caught.value.http_status) == (-32020, 400)


@pytest.mark.parametrize(
    ("value", "sent", "same"),
    [
        (42, "42", True),
        (42, "42.0", True),
        (42, "42.000", True),
        (42, "4.2e1", True),
        (42, "420E-1", True),
        (42.0, "42", True),
        (-7, "-7", True),
        (0, "-0", True),
        (42, " 42 ", True),
        (42, "=?base64?NDI=?=", True),
        (2**53 - 1, "9007199254740991", True),
        (42, "43", False),
        (42, "42.00000000000000001", False),
        (2**53 - 1, "9007199254740991.4", False),
        (2**53, "9007199254740992", False),
        (10**30, "1e30", False),
        (42, "", False),
        (42, "+42", False),
        (42, "0x2a", False),
        (42, "4_2", False),
        (42, "\u0664\u0662", False),
        (42, "42\n", False),
        (42, "forty-two", False),
        (42, "NaN", False),
        (42, "1e999", False),
        (42, "9" * 5000, False),
        (1, "true", False),
    ],
)
def test_integers_are_compared_as_numbers(value: float, sent: str, same: bool) -> None:
    """HDR-10, exactly, and within what every peer can represent."""
    arguments: JsonObject = {"order": {"count": value}}
    if same:
        check_parameters({"mcp-param-count": sent}, arguments, (COUNT,))
    else:
        with pytest.raises(HeaderMismatch):
            check_parameters({"mcp-param-count": sent}, arguments, (COUNT,))


def test_a_field_without_a_value_in_the_body_is_told_apart() -> None:
    """HDR-07."""
    with pytest.raises(HeaderMismatch, match="Mcp-Param-region is there, but the body has no value"):
        check_parameters({"mcp-param-region": "eu"}, {}, ALL)
    with pytest.raises(HeaderMismatch, match="Mcp-Param-region is missing"):
        check_parameters({}, {"region": "eu"}, ALL)


def test_fields_of_other_parameters_are_ignored() -> None:
    """HDR-16."""
    check_parameters({"mcp-param-other": "x", "mcp-param-region": "eu"}, {"region": "eu"}, (REGION,))
    check_parameters({"mcp-param-other": "\x01"}, {}, ())


@pytest.mark.parametrize(
    ("path", "value"),
    [(("a",), {"b": 1}), (("a", "b"), 1), (("a", "b", "c"), None), (("x",), None), (("l", "0"), None), ((), "whole")],
)
def test_paths_go_through_objects_alone(path: tuple[str, ...], value: JsonValue) -> None:
    arguments: JsonObject = {"a": {"b": 1}, "l": [5]}
    assert value_at(path, arguments) == (arguments if value == "whole" else value)
