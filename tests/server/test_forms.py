"""Forms: from Python types and JSON Schemas to what a user may be asked, and back (ELI-02, SEP-1034, SEP-1330)."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any, Literal, cast  # noqa: TID251 - any type may be asked for

import msgspec
import pytest
from pydantic import AnyUrl, BaseModel, Field, SecretStr, field_validator
from typing_extensions import TypedDict

from anyport.errors import LocalProtocolError
from anyport.protocol.revisions import LATEST_LEGACY, LATEST_MODERN, Revision, find_revision
from anyport.protocol.types import ElicitRequestParams
from anyport.protocol.types.json import JsonObject
from anyport.server.forms import FormError, compile_form, wrong_content

REV_2025_06 = cast("Revision", find_revision("2025-06-18"))


class Color(Enum):
    """A color."""

    RED = "red"
    BLUE = "blue"


class Order(BaseModel):
    """An order."""

    name: str = Field("John", title="Name", description="Of the buyer", min_length=2, max_length=9)
    count: int = Field(gt=0, lt=10, default=3)
    price: float = Field(95.5, ge=0.5, le=100)
    day: date | None = None
    when: datetime = datetime(2026, 1, 2)  # noqa: DTZ001 - a form has no zones
    page: AnyUrl | None = None
    color: Color = Field(Color.RED, description="Of the pen")
    sizes: list[Literal["s", "m"]] = Field(["s"], min_length=1, max_length=2)
    gift: bool = True

    @field_validator("name")
    @classmethod
    def check(cls, name: str) -> str:
        """Refuse what no schema says."""
        if name == "Nemo":
            raise ValueError("nobody")
        return name


@dataclasses.dataclass
class Place:
    """A place."""

    town: str
    zip: int = 0


class Keyed(TypedDict):
    """A typed dictionary."""

    key: str


FIELDS: JsonObject = {
    "name": {
        "type": "string",
        "title": "Name",
        "description": "Of the buyer",
        "minLength": 2,
        "maxLength": 9,
        "default": "John",
    },
    "count": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
    "price": {"type": "number", "minimum": 0.5, "maximum": 100.0, "default": 95.5},
    "day": {"type": "string", "format": "date"},
    "when": {"type": "string", "format": "date-time", "default": "2026-01-02T00:00:00"},
    "page": {"type": "string", "format": "uri", "minLength": 1},
    "color": {"type": "string", "description": "Of the pen", "enum": ["red", "blue"], "default": "red"},
    "sizes": {
        "type": "array",
        "items": {"type": "string", "enum": ["s", "m"]},
        "minItems": 1,
        "maxItems": 2,
        "default": ["s"],
    },
    "gift": {"type": "boolean", "default": True},
}


@pytest.mark.parametrize("revision", [LATEST_LEGACY, LATEST_MODERN])
def test_a_model_becomes_a_form(revision: Revision) -> None:
    """SEP-1034: defaults of every kind; nullable fields may be left out."""
    form = compile_form(Order)
    assert form.schema(revision) == {"type": "object", "properties": FIELDS}
    assert compile_form(Order) is form
    assert form.read({"count": 4, "color": "blue", "day": "2026-05-06"}) == Order.model_validate(
        {"count": 4, "color": Color.BLUE, "day": date(2026, 5, 6)}
    )


def test_what_a_type_refuses_beyond_its_form() -> None:
    with pytest.raises(ValueError, match="name: Value error, nobody"):
        compile_form(Order).read({"name": "Nemo"})


def test_dataclasses_and_typed_dictionaries() -> None:
    form = compile_form(Place)
    assert form.schema(LATEST_MODERN)["required"] == ["town"]
    assert form.read({"town": "Paris"}) == Place("Paris")
    assert compile_form(Keyed).read({"key": "a"}) == {"key": "a"}
    assert compile_form(None).schema(LATEST_MODERN) == {"type": "object", "properties": {}}


PLAIN: list[tuple[Any, JsonObject, Any, Any]] = [
    (str, {"type": "string"}, "a", "a"),
    (int, {"type": "integer"}, 3, 3),
    (float, {"type": "number"}, 3, 3.0),
    (bool, {"type": "boolean"}, False, False),
    (Color, {"type": "string", "enum": ["red", "blue"]}, "red", Color.RED),
    (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}, "b", "b"),
    (Literal["a"], {"type": "string", "enum": ["a"]}, "a", "a"),
    (["a", "b"], {"type": "string", "enum": ["a", "b"]}, "b", "b"),
    (list[Color], {"type": "array", "items": {"type": "string", "enum": ["red", "blue"]}}, ["red"], [Color.RED]),
    (Annotated[int, Field(ge=1, title="N")], {"type": "integer", "title": "N", "minimum": 1}, 2, 2),
    (str | None, {"type": "string"}, "a", "a"),
    (date, {"type": "string", "format": "date"}, "2026-05-06", date(2026, 5, 6)),
]


@pytest.mark.parametrize(("annotation", "field", "sent", "read"), PLAIN)
def test_a_plain_type_is_a_form_with_one_field(annotation: object, field: JsonObject, sent: Any, read: object) -> None:  # noqa: ANN401 - any JSON
    form = compile_form(annotation)
    schema = form.schema(LATEST_MODERN)
    assert schema == {"type": "object", "properties": {"value": field}, "required": ["value"]}
    assert wrong_content(schema, {"value": sent}) == ""
    assert form.read({"value": sent}) == read


ENUMS: JsonObject = {
    "untitled": {"type": "string", "enum": ["a", "b"], "default": "a"},
    "titled": {"type": "string", "oneOf": [{"const": "a", "title": "A"}, {"const": "b", "title": "B"}], "default": "a"},
    "named": {"type": "string", "enum": ["a", "b"], "enumNames": ["A", "B"]},
    "flag": {"type": "boolean", "default": True},
    "count": {"type": "integer", "default": 3},
}
SEVERAL: JsonObject = {
    "untitled": {"type": "array", "items": {"type": "string", "enum": ["a"]}},
    "titled": {"type": "array", "items": {"anyOf": [{"const": "a", "title": "A"}]}, "default": ["a"]},
}


def test_a_schema_goes_out_as_it_is() -> None:
    """SEP-1330: every kind of choice."""
    whole: JsonObject = {"type": "object", "properties": {**ENUMS, "m1": SEVERAL["untitled"], "m2": SEVERAL["titled"]}}
    form = compile_form(whole | {"title": "Left out", "additionalProperties": False})
    assert form.schema(LATEST_LEGACY) == form.schema(LATEST_MODERN) == whole
    assert form.read({"untitled": "a"}) == {"untitled": "a"}


def test_an_older_revision_gets_what_it_knows() -> None:
    """2025-06-18: defaults of booleans alone, and names beside the choices."""
    schema = compile_form({"type": "object", "properties": ENUMS, "required": ["flag"]}).schema(REV_2025_06)
    assert schema == {
        "type": "object",
        "required": ["flag"],
        "properties": {
            "untitled": {"type": "string", "enum": ["a", "b"]},
            "titled": {"type": "string", "enum": ["a", "b"], "enumNames": ["A", "B"]},
            "named": {"type": "string", "enum": ["a", "b"], "enumNames": ["A", "B"]},
            "flag": {"type": "boolean", "default": True},
            "count": {"type": "integer"},
        },
    }
    with pytest.raises(FormError, match="untitled: clients of revisions before"):
        compile_form({"type": "object", "properties": SEVERAL}).schema(REV_2025_06)


class Nested(BaseModel):
    """No form."""

    place: Place


class Odd:
    """Nothing that pydantic knows."""


class Secret(BaseModel):
    """No form either."""

    password: SecretStr


BAD: list[tuple[Any, str]] = [
    (Nested, "place: a form has .*; this is an object, such as a model in a model"),
    (Secret, "password: a form must not ask for secrets"),
    (list[str], "value"),
    (list[int], "value: a form has .*; this is a list of something else"),
    (dict[str, int], "value"),
    (int | str, "value: a form has .*; this is a union"),
    (bytes, "value"),
    (Literal[1, 2], "value"),
    (Annotated[str, Field(pattern="^a")], "value: a form has no pattern"),
    (Annotated[float, Field(gt=0)], "value: a form has no exclusiveMinimum"),
    (Annotated[int, Field(multiple_of=2)], "value: a form has no multipleOf"),
    (Odd, "No form asks for"),
    ({"type": "string"}, "type"),
    ({"type": "object", "properties": []}, "properties"),
    ({"type": "object", "allOf": []}, "allOf"),
    ({"type": "object", "properties": {"a": True}}, "a: its schema"),
    ({"type": "object", "properties": {"a": {}}}, "a: "),
    ({"type": "object", "properties": {"a": {"type": "string", "format": "uuid"}}}, "a: "),
    ({"type": "object", "properties": {"a": {"type": "object", "properties": {}}}}, "a: "),
    ({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}}, "a: "),
    (
        {"type": "object", "properties": {"a": {"type": "array", "items": {"enum": ["a"], "pattern": "a"}}}},
        r"a\[\]: a form has no pattern",
    ),
    ({"type": "object", "properties": {}, "required": ["b"]}, "b: is required"),
]


@pytest.mark.parametrize(("schema", "reason"), BAD)
def test_what_no_form_can_ask_is_refused_by_field(schema: object, reason: str) -> None:
    """ELI-02: secrets included."""
    with pytest.raises(FormError, match=reason) as caught:
        compile_form(schema)
    assert isinstance(caught.value, LocalProtocolError)


@pytest.mark.parametrize("annotation", [Order, str, bool, list[Color], Place])
def test_a_form_is_one_of_the_wire(annotation: object) -> None:

    params = {"message": "a", "requestedSchema": compile_form(annotation).schema(LATEST_MODERN)}
    assert msgspec.to_builtins(msgspec.convert(params, ElicitRequestParams)) == params


def test_content_is_checked_by_field() -> None:
    schema = compile_form(Order).schema(LATEST_MODERN)
    found = wrong_content(schema, {"name": "x", "count": 10, "day": "tomorrow", "sizes": ["xl"], "gift": "yes"})
    assert [line.partition(":")[0] for line in found.splitlines()] == ["name", "count", "day", "sizes.0", "gift"]
    assert wrong_content(schema, {"unknown": {"a": 1}}) == ""
