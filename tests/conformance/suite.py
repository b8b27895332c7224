"""The official suite against `tests/conformance/server.py`: start the server, run a leg, read the checks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Literal

import msgspec

from tests.requirements import Conformance

SERVER = Path(__file__).with_name("server.py")

START_LIMIT = 20.0
"""Seconds in which the server has to say where it listens."""
STOP_LIMIT = 5.0
"""Seconds that the server may take to end after SIGTERM."""
LEG_LIMIT = 45.0
"""Seconds for all scenarios of a leg; they take a few."""
SCENARIO_LIMIT_MS = 10_000

_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/mcp")
# The suite is content with an empty list, and with any error where it wants one.
_MISSING = re.compile(rb'Unknown tool|Unknown prompt|Count": *0\b|"values": *\[\s*\]')
_FOLDER = re.compile(r"server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")

_SCENARIO = re.compile(r"^  - (?P<name>\S+) \[(?P<revisions>[^\]]*)\]$", re.MULTILINE)

Status = Literal["SUCCESS", "INFO", "SKIPPED", "WARNING", "FAILURE"]


class Check(msgspec.Struct, frozen=True, rename="camel"):
    """One finding of the suite.

    Attributes:
        id: What was checked; several findings of a scenario may share it.
        status: What came out.
        error_message: Why, where it is bad.
        details: What was seen.
    """

    id: str
    status: Status
    error_message: str = ""
    details: msgspec.Raw = msgspec.Raw(b"null")

    def __str__(self) -> str:
        return f"{self.status} {self.id}: {self.error_message or bytes(self.details).decode()}"


Leg = dict[str, list[Check]]
"""The findings of one leg, by scenario."""


def environment() -> dict[str, str]:
    """Return this process's variables without the settings of anyport."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ANYPORT_", "MCP_"))}


class _Lines:
    """What a process writes, read as it comes so that the pipe never fills."""

    def __init__(self, stream: IO[str]) -> None:
        self.all: list[str] = []
        self._first: SimpleQueue[str] = SimpleQueue()
        self._reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._reader.start()

    def first(self) -> str:
        """Wait for the first line; empty when there is none in time."""
        try:
            return self._first.get(timeout=START_LIMIT)
        except Empty:
            return ""

    def rest(self) -> list[str]:
        """Wait for the end of the stream and return the lines after the first."""
        self._reader.join(STOP_LIMIT)
        return self.all[1:]

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self.all.append(line)
            self._first.put(line)
        self._first.put("")


def _address(lines: _Lines) -> str:
    found = _ADDRESS.search(lines.first())
    if found is None:
        lines.rest()
        raise AssertionError(f"the server did not say where it listens:\n{''.join(lines.all)}")
    return found[0]


@contextmanager
def fixture_server() -> Generator[str]:
    """Serve the fixture over HTTP, in a process of its own, for as long as the context lasts.

    Yields:
        The URL of its endpoint.

    Raises:
        AssertionError: It did not start, wrote more to stderr than its address, or did not end in good order.
    """
    command = [sys.executable, str(SERVER), "--port", "0"]
    with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = _Lines(process.stderr)
        try:
            yield _address(lines)
            process.terminate()
            assert process.wait(STOP_LIMIT) == 0
            assert lines.rest() == [], f"the server complained:\n{''.join(lines.all)}"
        finally:
            process.kill()


def scenarios(tool: Conformance) -> dict[str, tuple[str, ...]]:
    """Return the server scenarios of the suite, each with the revisions that it has it for."""
    done = subprocess.run([*tool.command, "list", "--server"], capture_output=True, text=True, timeout=LEG_LIMIT)
    listed, _, _ = done.stdout.partition("Client scenarios")
    return {found["name"]: tuple(found["revisions"].split(",")) for found in _SCENARIO.finditer(listed)}


def run_leg(tool: Conformance, url: str, arguments: Sequence[str], results: Path) -> tuple[int, Leg]:
    """Run a leg of the suite in strict mode, one scenario after the other, in one process of the suite.

    Args:
        tool: The suite.
        url: Endpoint of the server.
        arguments: Which scenarios, and what is spoken.
        results: A folder that does not exist.

    Returns:
        The exit status of the suite, and what it found.
    """
    results.mkdir()
    expected = results / "expected.yml"
    expected.write_text("server: []\n")
    command = [*tool.command, "server", "--url", url, *arguments, "--expected-failures", str(expected)]
    command += ["--output-dir", str(results), "--timeout", str(SCENARIO_LIMIT_MS)]
    done = subprocess.run(command, env=environment(), stdout=subprocess.DEVNULL, timeout=LEG_LIMIT)
    leg: Leg = {}
    for file in results.glob("*/checks.json"):
        folder = _FOLDER.fullmatch(file.parent.name)
        assert folder is not None, f"the suite names its folders in another way: {file.parent.name}"
        leg[folder["scenario"]] = msgspec.json.decode(file.read_bytes(), type=list[Check])
    return done.returncode, leg


def faults(checks: list[Check]) -> list[Check]:
    """Return the findings that are neither good nor mere information."""
    return [check for check in checks if check.status not in {"SUCCESS", "INFO"}]


def is_vacuous(checks: list[Check]) -> bool:
    """Whether a scenario went well only because the server lacks what it asks for.

    A missing tool makes some checks pass: those that want an error, whatever it says, or that something never comes;
    a list or a completion with nothing in it passes too.
    """
    missing = any(_MISSING.search(bytes(check.details)) for check in checks)
    return missing or not any(check.status == "SUCCESS" for check in checks)
