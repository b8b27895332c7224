"""Work that begins where it is started: at once if a task is parked, in a task like any other, inheriting nothing."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from anyport.transports.steps import Steps
from tests.drivers.asgi import WAIT

MARK: Final = contextvars.ContextVar("mark", default="nobody's")


class Job:
    """Work that notes in which task it ran, and how that ended."""

    def __init__(self, do: Callable[[Job], Awaitable[object]] | None = None) -> None:
        self._do = do
        self.task_id = 0
        self.name = ""
        self.mark = ""
        self.kept: object = None
        self.over = asyncio.Event()
        self.outcome: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Do it."""
        task = asyncio.current_task()
        assert task is not None
        self.task_id, self.name, self.mark = id(task), task.get_name(), MARK.get()
        del task
        if self._do is not None:
            await self._do(self)

    def ended(self, task: asyncio.Task[None] | None) -> None:
        """Take note."""
        self.outcome = task
        self.over.set()


class Place:
    """Starts jobs as a connection does: from a callback of the loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.tasks: set[asyncio.Task[None]] = set()
        self.steps = Steps(self.loop, self.tasks)

    async def start(self, job: Job) -> bool:
        """Start a job; return whether it was over when `Steps.start` returned."""
        at_once: list[bool] = []

        def begin() -> None:
            self.steps.start(job)
            at_once.append(job.over.is_set())

        self.loop.call_soon(begin)
        while not at_once:  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(0)
        # The next task is parked.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return at_once[0]

    async def warm(self) -> None:
        """Have a task parked."""
        await self.start(Job())
        assert await self.start(Job())

    async def close(self) -> None:
        """End."""
        self.steps.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert self.tasks == set()


async def test_work_that_does_not_wait_is_done_at_once() -> None:
    place = Place()
    assert not await place.start(Job()), "no task was parked"
    jobs = [Job() for _ in range(3)]
    for job in jobs:
        assert await place.start(job)
        assert job.outcome is None
    assert len({job.task_id for job in jobs}) == 1
    await place.close()


async def waits(job: Job) -> None:
    """Wait for a moment."""
    await asyncio.sleep(0.01)


async def times_out(job: Job) -> None:
    """Use what only works in a task, and goes on with it."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await asyncio.sleep(WAIT)
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(0))


async def marks(job: Job) -> None:
    """Set a context variable; it stays when the work waits."""
    MARK.set("set")
    await asyncio.sleep(0)
    assert MARK.get() == "set"


@pytest.mark.parametrize("do", [waits, times_out, marks])
async def test_work_that_waits_goes_on_in_its_task(do: Callable[[Job], Awaitable[object]]) -> None:
    """The server knows of it until it is over, and others go on meanwhile."""
    place = Place()
    await place.warm()
    job = Job(do)
    assert not await place.start(job)
    assert not await place.start(Job()), "no other task was parked yet"
    assert await place.start(Job())
    async with asyncio.timeout(WAIT):
        await job.over.wait()
    assert job.outcome is not None
    assert job.outcome.exception() is None
    await place.close()


async def keeps_its_task(job: Job) -> None:
    """Keep a reference, as a timer would that cancels it later."""
    job.kept = asyncio.current_task()


async def sets_a_variable(job: Job) -> None:
    """Leave a context variable set."""
    MARK.set("left behind")


async def names_its_task(job: Job) -> None:
    """Give the task a name."""
    task = asyncio.current_task()
    assert task is not None
    task.set_name("mine")


async def cancels_itself(job: Job) -> None:
    """Leave a cancellation that nothing met."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


@pytest.mark.parametrize("do", [keeps_its_task, sets_a_variable, names_its_task, cancels_itself])
async def test_what_is_left_behind_is_not_inherited(do: Callable[[Job], Awaitable[object]]) -> None:
    """Its task is not used again: whoever holds it could cancel the work of somebody else."""
    place = Place()
    await place.warm()
    first, second, third = Job(do), Job(), Job()
    assert await place.start(first)
    await place.start(second)
    await place.start(third)
    for job in (second, third):
        assert job.task_id != first.task_id or do is not keeps_its_task
        assert (job.mark, job.name == "mine") == ("nobody's", False)
        assert job.outcome is None or not job.outcome.cancelled()
    await place.close()


async def test_a_variable_that_is_reset_leaves_nothing() -> None:
    async def uses(job: Job) -> None:
        MARK.reset(MARK.set("for a moment"))

    place = Place()
    await place.warm()
    jobs = [Job(uses) for _ in range(3)]
    for job in jobs:
        assert await place.start(job)
    assert len({job.task_id for job in jobs}) == 1
    await place.close()


async def test_work_that_fails() -> None:
    """Whoever started it is told, and the next is not concerned."""

    async def fails(job: Job) -> None:
        raise ValueError("on purpose")

    place = Place()
    await place.warm()
    job = Job(fails)
    assert await place.start(job)
    assert job.outcome is not None
    assert isinstance(job.outcome.exception(), ValueError)
    await place.start(Job())
    assert await place.start(Job())
    await place.close()


async def test_work_that_is_cancelled() -> None:
    place = Place()
    await place.warm()
    job = Job(waits)
    await place.start(job)
    (task,) = place.tasks
    task.cancel()
    async with asyncio.timeout(WAIT):
        await job.over.wait()
    assert job.outcome is task
    assert task.cancelled()
    await place.close()


async def test_work_that_is_started_in_a_task() -> None:
    """Connections start work in callbacks of the loop; in a task no other can step, and asyncio says so."""
    place = Place()
    await place.warm()
    job = Job()
    with pytest.raises(RuntimeError, match="while another task"):
        place.steps.start(job)
    assert not job.over.is_set()
    await place.close()


async def test_a_parked_task_that_is_cancelled_by_others() -> None:
    """As a loop does with all tasks at its end."""
    place = Place()
    await place.warm()
    mine = asyncio.current_task()
    for task in asyncio.all_tasks() - {mine}:
        task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {mine}
    job = Job()
    await place.start(job)
    async with asyncio.timeout(WAIT):
        await job.over.wait()
    await place.close()
