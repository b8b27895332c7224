"""Counts what runs between a request and the function that it is for."""

from __future__ import annotations

import asyncio
import inspect
import sys
import traceback
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType, TracebackType

import anyport

PACKAGE = str(Path(anyport.__file__).parent)
QUEUES = ("asyncio/queues.py", "/queue.py", "/multiprocessing/queues.py")


class CallMeter:
    """Watches every Python call of this thread while it is entered; the tool calls `reached`.

    `sys.setprofile` rather than `sys.monitoring`: every Python from 3.11 on has it, and it counts the same on all of
    them. A coroutine that is resumed counts again.

    Attributes:
        calls: Functions of anyport that were called before `reached`, in order.
        frames: Functions of anyport that are on the stack at `reached`, the innermost first.
        queues: Functions of queue modules that were called at any time.
        validations: Passes over values by pydantic-core before `reached`.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.frames: list[str] = []
        self.queues: list[str] = []
        self.validations = 0
        self._reached = False

    def __enter__(self) -> CallMeter:
        assert sys.getprofile() is None, "somebody else is measuring"
        self.__init__()
        sys.setprofile(self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.setprofile(None)

    def reached(self) -> None:
        """Stop counting calls and look at the stack above the caller."""
        self._reached = True
        for frame, _ in traceback.walk_stack(inspect.currentframe()):
            if is_ours(frame.f_code):
                self.frames.append(frame.f_code.co_qualname)

    def _note(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            code = frame.f_code
            if code.co_filename.endswith(QUEUES):
                self.queues.append(code.co_qualname)
            if not self._reached and is_ours(code):
                self.calls.append(code.co_qualname)
        elif event == "c_call":
            name = str(getattr(argument, "__qualname__", ""))
            if name.startswith("SimpleQueue."):
                self.queues.append(name)
            if not self._reached and name.startswith("SchemaValidator."):
                self.validations += 1


def is_ours(code: CodeType) -> bool:
    """Whether code belongs to the package, and not to its tests."""
    return code.co_filename.startswith(PACKAGE)


@contextmanager
def counted_tasks() -> Generator[list[str]]:
    """Collect the name of each task that is made on the running loop."""
    loop = asyncio.get_running_loop()
    made: list[str] = []

    def make(
        loop: asyncio.AbstractEventLoop, coroutine: Coroutine[object, object, object], **options: object
    ) -> asyncio.Task[object]:
        made.append(getattr(coroutine, "__qualname__", repr(coroutine)))
        return asyncio.Task(coroutine, loop=loop, **options)  # pyright: ignore[reportArgumentType] - as it came

    loop.set_task_factory(make)  # pyright: ignore[reportArgumentType] - typeshed's protocol changes between versions
    try:
        yield made
    finally:
        loop.set_task_factory(None)
