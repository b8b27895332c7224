"""What a command line needs of an input schema: its parameters for people, and how a typed value is to be read."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from anyport.protocol.errors import McpError
from anyport.protocol.jsonrpc import decode_json, encode_json
from anyport.protocol.types.json import JsonObject, JsonValue

_DEPTH: Final = 8
"""References and alternatives inside each other that are followed; a schema may refer to itself."""
_CHOICES: Final = 6
_TYPE_NAMES: Final = (
    (bool, "boolean"),  # before the integers, which it is one of
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)


class Parameter(Struct, frozen=True):
    """One parameter of a tool.

    Attributes:
        name: Its name.
        type: What it takes, in a few words.
        required: Whether it must be given.
        default: Its default as JSON; ``None`` where there is none.
        description: What it is for, in one line.
    """

    name: str
    type: str
    required: bool
    default: str | None
    description: str


def parameters(schema: JsonObject) -> list[Parameter]:
    """Return the parameters that an input schema has, in its order."""
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict):
        return []
    wanted = required if isinstance(required, list) else []
    return [_parameter(name, entry, name in wanted, schema) for name, entry in properties.items()]


def read_value(text: str, name: str, schema: JsonObject) -> JsonValue:
    """Read what was typed for a parameter.

    Text that is JSON is read as JSON, unless the schema wants a string there. Where it allows a string among others,
    JSON of one of the other types is read as such.

    Args:
        text: What was typed.
        name: Name of the parameter.
        schema: The tool's input schema.
    """
    properties = schema.get("properties")
    entry = properties.get(name) if isinstance(properties, dict) else None
    types = _types(entry, schema, _DEPTH)
    if types == {"string"}:
        return text
    try:
        value = decode_json(text.encode("utf-8", "surrogateescape"))
    except McpError:
        return text
    if "string" in types and not _fits(value, types):
        return text
    return value


def _parameter(name: str, entry: JsonValue, required: bool, root: JsonObject) -> Parameter:
    about = entry if isinstance(entry, dict) else {}
    description, default = about.get("description"), about.get("default")
    return Parameter(
        name=name,
        type=_shown(entry, root, _DEPTH),
        required=required,
        default=encode_json(default).decode() if "default" in about else None,
        description=description.strip().split("\n", 1)[0] if isinstance(description, str) else "",
    )


def _resolve(entry: JsonValue, root: JsonObject) -> JsonValue:
    """Follow a reference within the schema; any other cannot be followed here."""
    reference = entry.get("$ref") if isinstance(entry, dict) else None
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return entry
    found: JsonValue = root
    for part in reference[2:].split("/"):
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found


def _alternatives(entry: JsonObject) -> list[JsonValue]:
    for word in ("anyOf", "oneOf"):
        options = entry.get(word)
        if isinstance(options, list):
            return options
    return []


def _types(entry: JsonValue, root: JsonObject, depth: int) -> set[str]:
    """Return the JSON types that a schema names; none where it does not say."""
    found = _resolve(entry, root)
    if not isinstance(found, dict) or depth == 0:
        return set()
    declared = found.get("type")
    names = declared if isinstance(declared, list) else [declared]
    types = {name for name in names if isinstance(name, str)}
    if types:
        return types
    values = [found["const"]] if "const" in found else found.get("enum")
    if isinstance(values, list):
        return {_type_of(value) for value in values}
    return {name for option in _alternatives(found) for name in _types(option, root, depth - 1)}


def _type_of(value: JsonValue) -> str:
    return next((name for kind, name in _TYPE_NAMES if isinstance(value, kind)), "null")


def _fits(value: JsonValue, types: set[str]) -> bool:
    kind = _type_of(value)
    return kind != "string" and (kind in types or (kind == "integer" and "number" in types))


def _shown(entry: JsonValue, root: JsonObject, depth: int) -> str:
    found = _resolve(entry, root)
    if not isinstance(found, dict) or depth == 0:
        return "any"
    choices = [found["const"]] if "const" in found else found.get("enum")
    if isinstance(choices, list):
        shown = [encode_json(choice).decode() for choice in choices[:_CHOICES]]
        return " | ".join([*shown, "..."] if len(choices) > _CHOICES else shown)
    alternatives = _alternatives(found)
    if alternatives:
        return " | ".join(dict.fromkeys(_shown(option, root, depth - 1) for option in alternatives))
    declared = found.get("type")
    if declared == "array" and "items" in found:
        return f"array of {_shown(found['items'], root, depth - 1)}"
    if isinstance(declared, list):
        return " | ".join(str(name) for name in declared)
    return declared if isinstance(declared, str) else "any"
