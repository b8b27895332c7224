"""The stdio server: newline-framed messages on the standard streams of a child process (2026-07-28, stdio).

It leaves when its input ends (STDIO-08), after the calls in flight are answered; when the client has closed the
output; and when it is told to stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from anyport.protocol.calls import Service
from anyport.protocol.errors import LocalProtocolError
from anyport.protocol.limits import Limits
from anyport.transports.duplex import Duplex
from anyport.transports.stdio.pipes import InputPipe, OutputPipe
from anyport.transports.stdio.stdout_guard import StdoutGuard

_CLEAN_UP_S: Final = 0.2


class StdioServer:
    """Serves one client on the standard streams, once.

    Args:
        service: What answers calls.
        limits: Bounds on lines, messages, calls in flight and the time to drain.
        guard: The real standard streams; they are closed at the end.

    Attributes:
        stopped: It was told to stop, or the client has closed the output: nobody waits for an answer.
    """

    def __init__(self, service: Service, limits: Limits, guard: StdoutGuard) -> None:
        self._service = service
        self._limits = limits
        self._guard = guard
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = asyncio.Event()
        self.stopped = False

    def stop(self) -> None:
        """End at once: calls in flight are cancelled. May be called at any time, from any thread."""
        self.stopped = True
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._told.set)
            except RuntimeError:
                return  # the loop is closed: it has ended already

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

    async def _serve(self, start: Callable[[], Awaitable[None]]) -> None:
        await start()
        ended = asyncio.Event()
        source = InputPipe(self._guard.stdin)
        held = _Held(source, self._limits.write_s, self.stop)
        output = OutputPipe(self._guard.stdout, held.start, held.end, self.stop)
        duplex = Duplex(self._service, self._limits, output, "stdio")
        source.start(duplex.feed, ended.set)
        try:
            await ended.wait()
            duplex.end_of_input()
            output.look()
            await duplex.drain(self._limits.drain_s)
            await output.drain(self._limits.write_s)
        finally:
            source.stop()
            held.end()
            await duplex.aclose(_CLEAN_UP_S)
            output.close()


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
