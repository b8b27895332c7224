"""The two ends of the standard streams, on the event loop: reading in chunks, writing without blocking."""

from __future__ import annotations

import asyncio
import os
import select
import stat
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

_CHUNK: Final = 64 * 1024
"""What a pipe holds. Of more, each read would have to ask the system for memory, and to give it back."""

_HIGH: Final = 1024 * 1024
_LOW: Final = _HIGH // 4
_PIECE: Final = 64 * 1024
_HALF_CLOSED: Final[int] = getattr(select, "POLLRDHUP", 0)
_NOTHING: Final = memoryview(b"")


class InputPipe:
    """Reads a descriptor in chunks: by readiness where the loop can wait for it, else on a daemon thread.

    Args:
        descriptor: What is read; its flags are left as they are.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._feed: Callable[[bytes], None] = _ignore
        self._end: Callable[[], None] = _ignore
        self._loop = asyncio.get_running_loop()
        self._by_readiness = False
        self._stopped = False
        self._paused = False
        self._taken = threading.Event()

    def start(self, feed: Callable[[bytes], None], end: Callable[[], None]) -> None:
        """Begin to read.

        Args:
            feed: Takes each chunk, on the loop.
            end: Called once at the end of the input, on the loop.
        """
        self._feed, self._end = feed, end
        try:
            self._loop.add_reader(self._descriptor, self._readable)
            self._by_readiness = True
        except (NotImplementedError, OSError):
            # A regular file cannot be waited for, and the event loop of Windows cannot wait for a pipe.
            threading.Thread(target=self._read_on_thread, name="anyport-stdin", daemon=True).start()

    def pause(self) -> None:
        """Stop reading until `resume`; the peer's writes then fill the pipe."""
        self._paused = True
        if self._by_readiness:
            self._loop.remove_reader(self._descriptor)

    def resume(self) -> None:
        """Go on reading."""
        self._paused = False
        if self._stopped:
            return
        if self._by_readiness:
            self._loop.add_reader(self._descriptor, self._readable)
        else:
            self._taken.set()

    def ended(self) -> bool:
        """Whether the peer has closed its end; known before what it wrote last is read, so also while paused."""
        return self._by_readiness and os.name == "posix" and _has(self._descriptor, _HALF_CLOSED)

    def stop(self) -> None:
        """Stop reading for good."""
        self._stopped = True
        self._taken.set()
        if self._by_readiness:
            self._loop.remove_reader(self._descriptor)

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, _CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        self._receive(data)

    def _receive(self, data: bytes) -> None:
        if self._stopped:
            return
        if data:
            self._feed(data)
        else:
            self.stop()
            self._end()

    def _receive_from_thread(self, data: bytes) -> None:
        self._receive(data)
        if not self._paused:
            self._taken.set()

    def _read_on_thread(self) -> None:
        while not self._stopped:
            try:
                data = os.read(self._descriptor, _CHUNK)
            except BlockingIOError:
                os.set_blocking(self._descriptor, True)
                continue
            except OSError:
                data = b""
            self._taken.clear()
            try:
                self._loop.call_soon_threadsafe(self._receive_from_thread, data)
            except RuntimeError:
                return
            # One chunk at a time, so that a file that is read faster than it is served does not pile up.
            self._taken.wait()


def _ignore(*_: object) -> None:
    return


