"""How the samples of the type tests are built: a value, its name in the specification, the revisions that have it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from anyport.protocol.types import CacheableResult, JsonObject, RequestParams, Result

REVISIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
OLDEST, LAST_LEGACY, MODERN = REVISIONS[0], REVISIONS[3], REVISIONS[4]

LEGACY_META: JsonObject = {"progressToken": "t-1", "example.com/note": {"deep": [1, None]}}
MODERN_META: JsonObject = {
    "progressToken": 7,
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
}
DATA_META: JsonObject = {"example.com/note": "kept", "example.com/null": None}


class Sample(NamedTuple):
    """A value under the name that the specification gives its type.

    Attributes:
        spec: Name of the type in the specification.
        value: The value.
        revisions: Revisions that have all its fields.
        method: Set when ``spec`` is a whole message: ``value`` is its parameters.
    """

    spec: str
    value: msgspec.Struct
    revisions: tuple[str, ...]
    method: str | None = None


def span(since: str, until: str) -> tuple[str, ...]:
    """The revisions from one to another, both included."""
    return REVISIONS[REVISIONS.index(since) : REVISIONS.index(until) + 1]


def data(
    spec: str, *values: msgspec.Struct, since: str = OLDEST, until: str = MODERN, method: str | None = None
) -> list[Sample]:
    """Values that look the same in every revision."""
    return [Sample(spec, value, span(since, until), method) for value in values]


def params(spec: str, *values: RequestParams, since: str = OLDEST, until: str = MODERN) -> list[Sample]:
    """Parameters of requests: the modern revision adds the required `_meta`."""
    legacy = [Sample(spec, value, revisions) for value in values if (revisions := _legacy(since, until))]
    modern = [_modern(spec, value, meta=MODERN_META) for value in values if until == MODERN]
    return legacy + modern


def result(spec: str, *values: Result, since: str = OLDEST, until: str = MODERN) -> list[Sample]:
    """Results: the modern revision adds `resultType`."""
    legacy = [Sample(spec, value, revisions) for value in values if (revisions := _legacy(since, until))]
    modern = [_modern(spec, value, result_type="complete") for value in values if until == MODERN]
    return legacy + modern


def cacheable(spec: str, *values: CacheableResult, since: str = OLDEST, until: str = MODERN) -> list[Sample]:
    """Cacheable results: the modern revision adds `resultType`, `ttlMs` and `cacheScope`."""
    legacy = [Sample(spec, value, revisions) for value in values if (revisions := _legacy(since, until))]
    modern = [
        _modern(spec, value, result_type="complete", ttl_ms=ttl, cache_scope=scope)
        for value in values
        for ttl, scope in ((0, "private"), (60_000, "public"))
        if until == MODERN
    ]
    return legacy + modern


def _legacy(since: str, until: str) -> tuple[str, ...]:
    return tuple(revision for revision in span(since, until) if revision != MODERN)


def _modern(spec: str, value: msgspec.Struct, **changes: object) -> Sample:
    return Sample(spec, msgspec.structs.replace(value, **changes), (MODERN,))
