"""Lifespan: what an author opens before the first call and closes after the last, once per process."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Protocol

from anyport.protocol.errors import LocalProtocolError

Drain = Callable[[float], Awaitable[None]]
"""Lets calls finish that no transport knows of, for so many seconds."""

LifespanFunction = Callable[[Any], AbstractAsyncContextManager[Any]]


class Part(Protocol):
    """Something of the server's own that lives as long as the author's lifespan, around it."""

    async def start(self) -> None:
        """Make ready."""
        ...

    async def aclose(self) -> None:
        """Let go of everything."""
        ...


class Lifespan:
    """Runs the author's lifespan in a task of its own, and the parts of the server around it.

    Whoever starts it and whoever ends it may be different tasks (a first request, a signal); the author's context
    manager is entered and left in the same one, as cancel scopes and task groups demand.

    Args:
        function: The author's function, called with the server; ``None`` for none.
        server: What it is called with.
        parts: Started in this order before the author's function is called, closed in the other one after it.
        drains: What ends before the author's function does, which its calls need.
        drain_s: Seconds that they get where nobody called `drain` before.

    Attributes:
        state: What the context manager yielded; ``None`` before the start.

    Raises:
        LocalProtocolError: The function is none, or only the generator of one.
    """

    def __init__(
        self,
        function: LifespanFunction | None,
        server: object,
        parts: Sequence[Part] = (),
        drains: Sequence[Drain] = (),
        drain_s: float = 0.0,
    ) -> None:
        if function is not None and not callable(function):
            raise LocalProtocolError(f"lifespan must be a function that takes the server; it is {function!r}"[:200])
        if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
            raise LocalProtocolError("lifespan needs @contextlib.asynccontextmanager above its async def")
        self._function = function
        self._server = server
        self._parts = list(parts)
        self._drains = list(drains)
        self._drain_s = drain_s
        # The parts that live, and the loop that they live on.
        self._living: list[Part] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._order = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._started = asyncio.Event()
        self._stop = asyncio.Event()
        self._mounted: list[Lifespan] = []
        self._holders = 0
        self._is_held_open = False
        self.state: Any = None

    @property
    def is_wanted(self) -> bool:
        """Whether the author has anything to enter and to leave, here or in what is mounted."""
        return self._function is not None or any(other.is_wanted for other in self._mounted)

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended, even if there was nothing to start."""
        return self._loop is not None and not self._loop.is_closed()

    def add(self, other: Lifespan) -> None:
        """Have the lifespan of a mounted server start before this one and end after it.

        Raises:
            LocalProtocolError: This one runs already, and the other would never start.
        """
        if other.is_wanted and self.is_running:
            raise LocalProtocolError("a server with a lifespan has to be mounted before the one around it starts")
        self._mounted.append(other)
        held = _Held(other)
        self._parts.append(held)
        self._drains.append(held.drain)

    async def hold(self) -> None:
        """Start, as one of several who need it; each ends with `release`, and the last ends the lifespan.

        Where somebody else had started it, he ends it.

        Raises:
            Exception: As `start`.
        """
        if self._holders == 0 or not self.is_running:
            self._holders, self._is_held_open = 0, not self.is_running
        self._holders += 1
        try:
            await self.start()
        except BaseException:
            self._holders -= 1
            raise

    async def release(self) -> None:
        """End what `hold` began."""
        self._holders -= 1
        if self._holders == 0 and self._is_held_open:
            await self.aclose()

    @property
    def ends_next(self) -> bool:
        """Whether the next `release` is the last."""
        return self._is_held_open and self._holders == 1

    def join(self, part: Part) -> None:
        """Add a part that the others stand on: the next `start` starts it before them."""
        self._parts.insert(0, part)

    async def start(self) -> None:
        """Start the parts and enter the lifespan, unless that was done before; concurrent callers wait for the first.

        Raises:
            Exception: Whatever a part or the author's code raised; a later call tries again.
        """
        await self._start_parts()
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
                await self._close_parts()
            task.result()

    async def drain(self, seconds: float) -> None:
        """Let the calls finish that no transport knows of, and take no more of them.

        Args:
            seconds: How long they may take before they are cancelled.
        """
        await asyncio.gather(*(drain(seconds) for drain in self._drains))

    async def aclose(self) -> None:
        """Leave the lifespan, wait until the author's code is through, and close the parts."""
        task, self._task = self._task, None
        try:
            if self._loop is asyncio.get_running_loop():
                await self.drain(self._drain_s)
            if task is not None and not self._is_lost(task):
                self._stop.set()
                await asyncio.shield(task)
        finally:
            await self._close_parts()

    async def _start_parts(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._order, self._living = loop, asyncio.Lock(), []
        async with self._order:
            for part in self._parts:
                if part not in self._living:
                    await part.start()
                    self._living.append(part)

    async def _close_parts(self) -> None:
        living, self._living = self._living, []
        loop, self._loop = self._loop, None
        # What lived on a loop that has ended went with it.
        if loop is asyncio.get_running_loop():
            async with AsyncExitStack() as stack:
                for part in living:
                    stack.push_async_callback(part.aclose)

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


class _Held:
    """The lifespan of a mounted server, as a part of the one that it is mounted in."""

    def __init__(self, other: Lifespan) -> None:
        self._other = other
        self._is_held = False

    async def start(self) -> None:
        await self._other.hold()
        self._is_held = True

    async def drain(self, seconds: float) -> None:
        # It may be served elsewhere, too.
        if self._is_held and self._other.ends_next:
            await self._other.drain(seconds)

    async def aclose(self) -> None:
        if self._is_held:
            self._is_held = False
            await self._other.release()
