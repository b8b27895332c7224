"""The pool for tools written as plain ``def`` functions.

It is anyport's own, apart from the loop's default executor, so that blocked tools cannot starve name look-ups or the
author's own ``asyncio.to_thread``; bounded, so that overload is refused instead of piling up; and of daemon threads,
so that a tool which never returns cannot keep the process from ending.

What a hand-over costs is the change of threads, so there are few (ADR 0052): one thread is woken for many jobs, more
only when those that are awake do not get on, and one wake-up of the loop takes back all that is done by then.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from typing import Final, Generic, TypeVar, cast

from anyport.protocol.errors import Busy

T = TypeVar("T")

_LOOK_S: Final = 0.001
"""Seconds between two looks at whether the threads that are awake get on."""

_PATIENCE: Final = 10
"""Looks after which one more thread is woken for jobs that wait, although others get on."""


class Turn:
    """Who comes first, a thread that begins or a call that gives up: the first `take` is true, any other is not."""

    __slots__ = ("_token",)

    def __init__(self) -> None:
        self._token = [True]

    def take(self) -> bool:
        """Take the turn, from any thread, and tell whether it was there to take."""
        try:
            return self._token.pop()
        except IndexError:
            return False


class _Job(Generic[T]):
    __slots__ = ("context", "error", "function", "future", "home", "value")

    def __init__(self, function: Callable[[], T], home: _Home) -> None:
        self.function = function
        self.home = home
        self.future: asyncio.Future[T] = home.loop.create_future()
        self.context: Context = copy_context()
        self.value: T | None = None
        self.error: BaseException | None = None

    def work(self) -> None:
        """Call the function; `finish` tells what came of it."""
        if self.future.cancelled():
            # Given up while it waited for the thread.
            return
        try:
            self.value = self.context.run(self.function)
        except BaseException as error:  # noqa: BLE001 - whatever a tool raises belongs to the call that waits for it
            # SystemExit or KeyboardInterrupt in a tool must not end the server; a future cannot hold StopIteration.
            fits = isinstance(error, Exception) and not isinstance(error, StopIteration)
            self.error = error if fits else RuntimeError(f"the tool raised {type(error).__name__}")

    def finish(self) -> None:
        """Tell the caller, unless it has gone.

        An error's traceback has the frame of `work`: what held the error in turn would be a cycle.
        """
        value, error, future = self.value, self.error, self.future
        del self.value, self.error, self.future
        if future.done():
            return
        if error is None:
            future.set_result(cast("T", value))
        else:
            future.set_exception(error)


class _Home:
    """An event loop to which what is done goes back."""

    __slots__ = ("_done", "_told", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._done: deque[_Job[object]] = deque()
        self._told = False

    def bring(self, job: _Job[object]) -> None:
        """Give a job back, from any thread."""
        self._done.append(job)
        if self._told:
            return
        self._told = True
        try:
            self.loop.call_soon_threadsafe(self._take)
        except RuntimeError:
            # The loop is closed: nobody waits any more.
            self._done.clear()

    def _take(self) -> None:
        # First: what comes from here on is told of again.
        self._told = False
        while self._done:
            self._done.popleft().finish()


class ThreadPool:
    """A bounded pool of daemon threads.

    Args:
        threads: Most threads at a time; they start when they are needed.
        queue: Most jobs that may wait for a thread.
    """

    def __init__(self, threads: int, queue: int) -> None:
        self._most = threads
        self._room = threads + queue
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Begin anew, without the threads that there are: a process that is forked from this one does not have them."""
        # All of these under the lock, except that a job is taken without it.
        self._jobs: deque[_Job[object]] = deque()
        self._idle: list[threading.Lock] = []
        self._threads = 0
        self._awake = 0
        self._pending = 0
        self._home: _Home | None = None
        self._watcher: asyncio.AbstractEventLoop | None = None
        self._begun = 0

    def run(self, function: Callable[[], T], *, always: bool = False) -> Awaitable[T]:
        """Run a function on a thread of the pool, with the caller's context variables.

        A caller that is cancelled leaves the function behind: it runs to its end if it has begun, and not at all if
        it still waits for a thread.

        Args:
            function: Called without arguments.
            always: Wait for a thread however many do: for what has to be closed since it was opened.

        Returns:
            What it returned, to be awaited.

        Raises:
            Busy: All threads and waiting places are taken (limits ``sync_threads`` and ``sync_queue``).
        """
        loop = asyncio.get_running_loop()
        home = self._home
        if home is None or home.loop is not loop:
            home = self._home = _Home(loop)
        job = _Job(function, home)
        with self._lock:
            if self._pending >= self._room and not always:
                raise Busy(f"{self._pending} blocking calls are running or waiting (limits sync_threads, sync_queue)")
            self._pending += 1
            self._jobs.append(cast("_Job[object]", job))
            if not self._awake:
                self._wake(1)
            elif self._watcher is not loop:
                self._watcher = loop
                loop.call_later(_LOOK_S, self._look, loop, self._begun, 1)
        return job.future

    def _wake(self, count: int) -> None:
        """Wake or start threads, as many as there are; under the lock."""
        for _ in range(count):
            if self._idle:
                # The one that slept last: it has the most of what it needs at hand.
                self._idle.pop().release()
            elif self._threads < self._most:
                self._threads += 1
                name = f"anyport-tool-{self._threads}"
                threading.Thread(target=self._serve, name=name, daemon=True).start()
            else:
                return
            self._awake += 1

    def _look(self, loop: asyncio.AbstractEventLoop, begun: int, looks: int) -> None:
        """See whether jobs wait that no thread has come to, and look again as long as any wait.

        Args:
            loop: Where it looks from.
            begun: Jobs that had been begun at the last look.
            looks: How often it has looked.
        """
        with self._lock:
            waiting = len(self._jobs)
            if not waiting:
                self._watcher = None
                return
            if self._begun == begun:
                # Those that are awake all wait for something: as many more as there are jobs.
                self._wake(waiting)
            elif looks % _PATIENCE == 0:
                self._wake(1)
            begun = self._begun
        loop.call_later(_LOOK_S, self._look, loop, begun, looks + 1)

    def _serve(self) -> None:
        sleep = threading.Lock()
        sleep.acquire()
        while True:
            try:
                job = self._jobs.popleft()
            except IndexError:
                with self._lock:
                    if self._jobs:
                        continue
                    self._idle.append(sleep)
                    self._awake -= 1
                sleep.acquire()
                continue
            self._begun += 1
            job.work()
            with self._lock:
                self._pending -= 1
            job.home.bring(job)
            # The next job may be a long time coming.
            del job
