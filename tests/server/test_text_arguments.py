"""Arguments that are strings on the wire: what text spells, and what is JSON (PRM-01, S53)."""

from __future__ import annotations

import datetime
import enum
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, Json, ValidationError
from typing_extensions import TypedDict

from anyport.server.signature import Annotation, compile_signature
from anyport.server.text_arguments import (
    choices_of,
    describe,
    is_written_as_json,
    properties_of,
    takes_compound,
    text_form,
)


class Word(enum.Enum):
    """Words."""

    A = "a"
    B = "b"


class Number(enum.Enum):
    """Numbers."""

    ONE = 1
    TWO = 2


class Level(enum.IntEnum):
    """Levels."""

    LOW = 1


class Model(BaseModel):
    """A model."""

    a: int


@dataclass
class Record:
    """A record."""

    a: int


class Typed(TypedDict):
    """A dictionary."""

    a: int


def _bound(annotation: Annotation, text: str) -> object:
    def function(x: object) -> None: ...

    function.__annotations__["x"] = annotation
    return compile_signature(function, form=text_form).bind_text({"x": text})["x"]


SPELLED: list[tuple[Annotation, str, object]] = [
    (str, "5", "5"),
    (str, '"x"', '"x"'),
    (object, "5", "5"),
    (int, "5", 5),
    (int, "-5", -5),
    (float, "1.5", 1.5),
    (bool, "true", True),
    (bool, "False", False),
    (Decimal, "1.10", Decimal("1.10")),
    (bytes, "aGk=", b"hi"),
    (Path, "a/b", Path("a/b")),
    (datetime.date, "2026-01-02", datetime.date(2026, 1, 2)),
    (uuid.UUID, "00000000-0000-0000-0000-000000000001", uuid.UUID(int=1)),
    (Word, "a", Word.A),
    (Level, "1", Level.LOW),
    (Number, "2", Number.TWO),
    (Number | None, "2", Number.TWO),
    (Literal["a", "1"], "1", "1"),
    (Literal[1, 2], "2", 2),
    (Literal["a", 1, True], "true", True),
    (Literal[Word.A], "a", Word.A),
    (Annotated[Literal[1, 2], Field(description="d")], "1", 1),
    (Literal[1, 2] | None, "2", 2),
    (int | None, "5", 5),
    (str | None, "null", "null"),
    (str | Model, '{"a":1}', '{"a":1}'),
    (str | list[str], '["a"]', '["a"]'),
    (Annotated[int, Field(strict=True)], "5", 5),
    (Json[list[int]], "[1]", [1]),
]
AS_JSON: list[tuple[Annotation, str, object]] = [
    (list[int], "[1, 2]", [1, 2]),
    (set[str], '["a"]', {"a"}),
    (tuple[int, str], '[1, "a"]', (1, "a")),
    (dict[str, int], '{"a": 1}', {"a": 1}),
    (Mapping[str, int], '{"a": 1}', {"a": 1}),
    (Model, '{"a": 1}', Model(a=1)),
    (Record, '{"a": 1}', Record(a=1)),
    (Typed, '{"a": 1}', {"a": 1}),
    (Model | None, "null", None),
    (Model | None, '{"a": 1}', Model(a=1)),
    (int | list[int], "5", 5),
    (int | list[int], "[5]", [5]),
    (Annotated[list[int], Field(min_length=1)], "[1]", [1]),
    (Model | Record, '{"a": 1}', Model(a=1)),
]


@pytest.mark.parametrize(("annotation", "text", "value"), SPELLED, ids=str)
def test_what_text_spells(annotation: Annotation, text: str, value: object) -> None:
    bound = _bound(annotation, text)
    assert (type(bound), bound) == (type(value), value)
    assert not is_written_as_json(annotation)


@pytest.mark.parametrize(("annotation", "text", "value"), AS_JSON, ids=str)
def test_what_is_written_as_json(annotation: Annotation, text: str, value: object) -> None:
    bound = _bound(annotation, text)
    assert (type(bound), bound) == (type(value), value)
    assert is_written_as_json(annotation)
    assert takes_compound(annotation)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, ""),
        (int, "5.5"),
        (int, "five"),
        (bool, "maybe"),
        (Word, "A"),
        (Literal[1, 2], "3"),
        (Literal[1, 2], "01"),
        (Literal[1, 2] | None, "None"),
        (list[int], "1,2"),
        (list[int], '["x"]'),
        (list[int], ""),
        (Annotated[list[int], Field(min_length=1)], "[]"),
        (Model, "a=1"),
        (Model, "{}"),
        (Model, "[" * 500),
        (bytes, "?"),
        (datetime.date, "tomorrow"),
        (Annotated[str, Field(max_length=2)], "abc"),
    ],
    ids=str,
)
def test_what_does_not_fit(annotation: Annotation, text: str) -> None:
    """S53: refused before the function sees it."""
    with pytest.raises(ValidationError):
        _bound(annotation, text)


@pytest.mark.parametrize(
    ("annotation", "choices"),
    [
        (Literal["b", "a"], ["b", "a"]),
        (Literal["b", 1, True], ["b", "1", "true"]),
        (Literal["only"], ["only"]),
        (Word, ["a", "b"]),
        (Number, ["1", "2"]),
        (Level, ["1"]),
        (bool, ["true", "false"]),
        (bool | None, ["true", "false"]),
        (Word | None, ["a", "b"]),
        (Word | Literal["b", "c"], ["a", "b", "c"]),
        (Annotated[Word, Field(description="d")], ["a", "b"]),
        (str, []),
        (int, []),
        (object, []),
        (list[Word], []),
        (Model, []),
    ],
    ids=str,
)
def test_the_values_that_an_argument_can_have(annotation: Annotation, choices: list[str]) -> None:
    """CMP-01: in order of declaration, as text; each of them is then taken."""

    def function(x: object, other: Literal["z"]) -> None: ...

    function.__annotations__["x"] = annotation
    signature = compile_signature(function, form=text_form)
    assert choices_of(signature.schema, "x") == choices
    assert choices_of(signature.schema, "nothing") == []
    for choice in choices:
        assert signature.bind_text({"x": choice, "other": "z"})["x"] is not None


def test_descriptions_say_what_json_has_to_meet() -> None:
    """With the definitions that it needs, and only those; without a schema that nobody would read."""

    class Outer(BaseModel):
        inner: Model

    wide = Literal[tuple(f"value-{number}" for number in range(200))]

    def function(plain: str, nested: object, other: Record, wide: object, many: object) -> None: ...

    function.__annotations__ |= {
        "plain": Annotated[str, Field(description="Plain")],
        "nested": Annotated[Outer, Field(description="Nested")],
        "wide": wide,
        "many": dict[str, wide],
    }
    schema = compile_signature(function, form=text_form).schema
    said = {name: describe(argument, schema) for name, argument in properties_of(schema).items()}
    assert (said["plain"], said["wide"], said["many"]) == ("Plain", None, "JSON")
    nested = (said["nested"] or "").removeprefix("Nested (JSON that meets the schema ").removesuffix(")")
    assert set(json.loads(nested)["$defs"]) == {"Outer", "Model"}


@given(value=st.recursive(st.integers() | st.text() | st.booleans() | st.none(), st.lists, max_leaves=8))
@settings(max_examples=100, deadline=None)
def test_json_comes_through(value: object) -> None:
    assert _bound(list[object], json.dumps([value])) == [value]


@given(text=st.text())
@settings(max_examples=200, deadline=None)
def test_text_comes_through(text: str) -> None:
    """Text is what it is, whatever it looks like."""
    assert _bound(str, text) == text
    assert _bound(object, text) == text
