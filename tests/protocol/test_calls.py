"""Binding a modern request: what its `_meta` must have, what it is refused for (META-01, META-02, VER-01, LOG-01)."""

from __future__ import annotations

import pytest

from anyport.protocol.calls import (
    META_CLIENT_CAPABILITIES,
    META_CLIENT_INFO,
    META_LOG_LEVEL,
    META_VERSION,
    Carrier,
    bind_modern,
    check_log_level,
)
from anyport.protocol.errors import InvalidMeta, InvalidParams, UnsupportedVersion
from anyport.protocol.jsonrpc import Request
from anyport.protocol.revisions import V2026_07_28
from anyport.protocol.types import LOG_LEVELS
from anyport.protocol.types.json import JsonObject, JsonValue

CARRIER = Carrier(transport="memory")
META: JsonObject = {META_VERSION: "2026-07-28", META_CLIENT_CAPABILITIES: {}}


def modern(meta: JsonValue, **params: JsonValue) -> Request:
    return Request(1, "tools/call", {**params, "_meta": meta})


def without(key: str) -> JsonObject:
    return {name: value for name, value in META.items() if name != key}


def test_a_call_is_self_contained() -> None:
    """META-01, META-06: everything comes from the request itself."""
    meta: JsonObject = {
        **META,
        META_CLIENT_CAPABILITIES: {"sampling": {}},
        META_CLIENT_INFO: {"name": "c", "version": "1"},
        META_LOG_LEVEL: "warning",
        "progressToken": "p",
        "example.com/kept": 1,
    }
    request = modern(meta, name="buy")
    call = bind_modern(request, CARRIER)
    assert (call.method, call.id, call.params, call.meta) == ("tools/call", 1, request.params, meta)
    assert (call.revision, call.carrier) == (V2026_07_28, CARRIER)
    assert (call.client, call.capabilities) == ({"name": "c", "version": "1"}, {"sampling": {}})
    assert (call.log_level, call.progress_token) == ("warning", "p")


def test_what_is_optional_may_be_absent() -> None:
    """LOG-01: without a level there are no log notifications."""
    call = bind_modern(modern(META), CARRIER)
    assert (call.client, call.capabilities, call.log_level, call.progress_token) == (None, {}, None, None)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({}, META_VERSION),
        ({"_meta": None}, META_VERSION),
        ({"_meta": []}, META_VERSION),
        ({"_meta": "2026-07-28"}, META_VERSION),
        ({"_meta": {}}, META_VERSION),
        ({"_meta": without(META_VERSION)}, META_VERSION),
        ({"_meta": {**META, META_VERSION: None}}, META_VERSION),
        ({"_meta": {**META, META_VERSION: 20260728}}, META_VERSION),
        ({"_meta": without(META_CLIENT_CAPABILITIES)}, META_CLIENT_CAPABILITIES),
        ({"_meta": {**META, META_CLIENT_CAPABILITIES: None}}, META_CLIENT_CAPABILITIES),
        ({"_meta": {**META, META_CLIENT_CAPABILITIES: []}}, META_CLIENT_CAPABILITIES),
        ({"_meta": {**META, META_CLIENT_INFO: "curl"}}, META_CLIENT_INFO),
        ({"_meta": {**META, META_CLIENT_INFO: []}}, META_CLIENT_INFO),
    ],
)
def test_a_missing_field_is_named(params: JsonObject, named: str) -> None:
    """META-02: -32602 with HTTP 400."""
    with pytest.raises(InvalidMeta) as caught:
        bind_modern(Request(1, "tools/list", params), CARRIER)
    assert (caught.value.code, caught.value.http_status) == (-32602, 400)
    assert named in caught.value.message


@pytest.mark.parametrize("version", ["2025-11-25", "2024-11-05", "2027-01-01", "", "2026-07-28 ", "v" * 10_000])
def test_an_unsupported_version_is_refused(version: str) -> None:
    """VER-01; also a legacy one, which needs a handshake, and before anything else in `_meta` is looked at."""
    with pytest.raises(UnsupportedVersion) as caught:
        bind_modern(modern({META_VERSION: version}), CARRIER)
    data = caught.value.data
    assert isinstance(data, dict)
    assert data["requested"] == version[:64]
    assert data["supported"] == ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]
    assert len(caught.value.message) < 120


@pytest.mark.parametrize("level", LOG_LEVELS)
def test_log_levels(level: str) -> None:
    assert check_log_level(level) == level
    assert bind_modern(modern({**META, META_LOG_LEVEL: level}), CARRIER).log_level == level


@pytest.mark.parametrize("level", ["", "INFO", "trace", 0, True, [], {}, ["info"], "x" * 10_000])
def test_other_log_levels_are_refused(level: JsonValue) -> None:
    """LOG-01: -32602, and the known ones are listed."""
    with pytest.raises(InvalidParams) as caught:
        bind_modern(modern({**META, META_LOG_LEVEL: level}), CARRIER)
    assert caught.value.code == -32602
    assert "debug, info, notice, warning, error, critical, alert, emergency" in caught.value.message
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("token", "kept"),
    [
        ("a", "a"),
        ("", ""),
        (0, 0),
        (7, 7),
        (None, None),
        (True, None),
        (False, None),
        (1.0, None),
        ([], None),
        ({}, None),
    ],
)
def test_progress_tokens_are_text_or_integers(token: JsonValue, kept: object) -> None:
    """PRG-01."""
    call = bind_modern(modern({**META, "progressToken": token}), CARRIER)
    assert (call.progress_token, type(call.progress_token)) == (kept, type(kept))
