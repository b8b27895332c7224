"""The official conformance suite, pinned, against `Client`: each scenario in each revision that has it, one at a time.

A client that crashes fails its scenario, which the suite's own groups would not notice. The groups (`core`, `metadata`,
`sep-835`, `draft`, `backcompat`) are made of these scenarios and of those of authorization, which have an issue of
their own; without `--spec-version` the suite speaks one of the revisions below.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.conformance.client import SCENARIOS
from tests.conformance.client_suite import client_scenarios, run_scenario
from tests.requirements import require_conformance

pytestmark = [pytest.mark.needs_node, pytest.mark.xdist_group("conformance-client")]

LEGACY, MODERN = "2025-11-25", "2026-07-28"
RUNS: Final = (
    ("initialize", "2025-06-18"),
    ("initialize", LEGACY),
    ("tools_call", "2025-06-18"),
    ("tools_call", LEGACY),
    ("tools_call", MODERN),
    ("elicitation-sep1034-client-defaults", LEGACY),
    ("sse-retry", LEGACY),
    ("request-metadata", MODERN),
    ("sep-2322-client-request-state", MODERN),
    ("http-standard-headers", MODERN),
    ("http-custom-headers", MODERN),
    ("http-invalid-tool-headers", MODERN),
    ("json-schema-ref-no-deref", MODERN),
    ("json-schema-2020-12-preservation", LEGACY),
    ("json-schema-2020-12-preservation", MODERN),
)
"""Every scenario in every revision that has it; 2025-03-26 has scenarios of authorization alone."""

TIMED: Final = "sse-retry"
"""Wants a reconnection within 200 ms of the time that it asked for, on a machine that may be busy."""
ATTEMPTS: Final = 3


def test_nothing_is_left_out() -> None:
    offered = client_scenarios(require_conformance())
    assert {(name, revision) for name, revisions in offered.items() for revision in revisions} == set(RUNS)
    assert set(SCENARIOS) == set(offered)


@pytest.mark.parametrize(("scenario", "revision"), RUNS)
def test_a_scenario_has_no_fault(scenario: str, revision: str, tmp_path: Path) -> None:
    """VER-02, VER-05, VER-07, HDR-01, HDR-03, HDR-06, HDR-08, HDR-10, HDR-12, META-01, META-03, MRTR-06, RPC-07,
    JSC-02, RES-02, RES-04."""
    tool = require_conformance()
    status, checks, output = run_scenario(tool, scenario, revision, tmp_path / "results")
    for attempt in range(2, ATTEMPTS + 1):
        if scenario == TIMED and status != 0:
            status, checks, output = run_scenario(tool, scenario, revision, tmp_path / f"results-{attempt}")
    found = [str(check) for check in checks if check.status in {"FAILURE", "WARNING"}]
    assert not found, "\n".join([*found, output])
    assert status == 0, output
    assert any(check.status == "SUCCESS" for check in checks), "nothing was tested"
