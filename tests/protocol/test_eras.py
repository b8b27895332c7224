"""Which era a peer speaks: what a server sees over HTTP, what a client tries next (VER-02, VER-04 to VER-07)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from anyport.protocol.calls import META_CLIENT_CAPABILITIES, META_VERSION
from anyport.protocol.eras import http_era, mutual_revision, probe_era, speaks_modern
from anyport.protocol.errors import ErrorObject, RemoteProtocolError
from anyport.protocol.jsonrpc import ErrorResponse, Notification, Request, Response
from anyport.protocol.revisions import Era, Revision
from anyport.protocol.types.json import JsonObject, JsonValue

META: JsonObject = {META_VERSION: "2026-07-28", META_CLIENT_CAPABILITIES: {}}
BARE: JsonObject = {"progressToken": 1}

# --- the server's view ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("meta", "modern"),
    [
        (META, True),
        ({META_VERSION: "2025-11-25"}, True),
        ({META_VERSION: None}, True),
        ({META_CLIENT_CAPABILITIES: {}}, False),
        (BARE, False),
        ({}, False),
        (None, False),
        ([META_VERSION], False),
        (META_VERSION, False),
    ],
)
def test_the_version_in_the_metadata_is_the_mark(meta: JsonValue, modern: bool) -> None:
    """VER-10; a wrong value is a modern mistake, to be told as one."""
    for message in (Request(1, "tools/list", {"_meta": meta}), Notification("notifications/x", {"_meta": meta})):
        assert speaks_modern(message) is modern
    assert not speaks_modern(Request(1, "tools/list", {}))


NO_FIELDS: dict[str, str] = {}
SESSION = {"mcp-session-id": "s"}


def version(name: str) -> dict[str, str]:
    return {"mcp-protocol-version": name}


@pytest.mark.parametrize(
    ("method", "meta", "headers", "era"),
    [
        # the metadata decides, whatever the headers say
        ("tools/list", META, NO_FIELDS, "modern"),
        ("tools/list", META, version("2026-07-28"), "modern"),
        ("tools/list", META, version("2025-11-25"), "modern"),
        ("tools/list", META, version("1999-01-01"), "modern"),
        ("tools/list", META, SESSION, "modern"),
        ("initialize", META, NO_FIELDS, "modern"),
        ("initialize", META, version("2026-07-28"), "modern"),
        ("initialize", META, {**SESSION, **version("2025-11-25")}, "modern"),
        # without it, the header of a legacy revision, or none
        ("tools/list", BARE, NO_FIELDS, "legacy"),
        ("tools/list", BARE, version("2025-06-18"), "legacy"),
        ("tools/list", BARE, version("2025-11-25"), "legacy"),
        ("tools/list", BARE, version("2024-11-05"), "legacy"),
        ("initialize", BARE, NO_FIELDS, "legacy"),
        ("initialize", BARE, version("2025-11-25"), "legacy"),
        # a header that no legacy revision has: the peer meant a modern request, its error names what is missing
        ("tools/list", BARE, version("2026-07-28"), "modern"),
        ("tools/list", BARE, version("1999-01-01"), "modern"),
        ("tools/list", BARE, version(""), "modern"),
        ("initialize", BARE, version("2026-07-28"), "modern"),
        ("server/discover", BARE, version("2026-07-28"), "modern"),
        # a session is legacy and checks the header itself
        ("tools/list", BARE, SESSION, "legacy"),
        ("tools/list", BARE, {**SESSION, **version("2025-11-25")}, "legacy"),
        ("tools/list", BARE, {**SESSION, **version("2026-07-28")}, "legacy"),
        ("tools/list", BARE, {**SESSION, **version("1999-01-01")}, "legacy"),
    ],
)
def test_the_era_of_a_post(method: str, meta: JsonObject, headers: dict[str, str], era: Era) -> None:
    """VER-10, META-06: told anew for each message."""
    assert http_era(Request(1, method, {"_meta": meta}), headers) == era
    assert http_era(Notification(method, {"_meta": meta}), headers) == era


# --- the client's view ------------------------------------------------------------------------------------------------

Answer = Response | ErrorResponse | None
Outcome = tuple[list[str], str | None]


def probe(answers: Sequence[Answer]) -> Outcome:
    """Drive the detection; returns the revisions that were tried, and the one that it ends with."""
    steps = probe_era()
    tried = [next(steps).name]
    for answer in answers:
        try:
            tried.append(steps.send(answer).name)
        except StopIteration as end:
            chosen: Revision | None = end.value
            return tried, chosen.name if chosen is not None else None
    raise AssertionError(f"it wants to try more: {tried}")


def discovered(*names: JsonValue) -> Response:
    return Response(1, {"supportedVersions": list(names), "capabilities": {}})


def refused(code: int, data: JsonValue = None) -> ErrorResponse:
    return ErrorResponse(1, ErrorObject(code, "no", data))


def unsupported(*names: JsonValue) -> ErrorResponse:
    return refused(-32022, {"supported": list(names), "requested": "2026-07-28"})


MODERN: Outcome = (["2026-07-28"], "2026-07-28")
LEGACY: Outcome = (["2026-07-28"], None)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        # a DiscoverResult: modern (VER-04)
        (discovered("2026-07-28"), MODERN),
        (discovered("2027-01-01", "2026-07-28", "2025-11-25"), MODERN),
        # ... that offers no modern revision of ours: the handshake is the way that it names (VER-02)
        (discovered("2025-11-25", "2025-06-18"), LEGACY),
        # a modern error other than the version's: modern, no handshake (VER-06)
        (refused(-32020), MODERN),
        (refused(-32021, {"requiredCapabilities": {}}), MODERN),
        # any other error, whatever its code: legacy (VER-05)
        (refused(-32601), LEGACY),
        (refused(-32602), LEGACY),
        (refused(-32600), LEGACY),
        (refused(-32000), LEGACY),
        (refused(-32001), LEGACY),
        (refused(-32700), LEGACY),
        (refused(0), LEGACY),
        (refused(400), LEGACY),
        (ErrorResponse(None, ErrorObject(-32600, "no")), LEGACY),
        # silence, or no JSON-RPC at all: legacy (VER-05, VER-07)
        (None, LEGACY),
        # a result that is no DiscoverResult
        (Response(1, {}), LEGACY),
        (Response(1, {"tools": []}), LEGACY),
        (Response(1, {"supportedVersions": "2026-07-28"}), LEGACY),
        (Response(1, {"supportedVersions": None}), LEGACY),
    ],
)
def test_one_answer_is_enough(answer: Answer, outcome: Outcome) -> None:
    assert probe([answer]) == outcome


@pytest.mark.parametrize("names", [["2025-11-25"], ["2024-11-05", "1999-01-01"], ["2025-06-18", 7, None, {}]])
def test_a_server_that_offers_legacy_revisions_gets_the_handshake(names: list[JsonValue]) -> None:
    """VER-02: a mutual version from `supported`, in the only way that it can be spoken."""
    assert probe([unsupported(*names)]) == LEGACY


@pytest.mark.parametrize(
    ("second", "chosen"),
    [
        (discovered("2026-07-28"), "2026-07-28"),
        (refused(-32020), "2026-07-28"),
        (refused(-32601), None),
        (Response(1, {}), None),
        (None, None),
    ],
)
def test_a_version_that_is_offered_is_tried_once_more(second: Answer, chosen: str | None) -> None:
    """VER-02: some servers refuse the first request in the version that they name."""
    answers = [unsupported("2025-11-25", "2026-07-28"), second]
    assert probe(answers) == (["2026-07-28", "2026-07-28"], chosen)


@pytest.mark.parametrize(
    "answers",
    [
        [unsupported("2026-07-28"), unsupported("2026-07-28")],
        [unsupported("2026-07-28"), unsupported("2025-11-25")],
        [unsupported("2027-01-01")],
        [unsupported()],
        [refused(-32022)],
        [refused(-32022, [])],
        [refused(-32022, {"supported": "2026-07-28"})],
        [discovered()],
        [discovered("2027-01-01", 7)],
    ],
)
def test_a_modern_server_without_a_revision_of_ours_is_told(answers: list[Answer]) -> None:
    """VER-02, VER-06: an error for the user, no handshake."""
    with pytest.raises(RemoteProtocolError):
        probe(answers)


def test_the_error_names_both_sides_shortly() -> None:
    data: JsonObject = {"supported": [f"{number}{'x' * 1000}" for number in range(1000)]}
    with pytest.raises(RemoteProtocolError) as caught:
        mutual_revision(ErrorObject(-32022, "no", data))
    assert "2026-07-28, 2025-11-25" in str(caught.value)
    assert len(str(caught.value)) < 600


OFFERS: list[tuple[list[JsonValue], str]] = [
    (["2024-11-05", "2026-07-28", "2025-11-25"], "2026-07-28"),
    (["2027-01-01", "2025-03-26"], "2025-03-26"),
    ([None, 1, [], "2025-06-18"], "2025-06-18"),
]


@pytest.mark.parametrize(("names", "newest"), OFFERS)
def test_the_newest_mutual_revision(names: list[JsonValue], newest: str) -> None:
    """VER-02; what is no version is passed over."""
    assert mutual_revision(ErrorObject(-32022, "no", {"supported": names})).name == newest
