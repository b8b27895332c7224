"""Starting and ending what is measured: always with a bound, always gone at the end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from contestants import Contestant
from environments import BENCH, HERE, python_of
from measure import BenchError, Cores, on_core

_START_TIMEOUT = 30.0
_UVICORN = ("--factory", "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")


@dataclass(frozen=True)
class Ended:
    """How a process that ran to its end did: wall and CPU time in seconds."""

    returncode: int
    wall: float
    cpu: float


def environment_of(contestant: Contestant) -> dict[str, str]:
    """Return the environment variables of a contestant's processes: little of ours, so that two machines agree."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", **contestant.env}


def stdio_command(contestant: Contestant) -> list[str]:
    """Return the command that serves stdio."""
    return [str(python_of(contestant.environment)), str(HERE / "servers" / f"{contestant.server}.py")]


@contextmanager
def started(
    contestant: Contestant, command: Sequence[str], cores: Cores, *, pipes: bool
) -> Generator[subprocess.Popen[bytes]]:
    """Start a server on the server's core; kill it and whatever it started when the block ends.

    Args:
        contestant: Whose environment variables and log file to use.
        command: What to run.
        cores: Where.
        pipes: Whether stdin and stdout are pipes; else they are the null device and the log.

    Yields:
        The process.
    """
    work = BENCH / "work"
    work.mkdir(parents=True, exist_ok=True)
    with log_of(contestant).open("wb") as log, on_core(cores.server):
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
            stdout=subprocess.PIPE if pipes else log,
            stderr=log,
            bufsize=0,
            cwd=work,
            env=environment_of(contestant),
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> float:
    """Kill a process and its group, reap it, close its pipes.

    Returns:
        Its CPU time with that of the children it reaped, in seconds; 0 when it had been reaped before.
    """
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    cpu = 0.0
    if process.returncode is None:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        cpu = usage.ru_utime + usage.ru_stime
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    return cpu


@contextmanager
def bounded(process: subprocess.Popen[bytes], seconds: float) -> Generator[None]:
    """Kill the process if the block takes longer: a blocked read in it then ends, and costs nothing until then."""
    watch = threading.Timer(seconds, process.kill)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def run_to_end(contestant: Contestant, code: str, cores: Cores, timeout: float = 60.0) -> Ended:
    """Run one line of Python in a contestant's environment.

    Args:
        contestant: Whose environment.
        code: What to run.
        cores: Where.
        timeout: Seconds until it is killed.

    Returns:
        How it ended, and what it took.
    """
    command = [str(python_of(contestant.environment)), "-c", code]
    begin = time.perf_counter()
    with started(contestant, command, cores, pipes=False) as process:
        with bounded(process, timeout):
            _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
    return Ended(process.returncode, wall, usage.ru_utime + usage.ru_stime)


@contextmanager
def http_server(
    contestant: Contestant, cores: Cores, factory: str = "app"
) -> Generator[tuple[subprocess.Popen[bytes], int]]:
    """Serve a contestant over HTTP, ready when the block begins.

    Args:
        contestant: Who.
        cores: Where.
        factory: What makes the application, where stock uvicorn serves it.

    Yields:
        The process and its port on 127.0.0.1.

    Raises:
        BenchError: It did not listen within 30 s; the message ends with its log.
    """
    port = _free_port()
    python, servers = str(python_of(contestant.environment)), HERE / "servers"
    if contestant.serve == "script":
        command = [python, str(servers / f"{contestant.server}.py"), str(port)]
    else:
        where = ["--app-dir", str(servers), "--host", "127.0.0.1", "--port", str(port)]
        command = [python, "-m", "uvicorn", f"{contestant.server}:{factory}", *_UVICORN, *where]
    with started(contestant, command, cores, pipes=False) as process:
        deadline = time.monotonic() + _START_TIMEOUT
        while not _listens(port):
            if _dead_within(process, 0.05) or time.monotonic() > deadline:
                msg = f"the HTTP server did not start: {log_tail(contestant)}"
                raise BenchError(msg)
        yield process, port


def log_of(contestant: Contestant) -> Path:
    """Return the file that a contestant's standard error goes to; each process starts it afresh."""
    return BENCH / "work" / f"{contestant.server}.log"


def log_tail(contestant: Contestant) -> str:
    """Return the end of a contestant's log, on one line."""
    return " / ".join(log_of(contestant).read_text(errors="replace").split("\n")[-6:]).strip(" /") or "(an empty log)"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _dead_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
