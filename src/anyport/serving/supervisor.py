"""The first of several processes: starts workers, replaces those that die, and ends them.

It has one thread and no event loop, so that a process can be forked from it at any time, and it never waits without a
bound on what a worker does.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import select
import signal
import socket
import time
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Final

from anyport.serving.application import Application
from anyport.serving.several import ANSWERING_S
from anyport.serving.signals import pass_over
from anyport.serving.uvicorn_server import HttpFront
from anyport.serving.worker import END, HURRY, LISTENING, Leaving, Tie, flush, work

logger = logging.getLogger("anyport.serving")

SETTLED_S: Final = 5.0
"""Seconds after which a worker that dies did not die of its start."""

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
"""Seconds before another worker takes the place of one that died of its start: twice as many each time, up to these."""

_MARGIN_S: Final = 2.0
"""Seconds after those in which a worker ends by itself; then it is killed."""
_HURRIED_S: Final = 0.6
_LOOK_S: Final = 60.0
_ENDS: Final = (signal.SIGINT, signal.SIGTERM)


class Slot:
    """The place of one worker.

    Args:
        number: Its number, from 1.
        sockets: For each way in, what listens in this place.

    Attributes:
        pid: The worker; ``None`` between one and the next.
        since: When it was started.
        due: When the next one is.
        was_open: Some worker of this place has let clients in.
    """

    def __init__(self, number: int, sockets: Sequence[list[socket.socket]]) -> None:
        self.number = number
        self.sockets = sockets
        self.pid: int | None = None
        self.since = 0.0
        self.due = 0.0
        self.was_open = False
        self._early_ends = 0
        # Our ends of the pipes of its tie.
        self._telling = -1
        self._told = -1

    @property
    def descriptor(self) -> int:
        """What can be read when the worker has something to say; -1 when it is gone."""
        return self._told

    def tie(self, pid: int, telling: int, told: int) -> None:
        """Have a worker."""
        self.pid, self._telling, self._told = pid, telling, told
        self.since = time.monotonic()

    def tell(self, word: bytes) -> None:
        """Say something to the worker."""
        if self.pid is not None:
            with contextlib.suppress(OSError):
                os.write(self._telling, word)

    def listen(self) -> None:
        """Hear what the worker says, if it does."""
        with contextlib.suppress(BlockingIOError):
            if LISTENING in os.read(self._told, 16):
                self.was_open = True

    def untie(self) -> None:
        """Close our ends."""
        for descriptor in (self._telling, self._told):
            if descriptor != -1:
                os.close(descriptor)
        self.pid, self._telling, self._told = None, -1, -1

    def pause(self) -> float:
        """Return the seconds before another worker takes the place of the one that has just ended."""
        self._early_ends = self._early_ends + 1 if time.monotonic() - self.since < SETTLED_S else 0
        seconds = min(FIRST_PAUSE_S * 2 ** min(self._early_ends - 1, 16), LONGEST_PAUSE_S) if self._early_ends else 0.0
        self.due = time.monotonic() + seconds
        return seconds


class _Bell:
    """Rings when there is a signal: what waits for it waits for descriptors, and needs no thread."""

    def __init__(self) -> None:
        self._ours, self._rung = socket.socketpair()
        self._ours.setblocking(False)  # noqa: FBT003 - the name of the method says what is switched
        self._rung.setblocking(False)  # noqa: FBT003 - the name of the method says what is switched
        self.descriptor = self._ours.fileno()
        self._handlers: dict[int, object] = {}
        self._before = -1
        self.signals = 0

    @contextlib.contextmanager
    def hung(self) -> Generator[None]:
        """Hear signals within the block."""
        numbers = (*_ENDS, signal.SIGCHLD)
        self._handlers = {number: signal.signal(number, pass_over) for number in numbers}
        self._before = signal.set_wakeup_fd(self._rung.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            if self.signals:
                # It is all over: another Ctrl-C during the last clean-up has nothing to add but a traceback.
                self._handlers.update({signal.SIGINT: signal.SIG_IGN, signal.SIGTERM: signal.SIG_DFL})
            self.take_down()

    def take_down(self) -> None:
        """Leave signals to whoever had them before; also in a process that was forked from this one."""
        signal.set_wakeup_fd(self._before)
        for number, handler in self._handlers.items():
            signal.signal(number, handler if callable(handler) or isinstance(handler, int) else signal.SIG_DFL)
        self._ours.close()
        self._rung.close()

    def ends(self) -> int:
        """Return how many signals to end there were since the last time."""
        with contextlib.suppress(BlockingIOError):
            found = sum(number in _ENDS for number in self._ours.recv(1024))
            self.signals += found
            return found
        return 0


class Supervisor:
    """Keeps a worker in every place, until a signal ends the server.

    Args:
        application: What they serve.
        fronts: The ways in; a worker gives each the sockets of its place.
        slots: The places.
        folder: Where the store is that ends with the server; ``None`` where there is none.
    """

    def __init__(
        self, application: Application, fronts: Sequence[HttpFront], slots: Sequence[Slot], folder: Path | None
    ) -> None:
        self._application = application
        self._fronts = fronts
        self._slots = slots
        self._folder = folder
        self._bell = _Bell()
        self._is_open = False
        self._is_ending = False
        self._kill_at = math.inf
        self._status = 0

    def run(self) -> None:
        """Serve.

        Raises:
            SystemExit: A worker could not start, when there had been none yet; with the status that it ended with.
        """
        with self._bell.hung():
            try:
                while True:
                    self._fork_due()
                    if all(slot.pid is None for slot in self._slots) and self._is_ending:
                        break
                    self._wait()
                    self._end(self._bell.ends())
                    self._reap()
            finally:
                self._kill()
        if self._status:
            raise SystemExit(self._status)

    def _wait(self) -> None:
        """Wait for a signal, a word of a worker, or the next thing that is due."""
        poll = select.poll()
        poll.register(self._bell.descriptor, select.POLLIN)
        told = {slot.descriptor: slot for slot in self._slots if slot.pid is not None and not slot.was_open}
        for descriptor in told:
            poll.register(descriptor, select.POLLIN)
        due = [self._kill_at]
        if not self._is_ending:
            due += [slot.due for slot in self._slots if slot.pid is None]
        seconds = min(max(min(due) - time.monotonic(), 0.0), _LOOK_S)
        for descriptor, _ in poll.poll(math.ceil(seconds * 1000)):
            if descriptor in told:
                told[descriptor].listen()
        if not self._is_open and all(slot.was_open for slot in self._slots):
            self._is_open = True
            for front, sockets in zip(self._fronts, self._slots[0].sockets, strict=True):
                front.sockets = sockets
                front.announce()

    # --- workers that start and end -----------------------------------------------------------------------------------

    def _fork_due(self) -> None:
        for slot in self._slots:
            if slot.pid is None and not self._is_ending and slot.due <= time.monotonic():
                try:
                    self._fork(slot)
                except OSError as error:
                    seconds = slot.pause()
                    logger.error("No process for worker %d can be had (%s): again in %g s", slot.number, error, seconds)

    def _fork(self, slot: Slot) -> None:
        told, telling = os.pipe()
        told_us, telling_us = os.pipe()
        os.set_blocking(told_us, False)
        # Not once more from the worker.
        flush()
        # None may come between the fork and the worker's own handlers: it would be noted for the first process.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (*_ENDS, signal.SIGCHLD))
        try:
            pid = os.fork()
            if pid == 0:
                with Leaving():
                    self._close(slot, (telling, told_us))
                    self._bell.take_down()
                    # Ctrl-C goes to every process of a terminal; the first one tells the others.
                    signal.signal(signal.SIGINT, pass_over)
                    signal.pthread_sigmask(signal.SIG_SETMASK, before)
                    work(self._application, self._fronts, Tie(told, telling_us, self._folder))
            slot.tie(pid, telling, told_us)
        except OSError:
            os.close(telling)
            os.close(told_us)
            raise
        finally:
            os.close(told)
            os.close(telling_us)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        logger.info("Worker %d of %s is process %d", slot.number, self._application.name, pid)

    def _close(self, slot: Slot, descriptors: Iterable[int]) -> None:
        """In a worker, let go of what belongs to the others."""
        for descriptor in descriptors:
            os.close(descriptor)
        own = {each for sockets in slot.sockets for each in sockets}
        for other in self._slots:
            other.untie()
            for each in {each for sockets in other.sockets for each in sockets} - own:
                each.close()
        for front, sockets in zip(self._fronts, slot.sockets, strict=True):
            front.sockets = sockets

    def _reap(self) -> None:
        for slot in self._slots:
            if slot.pid is not None:
                pid, status = _waited(slot.pid)
                if pid:
                    slot.listen()
                    slot.untie()
                    self._replace(slot, pid, os.waitstatus_to_exitcode(status))
        if time.monotonic() >= self._kill_at:
            self._kill()

    def _replace(self, slot: Slot, pid: int, status: int) -> None:
        """Have another worker take the place of one that has ended, unless the server ends."""
        if self._is_ending:
            return
        if status > 0 and not slot.was_open and not self._is_open:
            # It has said why. There is no server yet that could be kept.
            self._status = status
            self._end(2)
            return
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        seconds = slot.pause()
        logger.warning(
            "Worker %d of %s (process %d) %s: another takes its place%s",
            slot.number,
            self._application.name,
            pid,
            how,
            f" in {seconds:g} s" if seconds else "",
        )

    # --- the end ------------------------------------------------------------------------------------------------------

    def _end(self, signals: int) -> None:
        """End the workers on the first signal, hurry them on any other."""
        for _ in range(signals):
            within_s = self._application.limits.drain_s + ANSWERING_S
            if self._is_ending:
                within_s = min(within_s, _HURRIED_S)
            word = HURRY if self._is_ending else END
            self._is_ending = True
            self._kill_at = min(self._kill_at, time.monotonic() + within_s + _MARGIN_S)
            for slot in self._slots:
                slot.tell(word)
                # They let nobody in any more; nor do we.
                for sockets in slot.sockets:
                    for each in sockets:
                        each.close()

    def _kill(self) -> None:
        """End what has not ended in time."""
        for slot in self._slots:
            if slot.pid is not None:
                logger.warning("Worker %d (process %d) did not end in time: it is killed", slot.number, slot.pid)
                with contextlib.suppress(OSError):
                    os.kill(slot.pid, signal.SIGKILL)
                _waited(slot.pid, killed=True)
                slot.untie()


def _waited(pid: int, *, killed: bool = False) -> tuple[int, int]:
    """Return the process and its status when it has ended, or was killed just now; else 0 and 0."""
    try:
        return os.waitpid(pid, 0 if killed else os.WNOHANG)
    except ChildProcessError:
        # Somebody else was told of its end.
        return pid, 0
