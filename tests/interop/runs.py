"""Runs the client of another SDK against the fixture server and returns what became of each check."""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict, cast

import pytest

from tests.interop.checks.peer import Era
from tests.interop.checks.table import names_for
from tests.requirements import ROOT, Environment, interop_python

Transport = Literal["stdio", "http", "sse"]
SERVER = Path(__file__).with_name("server_fixture.py")
START_LIMIT_S = 40.0
STOP_LIMIT_S = 5.0
RUN_LIMIT_S = 100.0

BAD_END = "the server ended with status"
DISORDER = (
    BAD_END,
    "was never",
    "was destroyed",
    "Exception in ASGI",
    "ResourceWarning",
    "Unhandled",
    "Exception ignored",
)
"""What asyncio, uvicorn and the interpreter write when something is left behind or dropped."""


class Outcome(TypedDict):
    """What became of one check."""

    ok: bool
    detail: str


@dataclass(frozen=True)
class Run:
    """One peer, connected in one way.

    Attributes:
        peer: Environment that has the SDK.
        transport: How it is connected.
        mode: How the client finds its revision: see the scripts in `peers/`.
    """

    peer: Environment
    transport: Transport
    mode: str = "legacy"

    @property
    def era(self) -> Era:
        return "legacy" if self.mode == "legacy" else "modern"

    def __str__(self) -> str:
        return f"{self.peer}-{self.transport}-{self.mode}"


@dataclass(frozen=True)
class Report:
    """What a run left.

    Attributes:
        outcomes: Of each check.
        log: What the peer and, on stdio, the server wrote to stderr.
    """

    outcomes: Mapping[str, Outcome]
    log: str


def checks_of(era: Era, *, large: bool = True) -> list[str]:
    """Return the names of the checks that an era has; see `names_for`."""
    return names_for(era, large=large)


def parameters(runs: Sequence[Run]) -> list[object]:
    """Return runs as test parameters; the tests of one run stay in one worker, so that it happens once."""
    return [pytest.param(run, id=str(run), marks=pytest.mark.xdist_group(str(run))) for run in runs]


def failures(report: Report) -> dict[str, str]:
    """Return the details of the checks that did not go well."""
    return {name: outcome["detail"] for name, outcome in report.outcomes.items() if not outcome["ok"]}


def assert_ok(report: Report, check: str) -> None:
    """Fail with the detail of a check unless it went well."""
    outcome = report.outcomes[check]
    if not outcome["ok"]:
        pytest.fail(outcome["detail"], pytrace=False)


def assert_orderly(log: str) -> None:
    """Fail if a log tells that something was left behind or dropped."""
    found = [line for line in log.splitlines() if any(sign in line for sign in DISORDER)]
    assert not found, "\n".join([*found, "", log])


def environment() -> dict[str, str]:
    """Return variables in which peers and servers find this checkout, and nothing of this machine's settings."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ANYPORT_", "MCP_", "PYTHON", "COV_")) and "proxy" not in name.lower()
    }
    return {**kept, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "src"))), "PYTHONUNBUFFERED": "1"}


def carry_out(run: Run, url: str | None = None, *options: str) -> Report:
    """Run a peer.

    Args:
        run: Which, and how.
        url: The server, for HTTP and HTTP+SSE; a server of its own is started where it is left out.
        options: More arguments for the script of the peer.

    Returns:
        What it said. The test that asks ends here if the run said nothing.
    """
    if run.transport != "stdio" and url is None:
        with http_server(run.transport) as server:
            report = carry_out(run, server.url, *options)
        return Report(report.outcomes, report.log + server.log)
    target = [sys.executable, str(SERVER)] if url is None else [url]
    done = subprocess.run(
        [*_command(run), *options, "--", *target],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"{run} ended with status {done.returncode}:\n{done.stderr[-8000:]}", pytrace=False)
    return Report(cast("dict[str, Outcome]", json.loads(done.stdout)), done.stderr)


def _command(run: Run) -> list[str]:
    script = SERVER.parent / "peers" / f"{run.peer}_client.py"
    mode = ["--mode", run.mode] if run.peer != "mcp1" else []
    return [str(interop_python(run.peer)), str(script), *mode]


class HttpServer:
    """The fixture server on HTTP, as a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.url = ""
        self._process = process
        self._lines: list[str] = []
        self._told: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def log(self) -> str:
        """What it wrote to stderr so far."""
        return "".join(self._lines)

    def listen(self) -> None:
        """Wait until it says where it listens."""
        try:
            told = self._told.get(timeout=START_LIMIT_S)
        except queue.Empty:
            told = None
        if told is None:
            pytest.fail(f"the fixture server does not listen:\n{self.log}", pytrace=False)
        self.url = told

    def stop(self) -> None:
        """Ask it to end; what is wrong about its end goes into its log, since the run itself is worth a report."""
        self._process.terminate()
        try:
            status = self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._reader.join(STOP_LIMIT_S)
        if status not in {0, -15, 143}:
            self._lines.append(f"{BAD_END} {status}, {STOP_LIMIT_S:g} s after SIGTERM at the latest\n")

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._lines.append(line)
            if not self.url and (found := re.search(r"http://\S+", line)):
                self._told.put(found[0])
        self._told.put(None)


@contextmanager
def http_server(transport: Transport = "http") -> Generator[HttpServer]:
    """Serve the fixture over HTTP or HTTP+SSE, on a port that is free, for as long as the context lasts."""
    command = [sys.executable, str(SERVER), "--port", "0", "--transport", transport]
    with subprocess.Popen(
        command,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        server = HttpServer(process)
        try:
            server.listen()
            yield server
        finally:
            server.stop()
