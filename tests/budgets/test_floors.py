"""The light form of the benchmarks: CPU time of a call, beside the official SDK and beside the limits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.requirements import interop_python, require_linux

ROOT = Path(__file__).parents[2]
MOST_S = 90
TRIES = 2


@pytest.mark.slow
@pytest.mark.timeout(TRIES * MOST_S + 10)
def test_no_ratio_is_below_its_floor() -> None:
    """Processor time per call, which a neighbour hardly moves; a busy moment of the machine gets another try."""
    require_linux("processor time is read from /proc")
    interop_python("mcp2")
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("server and load need a core each")
    said = ""
    for _ in range(TRIES):
        command = [sys.executable, "-m", "benchmarks", "--check"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=MOST_S, check=False)
        said += f"{done.stdout}\n{done.stderr}\n"
        if done.returncode == 0:
            assert "MISS" not in done.stdout
            assert done.stdout.count("ok  ") >= 6
            return
    pytest.fail(said)
