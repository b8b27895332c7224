"""An event loop in a thread of its own, for callers who have none, or whose own must not be blocked."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import weakref
from collections.abc import Coroutine
from typing import Final, TypeVar

from anyport.protocol.errors import ConnectError, LocalProtocolError

T = TypeVar("T")

_JOIN_S: Final = 5.0
_UNWIND_S: Final = 2.0


class LoopThread:
    """Runs coroutines for threads that wait for them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._finalizer: weakref.finalize[..., LoopThread] | None = None

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Run a coroutine on the loop and return what it returns; the calling thread waits.

        An interrupt of the waiting thread (Ctrl-C) cancels the coroutine.

        Raises:
            LocalProtocolError: Called on the loop itself, from a callback, which would wait for ever.
            ConnectError: The loop was stopped meanwhile.
            Exception: What the coroutine raises.
        """
        if self._thread is threading.current_thread():
            work.close()
            raise LocalProtocolError(
                "A blocking client cannot be called from one of its own callbacks, which it would wait for"
            )
        future = asyncio.run_coroutine_threadsafe(work, self._running())
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise ConnectError("The client was closed") from None
        finally:
            future.cancel()

    def stop(self) -> None:
        """End what still runs, and the thread, within bounds; the next `run` starts another."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
            if self._finalizer is not None:
                self._finalizer.detach()
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join(_JOIN_S)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # A daemon: a program that forgets to close its client ends all the same.
                self._thread = threading.Thread(target=_run, args=(self._loop,), name="anyport-client", daemon=True)
                self._thread.start()
                self._finalizer = weakref.finalize(self, self._loop.call_soon_threadsafe, self._loop.stop)
            return self._loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=_UNWIND_S))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
