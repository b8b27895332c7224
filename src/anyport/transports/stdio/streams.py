"""What ``sys.stdout`` and ``sys.stderr`` are while stdio belongs to the protocol.

Both lead to stderr, and neither waits for a client that does not read it: a log line must not stop the server. Nor do
they keep a lock that matters: a tool that prints on its thread for ever would hold the lock of Python's own streams
when the interpreter ends, or when it forks, and the interpreter takes the first for a fatal error.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final, TextIO

from anyport.protocol.errors import LocalProtocolError

_PATIENCE_S: Final = 0.05
_PIECE: Final[int] = getattr(select, "PIPE_BUF", 4096)
"""Bytes that a pipe takes without blocking once it is ready (POSIX)."""

_LIBRARY: Final = str(Path(io.__file__).resolve().parent) + os.sep
_INSTALLED: Final = os.sep + "site-packages" + os.sep


class Stderr:
    """Descriptor 2, written to as far as its reader allows.

    Who does not read for 50 ms is not waited for again before there is room: what does not fit is dropped, and counted.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stuck = False
        self._dropped = 0

    def write(self, data: bytes) -> None:
        """Write, or drop; never raises."""
        if not self._lock.acquire(timeout=_PATIENCE_S):
            self._dropped += len(data)
            return
        try:
            if self._dropped and self._is_ready():
                note, self._dropped = f"anyport: {self._dropped} bytes were dropped here: nobody read stderr\n", 0
                data = note.encode() + data
            self._write(memoryview(data))
        except OSError:
            return  # closed by the client, who does not want to see it
        finally:
            self._lock.release()

    def _write(self, data: memoryview) -> None:
        while data:
            if not self._is_ready():
                self._dropped += len(data)
                return
            data = data[os.write(2, data[:_PIECE]) :]

    def _is_ready(self) -> bool:
        if os.name != "posix":
            return True
        poll = select.poll()
        poll.register(2, select.POLLOUT)
        self._stuck = not poll.poll(0 if self._stuck else _PATIENCE_S * 1000)
        return not self._stuck


class LossyStream(io.TextIOBase):
    """A text stream into stderr that takes the place of one of Python's.

    Args:
        stream: Whose place it takes; it still answers for everything but writing.
        stderr: Where the text goes.
    """

    def __init__(self, stream: TextIO, stderr: Stderr) -> None:
        self._stream = stream
        self._stderr = stderr

    def write(self, text: str, /) -> int:
        """Write to stderr."""
        self._stderr.write(text.encode(self.encoding, "backslashreplace"))
        return len(text)

    def flush(self) -> None:
        """Flush what was written to the stream itself, to its ``buffer``; what was written here is gone already."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def fileno(self) -> int:
        """Return the descriptor, which leads to stderr."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return self._stream.isatty()

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - the stream below knows
        """Encoding of the text."""
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # pyright: ignore[reportIncompatibleVariableOverride] - the stream below knows
        """What happens to characters that cannot be encoded."""
        return self._stream.errors

    @property
    def newlines(self) -> object:  # pyright: ignore[reportIncompatibleVariableOverride] - the stream below knows
        """Line ends seen, as for every text stream."""
        return self._stream.newlines

    def __getattr__(self, name: str) -> object:
        # buffer, reconfigure, name, line_buffering and what else the stream below has.
        return getattr(self._stream, name)


class WatchedStream(LossyStream):
    """``sys.stdout`` under the guard: the first write is pointed out, or each refused.

    Attributes:
        strict: Refuse every write.
        warn: Point the next write out.
    """

    def __init__(self, stream: TextIO, stderr: Stderr) -> None:
        super().__init__(stream, stderr)
        self.strict = False
        self.warn = True

    def write(self, text: str, /) -> int:
        """Write to stderr.

        Raises:
            LocalProtocolError: The stream is strict.
        """
        if self.strict:
            raise LocalProtocolError(f"{_place()} wrote to stdout, which belongs to the protocol: {text[:80]!r}")
        if self.warn:
            self.warn = False
            warning = f"anyport: {_place()} wrote to stdout, which belongs to the protocol; it goes to stderr\n"
            self._stderr.write(warning.encode(errors="backslashreplace"))
        return super().write(text)


def _place() -> str:
    """Return file and line of the author's code that is writing: the nearest that is in no library of Python's own."""
    frames = list(_callers())
    for frame in frames:
        file = frame.f_code.co_filename
        if not file.startswith(("<frozen", _LIBRARY)) or _INSTALLED in file:
            return f"{file}:{frame.f_lineno}"
    return f"{frames[0].f_code.co_filename}:{frames[0].f_lineno}" if frames else "something"


def _callers() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage] - inspect would be a big import
    while frame is not None:
        if frame.f_code.co_filename != __file__:
            yield frame
        frame = frame.f_back
