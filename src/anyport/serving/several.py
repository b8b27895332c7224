"""Several transports at once: one process, one loop, one lifespan, however many ways in."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import logging
from collections.abc import Callable, Coroutine, Generator, Sequence
from pathlib import Path
from socket import socket
from typing import Final, Protocol

from anyport.serving import loops
from anyport.serving.application import Application
from anyport.serving.listening import UnixSocket, address_of, listen_locally, say
from anyport.serving.plan import Plan, SocketPlace
from anyport.serving.signals import Heard, end_on_signals
from anyport.stores.base import StoreError
from anyport.transports.sockets.server import SocketServer
from anyport.transports.stdio.process import ExitTimer, ParentWatch, end_descendants
from anyport.transports.stdio.server import StdioServer
from anyport.transports.stdio.stdout_guard import StdoutGuard

logger = logging.getLogger("anyport.serving")

ANSWERING_S: Final = 2.0
"""Seconds after the limit ``drain_s`` for the last answers, the author's lifespan, and the end of the process."""
_ORPHANED_S: Final = 1.5
_HURRIED_S: Final = 0.1
_FLUSH_S: Final = 0.5
"""Seconds in which the last answers may leave."""
LIFESPAN_FAILED: Final = 3
"""Exit status of a server whose lifespan could not be started."""

Hear = Callable[[Callable[[], None], float], contextlib.AbstractContextManager[Heard]]


class Front(Protocol):
    """One way in: a transport, as something that is served beside others."""

    async def start(self) -> None:
        """Let clients in."""
        ...

    async def ended(self) -> None:
        """Wait until it has ended by itself, as stdio does when its client leaves; the others never do."""
        ...

    async def drain(self, seconds: float) -> None:
        """Let nobody in any more; let calls in flight finish for so long, and answer the others with an error."""
        ...

    async def aclose(self) -> None:
        """Let go of everything, at once."""
        ...


def serve(application: Application, plan: Plan) -> None:
    """Serve an application on every transport of a plan, until a signal ends it or, with stdio, its client leaves.

    Args:
        application: What is served; its limit ``drain_s`` is what calls in flight get at the end.
        plan: The transports.

    Raises:
        SystemExit: With a line that says why: an address cannot be listened on (status 1). With status 3: the lifespan
            failed.
        LocalProtocolError: An option makes no sense.
    """
    with _life(application, plan) as (life, heard):
        _run(life, heard)


def serve_bound(application: Application, fronts: Sequence[Front], hear: Hear) -> None:
    """Serve an application as `serve` does, on ways in that were bound before this process was forked.

    Args:
        application: What is served.
        fronts: The ways in.
        hear: What may end it: takes what starts the end, and the seconds from then in which the process has ended.

    Raises:
        SystemExit: With status 3: the lifespan failed.
    """
    life = _Life(application, fronts, children=False)
    with hear(life.stop, application.limits.drain_s + ANSWERING_S) as heard:
        _run(life, heard)


def _run(life: _Life, heard: Heard) -> None:
    with contextlib.ExitStack() as late, asyncio.Runner(loop_factory=loops.new_event_loop) as runner:
        try:
            runner.run(life.live(heard, late, own=True))
        except BaseException:
            if life.failed:
                raise SystemExit(LIFESPAN_FAILED) from None
            raise


async def serve_here(application: Application, plan: Plan) -> None:
    """Serve an application as `serve` does, in a loop that runs already and goes on afterwards.

    Raises:
        SystemExit: As `serve`; where the lifespan failed, what it raised is raised.
    """
    with _life(application, plan) as (life, heard), contextlib.ExitStack() as late:
        await life.live(heard, late, own=False)


@contextlib.contextmanager
def _life(application: Application, plan: Plan) -> Generator[tuple[_Life, Heard]]:
    """Bind what a plan says, and hear signals."""
    guard = StdoutGuard.install(strict=plan.strict_stdout) if plan.stdio else None
    with contextlib.ExitStack() as stack:
        life = _Life(application, _make_fronts(application, plan, guard, stack), children=plan.stdio)
        if guard is not None:
            stack.enter_context(ParentWatch(guard.parent, life.orphaned))
        within_s = application.limits.drain_s + ANSWERING_S
        yield life, stack.enter_context(end_on_signals(life.stop, within_s, children=plan.stdio))


def _make_fronts(
    application: Application, plan: Plan, guard: StdoutGuard | None, stack: contextlib.ExitStack
) -> list[Front]:
    """Make the ways in, and bind what is to be bound: nothing is begun yet that would have to be ended."""
    fronts: list[Front] = []
    if plan.http:
        # uvicorn takes its time to load, and sockets have no use for it.
        uvicorn_server = importlib.import_module("anyport.serving.uvicorn_server")
        for place in plan.http:
            front = uvicorn_server.bind(application, place, plan.options, plain_asgi=plan.plain_asgi)
            fronts.append(stack.enter_context(front))
    if plan.socket is not None:
        fronts.append(stack.enter_context(_bind(application, plan.socket)))
    if guard is not None:
        # Last: the first to ask for it is a client that waits, and the others may still fail.
        fronts.append(_StdioFront(application, guard))
    return fronts


