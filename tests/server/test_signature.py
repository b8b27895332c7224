"""From a function to a schema and a validator, for every kind of annotation (S53, TOOL-02, HDR-11, D15)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Literal, NotRequired, cast
from uuid import UUID

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from anyport import Context, Server
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.server.declarations import DeclarationError
from tests.server.calling import schema_of, text_of, tool_once


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    street: str
    zip_code: Annotated[str, Field(pattern=r"^\d{5}$")] = "00000"


class Person(BaseModel):
    name: str
    addresses: list[Address] = []


@dataclass
class Point:
    x: int
    y: int = 0


class Options(TypedDict):
    deep: bool
    level: NotRequired[int]


def _server(function: Callable[..., object]) -> Server:
    server = Server("test")
    server.tool(function)
    return server


def _echo(annotation: object) -> tuple[Server, list[object]]:
    """Return a server whose tool `take` has one parameter of a type, and the list of what it received."""
    got: list[object] = []

    def take(value: object) -> None:
        got.append(value)

    take.__annotations__["value"] = annotation
    return _server(take), got


ACCEPTED: list[tuple[object, JsonValue, object]] = [
    (int, 3, 3),
    (int, 3.0, 3),
    (float, 3, 3.0),
    (str, "ä🎉", "ä🎉"),
    (bool, True, True),
    (bytes, "aGVsbG8=", b"hello"),
    (datetime, "2026-07-28T12:00:00Z", datetime(2026, 7, 28, 12, tzinfo=UTC)),
    (date, "2026-07-28", date(2026, 7, 28)),
    (timedelta, "PT90S", timedelta(seconds=90)),
    (Decimal, "1.10", Decimal("1.10")),
    (UUID, "12345678-1234-5678-1234-567812345678", UUID("12345678-1234-5678-1234-567812345678")),
    (Colour, "blue", Colour.BLUE),
    (Literal["a", 1], 1, 1),
    (int | str, "7", "7"),
    (int | None, None, None),
    (list[int], [1, 2], [1, 2]),
    (set[str], ["a", "b"], {"a", "b"}),
    (tuple[int, str], [1, "x"], (1, "x")),
    (dict[str, list[int]], {"a": [1]}, {"a": [1]}),
    (Person, {"name": "A", "addresses": [{"street": "S"}]}, Person(name="A", addresses=[Address(street="S")])),
    (Point, {"x": 1}, Point(1)),
    (Options, {"deep": True}, {"deep": True}),
    (list[Person | Point], [{"x": 1, "y": 2}], [Point(1, 2)]),
    (Annotated[int, Field(ge=1, le=5)], 5, 5),
    (object, {"free": [None]}, {"free": [None]}),
]


@pytest.mark.parametrize(("annotation", "sent", "received"), ACCEPTED, ids=[str(row[0]) for row in ACCEPTED])
def test_arguments_arrive_as_their_type(annotation: object, sent: JsonValue, received: object) -> None:
    """S53: the argument that a tool receives is what its annotation says."""
    server, got = _echo(annotation)
    result = tool_once(server, "take", {"value": sent})
    assert "isError" not in result, text_of(result)
    assert got == [received]
    assert type(got[0]) is type(received)


REFUSED: list[tuple[object, JsonValue]] = [
    (int, "three"),
    (int, 3.5),
    (str, 3),
    (bool, "maybe"),
    (bytes, "not base64!"),
    (datetime, "yesterday"),
    (Colour, "green"),
    (Literal["a"], "b"),
    (int | None, "x"),
    (list[int], {"0": 1}),
    (tuple[int, str], [1]),
    (Person, {"name": "A", "addresses": [{"street": "S", "zip_code": "x"}]}),
    (Point, {"y": 1}),
    (Options, {"deep": True, "levle": 1}),
    (Annotated[int, Field(ge=1, le=5)], 6),
]


@pytest.mark.parametrize(("annotation", "sent"), REFUSED, ids=[str(row[0]) for row in REFUSED])
def test_wrong_arguments_are_named(annotation: object, sent: JsonValue) -> None:
    """D15: what is wrong comes as a `field: reason` line, without URLs, and the tool does not run."""
    server, got = _echo(annotation)
    result = tool_once(server, "take", {"value": sent})
    assert result["isError"] is True
    assert text_of(result).startswith("value")
    assert ": " in text_of(result)
    assert "http" not in text_of(result)
    assert got == []


def test_missing_and_unknown_arguments() -> None:
    async def both(first: int, second: str) -> None: ...

    result = tool_once(_server(both), "both", {"first": "x", "third": 1})
    lines = text_of(result).splitlines()
    assert [line.split(":")[0] for line in lines] == ["first", "second", "third"]
    assert "required" in lines[1]
    assert "unknown argument" in lines[2]


def test_at_most_twenty_lines() -> None:
    async def many(values: list[int]) -> None: ...

    result = tool_once(_server(many), "many", {"values": ["x"] * 500})
    assert len(text_of(result).splitlines()) == 20


def test_schema_reads_like_the_function() -> None:
    """The schema keeps the order, has no made-up titles, and shows defaults and descriptions."""

    async def search(
        query: Annotated[str, Field(description="What to look for")],
        limit: Annotated[int, Field(ge=1, le=100)] = 10,
        colour: Colour = Colour.RED,
        since: datetime | None = None,
        token: bytes = b"\xff",
    ) -> None: ...

    assert schema_of(_server(search), "search") == {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "What to look for"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
            "colour": {"$ref": "#/$defs/Colour", "default": "red"},
            "since": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}], "default": None},
            "token": {"type": "string", "contentEncoding": "base64", "default": "/w=="},
        },
        "required": ["query"],
        "additionalProperties": False,
        "$defs": {"Colour": {"enum": ["red", "blue"], "title": "Colour", "type": "string"}},
    }
    assert list(schema_of(_server(search), "search"))[:2] == ["type", "properties"]


def test_no_parameters() -> None:
    """TOOL-02: a tool without parameters accepts an empty object only."""

    async def nothing() -> str:
        return "done"

    server = _server(nothing)
    assert schema_of(server, "nothing") == {"type": "object", "properties": {}, "additionalProperties": False}
    assert tool_once(server, "nothing", {"x": 1})["isError"] is True
    assert text_of(tool_once(server, "nothing")) == "done"


def test_defaults_of_every_form() -> None:
    """Python's defaults, `Field` as a default, `Field` in `Annotated`, and factories apply when nothing is sent."""
    got: list[object] = []

    def take(
        plain: int = 1,
        field: int = Field(default=2, ge=0),
        annotated: Annotated[int, Field(default=3)] = 3,
        made: list[int] = Field(default_factory=lambda: [4]),  # noqa: B008 - the form that authors know from models
    ) -> None:
        got.append((plain, field, annotated, made))

    server = _server(take)
    tool_once(server, "take")
    tool_once(server, "take", {"plain": 9, "field": 8, "annotated": 7, "made": [6]})
    assert got == [(1, 2, 3, [4]), (9, 8, 7, [6])]
    assert "required" not in schema_of(server, "take")
    assert tool_once(server, "take", {"field": -1})["isError"] is True


