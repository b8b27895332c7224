"""The official conformance suite, pinned, against the fixture server: each leg, in strict mode.

A leg is what one command of the suite runs: all scenarios of a revision, a frozen set of requirements, or everything
(the bare run). Strict mode is an empty list of expected failures: with it the suite counts a warning as a failure. No
scenario may be skipped or pass on nothing. The extensions that no issue has built yet are the only ones left out.

Proves META-02, META-05, VER-01, VER-03, HDR-04, HDR-05, HDR-07, HDR-09, HTTP-02, LIFE-02, LIFE-07, SES-01, SES-03,
TOOL-01, TOOL-02, RSC-01, CCH-01, LOG-01, PRG-01, JSC-01, MRTR-01, MRTR-02, MRTR-03, MRTR-04, MRTR-07, SUB-01, SUB-02,
SUB-03, RES-01, RES-02.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.suite import Leg, faults, fixture_server, is_vacuous, run_leg, scenarios
from tests.requirements import Conformance, require_conformance

# One worker for all of it: one server, and each leg is run once.
pytestmark = [pytest.mark.needs_node, pytest.mark.xdist_group("conformance-server")]

REVISIONS: Final = ("2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
BARE: Final = "bare"
LEGS: Final[dict[str, tuple[str, ...]]] = {
    **{revision: ("--suite", "all", "--spec-version", revision) for revision in REVISIONS},
    "requirements of 2025-11-25": ("--requirements", "2025-11-25"),
    "requirements of 2026-07-28": ("--requirements", "2026-07-28"),
    BARE: ("--suite", "all"),
}
"""Name of a leg to the arguments of the suite."""

EXTENSIONS: Final = ("tasks-", "sep-2640-")
"""What the names of the scenarios of tasks and of skills begin with."""


@dataclass
class Legs:
    """What the suite found; a leg is run when it is first asked for."""

    tool: Conformance
    url: str
    folder: Path
    _run: dict[str, tuple[int, Leg]] = field(default_factory=dict[str, tuple[int, Leg]])

    def of(self, name: str) -> tuple[int, Leg]:
        """Return the exit status of a leg, and its findings without those of the extensions."""
        if name not in self._run:
            status, leg = run_leg(self.tool, self.url, LEGS[name], self.folder / name.replace(" ", "-"))
            core = {scenario: checks for scenario, checks in leg.items() if not scenario.startswith(EXTENSIONS)}
            self._run[name] = status, core
        return self._run[name]


@pytest.fixture(scope="module")
def legs(tmp_path_factory: pytest.TempPathFactory) -> Generator[Legs]:
    tool = require_conformance()
    with fixture_server() as url:
        yield Legs(tool, url, tmp_path_factory.mktemp("conformance"))


@pytest.mark.parametrize("name", LEGS)
def test_a_leg_has_no_fault_and_passes_nothing_on_nothing(legs: Legs, name: str) -> None:
    _, leg = legs.of(name)
    assert leg, "the suite ran nothing"
    found = [f"{scenario}: {check}" for scenario, checks in sorted(leg.items()) for check in faults(checks)]
    assert not found, "\n".join(found)
    vacuous = [scenario for scenario, checks in leg.items() if is_vacuous(checks)]
    assert not vacuous, "nothing was tested: the fixture lacks what these ask for"


@pytest.mark.parametrize("name", [name for name in LEGS if name != BARE])
def test_the_suite_itself_is_content_in_strict_mode(legs: Legs, name: str) -> None:
    # The bare run has the extensions among its scenarios, so its status says nothing yet.
    status, _ = legs.of(name)
    assert status == 0


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_leg_runs_every_scenario_that_the_suite_has_for_its_revision(legs: Legs, revision: str) -> None:
    offered = {name for name, revisions in scenarios(legs.tool).items() if revision in revisions}
    assert set(legs.of(revision)[1]) == offered


def test_the_bare_run_leaves_out_nothing_but_the_extensions(legs: Legs) -> None:
    offered = {name for name in scenarios(legs.tool) if not name.startswith(EXTENSIONS)}
    assert set(legs.of(BARE)[1]) == offered
