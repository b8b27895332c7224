"""One frozen row per protocol revision, and the only version comparisons in the project.

What differs between revisions is a column here; code asks the row, never the version.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Era = Literal["legacy", "modern"]


class Revision(Struct, frozen=True, kw_only=True, gc=False):
    """What a protocol revision has and how it behaves.

    Attributes:
        name: The version string on the wire.
        index: Place in time; 0 is the oldest.
        era: ``legacy`` has a handshake and sessions, ``modern`` is stateless.
        batches: JSON-RPC batches must be received (2025-03-26 only).
        version_header: HTTP requests after the handshake carry ``MCP-Protocol-Version``.
        header_mirror: HTTP requests mirror method, name and marked parameters in ``Mcp-*`` headers.
        resumable: A client may come back for the events of a stream (2025-03-26 to 2025-11-25).
        priming_event: An event stream starts with an id and empty data (SEP-1699).
        structured_output: Tool results may have ``structuredContent``.
        result_type: Every result carries ``resultType``.
        not_found_code: JSON-RPC code for an unknown resource.
    """

    name: str
    index: int
    era: Era
    batches: bool = False
    version_header: bool = False
    header_mirror: bool = False
    resumable: bool = False
    priming_event: bool = False
    structured_output: bool = False
    result_type: bool = False
    not_found_code: int = -32002

    @property
    def modern(self) -> bool:
        """Whether the revision is stateless (2026-07-28 and later)."""
        return self.era == "modern"

    def lacks(self, since: str) -> bool:
        """Whether the revision is older than the one that brought something in.

        Args:
            since: Version string of that revision.
        """
        return self.index < _BY_NAME[since].index


V2024_11_05 = Revision(name="2024-11-05", index=0, era="legacy")
V2025_03_26 = Revision(name="2025-03-26", index=1, era="legacy", batches=True, resumable=True)
V2025_06_18 = Revision(
    name="2025-06-18", index=2, era="legacy", version_header=True, resumable=True, structured_output=True
)
V2025_11_25 = Revision(
    name="2025-11-25",
    index=3,
    era="legacy",
    version_header=True,
    resumable=True,
    priming_event=True,
    structured_output=True,
)
V2026_07_28 = Revision(
    name="2026-07-28",
    index=4,
    era="modern",
    version_header=True,
    header_mirror=True,
    structured_output=True,
    result_type=True,
    not_found_code=-32602,
)

REVISIONS = (V2024_11_05, V2025_03_26, V2025_06_18, V2025_11_25, V2026_07_28)
LEGACY = tuple(row for row in REVISIONS if not row.modern)
MODERN = tuple(row for row in REVISIONS if row.modern)
LATEST_LEGACY = LEGACY[-1]
LATEST_MODERN = MODERN[-1]
ASSUMED_LEGACY = V2025_03_26
"""What a legacy HTTP request without a version header speaks (2025-11-25, transports, "Protocol Version Header")."""

SUPPORTED_NAMES = tuple(row.name for row in reversed(REVISIONS))
"""Version strings, newest first, as ``server/discover`` and -32022 list them."""

_BY_NAME = {row.name: row for row in REVISIONS}


_MODERN_BY_NAME = {row.name: row for row in MODERN}


def find_modern(name: str) -> Revision | None:
    """Return the row of the version string of a modern revision, or ``None`` for any other."""
    return _MODERN_BY_NAME.get(name)


def find_revision(name: object) -> Revision | None:
    """Return the row of a version string, or ``None`` for an unknown one."""
    return _BY_NAME.get(name) if isinstance(name, str) else None


def negotiate(requested: object) -> Revision:
    """Choose the revision of a legacy session (LIFE-02).

    Args:
        requested: ``protocolVersion`` of the ``initialize`` request.

    Returns:
        The requested revision where it is a legacy one that anyport speaks, else the newest legacy one: a modern
        version cannot be spoken after a handshake.
    """
    row = find_revision(requested)
    return row if row is not None and not row.modern else LATEST_LEGACY
