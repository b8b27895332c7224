"""The client of PyPI `fastmcp` 4.x against anyport, in both eras, over stdio and Streamable HTTP.

What a tool writes to stdout reaches none of them (S03); one registration serves every transport (S14)."""

from __future__ import annotations

import pytest

from tests.interop.runs import Report, Run, assert_ok, assert_orderly, carry_out, checks_of, parameters

pytestmark = pytest.mark.needs_interop

LEGACY = [Run("fastmcp4", "stdio", "legacy"), Run("fastmcp4", "http", "legacy"), Run("fastmcp4", "sse")]
# `modern` finds the revision with server/discover; `pinned` is told it and asks nothing.
MODERN = [
    Run("fastmcp4", "stdio", "modern"),
    Run("fastmcp4", "http", "modern"),
    Run("fastmcp4", "http", "pinned"),
]


@pytest.fixture(scope="module")
def report(request: pytest.FixtureRequest) -> Report:
    """What the run of the parameter said; it happens once."""
    return carry_out(request.param)


@pytest.mark.parametrize("check", checks_of("legacy"))
@pytest.mark.parametrize("report", parameters(LEGACY), indirect=True, scope="module")
def test_legacy(report: Report, check: str) -> None:
    """LIFE-01, LIFE-05, LIFE-07, RPC-04, TOOL-03, TOOL-05, RSC-01, PRM-01, CMP-01, PAG-01, CAN-01, PRG-01, LEG-05."""
    assert_ok(report, check)


@pytest.mark.parametrize("check", checks_of("modern"))
@pytest.mark.parametrize("report", parameters(MODERN), indirect=True, scope="module")
def test_modern(report: Report, check: str) -> None:
    """VER-03, META-03, RPC-06, TOOL-03, TOOL-05, RSC-01, PRM-01, CMP-01, PAG-01, LOG-01, CCH-01, HDR-06, PRG-01."""
    assert_ok(report, check)


@pytest.mark.parametrize("report", parameters([*LEGACY, *MODERN]), indirect=True, scope="module")
def test_order(report: Report) -> None:
    """Nothing is left behind, on neither side."""
    assert_orderly(report.log)
