"""The client of PyPI `mcp` 2.x against anyport, in both eras, over stdio, Streamable HTTP and HTTP+SSE."""

from __future__ import annotations

import pytest

from tests.interop.runs import Report, Run, assert_ok, assert_orderly, carry_out, checks_of, parameters

pytestmark = pytest.mark.needs_interop

LEGACY = [Run("mcp2", "stdio", "legacy"), Run("mcp2", "http", "legacy")]
# `modern` finds the revision with server/discover; `pinned` is told it and asks nothing.
MODERN = [
    Run("mcp2", "stdio", "modern"),
    Run("mcp2", "http", "modern"),
    Run("mcp2", "stdio", "pinned"),
    Run("mcp2", "http", "pinned"),
]
SSE_LEGACY = [Run("mcp2", "sse", "legacy")]
SSE_MODERN = [Run("mcp2", "sse", "modern"), Run("mcp2", "sse", "pinned")]


@pytest.fixture(scope="module")
def report(request: pytest.FixtureRequest) -> Report:
    """What the run of the parameter said; it happens once."""
    return carry_out(request.param)


@pytest.mark.parametrize("check", checks_of("legacy"))
@pytest.mark.parametrize("report", parameters(LEGACY), indirect=True, scope="module")
def test_legacy(report: Report, check: str) -> None:
    """LIFE-01, LIFE-05, LIFE-07, RPC-04, TOOL-03, TOOL-05, CAN-01, PRG-01, STDIO-02, LEG-05."""
    assert_ok(report, check)


@pytest.mark.parametrize("check", checks_of("modern"))
@pytest.mark.parametrize("report", parameters(MODERN), indirect=True, scope="module")
def test_modern(report: Report, check: str) -> None:
    """VER-03, META-03, RPC-06, TOOL-03, TOOL-05, LOG-01, CCH-01, HDR-06, HTTP-10, STDIO-05, PRG-01."""
    assert_ok(report, check)


@pytest.mark.parametrize("check", checks_of("legacy", large=False))
@pytest.mark.parametrize("report", parameters(SSE_LEGACY), indirect=True, scope="module")
def test_legacy_over_sse(report: Report, check: str) -> None:
    """SSE-01, S04: with the handshake of the newest legacy revision."""
    assert_ok(report, check)


@pytest.mark.parametrize("check", checks_of("modern", large=False))
@pytest.mark.parametrize("report", parameters(SSE_MODERN), indirect=True, scope="module")
def test_modern_over_sse(report: Report, check: str) -> None:
    """VER-10: modern requests are served there, too."""
    assert_ok(report, check)


@pytest.mark.parametrize(
    "report", parameters([*LEGACY, *MODERN, *SSE_LEGACY, *SSE_MODERN]), indirect=True, scope="module"
)
def test_order(report: Report) -> None:
    """Nothing is left behind, on neither side."""
    assert_orderly(report.log)
