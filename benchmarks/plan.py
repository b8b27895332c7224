"""How much is measured, and the form that every row has."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from contestants import Contestant
from measure import Cores, Sample


@dataclass(frozen=True)
class Plan:
    """The size of a run.

    Attributes:
        seconds: Load in each round, for rows that load; whole seconds where `wrk` is the load, which counts those.
        rounds: Rounds of a row that loads.
        starts: Rounds of a row that starts processes; their spread is wide and a round is short.
        sessions: Legacy sessions, or listen streams, held open in the memory rows.
        long: Rounds of a row that loads for long.
        steady: Load in each of those; seconds.
        cores: Where the two sides run.
    """

    seconds: float
    rounds: int
    starts: int
    sessions: int
    long: int
    steady: int
    cores: Cores


Take = Callable[[], Sample]
"""Measures one round of a contestant that is started, checked and warm."""

Prepare = Callable[[Contestant, Plan], AbstractContextManager[Take]]
"""Makes a contestant ready for a row; the block's end stops it."""
