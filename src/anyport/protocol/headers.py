"""The ``Mcp-*`` header mirror of Streamable HTTP 2026-07-28 (SEP-2243): build it, check it.

A client mirrors method, name and marked tool parameters in header fields so that intermediaries can route without
reading the body; a server that reads the body refuses a request whose headers say something else.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from msgspec import Struct

from anyport.protocol.calls import META_VERSION
from anyport.protocol.errors import HeaderMismatch, LocalProtocolError
from anyport.protocol.limits import MAX_SAFE_INTEGER
from anyport.protocol.methods import NAME_FIELDS
from anyport.protocol.types.json import JsonObject, JsonValue

VERSION: Final = "mcp-protocol-version"
METHOD: Final = "mcp-method"
NAME: Final = "mcp-name"
SESSION: Final = "mcp-session-id"
PARAM_PREFIX: Final = "mcp-param-"
ANNOTATION: Final = "x-mcp-header"

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_PLAIN = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?\Z")
_NUMBER = re.compile(r"-?[0-9]{1,17}(?:\.[0-9]{1,17})?(?:[eE][+-]?[0-9]{1,3})?\Z")
_SENTINEL_START: Final = "=?base64?"
_SENTINEL_END: Final = "?="
_NAMED = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"})
"""Keywords of JSON Schema below which the keys are the author's names, even one that is called like the mark."""
_DATA = frozenset({"default", "const", "enum", "examples"})
"""Keywords of JSON Schema below which there is data, and no schema."""


class HeaderParameter(Struct, frozen=True):
    """A tool parameter that is mirrored in a header.

    Attributes:
        path: Keys that lead from the arguments to the value.
        header: Name of the field in lower case, ``mcp-param-`` included.
        type: JSON type that the schema declares: ``string``, ``integer`` or ``boolean``.
    """

    path: tuple[str, ...]
    header: str
    type: str


# --- values -----------------------------------------------------------------------------------------------------------


