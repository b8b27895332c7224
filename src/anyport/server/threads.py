"""The pool for tools written as plain ``def`` functions.

It is anyport's own, apart from the loop's default executor, so that blocked tools cannot starve name look-ups or the
author's own ``asyncio.to_thread``; bounded, so that overload is refused instead of piling up; and of daemon threads,
so that a tool which never returns cannot keep the process from ending.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from queue import SimpleQueue
from typing import Generic, TypeVar, cast

from anyport.protocol.errors import Busy

T = TypeVar("T")


class _Job(Generic[T]):
    __slots__ = ("context", "function", "future", "loop", "settle")

    def __init__(self, function: Callable[[], T], loop: asyncio.AbstractEventLoop) -> None:
        self.function = function
        self.loop = loop
        self.future: asyncio.Future[T] = loop.create_future()
        self.context: Context = copy_context()
        self.settle: Callable[[], None] = self._nothing

    def work(self) -> None:
        try:
            value = self.context.run(self.function)
        except BaseException as error:  # noqa: BLE001 - whatever a tool raises belongs to the call that waits for it
            # SystemExit or KeyboardInterrupt in a tool must not end the server; a future cannot hold StopIteration.
            fits = isinstance(error, Exception) and not isinstance(error, StopIteration)
            raised = error if fits else RuntimeError(f"the tool raised {type(error).__name__}")
            self.settle = functools.partial(self.future.set_exception, raised)
        else:
            self.settle = functools.partial(self.future.set_result, value)

    def _nothing(self) -> None:
        """Stand in until the work is done."""


class ThreadPool:
    """A bounded pool of daemon threads.

    Args:
        threads: Most threads at a time; they start when they are needed.
        queue: Most jobs that may wait for a thread.
    """

    def __init__(self, threads: int, queue: int) -> None:
        self._most = threads
        self._room = threads + queue
        self._jobs: SimpleQueue[_Job[object]] = SimpleQueue()
        self._threads = 0
        self._pending = 0

    async def run(self, function: Callable[[], T]) -> T:
        """Run a function on a thread of the pool, with the caller's context variables.

        Args:
            function: Called without arguments.

        Returns:
            What it returned.

        Raises:
            Busy: All threads and waiting places are taken (limits ``sync_threads`` and ``sync_queue``).
        """
        if self._pending >= self._room:
            raise Busy(f"{self._pending} blocking calls are running or waiting (limits sync_threads, sync_queue)")
        self._pending += 1
        job = _Job(function, asyncio.get_running_loop())
        if self._pending > self._threads < self._most:
            self._threads += 1
            threading.Thread(target=self._serve, name=f"anyport-tool-{self._threads}", daemon=True).start()
        self._jobs.put(cast("_Job[object]", job))
        return await job.future

    def _serve(self) -> None:
        while True:
            job = self._jobs.get()
            job.work()
            try:
                job.loop.call_soon_threadsafe(self._finish, job)
            except RuntimeError:
                # The loop is closed: nobody waits any more.
                self._pending -= 1

    def _finish(self, job: _Job[object]) -> None:
        self._pending -= 1
        if not job.future.done():
            job.settle()
