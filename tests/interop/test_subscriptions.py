"""The clients of PyPI `mcp` 1.x and 2.x are told of changes: listen streams, and subscriptions of a legacy session."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import IO, Literal

import pytest

from tests.interop.runs import RUN_LIMIT_S, assert_orderly, environment
from tests.requirements import interop_python

pytestmark = pytest.mark.needs_interop

HERE = Path(__file__).parent
SERVER = HERE / "changing_server.py"
TOLD_LEGACY = [
    "notifications/tools/list_changed",
    "True",
    "notifications/tools/list_changed",
    "notifications/resources/updated note://one",
    "notifications/prompts/list_changed",
]
TOLD_MODERN = [
    '{"promptsListChanged": true, "resourceSubscriptions": ["note://one"], "toolsListChanged": true}',
    "ToolsListChanged",
    "True",
    "ToolsListChanged",
    "PromptsListChanged",
    "ResourceUpdated note://two",
    "ResourceUpdated note://one",
    "graceful",
]


def told(peer: Literal["mcp1", "mcp2"], *arguments: str) -> list[str]:
    """Run a peer; return what it was told."""
    script = HERE / "peers" / f"{peer}_listening.py"
    done = subprocess.run(
        [str(interop_python(peer)), str(script), *arguments],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-8000:]
    assert_orderly(done.stderr)
    found: list[str] = json.loads(done.stdout)
    return found


def address(stderr: IO[str] | None) -> str:
    """Return where a server says that it listens."""
    assert stderr is not None
    for line in stderr:
        if found := re.search(r"http://\S+", line):
            return found[0]
    pytest.fail("the server does not listen", pytrace=False)


@pytest.mark.parametrize(
    ("peer", "mode", "expected"),
    [
        ("mcp1", [], TOLD_LEGACY),
        ("mcp2", ["--mode", "legacy"], TOLD_LEGACY),
        ("mcp2", ["--mode", "modern"], TOLD_MODERN),
    ],
    ids=["mcp1", "mcp2-legacy", "mcp2-modern"],
)
def test_stdio(peer: Literal["mcp1", "mcp2"], mode: list[str], expected: list[str]) -> None:
    """S31, SUB-01, SUB-02, SUB-03, SUB-04."""
    assert told(peer, *mode, "--", sys.executable, str(SERVER)) == expected


@pytest.mark.parametrize(
    ("peer", "mode", "expected"),
    [
        ("mcp1", [], TOLD_LEGACY),
        ("mcp2", ["--mode", "legacy"], TOLD_LEGACY),
        ("mcp2", ["--mode", "modern"], TOLD_MODERN),
    ],
    ids=["mcp1", "mcp2-legacy", "mcp2-modern"],
)
def test_http(peer: Literal["mcp1", "mcp2"], mode: list[str], expected: list[str]) -> None:
    """S31, LEG-01, SUB-01, SUB-02, SUB-03, SUB-04: in a session by the standing stream."""
    with subprocess.Popen(
        [sys.executable, str(SERVER), "--port", "0"],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert told(peer, *mode, address(server.stderr)) == expected
        finally:
            server.kill()
