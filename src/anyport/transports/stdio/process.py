"""Processes: who is the parent, who are the descendants, how they are ended, and this process with them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_PARENT_POLL_S: Final = 0.5
_FLUSH_S: Final = 0.2
_KILL: Final[int] = getattr(signal, "SIGKILL", signal.SIGTERM)


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
    """End what this process has started: SIGTERM first, SIGKILL after the patience.

    A session of its own does not spare a process; a daemon that has let go of its parent is no descendant.

    Args:
        patience_s: Seconds between the two.
    """
    pids = descendants(os.getpid())
    if not pids:
        return
    _signal_all(pids, signal.SIGTERM)
    deadline = time.monotonic() + patience_s
    while (alive := [pid for pid in pids if _alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.01)  # noqa: TID251 - there is no event for the end of a process that is not our own child
    # Who was started meanwhile is among the descendants, and who lost its parent meanwhile no longer is.
    _signal_all({*alive, *descendants(os.getpid())}, _KILL)


class ExitTimer:
    """Ends this process with status 0 when the time is up, whatever its threads are doing then.

    For the end alone: a tool may block the event loop, a thread may never return, and nobody waits for either. It runs
    from the start; `cancel` takes it back.

    Args:
        seconds: Time from now.
        children: End the descendants, too.
    """

    def __init__(self, seconds: float, *, children: bool) -> None:
        # Who holds the lock of a stream may never give it back: the pipe behind it is full, or its thread is stuck. So
        # there is a second timer, and not a thread that only flushes: at this time no thread may be startable any more.
        self._timers = (
            threading.Timer(seconds, _leave, (children,)),
            threading.Timer(seconds + _FLUSH_S, os._exit, (0,)),
        )
        for timer in self._timers:
            timer.name = "anyport-exit"
            timer.daemon = True
            timer.start()

    def cancel(self) -> None:
        """Let the process live."""
        for timer in self._timers:
            timer.cancel()


class ParentWatch:
    """Tells when the parent process is dead, from a thread, so that a tool that blocks the loop cannot hide it.

    It watches for as long as it is entered.

    Args:
        parent: Id of the parent.
        died: Called once, on the thread.
    """

    def __init__(self, parent: int, died: Callable[[], None]) -> None:
        self._parent = parent
        self._died = died
        self._stop = threading.Event()

    def __enter__(self) -> None:
        threading.Thread(target=self._watch, name="anyport-parent", daemon=True).start()

    def __exit__(self, *raised: object) -> None:
        self._stop.set()

    def _watch(self) -> None:
        while os.getppid() == self._parent:
            if self._stop.wait(_PARENT_POLL_S):
                return
        self._died()


def _leave(children: bool) -> None:
    try:
        if children:
            end_descendants(0.05)
        _flush()
    finally:
        os._exit(0)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr, sys.__stdout__):
        if stream is not None:
            try:
                stream.flush()
            except (OSError, ValueError):
                continue


def _parents() -> list[tuple[int, int]]:
    if _PROC.is_dir():
        entries = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
        return [(pid, int(found[1])) for pid in entries if (found := _stat(pid)) is not None]
    if os.name != "posix":
        return []
    listing = subprocess.run(["/bin/ps", "-Ao", "pid=,ppid="], capture_output=True, text=True, timeout=2, check=False)
    return [(int(pid), int(parent)) for pid, parent in (line.split() for line in listing.stdout.splitlines())]


def _stat(pid: int) -> list[bytes] | None:
    """Return what Linux says of a process from its state on; ``None`` where there is no such process."""
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The name in parentheses may hold anything, spaces and parentheses included.
    return stat[stat.rindex(b")") + 2 :].split()


def _alive(pid: int) -> bool:
    if _PROC.is_dir():
        found = _stat(pid)
        return found is not None and found[0] not in (b"Z", b"X")
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _signal_all(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue
