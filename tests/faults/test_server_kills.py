"""A stdio server is killed with -9, wherever it is: a typed error, and another one in its place (D01, D09, D11)."""

from __future__ import annotations

from tests.faults.server_kills import POINTS, deaths
from tests.requirements import require_linux

CYCLES = 6 * len(POINTS)
AGAIN_S = 10.0
"""On a machine that does other things, too; `make soak` does a thousand, each within a second."""


async def test_a_server_that_is_killed_is_started_again() -> None:
    """STDIO-07: eight points, in turn; no zombie, no descriptor, no thread is left."""
    require_linux("children and descriptors are counted in /proc")
    found, left = await deaths(CYCLES)
    assert [death for death in found if death.wrong or death.seconds > AGAIN_S] == []
    assert {death.point for death in found} == set(POINTS)
    assert not left
