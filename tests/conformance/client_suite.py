"""The official suite's client side, one scenario at a time, so that a client that ends badly counts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import msgspec

from tests.conformance.suite import LEG_LIMIT, SCENARIO_LIMIT_MS, Check, environment
from tests.requirements import Conformance

CLIENT = Path(__file__).with_name("client.py")

LEFT_OUT = ("auth/", "sep-2640-")
"""What the names of the scenarios of authorization and of skills begin with: issues of their own."""

_SCENARIO = re.compile(r"^  - (?P<name>\S+) \[(?P<revisions>[^\]]*)\]$", re.MULTILINE)


def client_scenarios(tool: Conformance) -> dict[str, tuple[str, ...]]:
    """Return the client scenarios of the suite, each with the revisions that it has it for."""
    done = subprocess.run([*tool.command, "list", "--client"], capture_output=True, text=True, timeout=LEG_LIMIT)
    return {
        found["name"]: tuple(found["revisions"].split(","))
        for found in _SCENARIO.finditer(done.stdout)
        if not found["name"].startswith(LEFT_OUT)
    }


def run_scenario(tool: Conformance, name: str, revision: str | None, results: Path) -> tuple[int, list[Check], str]:
    """Run one scenario.

    Args:
        tool: The suite.
        name: The scenario.
        revision: What the suite's mock speaks; ``None`` for what it takes by itself.
        results: A folder that does not exist.

    Returns:
        The exit status of the suite, what it found, and what it and the client wrote.
    """
    command = [*tool.command, "client", "--command", f"{sys.executable} {CLIENT}", "--scenario", name]
    command += ["--output-dir", str(results), "--timeout", str(SCENARIO_LIMIT_MS)]
    if revision is not None:
        command += ["--spec-version", revision]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=LEG_LIMIT)
    [file] = results.glob("**/checks.json")
    return done.returncode, msgspec.json.decode(file.read_bytes(), type=list[Check]), done.stdout + done.stderr
