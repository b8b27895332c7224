"""Signals end the process in time, whatever the author's code is doing."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from types import FrameType

from anyport.transports.stdio.process import end_descendants


@contextlib.contextmanager
def end_on_signals(stop: Callable[[], object], within_s: float) -> Generator[None, None, None]:
    """Call ``stop`` on SIGINT and SIGTERM, and see to it that the process then ends.

    A tool may block the loop, or a thread of the author's may never return: a daemon thread ends the process all the
    same. Signals can be handled in the main thread only; elsewhere this does nothing.

    Args:
        stop: Starts the end; called once per signal, in the main thread, between two byte codes.
        within_s: Seconds from the first signal in which the process has ended.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ending: list[threading.Thread] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if not ending:
            ending.append(threading.Thread(target=_end, args=(within_s,), name="anyport-exit", daemon=True))
            ending[0].start()
        stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if not ending:
            for number, handler in before.items():
                signal.signal(number, handler)


def _end(within_s: float) -> None:
    threading.main_thread().join(within_s)
    end_descendants(0.05)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)
