"""Descendants, and the end of a process that has some."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from anyport.transports.stdio.process import ParentWatch, descendants
from tests.drivers.stdio import PATIENCE, environment, is_gone, kill
from tests.requirements import require_linux

FAMILY = """
import os, subprocess, sys
inner = "import subprocess; child = subprocess.Popen(['sleep', '60']); print(child.pid, flush=True); child.wait()"
child = subprocess.Popen([sys.executable, "-c", inner], stdout=subprocess.PIPE, text=True)
print(os.getpid(), child.pid, child.stdout.readline().strip(), flush=True)
child.wait()
"""


def family(*, session: bool = False) -> tuple[subprocess.Popen[str], list[int]]:
    """Start a child with a child with a child; return it and the three ids."""
    process = subprocess.Popen(
        [sys.executable, "-c", FAMILY], stdout=subprocess.PIPE, text=True, start_new_session=session
    )
    assert process.stdout is not None
    with process.stdout:
        return process, [int(pid) for pid in process.stdout.readline().split()]


def test_descendants_are_found_by_generation() -> None:
    """Children before their own children; none of a process that is not there."""
    require_linux("/proc")
    process, pids = family()
    try:
        found = descendants(os.getpid())
        assert [pid for pid in found if pid in pids] == pids
        assert descendants(pids[1]) == pids[2:]
        assert descendants(pids[2]) == []
    finally:
        for pid in pids:
            kill(pid)
        process.wait(PATIENCE)
    assert descendants(pids[0]) == []


END = """
import signal, subprocess, sys, time
from anyport.transports.stdio.process import end_descendants
{start}
began = time.monotonic()
end_descendants({patience})
took = time.monotonic() - began
print([child.wait(5) for child in children], took < {at_most}, took >= {at_least}, flush=True)
"""
DEAF = """
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
children = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)]
children[0].stdout.readline()
"""


@pytest.mark.parametrize(
    ("start", "patience", "at_least", "expected"),
    [
        ("children = []", 5, 0, []),
        ("children = [subprocess.Popen(['sleep', '60']) for _ in range(3)]", 5, 0, [-signal.SIGTERM] * 3),
        (DEAF, 0.2, 0.2, [-signal.SIGKILL]),
    ],
    ids=["none", "obedient", "deaf"],
)
def test_descendants_are_ended(start: str, patience: float, at_least: float, expected: list[int]) -> None:
    """adr/0016: SIGTERM, then SIGKILL; no longer than needed."""
    require_linux("/proc")
    code = END.format(start=start, patience=patience, at_least=at_least, at_most=2)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment(), timeout=60, text=True)
    assert ran.stdout.strip() == f"{[int(number) for number in expected]} True True", ran.stderr


STARTED = """
import subprocess
from anyport.transports.stdio.process import end_descendants
null = subprocess.DEVNULL
{start}
end_descendants()
"""
IN_A_SESSION = "print(subprocess.Popen(['sleep', '60'], start_new_session=True, stdout=null, stderr=null).pid)"
AS_A_DAEMON = "subprocess.run(['/bin/sh', '-c', 'sleep 60 >/dev/null 2>&1 & echo $!'], check=True)"


@pytest.mark.parametrize(("start", "ends"), [(IN_A_SESSION, True), (AS_A_DAEMON, False)], ids=["session", "daemon"])
def test_who_counts_as_a_descendant(start: str, ends: bool) -> None:
    """adr/0016: a session of its own spares nobody; who has let go of its parent has left."""
    require_linux("/proc")
    command = [sys.executable, "-c", STARTED.format(start=start)]
    ran = subprocess.run(command, capture_output=True, env=environment(), timeout=60, text=True)
    started = int(ran.stdout)
    try:
        assert is_gone(started, 2.0 if ends else 0.1) is ends
    finally:
        kill(started)


EXIT = """
import ctypes, sys, threading
from anyport.transports.stdio.process import ExitTimer
timer = ExitTimer(0.1, children=True)
print("printed", end="")
{rest}
"""


@pytest.mark.parametrize(
    ("rest", "status", "printed"),
    [
        ("threading.Event().wait(30)", 0, "printed"),
        ("timer.cancel(); sys.exit(3)", 3, "printed"),
        ("sys.stdout = sys.stderr = None; threading.Event().wait(30)", 0, "printed"),
        ("sys.stdout.close(); sys.stderr.close(); threading.Event().wait(30)", 0, "printed"),
        ("threading.Thread(target=threading.Event().wait, args=(30,)).start()", 0, "printed"),
    ],
    ids=["blocked", "taken back", "no streams", "closed streams", "a thread"],
)
def test_a_process_exits_in_time(rest: str, status: int, printed: str) -> None:
    """D07: with status 0 and what was printed, whatever its main thread and its streams are up to."""
    code = EXIT.format(rest=rest)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment(), timeout=60, text=True)
    assert (ran.returncode, ran.stdout) == (status, printed)


def test_a_stream_that_nobody_reads_does_not_hold_up_the_exit() -> None:
    """D07, D23: a thread hangs in a full pipe and has the lock of stdout."""
    code = EXIT.format(rest="sys.stdout.write('x' * 10_000_000)")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment()) as process:
        assert process.wait(10) == 0


def test_the_parent_is_watched() -> None:
    """D07: its death is told once; leaving in time tells nothing."""
    told = threading.Event()
    with ParentWatch(os.getppid(), told.set):
        assert not told.is_set()
    with ParentWatch(-1, told.set):
        assert told.wait(PATIENCE)
