"""Trace context in ``_meta``: ``traceparent``, ``tracestate`` and ``baggage``, in the formats of the W3C.

2026-07-28, basic protocol, "_meta"; W3C Trace Context, sections 3.2 and 3.3; W3C Baggage, section 3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from anyport.protocol.types.json import JsonValue

_PARENT: Final = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?\Z"
)
_STATE_KEY: Final = r"(?:[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13}|[a-z][a-z0-9_\-*/]{0,255})"
_STATE_MEMBER: Final = re.compile(
    rf"{_STATE_KEY}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{{0,255}}[\x21-\x2b\x2d-\x3c\x3e-\x7e]\Z"
)
_STATE_MEMBERS: Final = 32
_NAME: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_OCTETS: Final = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"
_BAGGAGE_MEMBER: Final = re.compile(
    rf"[ \t]*{_NAME}[ \t]*=[ \t]*{_OCTETS}(?:[ \t]*;[ \t]*{_NAME}(?:[ \t]*=[ \t]*{_OCTETS})?)*[ \t]*\Z"
)
_BAGGAGE_BYTES: Final = 8192
_BAGGAGE_MEMBERS: Final = 180
_FIRST_VERSION: Final = "00"
_NO_VERSION: Final = "ff"


class TraceContext(Struct, frozen=True):
    """Where a request stands in a trace.

    Attributes:
        trace_id: Id of the trace, 32 hexadecimal digits.
        parent_id: Id of the span that sent the request, 16 hexadecimal digits.
        sampled: Whether the sender records the trace.
        traceparent: All of that as it came.
        tracestate: What tracing systems add; ``None`` for nothing.
    """

    trace_id: str
    parent_id: str
    sampled: bool
    traceparent: str
    tracestate: str | None = None


def read_trace_context(meta: Mapping[str, JsonValue]) -> TraceContext | None:
    """Return where a request stands in a trace; ``None`` where it says nothing, or nothing that can be read (RPC-15).

    A malformed ``traceparent`` is as good as none, and takes its ``tracestate`` with it; a malformed ``tracestate`` is
    left out (Trace Context, 3.2.2.3 and 3.3.1).

    Args:
        meta: ``_meta`` of the request.
    """
    parent, state = meta.get("traceparent"), meta.get("tracestate")
    if not isinstance(parent, str) or _parent_problem(parent) is not None:
        return None
    if not isinstance(state, str) or _state_problem(state) is not None:
        state = None
    _, trace, span, flags = parent.split("-")[:4]
    return TraceContext(trace, span, bool(int(flags, 16) & 1), parent, state)


def read_baggage(meta: Mapping[str, JsonValue]) -> str | None:
    """Return the baggage of a request as it came; ``None`` where there is none that can be read (RPC-15)."""
    baggage = meta.get("baggage")
    return baggage if isinstance(baggage, str) and _baggage_problem(baggage) is None else None


def check_trace_context(meta: Mapping[str, JsonValue]) -> None:
    """Check what is about to be sent (RPC-15).

    Args:
        meta: Entries of ``_meta``.

    Raises:
        ValueError: One of the three is not in its format; the text names it and says why.
    """
    for name, problem_of in _PROBLEMS.items():
        if name not in meta:
            continue
        value = meta[name]
        problem = problem_of(value) if isinstance(value, str) else "it is no text"
        if problem is not None:
            raise ValueError(f"{name!r} is not in the format of the W3C: {problem}")
    if "tracestate" in meta and "traceparent" not in meta:
        raise ValueError("'tracestate' means nothing without 'traceparent'")


def _parent_problem(value: str) -> str | None:
    found = _PARENT.match(value)
    if found is None or found["version"] == _NO_VERSION:
        return "it must be 00-(32 digits)-(16 digits)-(2 digits), hexadecimal in lower case"
    if found["version"] == _FIRST_VERSION and found["more"] is not None:
        return "version 00 has four parts"
    if not found["trace"].strip("0") or not found["span"].strip("0"):
        return "an id of zeros is none"
    return None


def _state_problem(value: str) -> str | None:
    members = [member.strip(" \t") for member in value.split(",")]
    named = [member for member in members if member]
    if len(named) > _STATE_MEMBERS:
        return f"it has more than {_STATE_MEMBERS} members"
    if not all(_STATE_MEMBER.match(member) for member in named):
        return "its members must be key=value"
    keys = [member.partition("=")[0] for member in named]
    return None if len(keys) == len(set(keys)) else "a key occurs twice"


def _baggage_problem(value: str) -> str | None:
    if len(value) > _BAGGAGE_BYTES:
        return f"it has more than {_BAGGAGE_BYTES} characters"
    members = value.split(",")
    if len(members) > _BAGGAGE_MEMBERS:
        return f"it has more than {_BAGGAGE_MEMBERS} members"
    return None if all(_BAGGAGE_MEMBER.match(member) for member in members) else "its members must be key=value"


_PROBLEMS: Final = {"traceparent": _parent_problem, "tracestate": _state_problem, "baggage": _baggage_problem}
