"""The table of revisions, and which one a legacy handshake ends in (LIFE-01, LIFE-02, RPC-16, LEG-08, SSE-01)."""

from __future__ import annotations

import pytest
from mcp_types import version as theirs

from anyport.protocol import revisions
from anyport.protocol.revisions import (
    ASSUMED_LEGACY,
    LATEST_LEGACY,
    LATEST_MODERN,
    LEGACY,
    MODERN,
    REVISIONS,
    SUPPORTED_NAMES,
    Revision,
    find_revision,
    negotiate,
)

NAMES = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]


def test_the_rows_are_in_the_order_of_time() -> None:
    assert [row.name for row in REVISIONS] == NAMES == sorted(NAMES)
    assert [row.index for row in REVISIONS] == [0, 1, 2, 3, 4]
    assert list(theirs.KNOWN_PROTOCOL_VERSIONS) == NAMES


def test_the_eras() -> None:
    assert (*LEGACY, *MODERN) == REVISIONS
    assert [row.name for row in MODERN] == ["2026-07-28"]
    assert (LATEST_LEGACY.name, LATEST_MODERN.name, ASSUMED_LEGACY.name) == ("2025-11-25", "2026-07-28", "2025-03-26")
    assert [row.modern for row in REVISIONS] == [row.era == "modern" for row in REVISIONS]
    assert list(SUPPORTED_NAMES) == NAMES[::-1]


@pytest.mark.parametrize(
    ("column", "names"),
    [
        ("batches", ["2025-03-26"]),
        ("version_header", ["2025-06-18", "2025-11-25", "2026-07-28"]),
        ("header_mirror", ["2026-07-28"]),
        ("priming_event", ["2025-11-25"]),
        ("structured_output", ["2025-06-18", "2025-11-25", "2026-07-28"]),
        ("result_type", ["2026-07-28"]),
    ],
)
def test_what_each_revision_has(column: str, names: list[str]) -> None:
    """RPC-06, RPC-16, HDR-01, LEG-08, RES-01, TOOL-03."""
    assert [row.name for row in REVISIONS if getattr(row, column)] == names


def test_the_code_of_an_unknown_resource() -> None:
    """RSC-01, RPC-11."""
    assert [row.not_found_code for row in REVISIONS] == [-32002, -32002, -32002, -32002, -32602]


@pytest.mark.parametrize("row", REVISIONS, ids=lambda row: row.name)
def test_older_lacks_what_newer_brought(row: Revision) -> None:
    assert [row.lacks(name) for name in NAMES] == [row.name < name for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_found_by_name(name: str) -> None:
    row = find_revision(name)
    assert row is not None
    assert row.name == name


@pytest.mark.parametrize(
    "name", ["", "2025-11-26", "2025-11-25 ", " 2025-11-25", "DRAFT-2026-v1", None, 20251125, ["2025-11-25"], {}]
)
def test_nothing_else_is_a_revision(name: object) -> None:
    assert find_revision(name) is None


@pytest.mark.parametrize(
    ("requested", "chosen"),
    [
        *((name, name) for name in NAMES[:4]),
        ("2026-07-28", "2025-11-25"),
        ("2027-01-01", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
        ("", "2025-11-25"),
        ("DRAFT-2026-v1", "2025-11-25"),
        (None, "2025-11-25"),
        (1, "2025-11-25"),
        (["2024-11-05"], "2025-11-25"),
    ],
)
def test_negotiation(requested: object, chosen: str) -> None:
    """LIFE-02: the same where it is spoken, else the newest; a modern one cannot follow a handshake."""
    assert negotiate(requested).name == chosen


def test_rows_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        revisions.V2025_11_25.batches = True  # pyright: ignore[reportAttributeAccessIssue] - that is the point
