"""How long a process takes to end, by its own time: a promise of seconds is no promise about a machine that is busy."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

_WAITED: Final = "schedstat"
_PER_SECOND: Final = 10**9


class Stopwatch:
    """Runs from the event that is to end a process; make it just before that.

    What counts is time by the clock, without that for which the process, and the test that watches it, were ready to
    run and had no processor. Where the system does not tell that (it is Linux that does), all time counts.

    Args:
        process: What is to end.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._watcher = threading.get_native_id()
        self._waited = self._waits()
        self._began = time.monotonic()

    def stop(self, seconds: float) -> float:
        """Wait for the end of the process, for so many seconds by the clock at most.

        Returns:
            Seconds that it took.

        Raises:
            subprocess.TimeoutExpired: It goes on.
        """
        if self._process.returncode is None and sys.platform == "linux":
            # Once it is reaped, nothing tells any more for how long it waited.
            end = os.pidfd_open(self._process.pid)
            try:
                # Not `select`, which knows the first 1,024 descriptors alone.
                ended = select.poll()
                ended.register(end, select.POLLIN)
                ended.poll(seconds * 1000)
            finally:
                os.close(end)
        took = time.monotonic() - self._began
        waited = self._waits() - self._waited
        self._process.wait(max(0.0, seconds - took))
        return took - max(0.0, waited)

    def _waits(self) -> float:
        own = Path("/proc/self/task") / str(self._watcher) / _WAITED
        return _waited(Path("/proc") / str(self._process.pid) / _WAITED) + _waited(own)


def _waited(path: Path) -> float:
    try:
        return int(path.read_text(encoding="ascii").split()[1]) / _PER_SECOND
    except (OSError, IndexError):
        return 0.0
