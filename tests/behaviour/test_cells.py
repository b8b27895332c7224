"""The table itself: every transport is in it, in every revision that it can carry (D01, S14)."""

from __future__ import annotations

import pytest

from anyport.protocol.revisions import LEGACY, REVISIONS
from anyport.serving.settings import TRANSPORTS
from tests.behaviour.cells import ALL_CELLS, IN_PROCESS, PROCESS_CELLS


def test_every_transport_has_cells() -> None:
    """Those that `Server.run` knows, and memory; each also with the server in a process of its own."""
    assert {"memory", *TRANSPORTS} - {"streamable-http"} == set(IN_PROCESS)
    assert {cell.transport for cell in PROCESS_CELLS} == {"stdio process", "http process", "socket process"}


@pytest.mark.parametrize("transport", IN_PROCESS)
def test_a_transport_has_every_revision(transport: str) -> None:
    """The HTTP+SSE transport belongs to the legacy era; all others carry both."""
    spoken = {cell.revision for cell in ALL_CELLS if cell.transport == transport}
    assert spoken == set(LEGACY if transport == "sse" else REVISIONS)
