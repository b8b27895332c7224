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

    In a process whose allocator takes fresh pages for both sizes: glibc would give used ones to 16 MiB alone, and fresh
    ones cost as much as all else.
    """
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    command = [sys.executable, str(LARGE), kind]
    small, large = float("inf"), float("inf")
    for _ in range(ATTEMPTS):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=40, check=True)
        first, second = map(float, done.stdout.split())
        small, large = min(small, first), min(large, second)
        if large / small <= MOST_TIMES:
            break
    return large / small
