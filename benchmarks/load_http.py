"""The HTTP load: one request checked by hand, then `wrk`; and legacy sessions opened and left idle."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import messages
from contestants import Contestant
from environments import BENCH, HERE
from measure import BenchError, Cores, Sample, cpu_seconds, on_core, resident_kib
from plan import Plan, Prepare, Take
from processes import http_server, log_tail

PATH = "/mcp"
_ANSWER_TIMEOUT = 15.0
_WARM_SECONDS = 1
_WARM_SESSIONS = 20
MARK = 123456789
_JSON = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


@dataclass(frozen=True)
class Post:
    """A prepared request. `wrk` gives each its own id in the place of `MARK`."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Totals:
    """What `wrk` counted; times in microseconds."""

    requests: int
    microseconds: int
    bytes: int
    refused: int
    broken: int
    late: int
    p50: float
    p99: float
    max: float


def modern_call(tool: str, arguments: Mapping[str, object] | None = None, token: int | None = None) -> Post:
    """Return a `tools/call` of revision 2026-07-28 with the header mirror (Streamable HTTP, "Request Metadata")."""
    mirror = {"MCP-Protocol-Version": messages.MODERN, "Mcp-Method": "tools/call", "Mcp-Name": tool}
    given = {} if arguments is None else {"arguments": arguments}
    body = messages.call(MARK, tool, token=token, **given)
    return Post({**_JSON, **mirror}, body)


def find_wrk() -> str:
    """Return the path of `wrk`; install it where that is possible.

    Raises:
        BenchError: It is missing and cannot be installed.
    """
    found = shutil.which("wrk")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", "wrk"]):
            subprocess.run(command, timeout=300, check=False, env=env, capture_output=True)
        found = shutil.which("wrk")
    if found is None:
        msg = "the HTTP rows need wrk: install it (Debian, Ubuntu: apt-get install wrk) and run again"
        raise BenchError(msg)
    return found


def http_calls(connections: int, tool: str = "add", *, steady: bool = False) -> Prepare:
    """Return the row that loads a contestant with modern JSON calls over so many connections.

    Args:
        connections: How many.
        tool: The tool that is called.
        steady: For as long as the plan says for the worst call.
    """

    @contextmanager
    def prepare(contestant: Contestant, plan: Plan) -> Generator[Take]:
        request = modern_call(tool)
        with http_server(contestant, plan.cores) as (server, port):
            check(contestant, port, request)
            _wrk(plan, port, request, connections, _WARM_SECONDS)
            yield lambda: _loaded(
                plan, (server.pid, port), request, connections, plan.steady if steady else plan.seconds
            )
            check(contestant, port, request)

    return prepare


def http_calls_on_all_cores(connections: int, tool: str) -> Prepare:
    """Return the row of `http_calls` whose server may run wherever there is room, beside a load that needs little.

    Args:
        connections: How many.
        tool: The tool that is called; it has to cost the server far more than the call costs the load.
    """
    on_one = http_calls(connections, tool)

    def prepare(contestant: Contestant, plan: Plan) -> AbstractContextManager[Take]:
        return on_one(contestant, replace(plan, cores=Cores(None, None)))

    return prepare


def legacy_calls(connections: int, tool: str, factory: str) -> Prepare:
    """Return the row that loads one legacy session with calls over so many connections, each under its own id.

    Args:
        connections: How many.
        tool: The tool that is called, with a token for progress.
        factory: What makes the application (`Contestant.server`).
    """

    @contextmanager
    def prepare(contestant: Contestant, plan: Plan) -> Generator[Take]:
        with http_server(contestant, plan.cores, factory) as (server, port):
            with connection_to(port) as connection:
                headers = _open_session(connection)
            request = Post(headers, messages.call(MARK, tool, modern=False, token=1))
            check(contestant, port, request)
            _wrk(plan, port, request, connections, _WARM_SECONDS)
            yield lambda: _loaded(plan, (server.pid, port), request, connections, plan.seconds)
            check(contestant, port, request)

    return prepare


def _loaded(plan: Plan, server: tuple[int, int], request: Post, connections: int, seconds: float) -> Sample:
    """Load a server, of which process and port are given, and read what it took."""
    pid, port = server
    before = cpu_seconds(pid)
    totals = _wrk(plan, port, request, connections, seconds)
    used = cpu_seconds(pid) - before
    return Sample(
        cpu_ms=used / totals.requests * 1e3,
        calls_per_s=totals.requests / totals.microseconds * 1e6,
        p50_ms=totals.p50 / 1e3,
        worst_ms=totals.max / 1e3,
    )


