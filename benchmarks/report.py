"""The table: on the screen, in RESULTS.md, and as JSON."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from contestants import Contestant
from plan import Plan
from results import RowResult
from rows import PEER

_BEGIN = "<!-- bench: begin (written by benchmarks/run.py) -->"
_END = "<!-- bench: end -->"
_HEAD = ("row", "contestant", "median", "spread", "unit", "calls/s", "p50 ms", "worst ms", f"vs {PEER}", "vs limit")
_RULES = (
    "Each figure is the median of the rounds; contestants took turns in each round."
    f" `vs {PEER}` and `vs limit` are medians of the ratios within a round: `5.0 x` means five times as good"
    " (throughput rows, by CPU), `0.35 of` means 0.35 of the other's time or size."
    " `spread` is the least and the greatest round, `worst ms` the median of the slowest calls of each round."
    " Server and load have a core each, except where a row says that they have all."
    " `calls/s` moves with whatever else the machine does; the CPU for each call hardly does."
)
_WHAT_RAN = (
    "What ran (HTTP: stock uvicorn with uvloop and httptools, no access log, log level warning;"
    " stdio: as the library starts it):"
)


@dataclass(frozen=True)
class Setting:
    """Where and how the run was made."""

    when: str
    cpu: str
    command: str
    plan: Plan
    load_average: float
    versions: Mapping[str, Mapping[str, str]]

    @classmethod
    def now(cls, command: str, plan: Plan, versions: Mapping[str, Mapping[str, str]]) -> Setting:
        """Describe this machine at this moment."""
        when = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
        cpu = f"{_cpu_model()}, {os.cpu_count()} cores, {platform.system()} {platform.release().split('-')[0]}"
        return cls(when, cpu, command, plan, os.getloadavg()[0], versions)


def text_table(results: Sequence[RowResult], contestants: Sequence[Contestant]) -> str:
    """Return the table for a terminal."""
    lines = _lines(results, contestants)
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    padded = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([padded[0], "-" * len(padded[0]), *padded[1:]])


def markdown(results: Sequence[RowResult], contestants: Sequence[Contestant], setting: Setting) -> str:
    """Return the section of RESULTS.md that a run writes."""
    head, *lines = _lines(results, contestants)
    plan = setting.plan
    table = [head, ["---"] * len(head), *lines]
    notes = [f"- **{contestant.name}**: {contestant.note}." for contestant in contestants]
    versions = [
        f"- `{name}`: " + ", ".join(f"{dist} {version}" for dist, version in found.items())
        for name, found in setting.versions.items()
    ]
    size = f"{plan.rounds} rounds of {plan.seconds} s, {plan.starts} starts, {plan.sessions} sessions or streams"
    size += f", {plan.long} rounds of {plan.steady} s"
    return "\n".join(
        [
            f"Measured {setting.when} on {setting.cpu} by `{setting.command}`: {size}.",
            f"Load average at the start: {setting.load_average:.1f}.",
            "",
            *("| " + " | ".join(line) + " |" for line in table),
            "",
            _RULES,
            "",
            _WHAT_RAN,
            "",
            *notes,
            "",
            "Versions by environment:",
            "",
            *versions,
        ]
    )


def write_markdown(path: Path, section: str) -> None:
    """Put a section between the marks in a file, and leave the rest of the file as it is."""
    before, found, rest = path.read_text().partition(_BEGIN)
    if not found:
        before, rest = before.rstrip() + "\n\n", _END + "\n"
    _, _, after = rest.partition(_END)
    path.write_text(f"{before}{_BEGIN}\n\n{section}\n\n{_END}{after}")


def as_json(results: Sequence[RowResult], setting: Setting) -> dict[str, object]:
    """Return everything that was measured, each round, for other programs."""
    return {
        "setting": asdict(setting),
        "rows": [
            {
                "name": result.row.name,
                "title": result.row.title,
                "figure": result.row.figure,
                "unit": result.row.unit,
                "samples": {name: [asdict(sample) for sample in taken] for name, taken in result.samples.items()},
                "failures": result.failures,
            }
            for result in results
        ],
    }


def _lines(results: Sequence[RowResult], contestants: Sequence[Contestant]) -> list[list[str]]:
    lines: list[list[str]] = [list(_HEAD)]
    for result in results:
        title = f"{result.row.name}: {result.row.title}"
        for contestant in contestants:
            line = _line(result, contestant.name)
            if line:
                lines.append([title, contestant.name, *line])
                title = ""
    return lines


def _line(result: RowResult, name: str) -> list[str]:
    if name in result.failures:
        return ["FAILED", "", "", "", "", "", "", ""]
    figures, taken = result.figures(name), result.samples.get(name, [])
    if not figures:
        return []
    limit = result.row.limit
    return [
        _number(median(figures)),
        f"{_number(min(figures))} to {_number(max(figures))}",
        result.row.unit,
        _median(sample.calls_per_s for sample in taken),
        _median(sample.p50_ms for sample in taken),
        _median(sample.worst_ms for sample in taken),
        _ratio(result, name, PEER),
        _ratio(result, name, limit) if limit else "",
    ]


def _ratio(result: RowResult, name: str, against: str) -> str:
    value = result.ratio(name, against)
    if value is None:
        return ""
    shown = f"{value:.2f}" if 0.1 <= value < 10 else _number(value)
    return f"{shown} {'x' if result.row.ratio == 'times' else 'of'}"


def _median(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return _number(median(known)) if known else ""


def _number(value: float) -> str:
    """Write a number with three digits."""
    for least, places in ((100, 0), (10, 1), (1, 2)):
        if abs(value) >= least:
            return f"{value:,.{places}f}"
    return f"{value:#.3g}"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
