"""Work that begins at once: a coroutine takes its first steps where it is started, in a task that was parked before.

A call that finishes without waiting costs no task of its own and no turn of the loop: `Steps` keeps a task that waits
for work, wakes it directly, and the work runs in it at once. Inside, everything is as in any task: it is
`asyncio.current_task()`, timeouts and task groups work, it can be cancelled, and it has context variables of its own.

Work that waits keeps its task, and another is parked in its place. So does work that leaves behind what the next must
not inherit: a reference to the task, through which it could be cancelled later, a cancellation, a context variable.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Awaitable, Callable, Generator
from typing import Protocol, cast


class Work(Protocol):
    """Something to do."""

    def run(self) -> Awaitable[None]:
        """Return what does it."""
        ...

    def ended(self, task: asyncio.Task[None] | None) -> None:
        """Take note that it is done, or how the task ended that was to do it."""
        ...


class _Place:
    """Where a task is parked: a future, as far as the task can tell.

    Attributes:
        wake: Lets the task go on, in its context, where no other task is running.
        context: The task's.
        work: What is to be done next.
        parked: The task waits here.
        kept: The task belongs to its work, and ends with it.
    """

    __slots__ = ("_asyncio_future_blocking", "_cancelled", "_loop", "context", "kept", "parked", "wake", "work")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._asyncio_future_blocking = False
        self._loop = loop
        self.wake: Callable[[_Place], object] = _ignore
        self.context = contextvars.Context()
        self._cancelled = self.parked = self.kept = False
        self.work: Work | None = None

    def __await__(self) -> Generator[_Place, None, None]:
        self._asyncio_future_blocking = True
        yield self

    # --- what a task asks of a future ---------------------------------------------------------------------------------

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop."""
        return self._loop

    def add_done_callback(self, wake: Callable[[_Place], object], *, context: contextvars.Context) -> None:
        """Take what wakes the task."""
        self.wake = wake
        self.context = context
        self.parked = True

    def result(self) -> None:
        """Return nothing, or that the task is cancelled.

        Raises:
            CancelledError: It is.
        """
        if self._cancelled:
            raise asyncio.CancelledError

    def cancel(self, msg: object = None) -> bool:
        """Let the task end, soon."""
        self._cancelled = True
        self.parked = False
        self._loop.call_soon(self.wake, self, context=self.context)
        return True


def _ignore(place: _Place) -> None:
    """Wake nobody: no task is parked yet."""


class Steps:
    """Starts work.

    Args:
        loop: Where.
        tasks: Tasks of work that waits, as long as it does.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, tasks: set[asyncio.Task[None]]) -> None:
        self._loop = loop
        self._tasks = tasks
        self._place: _Place | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, work: Work) -> None:
        """Do some work; what it does before it waits for the first time is done when this returns, if possible.

        Args:
            work: The work; it is told when it has ended.

        Raises:
            RuntimeError: This is called in a task, where no other can step.
        """
        place, task = self._place, self._task
        if place is None or task is None or not place.parked:
            self._spawn(work)
            return
        place.work = work
        place.parked = False
        # As the loop would do it, had the future that it takes the place for been done.
        place.context.run(place.wake, place)
        if place.parked:
            work.ended(None)
            return
        # It waits, it failed, or it left something behind.
        place.kept = True
        self._place = self._task = None
        if task.done():
            work.ended(task)
        else:
            self._keep(task, work)

    def close(self) -> None:
        """End the parked task."""
        if self._task is not None:
            self._task.cancel()
        self._place = self._task = None

    def _spawn(self, work: Work) -> None:
        """Do work in a task of its own, and park one for the next."""
        self._keep(self._loop.create_task(_do(work)), work)
        if self._task is None or self._task.done():
            self._place = _Place(self._loop)
            self._task = self._loop.create_task(_work(self._place))

    def _keep(self, task: asyncio.Task[None], work: Work) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(work.ended)


async def _do(work: Work) -> None:
    await work.run()


async def _work(place: _Place) -> None:
    """Do one work after the other, as long as each leaves the task as it found it."""
    task = cast("asyncio.Task[None]", asyncio.current_task())
    context = contextvars.copy_context()
    name = task.get_name()
    await place
    while place.work is not None:
        references = sys.getrefcount(task)
        work, place.work = place.work, None
        await work.run()
        del work
        if (
            place.kept
            or task.cancelling()
            or sys.getrefcount(task) > references
            or contextvars.copy_context() != context
            or task.get_name() != name
        ):
            return
        await place
