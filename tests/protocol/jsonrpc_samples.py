"""What the tests of the codec share: messages as bytes, and hypothesis strategies for JSON and for messages."""

from __future__ import annotations

import json
import math
from typing import cast

import pytest
from hypothesis import strategies as st

from anyport.protocol.errors import ErrorObject, McpError
from anyport.protocol.jsonrpc import ErrorResponse, Message, Notification, Request, Response, decode
from anyport.protocol.limits import DEFAULT_LIMITS, MAX_SAFE_INTEGER, Limits
from anyport.protocol.types.json import JsonObject, JsonValue


def request(id_: bytes = b"1", params: bytes = b"{}") -> bytes:
    """A request in the layout that clients send."""
    return b'{"jsonrpc":"2.0","id":%s,"method":"m","params":%s}' % (id_, params)


def nested(depth: int) -> bytes:
    """A value that is `depth` levels deep."""
    return b"[" * depth + b"]" * depth


def refusal(data: bytes, limits: Limits = DEFAULT_LIMITS) -> McpError:
    """The error with which `data` is refused."""
    with pytest.raises(McpError) as caught:
        decode(data, limits)
    return caught.value


# --- strategies -------------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.sampled_from(["", "2.0", '"', "\\", "\n", "\0", "\x7f", "\u2028", "\U0001f600", "id", "[{", "}]"])
)
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    SCALARS,
    lambda inner: cast(
        "st.SearchStrategy[JsonValue]", st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
    ),
    max_leaves=12,
)
OBJECTS: st.SearchStrategy[JsonObject] = st.dictionaries(
    TEXT | st.sampled_from(["id", "_meta", "name"]), VALUES, max_size=4
)
IDS = st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER) | st.text(st.characters(exclude_categories=["Cs"]), max_size=256)
METHODS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20) | st.just("tools/call")
ERRORS = st.builds(ErrorObject, st.integers(-(2**40), 2**40), TEXT, VALUES) | st.builds(
    ErrorObject, st.integers(), TEXT
)
MESSAGES: st.SearchStrategy[Message] = (
    st.builds(Request, IDS, METHODS, OBJECTS)
    | st.builds(Notification, METHODS, OBJECTS)
    | st.builds(Response, IDS, OBJECTS)
    | st.builds(ErrorResponse, st.none() | IDS, ERRORS)
)


# --- a reference for the strict decoder -------------------------------------------------------------------------------


class Refused(Exception):
    """The reference refuses the bytes."""


def reference_decode(data: bytes, depth: int = 64) -> JsonValue:
    """Decode JSON by the book, with the standard library alone.

    Raises:
        Refused: Not UTF-8, not JSON, a key twice, no finite number, a lone surrogate, or too deep.
    """
    try:
        value = cast(
            "JsonValue",
            json.loads(
                data.decode(),
                object_pairs_hook=_unique,
                parse_float=_finite,
                parse_constant=_refuse,
            ),
        )
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Refused(str(error)) from None
    if _depth(value) > depth:
        raise Refused("depth")
    return value


def _unique(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    if len({key for key, _ in pairs}) < len(pairs):
        raise Refused("a key twice")
    return dict(pairs)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Refused("not finite")
    return number


def _refuse(text: str) -> None:
    raise Refused(text)


def _depth(value: JsonValue) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0
