"""What tools return, held against what they promise: in bounded time, and without the network."""

from __future__ import annotations

import contextlib
import copy
import json
import pickle
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyport import Client
from anyport.client.output import OutputSchema, OutputSchemas
from anyport.client.schema_costs import ENOUGH, Costs, TooComplex, size_of
from anyport.errors import InvalidOutput, ToolError
from anyport.protocol.types.json import JsonObject, JsonValue
from tests.client.peers import EXAMPLE, load_example, scripted

POINT: JsonObject = {
    "type": "object",
    "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
    "required": ["x", "y"],
}


def returning(schema: JsonValue, result: JsonObject) -> list[str]:
    """Return the command of a server with one tool, whose schema and result are given."""
    tool = {"name": "t", "inputSchema": {"type": "object"}, "outputSchema": schema}
    return scripted(f"""
tool = json.loads({json.dumps(tool)!r})
result = json.loads({json.dumps(result)!r})
for message in modern():
    answer(message, {{"tools": [tool]}} if message["method"] == "tools/list" else result)
""")


def result_of(value: JsonValue, **more: JsonValue) -> JsonObject:
    """Return a result with structured content."""
    return {"content": [{"type": "text", "text": "x"}], "structuredContent": value, **more}


async def test_what_holds_and_what_does_not() -> None:
    """TOOL-03: a tool that was never listed is looked up; the error says where, has the result, and the way out."""
    async with Client(returning(POINT, result_of({"x": 1, "y": 2}))) as client:
        assert (await client.call_tool("t")).data == {"x": 1, "y": 2}
    async with Client(returning(POINT, result_of({"x": 1, "y": "two"}))) as client:
        with pytest.raises(InvalidOutput, match=r"result of 't' .* promises: y: .*validate_output=False") as caught:
            await client.call_tool("t")
        assert caught.value.result["structuredContent"] == {"x": 1, "y": "two"}
        assert copy.copy(caught.value).result == pickle.loads(pickle.dumps(caught.value)).result
        assert (await client.call_tool("t", validate_output=False)).data == {"x": 1, "y": "two"}
    async with Client(returning(POINT, result_of({})), validate_output=False) as client:
        assert (await client.call_tool("t")).data == {}
        with pytest.raises(InvalidOutput):
            await client.call_tool("t", validate_output=True)


async def test_a_promise_without_structured_content() -> None:
    """TOOL-03: once the tool is known, its absence is seen too."""
    async with Client(returning(POINT, {"content": []})) as client:
        await client.list_tools()
        with pytest.raises(InvalidOutput, match="has no structured content"):
            await client.call_tool("t")


async def test_an_error_is_not_held_to_the_promise() -> None:
    """TOOL-03: never when `isError`."""
    async with Client(returning(POINT, result_of({"why": "no"}, isError=True))) as client:
        await client.list_tools()
        failed = await client.call_tool("t", raise_on_error=False)
        assert failed.structured_content == {"why": "no"}
        with pytest.raises(ToolError):
            await client.call_tool("t")


async def test_any_json_may_be_promised() -> None:
    """TOOL-03: from 2026-07-28 a schema may be of any value, null too."""
    async with Client(returning({"type": ["null", "array"]}, result_of(None))) as client:
        await client.list_tools()
        assert (await client.call_tool("t")).structured_content is None
    async with Client(returning({"type": "array", "maxItems": 1}, result_of([1, 2]))) as client:
        with pytest.raises(InvalidOutput):
            await client.call_tool("t")


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "no such type"}, "cannot be used"),
        ({"$schema": "https://example.org/mine"}, "the dialect 'https://example.org/mine' is not known"),
        ({"$ref": "http://127.0.0.1:9/schema"}, "is not fetched"),
        ({"$ref": "#/$defs/nowhere"}, "does not exist"),
        ({"$ref": "#nowhere"}, "does not exist"),
        ({"$ref": "#"}, "refers to itself without end"),
    ],
)
async def test_a_schema_that_cannot_be_used(schema: JsonObject, message: str) -> None:
    """JSC-01, JSC-02: told as what it is; nothing is fetched; the result is not lost."""
    async with Client(returning(schema, result_of({"x": 1}))) as client:
        with pytest.raises(InvalidOutput, match=message) as caught:
            await client.call_tool("t")
        assert caught.value.result["structuredContent"] == {"x": 1}
        assert (await client.call_tool("t", validate_output=False)).data == {"x": 1}


