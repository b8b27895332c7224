"""The stdio server: newline-framed messages on the standard streams of a child process (2026-07-28, stdio).

It leaves when its input ends (STDIO-08), after the calls in flight are answered; when it is told to stop; and when its
parent is dead though somebody still holds the pipe.
"""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from anyport.protocol.calls import Service
from anyport.protocol.framing import encode_line
from anyport.protocol.limits import Limits
from anyport.transports.duplex import Duplex
from anyport.transports.stdio.process import end_descendants
from anyport.transports.stdio.stdout_guard import StdoutGuard

_CHUNK: Final = 256 * 1024
_PAUSE_AT: Final = 1024 * 1024
_PARENT_POLL_S: Final = 0.5


class StdioServer:
    """Serves one client on the standard streams.

    Args:
        service: What answers calls.
        limits: Bounds on lines, messages, calls in flight and the time to drain.
        guard: The real standard streams.
    """

    def __init__(self, service: Service, limits: Limits, guard: StdoutGuard) -> None:
        self._limits = limits
        self._guard = guard
        self._output = _Output(guard.stdout, self._pause, self._gone)
        self._duplex = Duplex(service, limits, self._output.write, "stdio")
        self._input: _Input | None = None
        self._ended = asyncio.Event()
        self._left = False

    async def serve(self) -> None:
        """Serve until the input ends, `stop` is called, or the parent is dead."""
        watch = _ParentWatch(self._parent_died)
        self._input = _Input(self._guard.stdin, self._duplex.feed, self._end_of_input)
        self._input.start()
        try:
            await self._ended.wait()
            self._input.stop()
            if not self._left:
                await self._duplex.drain(self._limits.drain_s)
                await self._output.drain(self._limits.write_s)
        finally:
            watch.stop()
            self._duplex.cancel_all()
            self._output.close()

    def stop(self) -> None:
        """End at once: calls in flight are cancelled."""
        self._left = True
        self._ended.set()

    def _end_of_input(self) -> None:
        self._duplex.end_of_input()
        self._ended.set()

    def _parent_died(self) -> None:
        self.stop()

    def _gone(self) -> None:
        """The client closed our output: nobody will ever read an answer."""
        self.stop()

    def _pause(self, paused: bool) -> None:  # noqa: FBT001 - a callback with one state
        if self._input is not None and not self._ended.is_set():
            self._input.pause(paused)


