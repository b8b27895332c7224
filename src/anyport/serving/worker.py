"""One of several processes that serve HTTP: forked, on sockets that were bound before, and tied to the first process.

The tie is a pipe whose other end the first process holds. What comes through it ends this process; where it breaks,
the first process is gone, however it ended, and this one ends too. Signals could not do that: a supervisor that signals
every process of a service would hurry those that the first process has told already.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn

from anyport.serving.application import Application
from anyport.serving.several import Front, serve_bound
from anyport.serving.signals import Ending, Heard, hear

logger = logging.getLogger("anyport.serving")

END: Final = b"e"
HURRY: Final = b"h"
LISTENING: Final = b"l"


class Leaving:
    """Ends this process with its block, so that nothing of the first process runs twice that waits further up."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> NoReturn:
        status = 0
        if isinstance(error, SystemExit):
            status = error.code if isinstance(error.code, int) else int(error.code is not None)
        elif kind is not None and error is not None:
            status = 1
            sys.excepthook(kind, error, trace)
        logging.shutdown()
        flush()
        os._exit(status)


def flush() -> None:
    """Write out what was printed."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()


class Tie:
    """A worker's ends of the pipes between it and the first process.

    Args:
        told: Read end: what the first process says.
        telling: Write end: what this one says.
        folder: Where the store is that ends with the server; ``None`` where there is none.
    """

    def __init__(self, told: int, telling: int, folder: Path | None) -> None:
        self._told = told
        self._telling = telling
        self._folder = folder
        self._is_broken = False

    @contextlib.contextmanager
    def hear(self, stop: Callable[[], None], within_s: float) -> Generator[Heard]:
        """End when the first process says so, or is gone, or a signal is for this process alone.

        Args:
            stop: Starts the end; see `Ending`.
            within_s: Seconds from then in which this process has ended.

        Yields:
            See `anyport.serving.signals.hear`.
        """
        ending = Ending(stop, within_s)
        threading.Thread(target=self._read, args=(ending,), name="anyport-tie", daemon=True).start()
        try:
            with hear(ending.begin, (signal.SIGTERM,)) as heard:
                yield heard
        finally:
            if self._is_broken and self._folder is not None:
                # Nobody else is left to do it. Who still has the files open keeps them until then.
                shutil.rmtree(self._folder, ignore_errors=True)

    def tell(self) -> None:
        """Tell the first process that clients are let in."""
        with contextlib.suppress(OSError):
            os.write(self._telling, LISTENING)

    def _read(self, ending: Ending) -> None:
        while said := os.read(self._told, 16):
            if HURRY in said:
                ending.hurry()
            else:
                ending.begin()
        self._is_broken = True
        if ending.begin():
            logger.warning("The first process is gone: worker %d ends", os.getpid())


class _Telling:
    """The last of the ways in: tells when all of them are open."""

    def __init__(self, tie: Tie) -> None:
        self._tie = tie

    async def start(self) -> None:
        self._tie.tell()

    async def ended(self) -> None:
        await asyncio.Event().wait()

    async def drain(self, seconds: float) -> None:
        return

    async def aclose(self) -> None:
        return


def work(application: Application, fronts: Sequence[Front], tie: Tie) -> None:
    """Serve, in a process that was forked for it, until the first process or a signal ends it.

    Args:
        application: What is served.
        fronts: The ways in, bound.
        tie: Leads to the first process.

    Raises:
        SystemExit: With status 3: the lifespan failed.
    """
    serve_bound(application, [*fronts, _Telling(tie)], tie.hear)
