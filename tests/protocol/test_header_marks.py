"""`x-mcp-header` in an input schema: which marks are taken and which make a tool invalid (HDR-11, checklist A13.2)."""

from __future__ import annotations

import time

import pytest

from anyport.protocol.headers import HeaderParameter, header_parameters
from anyport.protocol.types.json import JsonObject, JsonValue


def schema(**properties: JsonValue) -> JsonObject:
    return {"type": "object", "properties": properties}


def marked(mark: JsonValue = "Region", **keywords: JsonValue) -> JsonObject:
    return {"type": "string", "x-mcp-header": mark, **keywords}


@pytest.mark.parametrize("kind", ["string", "integer", "boolean"])
def test_three_types_may_be_marked(kind: str) -> None:
    assert header_parameters(schema(region=marked(type=kind))) == (
        HeaderParameter(("region",), "mcp-param-region", kind),
    )


OPTIONAL: list[JsonObject] = [
    {"x-mcp-header": "N", "anyOf": [{"type": "integer"}, {"type": "null"}]},
    {"x-mcp-header": "N", "anyOf": [{"type": "null"}, {"type": "integer", "minimum": 1}], "default": None},
    {"x-mcp-header": "N", "type": ["integer", "null"]},
    {"x-mcp-header": "N", "type": ["integer"]},
]


@pytest.mark.parametrize("child", OPTIONAL)
def test_null_beside_the_type_is_an_optional_parameter(child: JsonObject) -> None:
    assert header_parameters(schema(n=child)) == (HeaderParameter(("n",), "mcp-param-n", "integer"),)


def test_nested_properties_may_be_marked() -> None:
    """A13.2: every step of the way is a key of `properties`; in the order of the schema."""
    deep = schema(a=schema(b=schema(c=marked("C")), d=marked("D", type="boolean")), e=marked("E"))
    assert header_parameters(deep) == (
        HeaderParameter(("a", "b", "c"), "mcp-param-c", "string"),
        HeaderParameter(("a", "d"), "mcp-param-d", "boolean"),
        HeaderParameter(("e",), "mcp-param-e", "string"),
    )


@pytest.mark.parametrize("mark", ["Region", "a", "X-Y_Z.1", "!#$%&'*+-.^_`|~", "Method", "Name"])
def test_a_mark_is_a_token(mark: str) -> None:
    assert header_parameters(schema(region=marked(mark)))[0].header == f"mcp-param-{mark.lower()}"


BAD_MARKS: list[JsonValue] = [
    *(
        "",
        " ",
        "My Region",
        "Region:Primary",
        "Région",
        "Region\t1",
        "Region\r\nX: y",
        "Region\n",
        "a/b",
        "a,b",
        "(a)",
        "\0",
    ),
    *(None, 1, True, [], ["Region"], {}),
]


@pytest.mark.parametrize("mark", BAD_MARKS)
def test_another_mark_is_refused(mark: JsonValue) -> None:
    with pytest.raises(ValueError, match=r"x-mcp-header of 'region' must be a non-empty header name token"):
        header_parameters(schema(region=marked(mark)))