def encode_value(value: str | float | bool) -> str:
    """Write a value as a header field value (HDR-08, HDR-10).

    Args:
        value: A string, integer or boolean; a float without a fraction counts as the integer that it equals.

    Returns:
        Plain ASCII where the value allows it, else the Base64 form ``=?base64?...?=`` of its UTF-8.

    Raises:
        LocalProtocolError: The text holds a lone surrogate, for which there is no UTF-8.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if not text or (_PLAIN.match(text) and not _is_sentinel(text) and "\t" not in text):
        return text
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise LocalProtocolError("Text with a lone surrogate cannot be mirrored in a header") from error
    return f"{_SENTINEL_START}{base64.b64encode(data).decode()}{_SENTINEL_END}"


def decode_value(text: str) -> str:
    """Read a header field value, Base64 form included (HDR-05, HDR-09).

    Raises:
        ValueError: Bad Base64, bad UTF-8, or characters that a field value must not have.
    """
    text = text.strip(" \t")
    if not text:
        return text
    if not _PLAIN.match(text):
        raise ValueError("has characters that a header field cannot carry")
    if not _is_sentinel(text):
        return text
    encoded = text[len(_SENTINEL_START) : -len(_SENTINEL_END)]
    try:
        data = base64.b64decode(encoded, validate=True)
        # The decoder takes too much padding and stray bits, which another reader may refuse or read differently.
        if base64.b64encode(data).decode() == encoded:
            return data.decode()
    except (binascii.Error, UnicodeDecodeError):
        pass
    raise ValueError("is not valid Base64 of UTF-8")


def _is_sentinel(text: str) -> bool:
    least = len(_SENTINEL_START) + len(_SENTINEL_END)
    return len(text) >= least and text.startswith(_SENTINEL_START) and text.endswith(_SENTINEL_END)


# --- client side ------------------------------------------------------------------------------------------------------


def build_headers(method: str, params: JsonObject, parameters: tuple[HeaderParameter, ...] = ()) -> dict[str, str]:
    """Build the header fields that mirror a modern request (HDR-01, HDR-03, HDR-06).

    Args:
        method: JSON-RPC method.
        params: Its parameters with ``_meta``.
        parameters: The called tool's mirrored parameters.

    Returns:
        Field names in lower case with their values.

    Raises:
        LocalProtocolError: A value holds a lone surrogate.
    """
    found = {METHOD: method}
    meta = params.get("_meta")
    version = meta.get(META_VERSION) if isinstance(meta, dict) else None
    if isinstance(version, str):
        found[VERSION] = version
    name = params.get(NAME_FIELDS.get(method, ""))
    if isinstance(name, str):
        found[NAME] = encode_value(name)
    arguments = params.get("arguments")
    for parameter in parameters:
        value = value_at(parameter.path, arguments)
        if isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value)):
            found[parameter.header] = encode_value(value)
    return found


# --- server side ------------------------------------------------------------------------------------------------------


def check_headers(headers: Mapping[str, str], method: str, params: JsonObject) -> None:
    """Check the standard header fields of a modern request against its body (HDR-01, HDR-03, HDR-04).

    Args:
        headers: Fields of the request, names in lower case.
        method: Method in the body.
        params: Parameters in the body.

    Raises:
        HeaderMismatch: A field is missing, malformed or says something else than the body.
    """
    meta = params.get("_meta")
    version = meta.get(META_VERSION) if isinstance(meta, dict) else None
    sent = headers.get(VERSION)
    if sent is None:
        raise HeaderMismatch("The header MCP-Protocol-Version is missing")
    if version is not None and sent != version and sent.strip(" \t") != version:
        raise HeaderMismatch("The header MCP-Protocol-Version differs from the version in the body's _meta")
    sent = headers.get(METHOD)
    if sent != method:
        _compare("Mcp-Method", sent, method)
    field = NAME_FIELDS.get(method)
    if field is not None:
        name = params.get(field)
        sent = headers.get(NAME)
        if sent != name or sent is None or sent.startswith(_SENTINEL_START) or not _PLAIN.match(sent):
            _compare_encoded("Mcp-Name", sent, name)


def mirrored_by(method: str, params: JsonObject) -> tuple[str, str | None, str] | None:
    """Return all that `check_headers` looks at in a body, for a request that passes it often.

    Args:
        method: Method in the body.
        params: Parameters in the body.

    Returns:
        Method, name and version; ``None`` for a body without a version, or with a name that is no string.
    """
    meta = params.get("_meta")
    version = meta.get(META_VERSION) if isinstance(meta, dict) else None
    field = NAME_FIELDS.get(method)
    name = None if field is None else params.get(field)
    if isinstance(version, str) and (name is None or isinstance(name, str)):
        return method, name, version
    return None


def check_parameters(headers: Mapping[str, str], arguments: JsonValue, parameters: tuple[HeaderParameter, ...]) -> None:
    """Check a tool's mirrored parameters against the arguments (HDR-07, HDR-10, HDR-14).

    Args:
        headers: Fields of the request, names in lower case.
        arguments: Arguments in the body.
        parameters: What the tool's schema marks with ``x-mcp-header``.

    Raises:
        HeaderMismatch: A field is missing, malformed, differs, or stands for a value that the body does not have.
    """
    for parameter in parameters:
        value = value_at(parameter.path, arguments)
        sent = headers.get(parameter.header)
        if value is None and sent is None:
            continue
        shown = f"Mcp-Param-{parameter.header.removeprefix(PARAM_PREFIX)}"
        if value is None:
            raise HeaderMismatch(f"The header {shown} is there, but the body has no value for it")
        _compare_encoded(shown, sent, "true" if value is True else "false" if value is False else value)


def value_at(path: tuple[str, ...], arguments: JsonValue) -> JsonValue:
    """Return the value at a path of object keys, ``None`` where there is none."""
    for key in path:
        if not isinstance(arguments, dict):
            return None
        arguments = arguments.get(key)
    return arguments


def _compare(shown: str, sent: str | None, expected: str) -> None:
    if sent is None:
        raise HeaderMismatch(f"The header {shown} is missing")
    if sent.strip(" \t") != expected:
        raise HeaderMismatch(f"The header {shown} differs from the body")


def _compare_encoded(shown: str, sent: str | None, expected: JsonValue) -> None:
    if sent is None:
        raise HeaderMismatch(f"The header {shown} is missing")
    try:
        decoded = decode_value(sent)
    except ValueError as error:
        raise HeaderMismatch(f"The header {shown} {error}") from None
    same = decoded == expected if not isinstance(expected, (int, float)) else _is_number(decoded, expected)
    if not same:
        raise HeaderMismatch(f"The header {shown} differs from the body")


def _is_number(text: str, value: float) -> bool:
    # Decimal compares exactly: two readers of the text must not find different numbers in it.
    return abs(value) <= MAX_SAFE_INTEGER and _NUMBER.match(text) is not None and Decimal(text) == Decimal(str(value))


# --- the schema annotation --------------------------------------------------------------------------------------------


def header_parameters(schema: JsonObject) -> tuple[HeaderParameter, ...]:
    """Collect the parameters that an input schema marks with ``x-mcp-header`` (HDR-11).

    Args:
        schema: The tool's ``inputSchema``.

    Returns:
        The marked parameters, in the order of the schema.

    Raises:
        ValueError: A mark is empty, no token, not unique, on a type other than string, integer or boolean, or where
            a chain of ``properties`` does not reach it.
    """
    found: list[HeaderParameter] = []
    _collect((), schema, found)
    twice = [name for name, times in Counter(parameter.header for parameter in found).items() if times > 1]
    if twice:
        raise ValueError(f"{ANNOTATION} {twice[0].removeprefix(PARAM_PREFIX)!r} is used twice (case does not count)")
    if _count_marks(schema) != len(found):
        raise ValueError(f"{ANNOTATION} may only mark what a chain of `properties` reaches")
    return tuple(found)


def _collect(path: tuple[str, ...], schema: JsonObject, found: list[HeaderParameter]) -> None:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return
    for key, child in properties.items():
        if not isinstance(child, dict):
            continue
        if ANNOTATION in child:
            found.append(_parameter((*path, key), child))
        _collect((*path, key), child, found)


def _parameter(path: tuple[str, ...], schema: JsonObject) -> HeaderParameter:
    mark, kind, where = schema[ANNOTATION], _primitive_type(schema), ".".join(path)[:200]
    if not isinstance(mark, str) or not _TOKEN.match(mark):
        raise ValueError(f"{ANNOTATION} of {where!r} must be a non-empty header name token (RFC 9110, 5.1)")
    if kind not in ("string", "integer", "boolean"):
        raise ValueError(f"{ANNOTATION} of {where!r} must be on a string, integer or boolean, not on {kind}")
    return HeaderParameter(path, PARAM_PREFIX + mark.lower(), kind)


def _primitive_type(schema: JsonObject) -> str:
    """Return the one type of a schema, where an alternative ``null`` (an optional parameter) does not count."""
    declared = schema.get("type")
    options = schema.get("anyOf")
    kinds: list[JsonValue]
    if isinstance(options, list):
        kinds = [option.get("type") if isinstance(option, dict) else None for option in options]
    else:
        kinds = declared if isinstance(declared, list) else [declared]
    kinds = [kind for kind in kinds if kind != "null"]
    return kinds[0][:40] if len(kinds) == 1 and isinstance(kinds[0], str) else "a schema without one plain type"


def _count_marks(node: JsonValue) -> int:
    if isinstance(node, list):
        return sum(map(_count_marks, node))
    if not isinstance(node, dict):
        return 0
    total = int(ANNOTATION in node)
    for key, child in node.items():
        if key in _NAMED and isinstance(child, dict):
            total += sum(map(_count_marks, child.values()))
        elif key not in _DATA:
            total += _count_marks(child)
    return total