def test_the_dialects() -> None:
    """JSC-01: 2020-12 where nothing is said."""
    for dialect in (
        "https://json-schema.org/draft/2020-12/schema",
        "https://json-schema.org/draft/2019-09/schema#",
        "http://json-schema.org/draft-07/schema#",
        "http://json-schema.org/draft-04/schema",
    ):
        assert OutputSchema({"$schema": dialect, "type": "string"}).check("x") == ""
    tuple_of_one: JsonObject = {"prefixItems": [{"type": "string"}], "items": False}
    assert OutputSchema(tuple_of_one).check(["a"]) == ""
    assert OutputSchema(tuple_of_one).check(["a", "b"]).startswith("1: ")
    assert OutputSchema(tuple_of_one | {"minItems": 1}).check([]).startswith("the value: ")


def test_references_inside() -> None:
    """JSC-02: pointers, anchors and identifiers of the schema itself."""
    schema: JsonObject = {
        "$id": "https://example.org/root",
        "$defs": {"a/b": {"type": "integer"}, "c": {"$anchor": "see", "type": "string"}},
        "properties": {"n": {"$ref": "#/$defs/a~1b"}, "s": {"$ref": "#see"}, "all": {"$ref": "#"}},
    }
    ready = OutputSchema(schema)
    assert ready.check({"n": 1, "s": "x", "all": {"n": 2}}) == ""
    assert "all.n" in ready.check({"all": {"n": "x"}})


# --- bounds -----------------------------------------------------------------------------------------------------------


def bomb(levels: int) -> JsonObject:
    """Return a small schema that takes 2^levels checks."""
    definitions: dict[str, JsonValue] = {"l0": {"type": "string"}}
    for level in range(1, levels + 1):
        below: JsonObject = {"$ref": f"#/$defs/l{level - 1}"}
        definitions[f"l{level}"] = {"allOf": [below, below]}
    return {"$defs": definitions, "$ref": f"#/$defs/l{levels}"}


def test_a_schema_that_would_take_for_ever() -> None:
    """JSC-03: what it costs is known before it is begun, and takes no time to know."""
    started = time.process_time()
    ready = OutputSchema(bomb(50))
    with pytest.raises(TooComplex, match="could take too long"):
        ready.check("x")
    assert OutputSchema(bomb(10)).check("x") == ""
    assert time.process_time() - started < 5


def test_a_schema_that_grows_with_the_depth() -> None:
    """JSC-03: two ways down at each level of the value; a flat value is checked, a deep one is not."""
    down: JsonObject = {"type": "object", "properties": {"x": {"$ref": "#/$defs/a"}}}
    schema: JsonObject = {"$defs": {"a": {"anyOf": [down, {**down, "minProperties": 1}]}}, "$ref": "#/$defs/a"}
    ready = OutputSchema(schema)
    value: JsonObject = {}
    for _ in range(40):
        value = {"x": value}
    assert ready.check({"x": {}}) == ""
    with pytest.raises(TooComplex):
        ready.check(value)


def test_patterns_that_explode() -> None:
    """JSC-03: linear where the engine can, a bound on going back where it cannot."""
    started = time.process_time()
    for pattern in ("^(a+)+$", "^(?=a)(a+)+$", r"^(a+)+\1$"):
        assert OutputSchema({"type": "string", "pattern": pattern}).check("a" * 5_000 + "b") != ""
    assert OutputSchema({"pattern": "^(?!x)y$"}).check("y") == ""
    assert time.process_time() - started < 5


def test_a_schema_that_is_too_large() -> None:
    """JSC-03: in number and in depth."""
    wide: JsonObject = {"properties": {str(number): {} for number in range(10_001)}}
    with pytest.raises(TooComplex, match="more than 10000 schemas"):
        OutputSchema(wide)
    deep: JsonObject = {}
    for _ in range(70):
        deep = {"not": deep}
    with pytest.raises(TooComplex, match="more than 64 of them in each other"):
        OutputSchema(deep)
    chain: dict[str, JsonValue] = {f"d{number}": {"$ref": f"#/$defs/d{number + 1}"} for number in range(5_000)}
    with pytest.raises(TooComplex, match="too far"):
        Costs({"$defs": {**chain, "d5000": {}}, "$ref": "#/$defs/d0"}).at(1)


