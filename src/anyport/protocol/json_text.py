"""JSON text: bytes to plain objects, strictly, and back, in one line.

Decoding is strict where JSON is loose, because two readers that disagree on a message are a security hole: the bytes
must be UTF-8, object keys unique, numbers finite, nesting bounded. Uniqueness costs no parser of our own: a message is
decoded once and encoded again; equal bytes prove that nothing was dropped. Only a message in another layout (white
space, escapes, odd numbers) takes the slower exact check.
"""

from __future__ import annotations

import json
import math
from typing import cast

import msgspec
from msgspec import Raw

from anyport.protocol.errors import InternalError, ParseError
from anyport.protocol.limits import DEFAULT_LIMITS, Limits
from anyport.protocol.types.json import JsonObject, JsonValue

# As numbers: to look for one is some times as quick as to look for bytes.
_NEWLINE, _RETURN, _BRACE, _BRACKET = b"\n\r{["
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def decode_json(data: bytes, limits: Limits = DEFAULT_LIMITS) -> JsonValue:
    """Decode JSON strictly: UTF-8, unique keys, finite numbers, bounded depth.

    Args:
        data: JSON text.
        limits: ``json_depth`` applies.

    Returns:
        Plain Python objects.

    Raises:
        ParseError: Any of these does not hold.
    """
    try:
        value: JsonValue = _decode(data)
        if _encode(value) != data:
            json.loads(data, object_pairs_hook=_refuse_duplicates)
    except (msgspec.MsgspecError, ValueError, OverflowError) as error:
        raise ParseError(f"Invalid JSON: {_reason(error)}") from None
    except RecursionError:
        raise _too_deep(limits) from None
    opened = data.count(_BRACE)
    if _BRACKET in data:
        opened += data.count(_BRACKET)
    if opened > limits.json_depth and _deeper_than(limits.json_depth, value):
        raise _too_deep(limits)
    return value


def _refuse_duplicates(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a key twice")
    return found


def _deeper_than(depth: int, value: JsonValue) -> bool:
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(depth):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list))
        ]
    return bool(level)


def _too_deep(limits: Limits) -> ParseError:
    return ParseError(f"JSON is nested deeper than {limits.json_depth} levels (limit json_depth)")


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return str(error).removeprefix("JSON is malformed: ")[:200]


def encode_json(value: object) -> bytes:
    """Encode any value that JSON can say, in one line.

    Lone surrogates, which UTF-8 cannot carry, are written as escapes; NaN and the infinities become ``null``.

    Args:
        value: Structs, plain objects, and what msgspec encodes beside them; a `msgspec.Raw` is trusted to be JSON, but
            not to be without line ends.

    Returns:
        JSON text without a newline byte.

    Raises:
        InternalError: There is no JSON for a value in it.
    """
    try:
        data = _encode(value)
        # Only white space inside a Raw can be a line end here; a stream that is framed by lines must not see it.
        return data if has_no_line_end(data) else msgspec.json.format(data, indent=-1)
    except UnicodeEncodeError:
        return _encode_escaped(value)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise InternalError(f"The answer has no JSON form: {error}") from error


def has_no_line_end(data: bytes) -> bool:
    """Whether encoded JSON can go on a stream that is framed by lines as it is."""
    return _NEWLINE not in data and _RETURN not in data


def _encode_escaped(value: object) -> bytes:
    try:
        plain = _finite(cast("JsonValue", msgspec.to_builtins(value, str_keys=True, enc_hook=_plain_raw)))
        return json.dumps(plain, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise InternalError(f"The answer has no JSON form: {error}") from error


def _finite(value: JsonValue) -> JsonValue:
    """Return the value with ``null`` for what JSON has no number for, as the quick encoder writes it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return value


def _plain_raw(value: object) -> JsonValue:
    if isinstance(value, Raw):
        return cast("JsonValue", _decode(value))
    raise TypeError(f"objects of type {type(value).__name__} have no JSON form")
