"""The client of PyPI `mcp` 1.x against anyport, over stdio, Streamable HTTP and HTTP+SSE."""

from __future__ import annotations

import pytest

from tests.interop.runs import (
    Report,
    Run,
    assert_ok,
    assert_orderly,
    carry_out,
    checks_of,
    failures,
    parameters,
)

pytestmark = pytest.mark.needs_interop

RUNS = [Run("mcp1", "stdio"), Run("mcp1", "http"), Run("mcp1", "sse")]


@pytest.fixture(scope="module")
def report(request: pytest.FixtureRequest) -> Report:
    """What the run of the parameter said; it happens once."""
    return carry_out(request.param)


@pytest.mark.parametrize("check", checks_of("legacy"))
@pytest.mark.parametrize("report", parameters(RUNS), indirect=True, scope="module")
def test_legacy(report: Report, check: str) -> None:
    """LIFE-01, LIFE-05, LIFE-07, RPC-04, TOOL-03, TOOL-05, CAN-01, PRG-01, STDIO-02, LEG-05, SES-01, SSE-01, S04."""
    assert_ok(report, check)


@pytest.mark.parametrize("report", parameters(RUNS), indirect=True, scope="module")
def test_order(report: Report) -> None:
    """Nothing is left behind, on neither side."""
    assert_orderly(report.log)


@pytest.mark.parametrize("run", RUNS, ids=str)
@pytest.mark.parametrize("revision", ["2024-11-05", "2025-03-26", "2025-06-18"])
def test_older_revisions(run: Run, revision: str) -> None:
    """A client that opens with an older revision gets it, and is served in it (LIFE-02, LIFE-05)."""
    report = carry_out(run, None, "--revision", revision)
    assert failures(report) == {}
    assert len(report.outcomes) > 50
    assert_orderly(report.log)
