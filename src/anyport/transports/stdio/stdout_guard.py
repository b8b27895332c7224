"""stdout belongs to the protocol.

From the moment the guard is installed, descriptor 1 is stderr and descriptor 0 is the null device; the protocol alone
holds the real ones, as private copies that children do not inherit. So nothing that writes to stdout can reach the
wire: not ``print()``, not a C library, not a child process, not a buffer that is flushed at exit. The guard is never
taken off again while the process lives.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final, TextIO, cast

from anyport.protocol.errors import LocalProtocolError

_LIBRARY: Final = str(Path(io.__file__).resolve().parent) + os.sep
_INSTALLED: Final = os.sep + "site-packages" + os.sep


class StdoutGuard:
    """The real standard streams, kept for the protocol.

    Attributes:
        stdin: Private descriptor of what was standard input; -1 once it is closed.
        stdout: Private descriptor of what was standard output; -1 once it is closed.
        parent: Id of the process that started this one.
    """

    _installed: StdoutGuard | None = None

    def __init__(self, stdin: int, stdout: int) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.parent = os.getppid()
        self._watched: _Watched | None = None

    @classmethod
    def install(cls, *, strict: bool = False) -> StdoutGuard:
        """Take the standard streams for the protocol; the second time it only makes the guard strict where asked to.

        Args:
            strict: A Python write to ``sys.stdout`` raises instead of going to stderr with a warning.

        Returns:
            The one guard of the process.

        Raises:
            LocalProtocolError: The process has no standard input or output.
        """
        if cls._installed is None:
            cls._installed = cls._take()
        if strict and cls._installed._watched is not None:
            cls._installed._watched.strict = True
        return cls._installed

    @classmethod
    def _take(cls) -> StdoutGuard:
        if not (_is_open(0) and _is_open(1)):
            raise LocalProtocolError("The stdio transport needs a standard input and output")
        null = os.open(os.devnull, os.O_RDWR)
        if null == 2:
            # stderr was closed. Its number stays taken: else a copy below would get it, and the client what is logged.
            os.set_inheritable(null, True)  # noqa: FBT003 - it has no other parameter
            null = os.dup(null)
        stdin, stdout = os.dup(0), os.dup(1)
        os.dup2(2, 1)
        os.dup2(null, 0)
        os.close(null)
        guard = cls(stdin, stdout)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=guard.close)
        # It is None under pythonw, and whatever the author has put there.
        stream = cast("TextIO | None", sys.stdout)
        if stream is not None:
            sys.stdout = guard._watched = _Watched(stream)
            with contextlib.suppress(OSError, ValueError):
                # What was printed before and still sits in the buffer goes where everything printed goes.
                stream.flush()
                if isinstance(stream, io.TextIOWrapper):
                    # stdout was a pipe and printed in blocks; stderr is read as it comes.
                    stream.reconfigure(line_buffering=True)
        return guard

    def close(self) -> None:
        """Let go of the real streams: the peer sees the end of our output. Nothing else gets them back.

        stdout stays what it is, but nobody is warned any more: there is nothing left to corrupt.
        """
        if self._watched is not None:
            self._watched.retire()
        for descriptor in (self.stdin, self.stdout):
            if descriptor != -1:
                os.close(descriptor)
        self.stdin = self.stdout = -1


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


class _Watched(io.TextIOBase):
    """``sys.stdout`` under the guard: everything goes to stderr, the first write is pointed out."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._told = False
        self._retired = False
        self._lock = threading.Lock()
        self.strict = False

    def write(self, text: str, /) -> int:
        """Write to what is now stderr.

        Raises:
            LocalProtocolError: The guard is strict.
        """
        if self.strict:
            raise LocalProtocolError(f"{_place()} wrote to stdout, which belongs to the protocol: {text[:80]!r}")
        # A client that has closed stderr does not want to see it: no reason for a tool to fail.
        with contextlib.suppress(OSError):
            if self._retired:
                os.write(1, text.encode(self.encoding, "backslashreplace"))
            else:
                if not self._told:
                    self._tell()
                self._stream.write(text)
        return len(text)

    def retire(self) -> None:
        """Warn nobody any more, and keep no lock while writing.

        A tool that prints on its thread for ever would hold the lock of the stream below when the interpreter ends;
        the interpreter takes that for a fatal error.
        """
        self.strict, self._retired = False, True

    def flush(self) -> None:
        """Flush what was written."""
        with contextlib.suppress(OSError):
            self._stream.flush()

    def fileno(self) -> int:
        """Return the descriptor, which is 1 and leads to stderr."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Tell whether stderr is a terminal."""
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

    def _tell(self) -> None:
        with self._lock:
            if self._told:
                return
            self._told = True
        # None where descriptor 2 was closed at the start; the author may have closed it, too.
        if sys.stderr is not None and not sys.stderr.closed:
            sys.stderr.write(f"anyport: {_place()} wrote to stdout, which belongs to the protocol; it goes to stderr\n")


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
