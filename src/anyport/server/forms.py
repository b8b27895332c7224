"""Forms: what a server may ask a user to fill in, from a Python type or from a JSON Schema.

A form is one level of named fields: texts, numbers, switches and choices (client, "Elicitation", "Requested Schema").
Whatever else a type can say has no form, and is refused with the name of the field.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import itertools
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, Protocol, cast, get_args, get_origin

import msgspec
import pydantic
from msgspec import Struct, structs
from pydantic_core import ValidationError
from typing_extensions import TypedDict, is_typeddict

from anyport.protocol.errors import LocalProtocolError
from anyport.protocol.jsonrpc import encode_json
from anyport.protocol.revisions import Revision
from anyport.protocol.types import (
    BooleanSchema,
    MultiSelectEnumSchema,
    PrimitiveSchemaDefinition,
    StringSchema,
)
from anyport.protocol.types.json import JsonObject, JsonValue

WRAPPED: Final = "value"
"""Name of the one field of a form that is made from a plain type."""

_OF_FORM: Final = frozenset(
    {"$schema", "$defs", "type", "properties", "required", "title", "description", "additionalProperties"}
)
_NOTES: Final = frozenset({"examples", "deprecated", "uniqueItems", "$comment"})
"""Keywords of a field that no client needs and no answer can break."""


class FormError(LocalProtocolError):
    """No form can ask for this; the message names the field."""


class Form(Struct, frozen=True):
    """What a user is to fill in.

    Attributes:
        fields: The fields by name.
        required: Names of those that must be filled in.
        read: What was filled in to what the author gets; raises `ValueError` for what the author's type refuses.
    """

    fields: dict[str, PrimitiveSchemaDefinition]
    required: list[str]
    read: Callable[[JsonObject], object]

    def schema(self, revision: Revision) -> JsonObject:
        """Return ``requestedSchema`` in the words of a revision.

        Raises:
            FormError: The revision has no such field.
        """
        fields = {
            name: _before_2025_11_25(name, field) if revision.lacks("2025-11-25") else field
            for name, field in self.fields.items()
        }
        made: JsonObject = {"type": "object", "properties": msgspec.to_builtins(fields)}
        if self.required:
            made["required"] = list(self.required)
        return made


class _Adapter(Protocol):
    def json_schema(self, *, schema_generator: object) -> JsonObject: ...

    def validate_json(self, data: bytes) -> object: ...


class _Problem(Protocol):
    message: str
    instance_path: list[str | int]


class _Validator(Protocol):
    def iter_errors(self, instance: JsonValue) -> Iterator[_Problem]: ...


def compile_form(schema: object) -> Form:
    """Make a form.

    Args:
        schema: A pydantic model, dataclass or typed dictionary; a plain type (text, number, ``bool``, date,
            ``Literal``, enumeration, list of the last two) or a list of texts to choose from, which make a form with
            one field; a JSON Schema; or ``None`` for nothing to fill in.

    Raises:
        FormError: It has no form.
    """
    if schema is None:
        return Form({}, [], _nothing)
    if isinstance(schema, Mapping):
        return _of_schema(dict(cast("Mapping[str, JsonValue]", schema)), _as_it_is)
    if isinstance(schema, list):
        return _of_type(Literal[tuple(cast("list[str]", schema))])
    schema = _answerable(schema)
    return _of_known_type(schema) if isinstance(schema, type) else _of_type(schema)


def wrong_content(schema: JsonObject, content: JsonObject) -> str:
    """Return what is wrong with filled in fields, a ``field: reason`` line each; empty when nothing is.

    Args:
        schema: ``requestedSchema`` as it was sent.
        content: What came back.
    """
    library = importlib.import_module("jsonschema_rs")
    validator = cast("_Validator", library.validator_for(schema, validate_formats=True))
    problems = itertools.islice(validator.iter_errors(content), 20)
    return "\n".join(f"{'.'.join(map(str, found.instance_path)) or 'content'}: {found.message}" for found in problems)


# --- types ------------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=256)
def _of_known_type(annotation: type) -> Form:
    """Keep the forms of classes: a tool asks with the same ones again and again."""
    return _of_type(annotation)


def _of_type(annotation: Any) -> Form:  # noqa: ANN401 - annotations have no type in common
    whole = _is_record(annotation)
    # Called through a variable: a type checker wants the fields of a typed dictionary in the source.
    make = cast("Callable[..., type[dict[str, object]]]", TypedDict)
    try:
        adapter = cast("_Adapter", pydantic.TypeAdapter(annotation if whole else make("form", {WRAPPED: annotation})))
        generator = importlib.import_module("anyport.server.lean_schema").LeanSchema
        schema = adapter.json_schema(schema_generator=generator)
    except (pydantic.PydanticUserError, TypeError) as error:
        raise FormError(f"No form asks for {annotation!r}: {str(error).split(chr(10), 1)[0]}") from error

    def read(content: JsonObject) -> object:
        try:
            value = adapter.validate_json(encode_json(content))
        except ValidationError as error:
            raise ValueError(_reasons(error)) from None
        return value if whole else cast("dict[str, object]", value)[WRAPPED]

    return _of_schema(schema, read)


def _answerable(annotation: object) -> object:
    """Return ``T`` for ``T | None``: no answer is none that a form could hold."""
    if get_origin(annotation) not in (typing.Union, types.UnionType):
        return annotation
    rest = [option for option in get_args(annotation) if option is not type(None)]
    return rest[0] if len(rest) == 1 else annotation


def _is_record(annotation: object) -> bool:
    if not isinstance(annotation, type):
        return False
    annotation = cast("type[object]", annotation)
    return (
        issubclass(annotation, pydantic.BaseModel) or dataclasses.is_dataclass(annotation) or is_typeddict(annotation)
    )


def _reasons(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)[:20]
    return "\n".join(f"{'.'.join(map(str, each['loc'])) or 'content'}: {each['msg']}" for each in found)


def _nothing(content: JsonObject) -> None:
    return None


def _as_it_is(content: JsonObject) -> JsonObject:
    return content


# --- schemas ----------------------------------------------------------------------------------------------------------


def _of_schema(schema: JsonObject, read: Callable[[JsonObject], object]) -> Form:
    definitions = cast("dict[str, JsonObject]", schema.get("$defs", {}))
    schema = _resolved(schema, definitions)
    if schema.get("type") != "object" or not isinstance(schema.get("properties", {}), dict):
        raise FormError('The schema of a form has "type": "object" and "properties"')
    if unknown := schema.keys() - _OF_FORM:
        raise FormError(f"A form has no {', '.join(sorted(unknown))}: it is one level of fields")
    properties = cast("dict[str, JsonValue]", schema.get("properties", {}))
    required = cast("Sequence[str]", schema.get("required", ()))
    if missing := [name for name in required if name not in properties]:
        raise FormError(f"{missing[0]}: is required and has no schema")
    return Form({name: _field(name, field, definitions) for name, field in properties.items()}, [*required], read)


def _resolved(schema: JsonObject, definitions: Mapping[str, JsonObject]) -> JsonObject:
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    found = dict(definitions.get(reference.removeprefix("#/$defs/"), {}))
    if "enum" in found:
        # The name and docstring of a Python class say nothing to a user.
        found.pop("title", None)
        found.pop("description", None)
    return {**found, **{key: value for key, value in schema.items() if key != "$ref"}}


def _field(name: str, given: JsonValue, definitions: Mapping[str, JsonObject]) -> PrimitiveSchemaDefinition:
    if not isinstance(given, dict):
        raise FormError(f"{name}: its schema must be an object")
    schema = _plain(_resolved(given, definitions), definitions)
    if schema.get("format") == "password":
        raise FormError(f"{name}: a form must not ask for secrets; elicit_url does (ELI-02)")
    try:
        # By way of JSON: its types are the union that the wire has.
        field = msgspec.json.decode(encode_json(schema), type=cast("type[StringSchema]", PrimitiveSchemaDefinition))
    except msgspec.ValidationError as error:
        raise FormError(
            f"{name}: a form has texts, numbers, booleans and choices of texts; {_kind_of(schema, str(error))}"
        ) from None
    _check_keywords(name, field, schema)
    return field


def _kind_of(schema: JsonObject, error: str) -> str:
    """Return why a field cannot be one, in the words of who wrote it where there are any."""
    match schema.get("type"):
        case "object":
            return "this is an object, such as a model in a model"
        case "array":
            return "this is a list of something else"
        case None:
            return "this is a union, or anything at all"
        case _:
            return error.replace("\n", " ")


def _plain(schema: JsonObject, definitions: Mapping[str, JsonObject]) -> JsonObject:
    """Say in the words of forms what JSON Schema can say in several ways."""
    options = schema.get("anyOf")
    if isinstance(options, list):
        # An optional field: null is what leaving it out is.
        rest = [option for option in options if option != {"type": "null"}]
        if len(rest) == 1 < len(options) and isinstance(rest[0], dict):
            outer = {key: value for key, value in schema.items() if key != "anyOf"}
            schema = {**_resolved(rest[0], definitions), **outer}
    plain: JsonObject = {key: value for key, value in schema.items() if key not in _NOTES and value is not None}
    if "const" in plain:
        plain["enum"] = [plain.pop("const")]
    if "oneOf" in plain:
        plain.pop("enum", None)
    if plain.get("type") == "integer":
        _include_bounds(plain)
    items = plain.get("items")
    if isinstance(items, dict):
        plain["items"] = _plain(_resolved(items, definitions), definitions)
    return plain


def _include_bounds(schema: JsonObject) -> None:
    for exclusive, bound, step in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
        value = schema.get(exclusive)
        if isinstance(value, int):
            schema[bound] = value + step
            del schema[exclusive]


def _check_keywords(name: str, field: Struct, schema: JsonObject) -> None:
    known = {found.encode_name for found in structs.fields(type(field))} | {"type"}
    if unknown := schema.keys() - known:
        raise FormError(f"{name}: a form has no {', '.join(sorted(unknown))}")
    if isinstance(field, MultiSelectEnumSchema):
        _check_keywords(f"{name}[]", field.items, cast("JsonObject", schema["items"]))


# --- older revisions --------------------------------------------------------------------------------------------------


def _before_2025_11_25(name: str, field: PrimitiveSchemaDefinition) -> PrimitiveSchemaDefinition:
    """Return a field as 2025-06-18 knows it: defaults of booleans alone, names beside the choices, one choice."""
    if isinstance(field, MultiSelectEnumSchema):
        raise FormError(f"{name}: clients of revisions before 2025-11-25 have no choice of several")
    if isinstance(field, BooleanSchema):
        return field
    if isinstance(field, StringSchema) and field.one_of is not None:
        values, titles = [option.const for option in field.one_of], [option.title for option in field.one_of]
        return structs.replace(field, one_of=None, enum=values, enum_names=titles, default=None)
    return structs.replace(field, default=None)