def test_a_factory_makes_a_new_value_each_time() -> None:
    got: list[list[int]] = []

    def take(made: list[int] = Field(default_factory=list)) -> None:  # noqa: B008 - see above
        made.append(1)
        got.append(made)

    server = _server(take)
    tool_once(server, "take")
    tool_once(server, "take")
    assert got == [[1], [1]]


def test_aliases_keep_their_default() -> None:
    def take(name: Annotated[str, Field(alias="fullName")] = "x", other: int = 1) -> str:
        return f"{name}{other}"

    server = _server(take)
    assert schema_of(server, "take")["properties"] == {
        "fullName": {"type": "string", "default": "x"},
        "other": {"type": "integer", "default": 1},
    }
    assert text_of(tool_once(server, "take", {"fullName": "y"})) == "y1"


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-inf"])
def test_numbers_are_finite(word: str) -> None:
    """A float is a JSON number: no text smuggles in what JSON cannot say."""
    server, got = _echo(float)
    assert tool_once(server, "take", {"value": word})["isError"] is True
    assert got == []


def test_names_that_models_cannot_have() -> None:
    """Parameter names are the author's: `schema`, `json`, `copy`, `self`-like and underscored ones work."""
    got: list[object] = []

    def take(schema: str, json: int, copy: bool, model_config: int, _hidden: str = "h", class_: str = "c") -> None:
        got.append((schema, json, copy, model_config, _hidden, class_))

    server = _server(take)
    result = tool_once(server, "take", {"schema": "s", "json": 1, "copy": True, "model_config": 2, "_hidden": "x"})
    assert "isError" not in result, text_of(result)
    assert got == [("s", 1, True, 2, "x", "c")]


