"""A child and all that it starts, as one: asked to end together, and killed together.

On POSIX the child leads a session and a process group of its own. On Windows it leads a console group, which can be
asked, and belongs to a job, which can be ended.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Final, Protocol

_CREATE_NEW_PROCESS_GROUP: Final = 0x200
_BREAK: Final[int] = getattr(signal, "CTRL_BREAK_EVENT", 1)
_SIGKILL: Final[int] = getattr(signal, "SIGKILL", signal.SIGTERM)


class Group(Protocol):
    """A child with its descendants.

    Attributes:
        start_new_session: How the child is started.
        creationflags: The same, on Windows.
    """

    start_new_session: bool
    creationflags: int

    def adopt(self, pid: int) -> None:
        """Take the child, right after its start."""
        ...

    def ask(self) -> bool:
        """Ask everybody to end; false where nobody is left to be asked."""
        ...

    def kill(self) -> None:
        """End everybody."""
        ...

    def close(self) -> None:
        """Let go of what the system keeps of the group; the child is dead by then."""
        ...


class PosixGroup:
    """A process group, led by the child."""

    start_new_session = True
    creationflags = 0

    def __init__(self) -> None:
        self._pid = 0

    def adopt(self, pid: int) -> None:
        """See `Group.adopt`."""
        self._pid = pid

    def ask(self) -> bool:
        """See `Group.ask`."""
        return self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """See `Group.kill`."""
        self._signal(_SIGKILL)

    def close(self) -> None:
        """See `Group.close`; there is nothing to let go of."""

    def _signal(self, number: int) -> bool:
        if not self._pid:
            return False
        try:
            os.killpg(self._pid, number)
        except ProcessLookupError:
            # Somebody else's group may get this number now.
            self._pid = 0
            return False
        except PermissionError:
            return False
        return True


class Job(Protocol):
    """A Windows job: processes that end together."""

    def end(self) -> None:
        """End every process of the job."""
        ...

    def close(self) -> None:
        """Give the job back, and end what is still in it."""
        ...


class WindowsGroup:
    """A console group and a job; where the system refuses a job, the child alone is ended.

    Args:
        open_job: Puts a process into a job; ``None`` where the system refuses one.
    """

    start_new_session = False
    creationflags = _CREATE_NEW_PROCESS_GROUP

    def __init__(self, open_job: Callable[[int], Job | None]) -> None:
        self._open_job = open_job
        self._job: Job | None = None
        self._pid = 0

    def adopt(self, pid: int) -> None:
        """See `Group.adopt`."""
        self._pid = pid
        self._job = self._open_job(pid)

    def ask(self) -> bool:
        """See `Group.ask`: Ctrl-Break reaches every process of the console group; it needs a console."""
        return self._kill(_BREAK)

    def kill(self) -> None:
        """See `Group.kill`."""
        if self._job is not None:
            self._job.end()
        else:
            # TerminateProcess, whatever the number.
            self._kill(signal.SIGTERM)

    def close(self) -> None:
        """See `Group.close`; what the child left behind ends with the job."""
        job, self._job, self._pid = self._job, None, 0
        if job is not None:
            job.close()

    def _kill(self, number: int) -> bool:
        if not self._pid:
            return False
        try:
            os.kill(self._pid, number)
        except OSError:
            return False
        return True


def make_group() -> Group:
    """Return what a child and its descendants are on this system."""
    if sys.platform != "win32":
        return PosixGroup()
    # Windows alone has jobs, and needs ctypes for them.
    return WindowsGroup(importlib.import_module("anyport.transports.stdio.jobs").open_job)
