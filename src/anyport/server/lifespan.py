"""Lifespan: what an author opens before the first call and closes after the last, once per process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

LifespanFunction = Callable[[Any], AbstractAsyncContextManager[Any]]


class Lifespan:
    """Runs the author's lifespan in a task of its own.

    Whoever starts it and whoever ends it may be different tasks (a first request, a signal); the author's context
    manager is entered and left in the same one, as cancel scopes and task groups demand.

    Args:
        function: The author's function, called with the server; ``None`` for none.
        server: What it is called with.

    Attributes:
        state: What the context manager yielded; ``None`` before the start.
    """

    def __init__(self, function: LifespanFunction | None, server: object) -> None:
        self._function = function
        self._server = server
        self._task: asyncio.Task[None] | None = None
        self._started = asyncio.Event()
        self._stop = asyncio.Event()
        self.state: Any = None

    @property
    def is_wanted(self) -> bool:
        """Whether there is anything to enter and to leave."""
        return self._function is not None

    async def start(self) -> None:
        """Enter the lifespan unless that was done before; concurrent callers wait for the first.

        Raises:
            Exception: Whatever the author's code raised; a later call tries again.
        """
        if self._function is None:
            return
        if self._task is None or self._is_lost(self._task):
            self._started, self._stop = asyncio.Event(), asyncio.Event()
            self._task = asyncio.create_task(self._run(self._function, self._started, self._stop))
        elif self._started.is_set() and not self._task.done():
            return
        task, started = self._task, asyncio.create_task(self._started.wait())
        try:
            await asyncio.wait((task, started), return_when=asyncio.FIRST_COMPLETED)
        finally:
            started.cancel()
        if task.done():
            # Another caller may have begun the next attempt by now.
            if self._task is task:
                self._task = None
            task.result()

    async def aclose(self) -> None:
        """Leave the lifespan and wait until the author's code is through."""
        task, self._task = self._task, None
        if task is None or self._is_lost(task):
            return
        self._stop.set()
        await asyncio.shield(task)

    def _is_lost(self, task: asyncio.Task[None]) -> bool:
        """Whether the loop that the author's code ran on has ended, and that code with it, as between two tests."""
        return task.get_loop().is_closed()

    async def _run(self, function: LifespanFunction, started: asyncio.Event, stop: asyncio.Event) -> None:
        try:
            async with function(self._server) as self.state:
                started.set()
                await stop.wait()
        finally:
            self.state = None
