"""The official conformance suite, pinned, against the fixture server, on every revision that has each scenario.

A check that is neither a success nor mere information fails its test, so a warning does too, which the suite's own exit
status would let pass. What cannot be met yet is listed with its reason, and a test fails once it is met: the lists only
shrink. Scenarios of extensions belong to no revision; they are not run here.

Proves META-02, META-05, VER-01, VER-03, HDR-04, HDR-05, HDR-07, HDR-09, HTTP-02, LIFE-02, LIFE-07, SES-01, SES-03,
TOOL-01, TOOL-02, RSC-01, CCH-01, LOG-01, PRG-01, JSC-01.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.suite import Leg, Status, faults, fixture_server, is_vacuous, run_leg
from tests.requirements import Conformance, require_conformance

# One worker for all of it: one server, and each leg is run once.
pytestmark = [pytest.mark.needs_node, pytest.mark.xdist_group("conformance-server")]

REVISIONS: Final = ("2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
LEGACY: Final = ("2025-06-18", "2025-11-25")
SINCE_2025_06_18: Final = ("2025-06-18", "2025-11-25", "2026-07-28")
SINCE_2025_11_25: Final = ("2025-11-25", "2026-07-28")
MODERN: Final = ("2026-07-28",)

MET: Final[dict[str, tuple[str, ...]]] = {
    "caching": MODERN,
    "completion-complete": SINCE_2025_06_18,
    "dns-rebinding-protection": SINCE_2025_11_25,
    "http-custom-header-server-validation": MODERN,
    "http-header-validation": MODERN,
    "input-required-result-unsupported-methods": MODERN,
    "json-schema-2020-12": SINCE_2025_11_25,
    "logging-set-level": LEGACY,
    "ping": LEGACY,
    "prompts-get-embedded-resource": SINCE_2025_06_18,
    "prompts-get-simple": SINCE_2025_06_18,
    "prompts-get-with-args": SINCE_2025_06_18,
    "prompts-get-with-image": SINCE_2025_06_18,
    "prompts-list": SINCE_2025_06_18,
    "resources-list": SINCE_2025_06_18,
    "resources-read-binary": SINCE_2025_06_18,
    "resources-read-text": SINCE_2025_06_18,
    "resources-templates-read": SINCE_2025_06_18,
    "sep-2164-resource-not-found": MODERN,
    "server-initialize": LEGACY,
    "server-session-lifecycle": ("2025-03-26", *LEGACY),
    "server-sse-multiple-streams": SINCE_2025_11_25,
    "server-stateless": MODERN,
    "tools-call-audio": SINCE_2025_06_18,
    "tools-call-embedded-resource": SINCE_2025_06_18,
    "tools-call-error": SINCE_2025_06_18,
    "tools-call-image": SINCE_2025_06_18,
    "tools-call-mixed-content": SINCE_2025_06_18,
    "tools-call-simple-text": SINCE_2025_06_18,
    "tools-call-with-logging": LEGACY,
    "tools-call-with-progress": SINCE_2025_06_18,
    "tools-list": SINCE_2025_06_18,
}
"""Scenario to the revisions that the suite has it for."""

ASKING: Final = "elicitation, sampling and roots are not there yet"
RESUMPTION: Final = "streams cannot be resumed yet"
RESOURCE_SUBSCRIPTIONS: Final = "resources/subscribe is not there yet, so no capability promises it"
SUBSCRIPTIONS: Final = "subscriptions/listen is not there yet, so no capability promises it"

OPEN_CHECKS: Final[dict[str, dict[str, tuple[Status, str]]]] = {
    "server-stateless": {
        "sep-2575-http-server-no-independent-requests-on-stream": ("FAILURE", ASKING),
        "sep-2575-server-honors-notification-filter": ("SKIPPED", SUBSCRIPTIONS),
        "sep-2575-server-sends-prompts-list-changed-on-subscription": ("SKIPPED", SUBSCRIPTIONS),
        "sep-2575-server-sends-subscription-ack": ("SKIPPED", SUBSCRIPTIONS),
        "sep-2575-server-sends-tools-list-changed-on-subscription": ("SKIPPED", SUBSCRIPTIONS),
        "sep-2575-server-tags-subscription-id": ("SKIPPED", SUBSCRIPTIONS),
    },
}
"""Scenario to the checks of it that are not met yet: how they come out, and why."""

OPEN_SCENARIOS: Final[dict[str, str]] = {
    "elicitation-sep1034-defaults": ASKING,
    "elicitation-sep1330-enums": ASKING,
    "input-required-result-basic-elicitation": ASKING,
    "input-required-result-basic-list-roots": ASKING,
    "input-required-result-basic-sampling": ASKING,
    "input-required-result-capability-check": ASKING,
    "input-required-result-ignore-extra-params": ASKING,
    "input-required-result-missing-input-response": ASKING,
    "input-required-result-multi-round": ASKING,
    "input-required-result-multiple-input-requests": ASKING,
    "input-required-result-non-tool-request": ASKING,
    "input-required-result-request-state": ASKING,
    "input-required-result-result-type": ASKING,
    "input-required-result-tampered-state": ASKING,
    "input-required-result-validate-input": ASKING,
    "resources-subscribe": RESOURCE_SUBSCRIPTIONS,
    "resources-unsubscribe": RESOURCE_SUBSCRIPTIONS,
    "server-sse-polling": RESUMPTION,
    "tools-call-elicitation": ASKING,
    "tools-call-sampling": ASKING,
}
"""Scenario to what it lacks, on whichever revision."""


@dataclass
class Legs:
    """What the suite found, revision by revision; a leg is run when it is first asked for."""

    tool: Conformance
    url: str
    folder: Path
    _run: dict[str, Leg] = field(default_factory=dict[str, Leg])

    def of(self, revision: str) -> Leg:
        if revision not in self._run:
            self._run[revision] = run_leg(self.tool, self.url, revision, self.folder / revision)
        return self._run[revision]


@pytest.fixture(scope="module")
def legs(tmp_path_factory: pytest.TempPathFactory) -> Generator[Legs]:
    tool = require_conformance()
    with fixture_server() as url:
        yield Legs(tool, url, tmp_path_factory.mktemp("conformance"))


@pytest.mark.parametrize(
    ("revision", "scenario"), [(revision, name) for name, revisions in MET.items() for revision in revisions]
)
def test_a_scenario_is_met(legs: Legs, revision: str, scenario: str) -> None:
    checks = legs.of(revision).get(scenario, [])
    assert checks, "the suite did not run the scenario"
    known = OPEN_CHECKS.get(scenario, {})
    found = faults(checks)
    new = [check for check in found if check.id not in known or check.status != known[check.id][0]]
    assert not new, "\n".join(map(str, new))
    met = set(known) - {check.id for check in found}
    assert not met, "met by now: take them out of OPEN_CHECKS"
    assert known or not is_vacuous(checks), "nothing was tested: the fixture lacks what the scenario asks for"
    for check in found:
        print(f"open: {check} ({known[check.id][1]})")


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_other_scenario_is_listed_and_still_open(legs: Legs, revision: str) -> None:
    met_here = {scenario for scenario, revisions in MET.items() if revision in revisions}
    others = {scenario: checks for scenario, checks in legs.of(revision).items() if scenario not in met_here}
    assert sorted(others) == sorted(set(others) & set(OPEN_SCENARIOS)), "the suite has scenarios that no list names"
    met = [scenario for scenario, checks in others.items() if not faults(checks) and not is_vacuous(checks)]
    assert not met, "met by now: move them from OPEN_SCENARIOS to MET"


def test_the_lists_name_only_what_the_suite_has(legs: Legs) -> None:
    offered = {scenario for revision in REVISIONS for scenario in legs.of(revision)}
    assert offered == {*MET, *OPEN_SCENARIOS}
