"""Running the rows: contestants take turns (A B C A B C), so that a drift of the machine meets all of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from contestants import Contestant
from measure import BenchError, Sample
from plan import Plan, Take
from rows import Row


@dataclass
class RowResult:
    """What one row gave: the samples of each contestant in order of the rounds, or the reason why there are none."""

    row: Row
    samples: dict[str, list[Sample]] = field(default_factory=dict[str, list[Sample]])
    failures: dict[str, str] = field(default_factory=dict[str, str])

    def figures(self, name: str) -> list[float]:
        """Return the compared figure of each round; empty when the contestant failed or took no part."""
        values = (getattr(sample, self.row.figure) for sample in self.samples.get(name, ()))
        return [float(value) for value in values if value is not None]

    def ratio(self, name: str, against: str) -> float | None:
        """Compare two contestants: the median of the ratios of each round, in the row's sense (`Row.ratio`).

        Two contestants of one round ran one after the other; their ratio says more than that of two medians.
        """
        pairs = list(zip(self.figures(name), self.figures(against), strict=False))
        if name == against or not pairs or not all(own > 0 and other > 0 for own, other in pairs):
            return None
        own_first = self.row.ratio == "part" or self.row.figure == "calls_per_s"
        return median(own / other if own_first else other / own for own, other in pairs)


def run_row(row: Row, contestants: Iterable[Contestant], plan: Plan) -> RowResult:
    """Measure one row of every contestant that can take part.

    Args:
        row: The row.
        contestants: Who was asked for; those that lack the ability are left out.
        plan: How much.

    Returns:
        The samples, and the failures: a contestant that fails is out of this row, the others go on.
    """
    result = RowResult(row)
    stacks: dict[str, ExitStack] = {}
    takes: dict[str, Take] = {}
    able = [contestant for contestant in contestants if row.needs in contestant.abilities]
    with ExitStack() as everything:
        for contestant in able:
            stack = stacks[contestant.name] = everything.enter_context(ExitStack())
            try:
                takes[contestant.name] = stack.enter_context(row.prepare(contestant, plan))
            except (BenchError, OSError, subprocess.SubprocessError) as failed:
                _fail(result, contestant.name, failed)
        for _ in range({"start": plan.starts, "long": plan.long}.get(row.rounds, plan.rounds)):
            for name, take in takes.items():
                if name not in result.failures:
                    _sample(result, name, take)
        for name, stack in stacks.items():
            try:
                stack.close()
            except BenchError as failed:
                _fail(result, name, failed)
    return result


def _sample(result: RowResult, name: str, take: Take) -> None:
    try:
        sample = take()
    except (BenchError, OSError, subprocess.SubprocessError) as failed:
        _fail(result, name, failed)
    else:
        result.samples.setdefault(name, []).append(sample)


def _fail(result: RowResult, name: str, reason: Exception) -> None:
    result.failures[name] = " ".join(str(reason).split())
    result.samples.pop(name, None)
    print(f"FAILED {result.row.name} {name}: {result.failures[name]}", file=sys.stderr, flush=True)