def test_local_classes_in_annotations() -> None:
    """Classes of the function around the tool resolve, although annotations are strings here."""

    class Local(BaseModel):
        size: int

    server = Server("test")

    @server.tool
    async def bare(value: Local) -> int:
        return value.size

    @server.tool(name="dressed")
    async def other(value: Local) -> int:
        return value.size

    assert tool_once(server, "bare", {"value": {"size": 3}})["structuredContent"] == {"result": 3}
    assert tool_once(server, "dressed", {"value": {"size": 4}})["structuredContent"] == {"result": 4}


def test_methods_partials_and_callable_objects() -> None:
    class Counter:
        def __init__(self) -> None:
            self.count = 0

        def bump(self, by: int) -> int:
            self.count += by
            return self.count

        async def __call__(self, by: int = 1) -> int:
            return self.bump(by)

    def power(base: int, exponent: int) -> int:
        return int(base**exponent)

    counter, server = Counter(), Server("test")
    server.tool(counter.bump)
    server.tool(name="call")(counter)
    server.tool(name="square")(functools.partial(power, exponent=2))
    assert tool_once(server, "bump", {"by": 2})["structuredContent"] == {"result": 2}
    assert tool_once(server, "call", {"by": 3})["structuredContent"] == {"result": 5}
    assert tool_once(server, "square", {"base": 5})["structuredContent"] == {"result": 25}


def test_context_is_not_an_argument() -> None:
    async def tell(ctx: Context, word: str) -> str:
        return f"{word} {ctx.transport}"

    async def maybe(word: str, context: Context[int] | None = None) -> str:
        return f"{word} {context is not None}"

    for function, answer in ((tell, "a memory"), (maybe, "a True")):
        server = _server(function)
        assert list(cast("JsonObject", schema_of(server, function.__name__)["properties"])) == ["word"]
        assert text_of(tool_once(server, function.__name__, {"word": "a"})) == answer


def _marked(mark: str) -> object:
    return Field(json_schema_extra={"x-mcp-header": mark})


def test_header_marks_are_compiled() -> None:
    """HDR-11: marks are collected with their path, optional integers and hand-written nested objects included."""

    def take(
        region: Annotated[str, _marked("Region")], shard: Annotated[int | None, _marked("Shard")] = None
    ) -> None: ...

    def nested(**where: object) -> None: ...

    server = Server("test")
    server.tool(take)
    inner: JsonObject = {"type": "object", "properties": {"zone": {"type": "string", "x-mcp-header": "Zone"}}}
    server.tool(input_schema={"type": "object", "properties": {"where": inner}})(nested)
    first, second = server.tools
    assert [(item.path, item.header, item.type) for item in first.signature.headers] == [
        (("region",), "mcp-param-region", "string"),
        (("shard",), "mcp-param-shard", "integer"),
    ]
    assert [(item.path, item.header) for item in second.signature.headers] == [(("where", "zone"), "mcp-param-zone")]


def test_header_marks_that_cannot_work() -> None:
    def number(value: Annotated[float, _marked("X")]) -> None: ...

    def empty(value: Annotated[str, _marked("")]) -> None: ...

    def twice(a: Annotated[str, _marked("Same")], b: Annotated[str, _marked("same")]) -> None: ...

    def listed(values: list[Annotated[str, _marked("Each")]]) -> None: ...

    class Where(BaseModel):
        region: Annotated[str, _marked("Region")]

    def referred(where: Where) -> None: ...

    cases = ((number, "number"), (empty, "token"), (twice, "twice"), (listed, "properties"), (referred, "properties"))
    for function, reason in cases:
        with pytest.raises(DeclarationError, match=reason):
            Server("test").tool(function)


def test_schema_extra_is_kept() -> None:
    def take(value: Annotated[str, Field(json_schema_extra={"x-hint": [1, {"a": None}]})]) -> None: ...

    properties = schema_of(_server(take), "take")["properties"]
    expected: JsonObject = {"value": {"type": "string", "x-hint": [1, {"a": None}]}}
    assert properties == expected
