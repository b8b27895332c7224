"""Processes: who is the parent, who are the descendants, how they are ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

_PROC = Path("/proc")


def descendants(pid: int) -> list[int]:
    """Return the ids of all descendants of a process, children before their own children.

    Linux is read from ``/proc``, other systems from ``ps``; where there is neither, nothing is known and the list is
    empty.
    """
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found: list[int] = []
    level = [pid]
    while level:
        level = [child for parent in level for child in children.get(parent, ())]
        found.extend(level)
    return found


def end_descendants(patience_s: float = 0.3) -> None:
    """End everything that this process has started: SIGTERM first, SIGKILL after the patience.

    Args:
        patience_s: Seconds between the two.
    """
    pids = descendants(os.getpid())
    if not pids:
        return
    _signal_all(pids, signal.SIGTERM)
    deadline = time.monotonic() + patience_s
    while (alive := [pid for pid in pids if _alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.01)
    _signal_all(alive, getattr(signal, "SIGKILL", signal.SIGTERM))


def _parents() -> list[tuple[int, int]]:
    if _PROC.is_dir():
        entries = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
        return [(pid, parent) for pid in entries if (parent := _parent_of(pid)) is not None]
    if os.name != "posix":
        return []
    listing = subprocess.run(["/bin/ps", "-Ao", "pid=,ppid="], capture_output=True, text=True, timeout=2, check=False)
    return [(int(pid), int(parent)) for pid, parent in (line.split() for line in listing.stdout.splitlines())]


def _parent_of(pid: int) -> int | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The name in parentheses may hold anything, spaces and parentheses included.
    return int(stat[stat.rindex(b")") + 2 :].split()[1])


def _alive(pid: int) -> bool:
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return False
    return stat[stat.rindex(b")") + 2 : stat.rindex(b")") + 3] not in (b"Z", b"X")


def _signal_all(pids: list[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue
