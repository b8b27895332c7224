"""stdout belongs to the protocol.

From the moment the guard is installed, descriptor 1 is stderr and descriptor 0 is the null device; the protocol alone
holds the real ones, as private copies that children do not inherit. So nothing that writes to stdout can reach the
wire: not ``print()``, not a C library, not a child process, not a buffer that is flushed at exit. The guard is never
taken off again while the process lives.
"""

from __future__ import annotations

import io
import os
import sys
from types import FrameType
from typing import Final, TextIO

from anyport.protocol.errors import LocalProtocolError

_OWN_FILES: Final = (os.path.dirname(os.path.abspath(io.__file__)), __file__)


class StdoutGuard:
    """The real standard streams, kept for the protocol.

    Attributes:
        stdin: Private descriptor of what was standard input.
        stdout: Private descriptor of what was standard output.
    """

    _installed: StdoutGuard | None = None

    def __init__(self, stdin: int, stdout: int) -> None:
        self.stdin = stdin
        self.stdout = stdout

    @classmethod
    def install(cls, *, strict: bool = False) -> StdoutGuard:
        """Take the standard streams for the protocol; does nothing the second time.

        Args:
            strict: A Python write to ``sys.stdout`` raises instead of going to stderr with a warning.

        Returns:
            The one guard of the process.

        Raises:
            LocalProtocolError: The process has no standard input or output.
        """
        if cls._installed is None:
            cls._installed = cls._take(strict=strict)
        return cls._installed

    @classmethod
    def _take(cls, *, strict: bool) -> StdoutGuard:
        try:
            stdin, stdout = os.dup(0), os.dup(1)
        except OSError as error:
            raise LocalProtocolError("The stdio transport needs a standard input and output") from error
        null = os.open(os.devnull, os.O_RDWR)
        try:
            os.dup2(2, 1)
        except OSError:
            os.dup2(null, 1)
        os.dup2(null, 0)
        os.close(null)
        # What was printed before and still sits in the buffer now goes where everything printed goes.
        if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison] - it is None under pythonw
            sys.stdout.flush()
            sys.stdout = _Watched(sys.stdout, strict=strict)
        return cls(stdin, stdout)


class _Watched(io.TextIOBase):
    """``sys.stdout`` under the guard: everything goes to stderr, the first write is pointed out."""

    def __init__(self, stream: TextIO, *, strict: bool) -> None:
        self._stream = stream
        self._strict = strict
        self._told = False

    def write(self, text: str, /) -> int:
        """Write to what is now stderr."""
        if self._strict:
            raise LocalProtocolError(f"{_place()} wrote to stdout, which belongs to the protocol: {text[:80]!r}")
        if not self._told:
            self._told = True
            sys.stderr.write(f"anyport: {_place()} wrote to stdout, which belongs to the protocol; it goes to stderr\n")
        return self._stream.write(text)

    def flush(self) -> None:
        """Flush what was written."""
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
    def buffer(self) -> object:
        """The binary stream below, which leads to stderr as well."""
        return self._stream.buffer

    @property
    def encoding(self) -> str:
        """Encoding of the text."""
        return self._stream.encoding

    @property
    def errors(self) -> str | None:
        """What happens to characters that cannot be encoded."""
        return self._stream.errors


def _place() -> str:
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to the caller, cheap, and only once
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else "something"