class _Input:
    """Reads a descriptor in chunks: by readiness where the loop can wait for it, else on a daemon thread."""

    def __init__(self, descriptor: int, feed: Callable[[bytes], None], end: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._feed = feed
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._by_readiness = False
        self._stopped = False
        self._resumed = threading.Event()
        self._resumed.set()

    def start(self) -> None:
        try:
            self._loop.add_reader(self._descriptor, self._readable)
            self._by_readiness = True
        except (NotImplementedError, PermissionError):
            # A regular file cannot be waited for, and the event loop of Windows cannot wait for a pipe.
            threading.Thread(target=self._read_on_thread, name="anyport-stdin", daemon=True).start()

    def pause(self, paused: bool) -> None:  # noqa: FBT001 - a switch with one state
        """Stop reading while the client does not take what is written, so that memory stays bounded."""
        if not self._by_readiness:
            (self._resumed.clear if paused else self._resumed.set)()
        elif paused:
            self._loop.remove_reader(self._descriptor)
        else:
            self._loop.add_reader(self._descriptor, self._readable)

    def stop(self) -> None:
        self._stopped = True
        self._resumed.set()
        if self._by_readiness:
            self._loop.remove_reader(self._descriptor)

    def _readable(self) -> None:
        self._received(self._read())

    def _read(self) -> bytes:
        try:
            return os.read(self._descriptor, _CHUNK)
        except (BlockingIOError, InterruptedError):
            return b" "
        except OSError:
            return b""

    def _received(self, data: bytes) -> None:
        if self._stopped:
            return
        if data:
            self._feed(data)
        else:
            self.stop()
            self._end()

    def _read_on_thread(self) -> None:
        while not self._stopped:
            self._resumed.wait()
            data = self._read()
            try:
                self._loop.call_soon_threadsafe(self._received, data)
            except RuntimeError:
                return
            if not data:
                return


class _Output:
    """Writes messages to a descriptor without ever blocking the loop where the descriptor allows it.

    What is written within one turn of the loop leaves in one system call.
    """

    def __init__(self, descriptor: int, pause: Callable[[bool], None], gone: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._pause = pause
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._lines: list[bytes] = []
        self._rest: deque[memoryview] = deque()
        self._size = 0
        self._paused = False
        self._broken = False
        self._empty = asyncio.Event()
        self._empty.set()
        self._waits = _can_wait(descriptor)
        if self._waits:
            os.set_blocking(descriptor, False)

    def write(self, message: bytes) -> None:
        """Send a message, now or as soon as the client takes it."""
        if self._broken:
            return
        if not self._lines:
            self._loop.call_soon(self._flush)
        line = encode_line(message)
        self._lines.append(line)
        self._size += len(line)

    async def drain(self, seconds: float) -> None:
        """Wait until everything is written, for so many seconds at most."""
        self._flush()
        try:
            await asyncio.wait_for(self._empty.wait(), seconds)
        except TimeoutError:
            self._broken = True

    def close(self) -> None:
        """Stop writing; the client sees the end of the output."""
        if self._waits and not self._empty.is_set():
            self._loop.remove_writer(self._descriptor)
        self._broken = True
        os.close(self._descriptor)

    def _flush(self) -> None:
        if self._lines:
            data = b"".join(self._lines)
            self._lines.clear()
            self._rest.append(memoryview(data))
            if len(self._rest) > 1:
                return
        self._push()

    def _push(self) -> None:
        while self._rest and not self._broken:
            try:
                written = os.write(self._descriptor, self._rest[0])
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                self._break()
                return
            self._size -= written
            if written == len(self._rest[0]):
                self._rest.popleft()
            else:
                self._rest[0] = self._rest[0][written:]
        self._adjust()

    def _adjust(self) -> None:
        if self._rest:
            if self._empty.is_set():
                self._empty.clear()
                self._loop.add_writer(self._descriptor, self._push)
        elif not self._empty.is_set():
            self._empty.set()
            self._loop.remove_writer(self._descriptor)
        if self._paused != (self._size > _PAUSE_AT):
            self._paused = not self._paused
            self._pause(self._paused)

    def _break(self) -> None:
        self._broken = True
        self._rest.clear()
        self._lines.clear()
        self._adjust()
        self._gone()


def _can_wait(descriptor: int) -> bool:
    """Whether non-blocking writes are ours to choose.

    The flag belongs to the open file, so it is left alone where somebody else writes to it: on a terminal, and where
    stderr is the same pipe. A regular file never blocks.
    """
    mode = os.fstat(descriptor).st_mode
    if os.name != "posix" or not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return False
    try:
        return not os.path.sameopenfile(descriptor, 2)
    except OSError:
        return True


class _ParentWatch:
    """Tells when the parent process is dead, from a thread, so that a tool that blocks the loop cannot hide it."""

    def __init__(self, died: Callable[[], None]) -> None:
        self._died = died
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._parent = os.getppid()
        threading.Thread(target=self._watch, name="anyport-parent", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def _watch(self) -> None:
        while not self._stop.wait(_PARENT_POLL_S):
            if os.getppid() != self._parent:
                self._tell()
                return

    def _tell(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._died)
        except RuntimeError:
            return
        if not self._stop.wait(_PARENT_POLL_S):
            # The loop is stuck in a tool; the process has no reason to live on.
            end_descendants(0.2)
            os._exit(1)
