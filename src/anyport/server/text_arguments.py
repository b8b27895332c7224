"""Arguments that are strings on the wire: those of prompts and of URI templates.

Text is converted as the annotation says. Types that text spells (numbers, truth values, dates, enumerations, and text
itself) are read from it as it stands; of any other type, such as a list or a model, the text is JSON.
"""

from __future__ import annotations

import enum
import json
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final, Literal, cast, get_args, get_origin

import pydantic

from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.server.signature import Annotation, is_field, lean_schema

_REFERENCE: Final = re.compile(r'"\$ref": "#/\$defs/([^"]+)"')
_MOST_SHOWN: Final = 1000
"""Characters of a schema that a description quotes."""


def text_form(name: str, annotation: Annotation) -> Annotation:
    """Return the type that the text of an argument is read as; a `Form` of `compile_signature`.

    Args:
        name: Name of the parameter.
        annotation: What the author wants it to be.
    """
    return read_as_json(annotation) if is_written_as_json(annotation) else _spelled(annotation)


def read_as_json(annotation: Annotation) -> Annotation:
    """Return the type of a text that is JSON for another type."""
    return pydantic.Json[annotation]


def is_written_as_json(annotation: Annotation) -> bool:
    """Whether the text of an argument is JSON, since nothing shorter spells its type."""
    kinds = _kinds_of(annotation)
    return "compound" in kinds and not kinds & {"text", "any"}


def takes_compound(annotation: Annotation) -> bool:
    """Whether a list or a mapping may be what an annotation wants."""
    return bool(_kinds_of(annotation) & {"compound", "any"})


def choices_of(schema: JsonObject, name: str) -> list[str]:
    """Return the texts that an argument can have, in order of declaration; empty where there is no such list.

    Args:
        schema: Schema of all the arguments.
        name: Name of the one.
    """
    return list(dict.fromkeys(_choices(properties_of(schema).get(name), schema)))


def properties_of(schema: JsonObject) -> Mapping[str, JsonObject]:
    """Return the schemas of the arguments by name."""
    return cast("Mapping[str, JsonObject]", schema.get("properties", {}))


def describe(argument: JsonObject, schema: JsonObject) -> str | None:
    """Return the description of an argument; where its text is JSON, with the schema that the JSON has to meet.

    Args:
        argument: Schema of the argument.
        schema: Schema of all the arguments.
    """
    description = argument.get("description")
    text = description if isinstance(description, str) else None
    if argument.get("contentMediaType") != "application/json":
        return text
    wanted, definitions = argument.get("contentSchema"), schema.get("$defs")
    if isinstance(wanted, dict) and isinstance(definitions, dict):
        used = _used(wanted, definitions, {})
        wanted = {**wanted, "$defs": used} if used else wanted
    shown = json.dumps(wanted, separators=(",", ":"))
    hint = f"JSON that meets the schema {shown}" if isinstance(wanted, dict) and len(shown) <= _MOST_SHOWN else "JSON"
    return f"{text} ({hint})" if text else hint


# --- values that have a list ------------------------------------------------------------------------------------------


def _spelled(annotation: Annotation) -> Annotation:
    """Let text spell the values of a ``Literal`` or an enumeration, of which pydantic takes only strings."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return Annotated[(_spelled(args[0]), *args[1:])]
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(_spelled(option) for option in args)]  # noqa: UP007 - made from a tuple of options
    values = args if origin is Literal else _members(annotation)
    if all(type(value) is str for value in values):
        return annotation
    spelled = {_text_of(value): value for value in values}
    return Annotated[annotation, pydantic.BeforeValidator(lambda text: spelled.get(text, text))]


def _members(annotation: Annotation) -> Sequence[object]:
    return list(annotation) if isinstance(annotation, type) and issubclass(annotation, enum.Enum) else ()


def _text_of(value: object) -> str:
    if isinstance(value, enum.Enum):
        value = cast("object", value.value)
    return str(value).lower() if isinstance(value, bool) else str(value)


# --- schemas ----------------------------------------------------------------------------------------------------------


def _kinds_of(annotation: Annotation) -> set[str]:
    if get_origin(annotation) is Annotated:
        # An alias belongs to a field, and pydantic warns of one anywhere else; what remains says what kind it is.
        args = get_args(annotation)
        rest = tuple(item for item in args[1:] if not is_field(item))
        annotation = Annotated[(args[0], *rest)] if rest else args[0]
    try:
        schema = cast("JsonObject", pydantic.TypeAdapter(annotation).json_schema(schema_generator=lean_schema()))
    except (pydantic.PydanticUndefinedAnnotation, pydantic.PydanticUserError, TypeError):
        # Whoever compiles the whole signature meets the same error and says where it is.
        return set()
    return set(_kinds(schema))


def _used(schema: JsonValue, definitions: JsonObject, found: JsonObject) -> JsonObject:
    """Return the definitions that a schema refers to, and those that they refer to, added to the ones found before."""
    for name in _REFERENCE.findall(json.dumps(schema)):
        if name in definitions and name not in found:
            found[name] = definitions[name]
            _used(definitions[name], definitions, found)
    return found


def _branches(schema: JsonValue, root: JsonObject) -> Iterator[JsonObject]:
    """Yield the schemas without alternatives that a schema comes down to."""
    if not isinstance(schema, dict):
        return
    reference, definitions = schema.get("$ref"), root.get("$defs")
    if isinstance(reference, str) and isinstance(definitions, dict):
        yield from _branches(definitions.get(reference.removeprefix("#/$defs/")), root)
        return
    for keyword in ("anyOf", "oneOf"):
        options = schema.get(keyword)
        if isinstance(options, list):
            for option in options:
                yield from _branches(option, root)
            return
    yield schema


def _kinds(schema: JsonObject) -> Iterator[str]:
    for branch in _branches(schema, schema):
        kind = branch.get("type")
        if kind in ("array", "object"):
            yield "compound"
        elif kind == "string":
            yield "text"
        elif kind is None and "enum" not in branch and "const" not in branch:
            yield "any"


def _choices(schema: JsonValue, root: JsonObject) -> Iterator[str]:
    for branch in _branches(schema, root):
        values = branch.get("enum")
        if isinstance(values, list):
            yield from (_text_of(value) for value in values if isinstance(value, (str, int)))
        elif isinstance(branch.get("const"), (str, int)):
            yield _text_of(branch["const"])
        elif branch.get("type") == "boolean":
            yield from ("true", "false")
