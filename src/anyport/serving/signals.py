"""Signals end the process in time, whatever the author's code is doing."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from types import FrameType
from typing import Final

from anyport.transports.stdio.process import exit_within

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_IMPATIENT_S: Final = 0.6

Heard = Callable[[], AbstractContextManager[None]]
"""To be entered inside a running event loop that may have taken the wake-up descriptor for itself."""


@contextlib.contextmanager
def end_on_signals(
    stop: Callable[[], object], within_s: float, *, children: bool = False
) -> Generator[Heard, None, None]:
    """Call ``stop`` on SIGINT and SIGTERM, and see to it that the process then ends.

    A tool may block the loop, or a thread of the author's may never return: a timer ends the process all the same.
    Signals can be handled in the main thread only; elsewhere this does nothing.

    Args:
        stop: Starts the end. Called once per signal, between two byte codes of the main thread or, where that is held
            up in foreign code, on a thread; it must be safe in both.
        within_s: Seconds from the first signal in which the process has ended. After a second one it is 0.6 at most.
        children: End the processes that this one has started, too, when the time is up.

    Yields:
        What keeps signals heard inside an event loop that was started later than this.
    """
    if threading.current_thread() is not threading.main_thread():
        yield contextlib.nullcontext
        return
    received = _Received(stop, within_s, children=children)
    handlers = {number: signal.signal(number, received.handle) for number in _SIGNALS}
    ears = _Ears(received.wake)
    try:
        with ears.open():
            yield ears.open
    finally:
        ears.close()
        if received.numbers:
            # It is all over: another Ctrl-C during the last clean-up has nothing to add but a traceback.
            handlers = {signal.SIGINT: signal.SIG_IGN, signal.SIGTERM: signal.SIG_DFL}
        for number, handler in handlers.items():
            signal.signal(number, handler)


class _Received:
    """The signals so far. The handler and the thread both see each of them, and whoever is first acts."""

    def __init__(self, stop: Callable[[], object], within_s: float, *, children: bool) -> None:
        self._stop = stop
        self._within_s = within_s
        self._children = children
        self._handled = 0
        self._woken = 0
        self._lock = threading.RLock()
        self.numbers = 0

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Take a signal as Python delivers it."""
        self._handled += 1
        self._act(self._handled)

    def wake(self, count: int) -> None:
        """Take signals as the C handler tells of them."""
        self._woken += count
        self._act(self._woken)

    def _act(self, seen: int) -> None:
        with self._lock:
            if seen <= self.numbers:
                return
            self.numbers = seen
        exit_within(self._within_s if seen == 1 else min(self._within_s, _IMPATIENT_S), children=self._children)
        self._stop()


class _Ears:
    """Hears of signals on a thread, at once: Python's own handlers wait for the main thread to leave foreign code."""

    def __init__(self, wake: Callable[[int], None]) -> None:
        self._wake = wake
        self._ours, self._told = socket.socketpair()
        self._told.settimeout(0)
        self._before = -1
        self._thread = threading.Thread(target=self._listen, name="anyport-signals", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def open(self) -> Generator[None, None, None]:
        """Have the wake-up descriptor; whoever had it before, such as an event loop, goes on being told."""
        outer, self._before = self._before, signal.set_wakeup_fd(self._told.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(self._before)
            self._before = outer

    def close(self) -> None:
        self._told.close()
        self._thread.join()
        self._ours.close()

    def _listen(self) -> None:
        while numbers := self._ours.recv(64):
            if self._before not in (-1, self._told.fileno()):
                with contextlib.suppress(OSError):
                    os.write(self._before, numbers)
            if count := sum(number in _SIGNALS for number in numbers):
                self._wake(count)
