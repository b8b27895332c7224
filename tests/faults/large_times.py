"""How the time of an answer grows with its size."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final, Literal

LARGE: Final = Path(__file__).parent / "servers" / "large_answers.py"
MOST_TIMES: Final = 4.6
"""What 64 MiB may take in times of 16 (D19)."""
ATTEMPTS: Final = 6


def times_that_64_take_of_16(kind: Literal["line", "body", "event"]) -> float:
    """Return the processor time of 64 MiB in times of that of 16; the least of some attempts counts.

    Both sizes of an attempt are measured in one process, one after the other: what else the machine does moves them
    together, and hardly their ratio. The allocator of that process takes fresh pages for both sizes: glibc would give
    used ones to 16 MiB alone, and fresh ones cost as much as all else.
    """
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    command = [sys.executable, str(LARGE), kind]
    least = float("inf")
    for _ in range(ATTEMPTS):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=True)
        small, large = map(float, done.stdout.split())
        least = min(least, large / small)
        if least <= MOST_TIMES:
            break
    return least
