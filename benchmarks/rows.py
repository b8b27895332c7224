"""The table of rows: what is measured, of whom, and what each figure is held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from contestants import Ability
from load_http import http_calls, idle_sessions
from load_stdio import import_time, spawn_to_answer, stdio_calls
from plan import Prepare

PEER = "mcp"

Figure = Literal["cpu_ms", "wall_ms", "calls_per_s", "p50_ms", "worst_ms", "kib"]


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        name: What `--rows` calls it.
        title: What the report calls it.
        needs: The ability that a contestant must have.
        prepare: Makes a contestant ready (`plan.Prepare`).
        figure: The field of `Sample` that is compared. Less is better in all of them but `calls_per_s`.
        unit: What the figure counts.
        ratio: `times`: how many times as good as the reference (throughput); `part`: its part of it (time, size).
        limit: The contestant that shows what the ground costs; `None` where there is none.
        load: Whether a round is a load (`Plan.rounds`) or the start of a process (`Plan.starts`).
    """

    name: str
    title: str
    needs: Ability
    prepare: Prepare
    figure: Figure
    unit: str
    ratio: Literal["times", "part"]
    limit: str | None
    load: bool = True


ROWS = (
    Row(
        name="http-1",
        title="HTTP, modern, JSON, async tool, 1 connection",
        needs="http",
        prepare=http_calls(connections=1),
        figure="cpu_ms",
        unit="CPU ms/call",
        ratio="times",
        limit="limit: asgi+codec",
    ),
    Row(
        name="http-32",
        title="HTTP, modern, JSON, async tool, 32 connections",
        needs="http",
        prepare=http_calls(connections=32),
        figure="cpu_ms",
        unit="CPU ms/call",
        ratio="times",
        limit="limit: asgi+codec",
    ),
    Row(
        name="stdio-1",
        title="stdio, modern, async tool, one at a time",
        needs="stdio",
        prepare=stdio_calls(window=1),
        figure="cpu_ms",
        unit="CPU ms/call",
        ratio="times",
        limit="limit: stdio uvloop",
    ),
    Row(
        name="stdio-64",
        title="stdio, modern, async tool, 64 in flight",
        needs="stdio",
        prepare=stdio_calls(window=64),
        figure="cpu_ms",
        unit="CPU ms/call",
        ratio="times",
        limit="limit: stdio uvloop",
    ),
    Row(
        name="spawn",
        title="spawn to first stdio answer",
        needs="stdio",
        prepare=spawn_to_answer,
        figure="wall_ms",
        unit="ms",
        ratio="part",
        limit="limit: stdio uvloop",
        load=False,
    ),
    Row(
        name="import",
        title="import and make a server, less the bare interpreter",
        needs="import",
        prepare=import_time,
        figure="wall_ms",
        unit="ms",
        ratio="part",
        limit="limit: asgi+codec",
        load=False,
    ),
    Row(
        name="session-memory",
        title="memory of an idle legacy HTTP session",
        needs="sessions",
        prepare=idle_sessions,
        figure="kib",
        unit="KiB",
        ratio="part",
        limit=None,
    ),
)