class OutputPipe:
    """Writes messages to a descriptor, one per line, without ever blocking the loop where the descriptor allows it.

    What is written within one turn of the loop leaves in one system call.

    Args:
        descriptor: Where to write.
        full: Called when more than 1 MiB waits for the client.
        roomy: Called when, after that, less than 256 KiB waits.
        gone: Called once when the client has closed its end.
    """

    def __init__(
        self, descriptor: int, full: Callable[[], None], roomy: Callable[[], None], gone: Callable[[], None]
    ) -> None:
        self._descriptor = descriptor
        self._tell_full = full
        self._tell_roomy = roomy
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._lines: deque[bytes] = deque()
        self._rest = _NOTHING
        self._size = 0
        self._broken = False
        self._writing = False
        self._empty = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._waits = _can_wait(descriptor)
        self._blocking = os.get_blocking(descriptor) if self._waits else True
        if self._waits:
            os.set_blocking(descriptor, False)
            self._loop.add_reader(descriptor, self.look)

    @property
    def full(self) -> bool:
        """Whether more waits than leaves at once: who can wait should wait for `room`."""
        return self._size > _PIECE

    def write(self, message: bytes, *, last: bool = False) -> None:
        """Send a message, now or as soon as the client takes it.

        Args:
            message: A message without line ends.
            last: Nothing follows in this turn of the loop; it need not wait for company.
        """
        if self._broken:
            return
        self._lines.append(message)
        self._size += len(message) + 1
        if last or (self._size > _HIGH and self._room.is_set()):
            # At once when it becomes too much, too: the next turn of the loop must not read more.
            self._flush()
        elif len(self._lines) == 1:
            self._loop.call_soon(self._flush)

    async def room(self) -> None:
        """Let others have a turn, and wait until the client has taken most of what was written."""
        await asyncio.sleep(0)
        await self._room.wait()

    async def drain(self, seconds: float) -> None:
        """Wait until everything is written, for so many seconds at most."""
        self._flush()
        if self._size:
            self._empty.clear()
            try:
                await asyncio.wait_for(self._empty.wait(), seconds)
            except TimeoutError:
                self._drop()

    def look(self) -> None:
        """See whether the client has closed its end, without writing."""
        if not self._waits or self._broken:
            return
        # Once is enough: what can be read from a two-way socket is not ours, and would have us look for ever.
        self._loop.remove_reader(self._descriptor)
        if _has(self._descriptor, 0):
            self._break()

    def close(self) -> None:
        """Write what can be written at once and stop; the descriptor itself stays open."""
        self._flush()
        self._drop()
        if self._waits:
            self._loop.remove_reader(self._descriptor)
            os.set_blocking(self._descriptor, self._blocking)

    def _flush(self) -> None:
        if not self._writing:
            self._push()

    def _push(self) -> None:
        while self._rest or self._lines:
            data = self._rest or self._next_piece()
            try:
                written = os.write(self._descriptor, data)
            except (BlockingIOError, InterruptedError):
                written = 0
            except OSError:
                self._break()
                return
            self._size -= written
            if written == len(data):
                self._rest = _NOTHING
            else:
                self._rest = memoryview(data)[written:]
                if self._waits or not written:
                    break
        self._measure()

    def _next_piece(self) -> bytes:
        """Take the next lines, as many as a pipe takes at once; so there is never a second copy of all that waits."""
        lines = self._lines
        if len(lines[0]) > _PIECE:
            # Not joined with anything, which would take a copy; its line end is what an empty line leaves.
            data = lines.popleft()
            lines.appendleft(b"")
            return data
        if self._size <= _PIECE:
            lines.append(b"")
            data = b"\n".join(lines)
            lines.clear()
            return data
        piece, size = list[bytes](), 0
        while lines and size <= _PIECE:
            piece.append(lines.popleft())
            size += len(piece[-1])
        piece.append(b"")
        return b"\n".join(piece)

    def _measure(self) -> None:
        """Bring everything that depends on how much waits in line with it."""
        if bool(self._rest) != self._writing:
            self._writing = not self._writing
            if self._writing:
                self._loop.add_writer(self._descriptor, self._push)
            else:
                self._loop.remove_writer(self._descriptor)
                self._empty.set()
        if self._size > _HIGH and self._room.is_set():
            self._room.clear()
            self._tell_full()
        elif self._size < _LOW and not self._room.is_set():
            self._room.set()
            self._tell_roomy()

    def _break(self) -> None:
        if not self._broken:
            self._drop()
            self._gone()

    def _drop(self) -> None:
        self._broken = True
        self._rest = _NOTHING
        self._lines.clear()
        self._size = 0
        self._measure()


def _has(descriptor: int, events: int) -> bool:
    """Whether there are such events, or the peer has closed its end of a pipe, or both directions of a socket."""
    poll = select.poll()
    poll.register(descriptor, events)
    return bool(poll.poll(0))


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
