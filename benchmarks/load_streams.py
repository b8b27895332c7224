"""Loads beside plain calls over HTTP: events, streams that are left open, large results, a process at rest."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

import messages
from contestants import Contestant
from load_http import PATH, Post, check, connection_to, modern_call, send
from measure import BenchError, Sample, cpu_seconds, on_core, resident_kib
from plan import Plan, Prepare, Take
from processes import http_server

_EVENTS = 100
_MARK = b"notifications/progress"
_ANSWER_TIMEOUT = 15.0


def progress_events(contestant: Contestant, plan: Plan) -> AbstractContextManager[Take]:
    """Prepare the row of calls that report progress 100 times each, over one connection; a call counts 100 events."""
    return _progress_events(contestant, plan)


@contextmanager
def _progress_events(contestant: Contestant, plan: Plan) -> Generator[Take]:
    request = modern_call("steps", {"count": _EVENTS}, token=1)
    with http_server(contestant, plan.cores, "app_sse") as (server, port):

        def load(seconds: float) -> tuple[int, float]:
            events, begin = 0, time.perf_counter()
            with on_core(plan.cores.load), connection_to(port) as connection:
                while (now := time.perf_counter()) - begin < seconds or not events:
                    response, body = send(connection, request)
                    # The last one must be there, whatever a server makes of those before it.
                    found = body.count(_MARK)
                    if response.status != 200 or found != _EVENTS or b"done" not in body:
                        msg = f"{found} events, status {response.status}: {body[-300:]!r}"
                        raise BenchError(msg)
                    events += found
            return events, now - begin

        def take() -> Sample:
            before = cpu_seconds(server.pid)
            events, seconds = load(plan.seconds)
            used = cpu_seconds(server.pid) - before
            return Sample(cpu_ms=used / events * 1e3, calls_per_s=events / seconds)

        load(1)
        yield take


def plain_calls(connections: int) -> Prepare:
    """Return the row that loads a contestant without `wrk`: a request on each connection, then all answers.

    What such a load makes of calls per second says little; the CPU for each call is the server's.
    """

    @contextmanager
    def prepare(contestant: Contestant, plan: Plan) -> Generator[Take]:
        request = modern_call("add")
        head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        start = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}Content-Length: {len(request.body)}\r\n\r\n"
        data = start.encode() + request.body
        with http_server(contestant, plan.cores) as (server, port):
            check(contestant, port, request)

            def load(seconds: float) -> tuple[int, float]:
                calls, begin = 0, time.perf_counter()
                with on_core(plan.cores.load), ExitStack() as stack:
                    places = [
                        stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_TIMEOUT))
                        for _ in range(connections)
                    ]
                    while (now := time.perf_counter()) - begin < seconds:
                        for place in places:
                            place.sendall(data)
                        for place in places:
                            _read_answer(place)
                        calls += connections
                return calls, now - begin

            def take() -> Sample:
                before = cpu_seconds(server.pid)
                calls, seconds = load(plan.seconds)
                return Sample(cpu_ms=(cpu_seconds(server.pid) - before) / calls * 1e3, calls_per_s=calls / seconds)

            load(plan.seconds / 2)
            yield take
            check(contestant, port, request)

    return prepare


def _read_answer(place: socket.socket) -> None:
    data = place.recv(65536)
    while not data.endswith(b"}"):
        more = place.recv(65536)
        if not more:
            break
        data += more
    if not data.startswith(b"HTTP/1.1 200 ") or b'"text":"5"' not in data:
        msg = f"a wrong answer: {data[:300]!r}"
        raise BenchError(msg)


def large_results(size: int) -> Prepare:
    """Return the row of calls whose results have so many bytes, one at a time."""

    @contextmanager
    def prepare(contestant: Contestant, plan: Plan) -> Generator[Take]:
        request = modern_call("blob", {"size": size})
        with http_server(contestant, plan.cores) as (server, port):

            def take() -> Sample:
                before, begin = cpu_seconds(server.pid), time.perf_counter()
                with on_core(plan.cores.load), connection_to(port) as connection:
                    response, body = send(connection, request)
                wall = time.perf_counter() - begin
                if response.status != 200 or len(body) < size:
                    msg = f"{len(body)} bytes, status {response.status}: {body[:300]!r}"
                    raise BenchError(msg)
                return Sample(wall_ms=wall * 1e3, cpu_ms=(cpu_seconds(server.pid) - before) * 1e3)

            take()
            yield take

    return prepare


def at_rest(contestant: Contestant, plan: Plan) -> AbstractContextManager[Take]:
    """Prepare the row that reads the memory of a server that has answered one call; each round on a fresh server."""

    def take() -> Sample:
        with http_server(contestant, plan.cores) as (server, port):
            check(contestant, port, modern_call("add"))
            return Sample(kib=resident_kib(server.pid))

    return nullcontext(take)


def idle_listens(contestant: Contestant, plan: Plan) -> AbstractContextManager[Take]:
    """Prepare the row that opens listen streams and reads what memory each one holds; each round on a fresh server."""
    mirror = {"MCP-Protocol-Version": messages.MODERN, "Mcp-Method": "subscriptions/listen"}
    plain = modern_call("add")
    request = Post({**plain.headers, **mirror}, messages.listen(1))

    def take() -> Sample:
        with http_server(contestant, plan.cores) as (server, port), ExitStack() as stack:
            check(contestant, port, plain)
            for _ in range(20):
                _listen(stack.enter_context(connection_to(port)), request)
            before = resident_kib(server.pid)
            for _ in range(plan.sessions):
                _listen(stack.enter_context(connection_to(port)), request)
            grown = resident_kib(server.pid) - before
            check(contestant, port, plain)
            return Sample(kib=grown / plan.sessions)

    return nullcontext(take)


def _listen(connection: http.client.HTTPConnection, request: Post) -> None:
    """Open a listen stream and read its first event, which says that it is heard."""
    headers = {name: value for name, value in request.headers.items() if name != "Mcp-Name"}
    try:
        connection.request("POST", PATH, request.body, headers)
        response = connection.getresponse()
        line = response.readline()
        while response.status == 200 and line and b"acknowledged" not in line:
            line = response.readline()
    except (OSError, http.client.HTTPException) as broken:
        msg = f"no stream: {broken!r}"
        raise BenchError(msg) from broken
    if response.status != 200 or not line:
        msg = f"no stream: status {response.status}"
        raise BenchError(msg)