def idle_sessions(contestant: Contestant, plan: Plan) -> AbstractContextManager[Take]:
    """Prepare the row that opens legacy sessions and reads what memory each one holds; each round on a fresh server."""

    def take() -> Sample:
        with http_server(contestant, plan.cores) as (server, port), connection_to(port) as connection:
            first = _open_session(connection)
            for _ in range(_WARM_SESSIONS):
                _open_session(connection)
            _check_session(connection, first)
            before = resident_kib(server.pid)
            sessions = [_open_session(connection) for _ in range(plan.sessions)]
            grown = resident_kib(server.pid) - before
            # Both ends of the row still answer: the sessions were kept, not dropped.
            _check_session(connection, first)
            _check_session(connection, sessions[-1])
            return Sample(kib=grown / plan.sessions)

    return nullcontext(take)


@contextmanager
def connection_to(port: int) -> Generator[http.client.HTTPConnection]:
    """Connect; closed when the block ends."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_TIMEOUT)) as connection:
        yield connection


def send(connection: http.client.HTTPConnection, request: Post) -> tuple[http.client.HTTPResponse, bytes]:
    """Post a request; return the response, which is read, and its body.

    Raises:
        BenchError: There was no whole answer.
    """
    try:
        connection.request("POST", PATH, request.body, dict(request.headers))
        response = connection.getresponse()
        return response, response.read()
    except (OSError, http.client.HTTPException) as broken:
        msg = f"no answer: {broken!r}"
        raise BenchError(msg) from broken


def check(contestant: Contestant, port: int, request: Post) -> None:
    """Ask once, plainly: a wrong answer makes figures that mean nothing."""
    with connection_to(port) as connection:
        response, body = send(connection, request)
    if response.status != 200:
        msg = f"a wrong answer: status {response.status}, {body[:300]!r}; log: {log_tail(contestant)}"
        raise BenchError(msg)
    messages.check(_answer_in(response, body))


def _answer_in(response: http.client.HTTPResponse, body: bytes) -> bytes:
    """Return the answer in a body, which may be an event stream: it is the last event then."""
    if not response.getheader("Content-Type", "").startswith("text/event-stream"):
        return body
    lines = [line.removeprefix(b"data:").strip() for line in body.splitlines() if line.startswith(b"data:")]
    return next((line for line in reversed(lines) if line), b"")


def _open_session(connection: http.client.HTTPConnection) -> Mapping[str, str]:
    """Shake hands; return the headers of the session's further requests."""
    response, body = send(connection, Post(_JSON, messages.initialize(1)))
    session = response.getheader("Mcp-Session-Id")
    if response.status != 200 or session is None:
        msg = f"no session: status {response.status}, {body[:300]!r}"
        raise BenchError(msg)
    headers = {**_JSON, "Mcp-Session-Id": session, "MCP-Protocol-Version": messages.LEGACY}
    response, body = send(connection, Post(headers, messages.initialized()))
    if response.status != 202:
        msg = f"the session was not taken up: status {response.status}, {body[:300]!r}"
        raise BenchError(msg)
    return headers


def _check_session(connection: http.client.HTTPConnection, headers: Mapping[str, str]) -> None:
    messages.check(_answer_in(*send(connection, Post(headers, messages.call(2, "add", modern=False)))))


def _wrk(plan: Plan, port: int, request: Post, connections: int, seconds: float) -> Totals:
    file = _request_file(request)
    command = [find_wrk(), "-t1", f"-c{connections}", f"-d{round(seconds)}s", "--timeout", "5s"]
    command += ["-s", str(HERE / "post.lua"), f"http://127.0.0.1:{port}{PATH}", "--", str(file)]
    try:
        with on_core(plan.cores.load):
            done = subprocess.run(command, capture_output=True, timeout=seconds + _ANSWER_TIMEOUT, check=False)
        totals = Totals(**cast(dict[str, int], json.loads(done.stdout.splitlines()[-1])))
    except (subprocess.TimeoutExpired, ValueError, IndexError) as failed:
        msg = f"wrk failed: {failed!r}"
        raise BenchError(msg) from failed
    if totals.refused or totals.broken or totals.late or not totals.requests:
        counts = f"{totals.refused} refused, {totals.broken} broken, {totals.late} late"
        msg = f"under load: {totals.requests} answers, {counts}"
        raise BenchError(msg)
    return totals


def _request_file(request: Post) -> Path:
    path = BENCH / "work" / "request.http"
    head = "".join(f"{name}: {value}\n" for name, value in request.headers.items())
    path.write_bytes(head.encode() + b"\n" + request.body)
    return path
