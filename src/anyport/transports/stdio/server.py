"""The stdio server: newline-framed messages on the standard streams of a child process (2026-07-28, stdio).

It leaves when its input ends (STDIO-08) or a signal tells it to, after the calls in flight are answered; and at once
when the client has closed the output or is dead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from anyport.protocol.calls import Service
from anyport.protocol.changes import Changes
from anyport.protocol.errors import ENDED, InternalError, LocalProtocolError
from anyport.protocol.limits import Limits
from anyport.transports.duplex import Duplex
from anyport.transports.stdio.pipes import InputPipe, OutputPipe
from anyport.transports.stdio.stdout_guard import StdoutGuard
from anyport.transports.steps import Steps

_CLEAN_UP_S: Final = 0.2
_HURRIED_S: Final = 0.2
"""What calls in flight get when a signal ends the server: who sends one has waited already, or is about to kill."""


class StdioServer:
    """Serves one client on the standard streams, once.

    Args:
        service: What answers calls.
        limits: Bounds on lines, messages, calls in flight and the time to drain.
        guard: The real standard streams; they are closed at the end.
        changes: What the client may want to be told of; ``None`` for nothing.

    Attributes:
        stopped: It was told to stop or to hurry, or the client has closed the output.
    """

    def __init__(self, service: Service, limits: Limits, guard: StdoutGuard, changes: Changes | None = None) -> None:
        self._finish = asyncio.Event()
        self._hurried = asyncio.Event()
        self._begun = False
        self._service = service
        self._limits = limits
        self._guard = guard
        self._changes = changes
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = asyncio.Event()
        self.stopped = False

    def stop(self) -> None:
        """End at once, nobody hears: calls in flight are cancelled. May be called at any time, from any thread."""
        self._tell(self._told.set)

    def hurry(self) -> None:
        """End soon: each call in flight is answered, by an error if it takes longer. From any thread, at any time."""
        self._tell(self._begin_to_hurry)

    def finish(self) -> None:
        """End as if the input had ended, but refuse what still comes in; called on the loop."""
        self._finish.set()

    async def serve(self, start: Callable[[], Awaitable[None]]) -> None:
        """Serve until the input ends, the client closes the output, or `stop` is called.

        Args:
            start: Awaited before the first message is read; given up when it is time to stop.

        Raises:
            LocalProtocolError: The streams were served before.
            Exception: Whatever ``start`` raises.
        """
        if self._guard.stdin == -1:
            raise LocalProtocolError("The standard streams of this process were served before")
        self._loop = asyncio.get_running_loop()
        if self.stopped:
            return
        work, told = self._loop.create_task(self._serve(start)), self._loop.create_task(self._told.wait())
        try:
            await asyncio.wait((work, told), return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
            work.cancel()
            await asyncio.wait((work, told))
            self._guard.close()
        if not work.cancelled():
            work.result()

    def _tell(self, what: Callable[[], None]) -> None:
        self.stopped = True
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(what)
            except RuntimeError:
                return  # the loop is closed: it has ended already

    def _begin_to_hurry(self) -> None:
        if self._begun:
            self._hurried.set()
            self._finish.set()
        else:
            self._told.set()

    async def _serve(self, start: Callable[[], Awaitable[None]]) -> None:
        await start()
        self._begun = True
        source = InputPipe(self._guard.stdin)
        held = _Held(source, self._limits.write_s, self.stop)
        output = OutputPipe(self._guard.stdout, held.start, held.end, self.stop)
        steps = Steps(asyncio.get_running_loop(), set())
        duplex = Duplex(self._service, self._limits, output, "stdio", self._changes, steps=steps)

        def end() -> None:
            duplex.end_of_input()
            self._finish.set()

        source.start(duplex.feed, end)
        try:
            await self._finish.wait()
            duplex.draining = True
            output.look()
            await self._drain(duplex)
            duplex.end_calls(InternalError(ENDED))
            await output.drain(self._limits.write_s)
        finally:
            source.stop()
            held.end()
            await duplex.aclose(_CLEAN_UP_S)
            steps.close()
            output.close()

    async def _drain(self, duplex: Duplex) -> None:
        """Let the calls in flight finish, until there is a hurry."""
        loop, seconds = asyncio.get_running_loop(), self._limits.drain_s
        draining, hurried = loop.create_task(duplex.drain(seconds)), loop.create_task(self._hurried.wait())
        try:
            await asyncio.wait((draining, hurried), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait((draining,), timeout=_HURRIED_S)
        finally:
            draining.cancel()
            hurried.cancel()


class _Held:
    """The time in which nothing is read, because the client does not read either.

    It may have closed its end of the input meanwhile, and still hold the output: then it gets some time to read on.
    """

    def __init__(self, source: InputPipe, seconds: float, stop: Callable[[], None]) -> None:
        self._source = source
        self._seconds = seconds
        self._stop = stop
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._source.pause()
        self._wait()

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._source.resume()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look)

    def _look(self) -> None:
        if self._source.ended():
            self._stop()
        else:
            self._wait()