def test_a_value_that_is_too_large() -> None:
    """JSC-03: its size counts too."""
    options: list[JsonValue] = [{"type": "string"}] * 100
    ready = OutputSchema({"type": "array", "items": {"anyOf": options}})
    few: list[JsonValue] = ["x"] * 100
    many: list[JsonValue] = ["x"] * 100_000
    assert ready.check(few) == ""
    with pytest.raises(TooComplex):
        ready.check(many)


def test_what_is_kept_ready_is_bounded() -> None:
    schemas = OutputSchemas()
    first = schemas.ready({"maximum": 0})
    assert schemas.ready({"maximum": 0}) is first
    for number in range(1, 300):
        schemas.ready({"maximum": number})
    assert len(schemas._ready) == 256  # pyright: ignore[reportPrivateUsage] - what it holds


def _either(one: JsonValue, other: JsonValue) -> JsonValue:
    return {"anyOf": [one, other]}


def _below(keyword: str, schema: JsonValue) -> JsonValue:
    return {keyword: {"x": schema} if keyword == "properties" else schema}


def _schemas(inner: st.SearchStrategy[JsonValue]) -> st.SearchStrategy[JsonValue]:
    keywords = st.sampled_from(["properties", "items", "not", "prefixItems", "contains"])
    return st.one_of(st.builds(_either, inner, inner), st.builds(_below, keywords, inner))


def _object_of(value: JsonValue) -> JsonValue:
    return {"x": value}


def _values(inner: st.SearchStrategy[JsonValue]) -> st.SearchStrategy[JsonValue]:
    return st.one_of(st.builds(_object_of, inner), st.builds(_object_of, st.builds(_object_of, inner)))


_LEAVES: list[JsonValue] = [{}, True, {"type": "integer"}, {"$ref": "#/$defs/d"}]
_SCHEMAS: st.SearchStrategy[JsonValue] = st.recursive(st.sampled_from(_LEAVES), _schemas, max_leaves=8)
_SIMPLE: list[JsonValue] = [1, "text", [1, "x"], None]
_VALUES: st.SearchStrategy[JsonValue] = st.recursive(st.sampled_from(_SIMPLE), _values, max_leaves=6)


@given(_SCHEMAS, _SCHEMAS, _VALUES)
def test_costs_have_a_bound_or_say_that_they_have_none(schema: JsonValue, kept: JsonValue, value: JsonValue) -> None:
    """Whatever the schema: a number that grows with the depth, or an error that says why there is none."""
    costs = Costs({"$defs": {"d": kept}, "allOf": [schema]})
    size, depth = size_of(value)
    assert size >= 1
    found: list[int] = []
    with contextlib.suppress(TooComplex):
        found = [costs.at(level) for level in range(depth + 1)]
    assert found == sorted(found)
    assert all(1 <= cost <= ENOUGH for cost in found)


def test_what_costs_are() -> None:
    """Each schema that looks at the same value counts, and each below it once for each level."""
    assert Costs({}).at(9) == 1
    assert Costs({"allOf": [{}, {}]}).at(0) == 3
    assert Costs({"properties": {"a": {}}}).at(0) == 1
    assert Costs({"properties": {"a": {}}}).at(1) == 2
    assert Costs({"$defs": {"n": {"items": {"$ref": "#/$defs/n"}}}, "$ref": "#/$defs/n"}).at(3) == 8
    with pytest.raises(TooComplex, match="itself"):
        Costs({"anyOf": [{"$ref": "#"}]}).at(0)
    assert size_of({"a": [1, {"b": "x" * 640}]}) == (15, 3)


async def test_our_own_servers_keep_their_promises() -> None:
    """TOOL-03."""
    for target in (load_example(), f"{EXAMPLE}:server"):
        async with Client(target) as client:
            await client.list_tools()
            assert (await client.call_tool("points", {"count": 2})).data == [{"x": 0, "y": 0}, {"x": 1, "y": 0}]
            assert (await client.call_tool("add", {"a": 1, "b": 1})).data == 2
