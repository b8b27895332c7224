"""Clients of both eras and of three libraries at one HTTP server process, at the same time (VER-10)."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.interop.runs import Report, Run, assert_orderly, carry_out, checks_of, failures, http_server

pytestmark = [pytest.mark.needs_interop, pytest.mark.xdist_group("mixed-eras")]

RUNS = [
    Run("mcp2", "http", "legacy"),
    Run("mcp2", "http", "modern"),
    Run("mcp2", "http", "pinned"),
    Run("mcp1", "http"),
    Run("fastmcp4", "http", "modern"),
]


@dataclass(frozen=True)
class SideBySide:
    """What each run said, and what the server wrote to stderr meanwhile."""

    reports: Mapping[Run, Report]
    log: str


@pytest.fixture(scope="module")
def together() -> SideBySide:
    with ThreadPoolExecutor(len(RUNS)) as pool, http_server() as server:
        pending = {run: pool.submit(carry_out, run, server.url) for run in RUNS}
        reports = {run: future.result() for run, future in pending.items()}
    return SideBySide(reports, server.log)


@pytest.mark.parametrize("run", RUNS, ids=str)
def test_side_by_side(run: Run, together: SideBySide) -> None:
    """Each client sees what it would see alone: its own answers, progress, log messages, level and cancellations."""
    report = together.reports[run]
    assert list(report.outcomes) == checks_of(run.era)
    assert failures(report) == {}


def test_order(together: SideBySide) -> None:
    """Nothing is left behind, on no side."""
    assert_orderly(together.log)
    for report in together.reports.values():
        assert_orderly(report.log)
