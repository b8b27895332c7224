"""Signals end the process in time, whatever the author's code is doing."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Generator
from types import FrameType
from typing import Final

from anyport.transports.stdio.process import exit_within

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_IMPATIENT_S: Final = 0.8


@contextlib.contextmanager
def end_on_signals(
    stop: Callable[[], object], within_s: float, *, children: bool = False
) -> Generator[None, None, None]:
    """Call ``stop`` on SIGINT and SIGTERM, and see to it that the process then ends.

    A tool may block the loop, or a thread of the author's may never return: a timer ends the process all the same.
    Signals can be handled in the main thread only; elsewhere this does nothing.

    Args:
        stop: Starts the end. Called once per signal, between two byte codes of the main thread or, where that is held
            up in foreign code, on a thread; it must be safe in both.
        within_s: Seconds from the first signal in which the process has ended. After a second one it is 0.8 at most.
        children: End the processes that this one has started, too, when the time is up.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received = _Received(stop, within_s, children=children)
    handlers = {number: signal.signal(number, received.handle) for number in _SIGNALS}
    try:
        with _woken_thread(received.wake):
            yield
    finally:
        for number, handler in handlers.items():
            # One signal has ended it all: a second Ctrl-C during the last clean-up has nothing to add but a traceback.
            signal.signal(number, handler if not received.numbers else signal.SIG_IGN)


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


@contextlib.contextmanager
def _woken_thread(wake: Callable[[int], None]) -> Generator[None, None, None]:
    """Tell of signals on a thread, at once: Python's own handlers wait for the main thread to leave foreign code.

    An event loop that wants the wake-up descriptor for itself takes it; then the handlers are all there is.
    """
    ours, told = socket.socketpair()
    told.setblocking(False)
    before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    thread = threading.Thread(target=_listen, args=(ours, wake), name="anyport-signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        told.close()
        thread.join()
        ours.close()


def _listen(ours: socket.socket, wake: Callable[[int], None]) -> None:
    while numbers := ours.recv(64):
        if count := sum(number in _SIGNALS for number in numbers):
            wake(count)
