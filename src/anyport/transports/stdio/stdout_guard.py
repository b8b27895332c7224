"""stdout belongs to the protocol.

From the moment the guard is installed, descriptor 1 is stderr and descriptor 0 is the null device; the protocol alone
holds the real ones, as private copies that children do not inherit. So nothing that writes to stdout can reach the
wire: not ``print()``, not a C library, not a child process, not a buffer that is flushed at exit. The guard is never
taken off again while the process lives.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO, TypeVar, cast

from anyport.protocol.errors import LocalProtocolError
from anyport.transports.stdio.streams import LossyStream, Stderr, WatchedStream

StreamT = TypeVar("StreamT", bound=LossyStream)


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
        self._watched: WatchedStream | None = None

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
        guard = cls(os.dup(0), os.dup(1))
        os.dup2(2, 1)
        os.dup2(null, 0)
        os.close(null)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=guard.close)
        guard._replace_streams()
        return guard

    def _replace_streams(self) -> None:
        stderr = Stderr()
        watched = _in_place_of(sys.stdout, 1, WatchedStream, stderr)
        if watched is not None:
            sys.stdout = self._watched = watched
        sys.stderr = _in_place_of(sys.stderr, 2, LossyStream, stderr) or sys.stderr

    def close(self) -> None:
        """Let go of the real streams: the peer sees the end of our output. Nothing else gets them back.

        stdout stays what it is, but nobody is warned any more: there is nothing left to corrupt.
        """
        if self._watched is not None:
            self._watched.strict = self._watched.warn = False
        for descriptor in (self.stdin, self.stdout):
            if descriptor != -1:
                os.close(descriptor)
        self.stdin = self.stdout = -1


def _in_place_of(stream: object, descriptor: int, kind: type[StreamT], stderr: Stderr) -> StreamT | None:
    """Make what takes the place of a stream; ``None`` where the author's own, or nothing, is in that place."""
    found = cast("TextIO | None", stream)
    if found is None or not hasattr(found, "fileno"):
        return None
    with contextlib.suppress(OSError, ValueError):
        if found.fileno() == descriptor:
            # What was printed before and still sits in the buffer goes where everything printed goes.
            with contextlib.suppress(OSError):
                found.flush()
            return kind(found, stderr)
    return None


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
