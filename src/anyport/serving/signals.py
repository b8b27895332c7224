"""Signals end the process in time, whatever the author's code is doing."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Collection, Generator
from contextlib import AbstractContextManager
from types import FrameType
from typing import Final

from anyport.transports.stdio.process import ExitTimer

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_IMPATIENT_S: Final = 0.6
_FROM_PYTHON: Final = 0x80

Heard = Callable[[], AbstractContextManager[None]]
"""To be entered inside a running event loop that may have taken the wake-up descriptor for itself."""


class Ending:
    """The end of this process: begun once, hurried by whoever loses patience, and over in time.

    A tool may block the loop, or a thread of the author's may never return: a timer ends the process all the same.

    Args:
        stop: Starts the end; the second time, hurries it.
        within_s: Seconds from the beginning in which the process has ended. In a hurry it is 0.6 at most.
        children: End the processes that this one has started, too, when the time is up.
    """

    def __init__(self, stop: Callable[[], object], within_s: float, *, children: bool = False) -> None:
        self._stop = stop
        self._within_s = within_s
        self._children = children
        self._lock = threading.Lock()
        self._has_begun = False

    def begin(self) -> bool:
        """Begin; from any thread. The result tells whether this was the first time: any other changes nothing."""
        with self._lock:
            if self._has_begun:
                return False
            self._has_begun = True
        self._act(self._within_s)
        return True

    def hurry(self) -> None:
        """End without waiting."""
        self.begin()
        self._act(min(self._within_s, _IMPATIENT_S))

    def go_on(self) -> None:
        """Begin, or hurry what has begun."""
        if not self.begin():
            self.hurry()

    def _act(self, seconds: float) -> None:
        ExitTimer(seconds, children=self._children)
        self._stop()


def end_on_signals(
    stop: Callable[[], object], within_s: float, *, children: bool = False
) -> AbstractContextManager[Heard]:
    """Call ``stop`` on SIGINT and SIGTERM, and see to it that the process then ends; see `Ending` and `hear`.

    Args:
        stop: Starts the end. Called once per signal, on a thread.
        within_s: Seconds from the first signal in which the process has ended. After a second one it is 0.6 at most.
        children: End the processes that this one has started, too, when the time is up.
    """
    return hear(Ending(stop, within_s, children=children).go_on, _SIGNALS)


@contextlib.contextmanager
def hear(act: Callable[[], object], numbers: Collection[int]) -> Generator[Heard, None, None]:
    """Do something on signals, whatever the author's code is doing.

    Signals can be handled in the main thread only; elsewhere this does nothing.

    Args:
        act: Called once per signal, on a thread.
        numbers: The signals.

    Yields:
        What keeps signals heard inside an event loop that was started later than this.
    """
    if threading.current_thread() is not threading.main_thread():
        yield contextlib.nullcontext
        return
    ears = _Ears(act, numbers)
    handlers = {number: signal.signal(number, ears.handle) for number in numbers}
    try:
        with ears.open():
            yield ears.open
    finally:
        if ears.signals:
            # It is all over: another Ctrl-C during the last clean-up has nothing to add but a traceback.
            handlers = {signal.SIGINT: signal.SIG_IGN, signal.SIGTERM: signal.SIG_DFL}
        for number, handler in handlers.items():
            signal.signal(number, handler)
        ears.close()


class _Ears:
    """Hears of signals on a thread, and acts there.

    Python's own handlers wait for the main thread to leave foreign code, and may interrupt it anywhere, with any lock
    in its hands. So the handler only passes on what it is told; the C handler tells of the same signals at once, where
    nobody has taken the wake-up descriptor away.
    """

    def __init__(self, act: Callable[[], object], numbers: Collection[int]) -> None:
        self._act = act
        self._numbers = numbers
        self._ours, self._told = socket.socketpair()
        self._told.settimeout(0)
        self._before = -1
        self.signals = 0
        self._thread = threading.Thread(target=self._listen, name="anyport-signals", daemon=True)
        self._thread.start()

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Pass on a signal that Python delivers."""
        with contextlib.suppress(OSError):
            self._told.send(bytes([number | _FROM_PYTHON]))

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
        """Hear no more."""
        self._told.close()
        self._thread.join()
        self._ours.close()

    def _listen(self) -> None:
        from_c, from_python = 0, 0
        while numbers := self._ours.recv(64):
            for number in numbers:
                from_c += number in self._numbers
                from_python += number - _FROM_PYTHON in self._numbers
                if number < _FROM_PYTHON:
                    self._tell_on(number)
            # Most signals are told twice.
            while self.signals < max(from_c, from_python):
                self.signals += 1
                self._act()

    def _tell_on(self, number: int) -> None:
        if self._before not in (-1, self._told.fileno()):
            with contextlib.suppress(OSError):
                os.write(self._before, bytes([number]))


def pass_over(number: int, frame: FrameType | None) -> None:
    """Do nothing on a signal; unlike ``SIG_IGN`` this is not inherited by programs that a process starts."""
