"""The table of rows: what is measured, of whom, and what each figure is held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from contestants import Ability
from load_client import client_calls
from load_http import http_calls, http_calls_on_all_cores, idle_sessions, legacy_calls
from load_stdio import import_time, spawn_to_answer, stdio_calls
from load_stdio import large_results as large_results_on_stdio
from load_streams import at_rest, idle_listens, large_results, plain_calls, progress_events
from plan import Prepare

PEER = "mcp"

Rounds = Literal["load", "start", "long", "check"]
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
        rounds: How many rounds there are: as for a load, for the start of a process, for what takes long;
            `check` for a row of `--check` alone, as for a load.
        same_as: The row whose samples these are too, by another figure; it comes before.
    """

    name: str
    title: str
    needs: Ability
    prepare: Prepare
    figure: Figure
    unit: str
    ratio: Literal["times", "part"]
    limit: str | None
    rounds: Rounds = "load"
    same_as: str | None = None


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
        name="http-1-p50",
        title="the same: time of a call as the client sees it",
        needs="http",
        prepare=http_calls(connections=1),
        figure="p50_ms",
        unit="p50 ms",
        ratio="part",
        limit="limit: asgi+codec",
        same_as="http-1",
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
        name="http-sync",
        title="HTTP, modern, JSON, sync tool on its own thread, 32 connections",
        needs="http-tools",
        prepare=http_calls(connections=32, tool="add_sync"),
        figure="cpu_ms",
        unit="CPU ms/call",
        ratio="times",
        limit=None,
    ),
    Row(
        name="http-plain",
        title="HTTP, modern, JSON, async tool, 16 connections, for `--check`",
        needs="http",
        prepare=plain_calls(connections=16),
        figure="cpu_ms",
        unit="CPU ms/call",
        ratio="times",
        limit="limit: asgi+codec",
        rounds="check",
    ),
    Row(
        name="legacy-json",
        title="HTTP, legacy session, JSON answers, 32 connections",
        needs="legacy",
        prepare=legacy_calls(connections=32, tool="add", factory="app"),
        figure="cpu_ms",
        unit="CPU ms/call",
        ratio="times",
        limit=None,
    ),
    Row(
        name="legacy-sse",
        title="HTTP, legacy session, answers after one progress event, 32 connections",
        needs="legacy",
        prepare=legacy_calls(connections=32, tool="add_told", factory="app_sse"),
        figure="cpu_ms",
        unit="CPU ms/call",
        ratio="times",
        limit=None,
    ),
    Row(
        name="progress",
        title="HTTP, modern, calls of 100 progress events, 1 connection",
        needs="legacy",
        prepare=progress_events,
        figure="cpu_ms",
        unit="CPU ms/event",
        ratio="times",
        limit=None,
    ),
    Row(
        name="steady",
        title="worst call of 30 s, HTTP, modern, JSON, 8 connections",
        needs="legacy",
        prepare=http_calls(connections=8, steady=True),
        figure="worst_ms",
        unit="ms",
        ratio="part",
        limit=None,
        rounds="long",
    ),
    Row(
        name="tools-1000",
        title="HTTP, modern, JSON, 32 connections, 1,000 tools beside 1",
        needs="http-many",
        prepare=http_calls(connections=32),
        figure="cpu_ms",
        unit="CPU ms/call",
        ratio="times",
        limit="anyport",
    ),
    Row(
        name="workers-2",
        title="HTTP, modern, JSON, 32 connections, a tool that computes, 2 workers beside 1, both on all cores",
        needs="workers",
        prepare=http_calls_on_all_cores(connections=32, tool="add_slowly"),
        figure="calls_per_s",
        unit="calls/s",
        ratio="times",
        limit="anyport 1 worker",
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
        name="stdio-10mb",
        title="stdio, a result of 10 MB",
        needs="big-stdio",
        prepare=large_results_on_stdio(10 * 2**20),
        figure="wall_ms",
        unit="ms",
        ratio="part",
        limit=None,
    ),
    Row(
        name="stdio-50mb",
        title="stdio, a result of 50 MB",
        needs="big-stdio",
        prepare=large_results_on_stdio(50 * 2**20),
        figure="wall_ms",
        unit="ms",
        ratio="part",
        limit=None,
    ),
    Row(
        name="http-10mb",
        title="HTTP, modern, JSON, a result of 10 MB",
        needs="legacy",
        prepare=large_results(10 * 2**20),
        figure="wall_ms",
        unit="ms",
        ratio="part",
        limit=None,
    ),
    Row(
        name="http-50mb",
        title="HTTP, modern, JSON, a result of 50 MB",
        needs="legacy",
        prepare=large_results(50 * 2**20),
        figure="wall_ms",
        unit="ms",
        ratio="part",
        limit=None,
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
        rounds="start",
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
        rounds="start",
    ),
    Row(
        name="memory",
        title="memory of a process that has answered one call over HTTP",
        needs="legacy",
        prepare=at_rest,
        figure="kib",
        unit="KiB",
        ratio="part",
        limit=None,
    ),
    Row(
        name="listen-memory",
        title="memory of an idle listen stream",
        needs="listen",
        prepare=idle_listens,
        figure="kib",
        unit="KiB",
        ratio="part",
        limit=None,
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
    Row(
        name="client-http-1",
        title="client over HTTP, modern, JSON, one at a time",
        needs="client",
        prepare=client_calls("http", window=1),
        figure="cpu_ms",
        unit="CPU ms/call",
        ratio="times",
        limit=None,
    ),
    Row(
        name="client-http-32",
        title="client over HTTP, modern, JSON, 32 in flight",
        needs="client",
        prepare=client_calls("http", window=32),
        figure="cpu_ms",
        unit="CPU ms/call",
        ratio="times",
        limit=None,
    ),
    Row(
        name="client-stdio-1",
        title="client over stdio, modern, one at a time",
        needs="client",
        prepare=client_calls("stdio", window=1),
        figure="cpu_ms",
        unit="CPU ms/call",
        ratio="times",
        limit=None,
    ),
    Row(
        name="client-stdio-64",
        title="client over stdio, modern, 64 in flight",
        needs="client",
        prepare=client_calls("stdio", window=64),
        figure="cpu_ms",
        unit="CPU ms/call",
        ratio="times",
        limit=None,
    ),
)