BAD_TYPES: list[JsonObject] = [
    {"type": "number"},
    {"type": "array", "items": {"type": "string"}},
    {"type": "object"},
    {"type": "null"},
    {},
    {"type": ["string", "integer"]},
    {"type": []},
    {"type": 5},
    {"type": {"a": 1}},
    {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    {"anyOf": [{"type": "null"}]},
    {"anyOf": [{"type": "number"}, {"type": "null"}]},
    {"anyOf": [True, {"type": "null"}]},
    {"anyOf": []},
    {"$ref": "#/$defs/Region"},
    {"enum": ["a", "b"]},
]


@pytest.mark.parametrize("keywords", BAD_TYPES)
def test_another_type_is_refused(keywords: JsonObject) -> None:
    """A13.2: `number` too; the text names the property."""
    with pytest.raises(ValueError, match=r"of 'outer.region' must be on a string, integer or boolean"):
        header_parameters(schema(outer=schema(region={"x-mcp-header": "Region", **keywords})))


@pytest.mark.parametrize(("first", "second"), [("Region", "Region"), ("Region", "REGION"), ("a-B", "A-b")])
def test_two_marks_differ_in_more_than_case(first: str, second: str) -> None:
    twice = schema(a=marked(first), b=schema(c=marked(second)))
    with pytest.raises(ValueError, match="used twice"):
        header_parameters(twice)


MARK = marked()
OUT_OF_REACH: list[JsonObject] = [
    MARK,
    {**schema(a={"type": "string"}), "x-mcp-header": "Root"},
    schema(a={"type": "array", "items": MARK}),
    schema(a={"type": "array", "items": schema(b=MARK)}),
    schema(a={"type": "array", "prefixItems": [MARK]}),
    schema(a={"type": "array", "contains": MARK}),
    schema(a={"anyOf": [MARK, {"type": "null"}]}),
    schema(a={"oneOf": [schema(b=MARK)]}),
    schema(a={"allOf": [schema(b=MARK)]}),
    schema(a={"not": MARK}),
    {**schema(), "if": schema(a=MARK)},
    {**schema(), "then": schema(a=MARK)},
    {**schema(), "else": schema(a=MARK)},
    {**schema(), "allOf": [schema(a=MARK)]},
    {**schema(), "additionalProperties": MARK},
    {**schema(), "patternProperties": {"^x": MARK}},
    {**schema(), "dependentSchemas": {"a": schema(b=MARK)}},
    {**schema(a={"$ref": "#/$defs/A"}), "$defs": {"A": MARK}},
    {**schema(a={"$ref": "#/definitions/A"}), "definitions": {"A": schema(b=MARK)}},
    {**schema(), "$defs": {"properties": MARK}},
]


@pytest.mark.parametrize("unreachable", OUT_OF_REACH)
def test_only_a_chain_of_properties_reaches_a_mark(unreachable: JsonObject) -> None:
    with pytest.raises(ValueError, match="may only mark what a chain of `properties` reaches"):
        header_parameters(unreachable)


NO_MARKS: list[JsonObject] = [
    {},
    schema(),
    schema(a={"type": "string"}),
    {"properties": []},
    {"properties": {"a": True}},
    # a property, a definition or a pattern that is called like the mark
    {"type": "object", "properties": {"x-mcp-header": {"type": "array"}}},
    {"$defs": {"x-mcp-header": {"type": "string"}}, "patternProperties": {"x-mcp-header": {}}},
    # data that only looks like a schema
    schema(a={"type": "object", "default": {"x-mcp-header": "Region"}}),
    schema(a={"const": MARK, "enum": [MARK], "examples": [{"properties": {"b": MARK}}]}),
]


@pytest.mark.parametrize("plain", NO_MARKS)
def test_schemas_without_marks(plain: JsonObject) -> None:
    assert header_parameters(plain) == ()


def test_a_property_called_like_the_mark_may_be_marked() -> None:
    found = header_parameters(schema(**{"x-mcp-header": marked("Own")}))
    assert found == (HeaderParameter(("x-mcp-header",), "mcp-param-own", "string"),)


def test_texts_about_a_foreign_schema_are_short() -> None:
    """A client reads what any server sends (HDR-12)."""
    long = "x" * 10_000
    for bad in (schema(**{long: marked("")}), schema(a={"x-mcp-header": "A", "type": long})):
        with pytest.raises(ValueError, match="x-mcp-header") as caught:
            header_parameters(bad)
        assert len(str(caught.value)) < 500


def test_many_marks_are_read_in_linear_time() -> None:
    many = schema(**{f"p{number}": marked(f"H{number}") for number in range(20_000)})
    started = time.process_time()
    assert len(header_parameters(many)) == 20_000
    assert time.process_time() - started < 5