@contextlib.contextmanager
def _bind(application: Application, place: SocketPlace) -> Generator[Front]:
    try:
        if place.path is None:
            sockets = listen_locally(place.host, place.port, remote=place.remote)
            closing = [each.close for each in sockets]
        else:
            unix = UnixSocket(Path(place.path))
            sockets, closing = [unix.socket], [unix.close]
    except OSError as error:
        where = f"{place.host}:{place.port}" if place.path is None else place.path
        raise SystemExit(f"anyport: cannot listen on {where}: {error.strerror or error}") from None
    try:
        yield _SocketFront(application, sockets)
    finally:
        for close in closing:
            close()


class _Life:
    """From the start of the lifespan to its end.

    Attributes:
        failed: The lifespan could not be started; the log says why.
    """

    def __init__(self, application: Application, fronts: Sequence[Front], *, children: bool) -> None:
        self._application = application
        self._fronts = fronts
        self._children = children
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = asyncio.Event()
        self._hurry = asyncio.Event()
        self._signals = 0
        self.failed = False

    def stop(self) -> None:
        """End in good order; the second time, without waiting. May be called at any time, from any thread."""
        self._signals += 1
        self._tell(self._told if self._signals == 1 else self._hurry)

    def orphaned(self) -> None:
        """End soon: the client on stdio is dead, and takes the server with it."""
        ExitTimer(_ORPHANED_S, children=True)
        self._tell(self._hurry)
        self._tell(self._told)

    def _tell(self, event: asyncio.Event) -> None:
        if self._loop is None:
            event.set()
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended already
            self._loop.call_soon_threadsafe(event.set)

    async def live(self, heard: Heard, stack: contextlib.ExitStack, *, own: bool) -> None:
        """Start, serve, and end.

        Args:
            heard: Keeps signals heard inside the loop.
            stack: Takes back what limits the time of the end.
            own: The process is there for this alone: what it holds by then stays, and the garbage collector need not
                look at it again (ADR 0053).
        """
        self._loop = asyncio.get_running_loop()
        with heard():
            try:
                await _first(self._start(own=own), self._told.wait())
                if not self._told.is_set():
                    await _first(self._told.wait(), *(front.ended() for front in self._fronts))
                await self._drain()
            finally:
                # The author's lifespan may never end, nor the author's threads, which the loop waits for at its end.
                limit = self._application.limits.drain_s
                stack.callback(ExitTimer(limit, children=self._children).cancel)
                # The ways in first, then the lifespan, then what is left of the author's processes, whatever fails.
                async with contextlib.AsyncExitStack() as ends:
                    if self._children:
                        ends.callback(end_descendants)
                    ends.push_async_callback(self._application.lifespan.aclose)
                    for front in self._fronts:
                        ends.push_async_callback(front.aclose)

    async def _start(self, *, own: bool) -> None:
        try:
            await self._application.lifespan.start()
        except StoreError as error:
            # It names the file or the server; where in anyport it was opened helps nobody.
            self.failed = True
            logger.error("The store of %s cannot be used: %s", self._application.name, error)
            raise
        except Exception:
            self.failed = True
            logger.exception("The lifespan of %s failed", self._application.name)
            raise
        if own:
            # Before the first client can be there to wait for it.
            gc.collect()
            gc.freeze()
        for front in self._fronts:
            await front.start()

    async def _drain(self) -> None:
        self._application.subscriptions.end()
        if not self._hurry.is_set():
            await _first(self._drain_all(self._application.limits.drain_s), self._hurry.wait())
        if self._hurry.is_set():
            await self._drain_all(_HURRIED_S)

    async def _drain_all(self, seconds: float) -> None:
        fronts = (front.drain(seconds) for front in self._fronts)
        await asyncio.gather(self._application.lifespan.drain(seconds), *fronts)


async def _first(*waits: Coroutine[object, object, object]) -> None:
    """Wait until one of them is done, give the others up, and raise what was raised."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()


class _StdioFront:
    """stdio, whose client is the one that started the process: the server goes when it goes."""

    def __init__(self, application: Application, guard: StdoutGuard) -> None:
        self._server = StdioServer(application.service, application.limits, guard, application.subscriptions)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve(_nothing))

    async def ended(self) -> None:
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def drain(self, seconds: float) -> None:
        self._server.finish()
        if self._task is not None:
            await asyncio.wait((self._task,), timeout=seconds + _FLUSH_S)

    async def aclose(self) -> None:
        self._server.stop()
        if self._task is not None:
            await self._task


async def _nothing() -> None:
    return


class _SocketFront:
    """A Unix or TCP socket."""

    def __init__(self, application: Application, sockets: Sequence[socket]) -> None:
        self._name = application.name
        self._sockets = sockets
        self._server = SocketServer(application.service, application.limits, application.subscriptions)

    async def start(self) -> None:
        await self._server.start(self._sockets)
        for each in self._sockets:
            say(f"anyport: {self._name} serves MCP at {address_of(each)}")

    async def ended(self) -> None:
        await asyncio.Event().wait()

    async def drain(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds + _FLUSH_S):
                await self._server.drain(seconds)

    async def aclose(self) -> None:
        await self._server.aclose()
