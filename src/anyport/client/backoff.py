"""How long to wait before the next try: longer each time, and never all clients at once."""

from __future__ import annotations

import random
from typing import Final

FIRST_S: Final = 0.1
LONGEST_S: Final = 30.0


class Backoff:
    """The waits between tries.

    Args:
        first: Seconds of the first wait, at most.
        longest: Seconds of any wait, at most.
    """

    def __init__(self, first: float = FIRST_S, longest: float = LONGEST_S) -> None:
        self._first = first
        self._longest = longest
        self._tries = 0

    def next(self) -> float:
        """Return the seconds to wait before the next try: between half of them and all, by chance."""
        most = min(self._longest, self._first * 2**self._tries)
        # Past the longest wait there is nothing to count.
        self._tries = min(self._tries + 1, 32)
        return most * (0.5 + random.random() / 2)

    def reset(self) -> None:
        """Start again: a try went well."""
        self._tries = 0
