"""The clients of PyPI `mcp` 1.x and 2.x against a server written for the low-level API of `mcp` 1.x (S23)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from tests.interop.runs import RUN_LIMIT_S, assert_orderly, environment
from tests.requirements import ROOT, interop_python

pytestmark = pytest.mark.needs_interop

SERVER = ROOT / "tests" / "compat" / "lowlevel_server.py"
SAID = [
    "lowlevel 1.2",
    "prompts resources tools",
    "add weigh",
    "5",
    "{'grams': 3}",
    "True",
    "note://one",
    "text of note://one",
    "draft",
    "draft about pens",
]


@pytest.mark.parametrize("peer", ["mcp1", "mcp2"])
def test_the_snippet(peer: Literal["mcp1", "mcp2"]) -> None:
    """S23, S01: a process like any other for a client that was not written here."""
    script = Path(__file__).parent / "peers" / f"{peer}_lowlevel.py"
    done = subprocess.run(
        [str(interop_python(peer)), str(script), sys.executable, str(SERVER)],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-8000:]
    assert_orderly(done.stderr)
    assert json.loads(done.stdout) == SAID
