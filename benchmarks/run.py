"""The benchmark's command; README.md says what it measures.

Exit status: 0 all measured (and, with `--check`, no ratio below its floor); 1 a failure or a missed floor;
2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import environments
from contestants import CONTESTANTS, Contestant
from floors import FLOORS
from load_http import find_wrk
from measure import BenchError, Cores
from plan import Plan
from report import Setting, as_json, markdown, text_table, write_markdown
from results import RowResult, run_row
from rows import ROWS, Row


@dataclass(frozen=True)
class Options:
    """The command line."""

    quick: bool
    check: bool
    rows: list[str]
    contestants: list[str]
    json: Path | None


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write; return the exit status."""
    signal.signal(signal.SIGTERM, _terminated)
    options = _parse(arguments)
    plan = _plan(options)
    rows, contestants = _chosen(options)
    if options.check:
        environments.take_those_of_the_checkout()
    if plan.cores.server is None:
        _say("one core only: server and load share it, and calls/s mean little")
    contestants, failed = _ready(rows, contestants)
    versions = {name: environments.versions(name) for name in dict.fromkeys(one.environment for one in contestants)}
    failed |= _stacks_differ(versions)
    setting = Setting.now(" ".join(["python benchmarks/run.py", *arguments]), plan, versions)
    results: list[RowResult] = []
    for row in rows:
        _say(f"{row.name}: {row.title}")
        same = next((each for each in results if each.row.name == row.same_as), None)
        again = RowResult(row, same.samples, same.failures) if same is not None else None
        results.append(again or run_row(row, _taking_part(row, contestants, options), plan))
    print(text_table(results, contestants))
    failures = [f"{result.row.name} {name}" for result in results for name in result.failures]
    if failures:
        failed = True
        _say(f"FAILED, for the reasons above: {', '.join(failures)}")
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(results, setting), indent=1) + "\n")
    if options.check:
        failed |= _below_floor(results)
    elif failed:
        _say("RESULTS.md stays as it is: it holds whole runs only")
    elif not (options.quick or options.rows or options.contestants):
        write_markdown(environments.HERE / "RESULTS.md", markdown(results, contestants, setting))
    return int(failed)


def _parse(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(description="anyport beside other libraries and the limits.")
    parser.add_argument("--quick", action="store_true", help="1 s a round, 3 rounds; RESULTS.md stays as it is")
    parser.add_argument("--check", action="store_true", help="half a minute: exit 1 when a ratio is below its floor")
    rows, names = [row.name for row in ROWS], [one.name for one in CONTESTANTS]
    parser.add_argument("--rows", nargs="+", default=[], choices=rows, metavar="ROW", help=", ".join(rows))
    parser.add_argument("--contestants", nargs="+", default=[], choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    return Options(**vars(parser.parse_args(arguments)))


def _plan(options: Options) -> Plan:
    cores = Cores.available()
    if options.check:
        return Plan(seconds=0.5, rounds=3, starts=3, sessions=100, long=1, steady=2, cores=cores)
    if options.quick:
        return Plan(seconds=1, rounds=3, starts=5, sessions=500, long=1, steady=5, cores=cores)
    return Plan(seconds=2, rounds=5, starts=9, sessions=500, long=3, steady=30, cores=cores)


def _chosen(options: Options) -> tuple[list[Row], list[Contestant]]:
    row_names = options.rows or [row.name for row in ROWS if row.rounds != "check"]
    names = options.contestants or [one.name for one in CONTESTANTS]
    if options.check:
        row_names = list(dict.fromkeys(floor.row for floor in FLOORS))
        names = [name for floor in FLOORS for name in (floor.subject, floor.against)]
    return [row for row in ROWS if row.name in row_names], [one for one in CONTESTANTS if one.name in names]


def _taking_part(row: Row, contestants: Sequence[Contestant], options: Options) -> list[Contestant]:
    """Return who is measured in a row: with `--check`, those that a floor of the row names."""
    if not options.check:
        return list(contestants)
    names = {name for floor in FLOORS if floor.row == row.name for name in (floor.subject, floor.against)}
    return [one for one in contestants if one.name in names]


def _ready(rows: Sequence[Row], contestants: Sequence[Contestant]) -> tuple[list[Contestant], bool]:
    """Make the environments; return the contestants that have one, and whether any has none."""
    if any(row.needs != "stdio" and row.rounds != "check" for row in rows):
        find_wrk()
    broken: set[str] = set()
    for name in dict.fromkeys(one.environment for one in contestants):
        try:
            environments.make(name)
        except BenchError as failed:
            broken.add(name)
            _say(f"FAILED {failed}")
    return [one for one in contestants if one.environment not in broken], bool(broken)


def _stacks_differ(versions: dict[str, dict[str, str]]) -> bool:
    differ = False
    for name in environments.SERVER_STACK:
        found = {environment: dists[name] for environment, dists in versions.items() if name in dists}
        if len(set(found.values())) > 1:
            _say(f"FAILED {name} differs between environments, so HTTP rows compare servers: {found}")
            differ = True
    return differ


def _below_floor(results: Sequence[RowResult]) -> bool:
    below = False
    for floor in FLOORS:
        for result in results:
            if result.row.name == floor.row:
                ratio = result.ratio(floor.subject, floor.against)
                good = ratio is not None and ratio >= floor.at_least
                below |= not good
                shown = "not measured" if ratio is None else f"{ratio:.2f}"
                verdict = "ok  " if good else "MISS"
                print(f"{verdict} {floor.row}: {floor.subject} vs {floor.against}: {shown}, at least {floor.at_least}")
    return below


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    # As an exception, so that every block ends and takes its server with it.
    sys.exit(143)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    if not hasattr(os, "sched_setaffinity"):
        sys.exit("the benchmark reads /proc and sets CPU affinity: it needs Linux")
    try:
        sys.exit(main(sys.argv[1:]))
    except BenchError as error:
        sys.exit(f"FAILED {error}")
