"""The stdio load: a raw pipe driver with nothing of MCP in it, and the starts of processes."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from statistics import median

import messages
from contestants import Contestant
from measure import BenchError, Sample, cpu_seconds, on_core
from plan import Plan, Prepare, Take
from processes import bounded, end, log_tail, run_to_end, started, stdio_command

_CHUNK = 1 << 16
_START_TIMEOUT = 30.0
_SLACK = 15.0
_WARM_SECONDS = 1
_MARK = 123456789
# Without the interpreter's teardown, which grows with what was imported and which no client waits for.
_LEAVE = "import os; os._exit(0)"


@dataclass(frozen=True)
class Totals:
    """What the driver saw: answers, seconds of load, and the time of each call where they went one at a time."""

    answers: int
    seconds: float
    times: list[float]


class Driver:
    """Writes calls to a server's stdin and reads its stdout. Every answer is checked, after the clock has stopped."""

    def __init__(self, process: subprocess.Popen[bytes], tool: str) -> None:
        if process.stdin is None or process.stdout is None:
            msg = "a driver needs pipes"
            raise BenchError(msg)
        self._to = process.stdin.fileno()
        self._from = process.stdout.fileno()
        head, _, tail = messages.call(_MARK, tool).partition(str(_MARK).encode())
        self._line = head.replace(b"%", b"%%") + b"%d" + tail.replace(b"%", b"%%") + b"\n"
        self._next = 1

    def one_at_a_time(self, seconds: float) -> Totals:
        """Ask, wait for the answer, ask again, for so many seconds; at least once."""
        first, answers, times = self._next, list[bytes](), list[float]()
        begin = now = time.perf_counter()
        deadline = begin + seconds
        while True:
            self._write(self._requests(1))
            chunk = self._read()
            while not chunk.endswith(b"\n"):
                chunk += self._read()
            answers.append(chunk)
            before, now = now, time.perf_counter()
            times.append(now - before)
            if now >= deadline:
                break
        return Totals(_checked(answers, first, self._next), now - begin, times)

    def in_flight(self, window: int, seconds: float) -> Totals:
        """Keep so many calls unanswered: for each answer read, one more is asked, until the time is up."""
        first, answers = self._next, list[bytes]()
        begin = now = time.perf_counter()
        deadline = begin + seconds
        self._write(self._requests(window))
        waiting = window
        while waiting:
            chunk = self._read()
            answers.append(chunk)
            read = chunk.count(b"\n")
            now = time.perf_counter()
            waiting -= read
            if now < deadline:
                self._write(self._requests(read))
                waiting += read
        return Totals(_checked(answers, first, self._next), now - begin, [])

    def large(self, tool: str, size: int) -> float:
        """Ask for a result of so many bytes; return the seconds until all of it is there."""
        begin = time.perf_counter()
        self._write(messages.call(_MARK, tool, {"size": size}) + b"\n")
        chunks = [self._read()]
        while not chunks[-1].endswith(b"\n"):
            chunks.append(self._read())
        wall = time.perf_counter() - begin
        if sum(map(len, chunks)) < size:
            msg = f"a wrong answer: {chunks[0][:300]!r}"
            raise BenchError(msg)
        return wall

    def _requests(self, count: int) -> bytes:
        first, self._next = self._next, self._next + count
        return b"".join([self._line % number for number in range(first, first + count)])

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._to, data) :]
        except BrokenPipeError as closed:
            msg = "the server closed its input"
            raise BenchError(msg) from closed

    def _read(self) -> bytes:
        chunk = os.read(self._from, _CHUNK)
        if not chunk:
            msg = "the server ended, or was ended because no answer came"
            raise BenchError(msg)
        return chunk


def stdio_calls(window: int, tool: str = "add") -> Prepare:
    """Return the row that loads a contestant's stdio with modern calls, so many in flight."""

    @contextmanager
    def prepare(contestant: Contestant, plan: Plan) -> Generator[Take]:
        command = stdio_command(contestant)
        with started(contestant, command, plan.cores, pipes=True) as process:
            driver = Driver(process, tool)

            def load(seconds: float, slack: float) -> Totals:
                with on_core(plan.cores.load), bounded(process, seconds + slack):
                    return driver.one_at_a_time(seconds) if window == 1 else driver.in_flight(window, seconds)

            def take() -> Sample:
                before = cpu_seconds(process.pid)
                totals = load(plan.seconds, _SLACK)
                used = cpu_seconds(process.pid) - before
                return Sample(
                    cpu_ms=used / totals.answers * 1e3,
                    calls_per_s=totals.answers / totals.seconds,
                    p50_ms=median(totals.times) * 1e3 if totals.times else None,
                    worst_ms=max(totals.times) * 1e3 if totals.times else None,
                )

            with _log_told(contestant):
                load(min(_WARM_SECONDS, plan.seconds), _START_TIMEOUT)
            yield take

    return prepare


def large_results(size: int) -> Prepare:
    """Return the row of calls whose results have so many bytes, one at a time."""

    @contextmanager
    def prepare(contestant: Contestant, plan: Plan) -> Generator[Take]:
        with started(contestant, stdio_command(contestant), plan.cores, pipes=True) as process:
            driver = Driver(process, "add")

            def take() -> Sample:
                before = cpu_seconds(process.pid)
                with on_core(plan.cores.load), bounded(process, _START_TIMEOUT):
                    wall = driver.large("blob", size)
                return Sample(wall_ms=wall * 1e3, cpu_ms=(cpu_seconds(process.pid) - before) * 1e3)

            with _log_told(contestant):
                take()
            yield take

    return prepare


def spawn_to_answer(contestant: Contestant, plan: Plan) -> AbstractContextManager[Take]:
    """Prepare the row that starts a stdio server with a call already in its pipe, and waits for the answer."""
    command = stdio_command(contestant)

    def take() -> Sample:
        begin = time.perf_counter()
        with started(contestant, command, plan.cores, pipes=True) as process, _log_told(contestant):
            with bounded(process, _START_TIMEOUT):
                Driver(process, "add").one_at_a_time(0.0)
            wall = time.perf_counter() - begin
            return Sample(wall_ms=wall * 1e3, cpu_ms=end(process) * 1e3)

    take()  # the first start compiles what it imports
    return nullcontext(take)


def import_time(contestant: Contestant, plan: Plan) -> AbstractContextManager[Take]:
    """Prepare the row that times an import, less the start of the bare interpreter in the same environment."""

    def take() -> Sample:
        bare = run_to_end(contestant, _LEAVE, plan.cores)
        whole = run_to_end(contestant, f"{contestant.imports}; {_LEAVE}", plan.cores)
        if whole.returncode:
            msg = f"the import failed: {log_tail(contestant)}"
            raise BenchError(msg)
        return Sample(wall_ms=(whole.wall - bare.wall) * 1e3, cpu_ms=(whole.cpu - bare.cpu) * 1e3)

    take()
    return nullcontext(take)


@contextmanager
def _log_told(contestant: Contestant) -> Generator[None]:
    """Add the server's last words to an error: a start that fails says why on standard error."""
    try:
        yield
    except BenchError as failed:
        msg = f"{failed}; log: {log_tail(contestant)}"
        raise BenchError(msg) from failed


def _checked(answers: list[bytes], first: int, after: int) -> int:
    """Check that every id was answered once, and rightly; return how many there were."""
    seen = [messages.check(line) for line in b"".join(answers).splitlines()]
    if sorted(seen) != list(range(first, after)):
        msg = f"{after - first} calls, {len(seen)} answers, and they do not match"
        raise BenchError(msg)
    return len(seen)
