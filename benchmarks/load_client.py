"""The load of a client: it calls one server, the same for every contestant, over HTTP or over stdio."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal, cast

import environments
from contestants import CONTESTANTS, Contestant
from floors import SUBJECT
from load_http import PATH
from measure import BenchError, Cores, Sample
from plan import Plan, Prepare, Take
from processes import bounded, http_server, log_tail, started, stdio_command

Way = Literal["http", "stdio"]

_START_TIMEOUT = 30.0
_SLACK = 15.0
_WARM_SECONDS = 1
# The child of a client would share the client's core.
_ELSEWHERE = "import os, runpy; os.sched_setaffinity(0, {cores}); runpy.run_path({path!r}, run_name='__main__')"


def client_calls(way: Way, window: int) -> Prepare:
    """Return the row in which a contestant's client calls the fast server, so many calls in flight."""

    @contextmanager
    def prepare(contestant: Contestant, plan: Plan) -> Generator[Take]:
        with _target(way, plan.cores) as target, _client(contestant, plan.cores, target) as process:
            _round(process, _WARM_SECONDS, window, contestant)

            def take() -> Sample:
                calls, seconds, cpu = _round(process, plan.seconds, window, contestant)
                return Sample(cpu_ms=cpu / calls * 1e3, calls_per_s=calls / seconds)

            yield take

    return prepare


@contextmanager
def _target(way: Way, cores: Cores) -> Generator[str]:
    """Yield what a client is told: the URL of the server, or its command as JSON."""
    server = next(one for one in CONTESTANTS if one.name == SUBJECT)
    environments.make(server.environment)
    if way == "http":
        with http_server(server, cores) as (_, port):
            yield f"http://127.0.0.1:{port}{PATH}"
        return
    command = stdio_command(server)
    if cores.server is not None:
        command = [command[0], "-c", _ELSEWHERE.format(cores={cores.server}, path=command[1])]
    yield json.dumps(command)


@contextmanager
def _client(contestant: Contestant, cores: Cores, target: str) -> Generator[subprocess.Popen[bytes]]:
    """Start a client on the core of the load, connected and warm when the block begins."""
    python = str(environments.python_of(contestant.environment))
    command = [python, str(environments.HERE / "clients" / f"{contestant.client}.py"), target]
    named = replace(contestant, server=contestant.client)
    with started(named, command, Cores(server=cores.load, load=cores.server), pipes=True) as process:
        with bounded(process, _START_TIMEOUT):
            if _line(process, named) != b"ready\n":
                msg = f"the client did not start; log: {log_tail(named)}"
                raise BenchError(msg)
        yield process


def _round(
    process: subprocess.Popen[bytes], seconds: float, window: int, contestant: Contestant
) -> tuple[int, float, float]:
    """Have a client call for some seconds; return its calls, how long it took, and the CPU seconds of the client."""
    if process.stdin is None:
        msg = "a client needs pipes"
        raise BenchError(msg)
    named = replace(contestant, server=contestant.client)
    with bounded(process, seconds + _SLACK):
        process.stdin.write(f"{seconds} {window}\n".encode())
        process.stdin.flush()
        line = _line(process, named)
    try:
        found = cast(dict[str, float], json.loads(line))
    except ValueError as broken:
        msg = f"the client ended, or was ended because nothing came; log: {log_tail(named)}"
        raise BenchError(msg) from broken
    return int(found["calls"]), found["seconds"], found["cpu"]


def _line(process: subprocess.Popen[bytes], contestant: Contestant) -> bytes:
    if process.stdout is None:
        msg = f"a client needs pipes; log: {log_tail(contestant)}"
        raise BenchError(msg)
    return process.stdout.readline()
