"""One thread that owns the connection: the loop hands it jobs and never touches the file itself.

The jobs that have come by the time the thread is free share one transaction, so that many callers pay for one commit;
each has its result after that commit and not before. While somebody subscribes to the bus the thread also wakes every
`POLL_S` for the watch, which looks for what other processes wrote: an idle subscription costs the loop nothing.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar, cast

from anyport.stores.base import StoreClosed, StoreError, StoreUnusable
from anyport.stores.sqlite_file import open_file

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]

POLL_S = 0.025
"""Seconds between two looks at the file for messages of other processes."""

BATCH = 32
"""Most jobs in one transaction."""


class _LoopClosed(Exception):
    """Nobody is there to take results: the store was not closed before its loop."""


class _Ticket:
    __slots__ = ("error", "future", "job", "value", "writes")

    def __init__(self, job: Job[object] | None, future: asyncio.Future[object], *, writes: bool = False) -> None:
        self.job = job
        self.future = future
        self.writes = writes
        self.value: object = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        if self.future.done():
            return  # whoever waited was cancelled
        if self.error is None:
            self.future.set_result(self.value)
        else:
            self.future.set_exception(self.error)


class SqliteThread:
    """Runs functions on the connection, in the order in which they were handed over.

    A job is called on the thread, inside a transaction that is not its own. If it raises a StoreError or a ValueError,
    what it wrote is rolled back and the error is its result; an error of SQLite becomes `StoreUnusable` and takes the
    other jobs of its transaction along.

    Args:
        path: The file of the store.
        busy_s: Seconds to wait for another process that writes.

    Attributes:
        watch: Called on the thread every `POLL_S` and after each commit, while it is set; only the thread sets it.
        failed: Called on the loop when the watch, or a transaction under it, failed; the watch is over then.
    """

    def __init__(self, path: Path, busy_s: float) -> None:
        self.path = path
        self.watch: Callable[[sqlite3.Connection], None] | None = None
        self.failed: Callable[[StoreError], None] | None = None
        self._busy_s = busy_s
        self._jobs: SimpleQueue[_Ticket] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def is_running(self) -> bool:
        """Tell whether it works for the loop of the caller."""
        return self._jobs is not None and self._loop is asyncio.get_running_loop()

    async def start(self) -> None:
        """Open the file on a new thread.

        Raises:
            StoreUnusable: It cannot be opened.
        """
        loop = self._loop = asyncio.get_running_loop()
        if self._jobs is not None:
            # The loop that it worked for is gone without having closed the store.
            self._jobs.put(_Ticket(None, loop.create_future()))
        self._jobs = jobs = SimpleQueue[_Ticket]()
        self.watch = None
        opened = _Ticket(None, loop.create_future())
        # A daemon: a process that ends without closing the store is not held up, and nothing acknowledged is lost.
        self._thread = threading.Thread(target=self._serve, args=(jobs, opened), name="anyport-sqlite", daemon=True)
        self._thread.start()
        try:
            await opened.future
        except StoreError:
            self._refuse_rest(jobs)
            raise

    async def aclose(self) -> None:
        """Finish every job, close the file and end the thread."""
        if self._jobs is None or self._loop is None or self._thread is None:
            return
        last = _Ticket(None, self._loop.create_future())
        self._jobs.put(last)
        self._jobs = None
        thread = self._thread
        await last.future
        thread.join()

    def submit(self, job: Job[T], *, writes: bool) -> asyncio.Future[T]:
        """Hand a job over.

        Args:
            job: What to do.
            writes: Whether it may change the file.

        Returns:
            What will hold its result.

        Raises:
            StoreClosed: The thread is not running.
        """
        if self._jobs is None or self._loop is None:
            raise StoreClosed
        future = self._loop.create_future()
        self._jobs.put(_Ticket(job, future, writes=writes))
        return cast("asyncio.Future[T]", future)

    async def read(self, job: Job[T]) -> T:
        """Run a job that changes nothing."""
        return await self.submit(job, writes=False)

    async def write(self, job: Job[T]) -> T:
        """Run a job that may change the file; what it did is committed when this returns."""
        return await self.submit(job, writes=True)

    def tell(self, function: Callable[..., None], *arguments: object) -> None:
        """Call a function on the loop; calls arrive in the order in which the thread made them."""
        if self._loop is None:
            raise StoreClosed
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            raise _LoopClosed from None

    def _serve(self, jobs: SimpleQueue[_Ticket], opened: _Ticket) -> None:
        last = opened
        try:
            try:
                connection = open_file(self.path, self._busy_s)
            except StoreError as error:
                opened.error = error
            else:
                with closing(connection):
                    self.tell(opened.settle)
                    last = self._work(connection, jobs)
            self.tell(last.settle)
        except _LoopClosed:
            pass
        except BaseException:
            # A job went wrong in a way that none should: nothing may wait for this thread any more.
            self.tell(self._refuse_rest, jobs)
            raise

    def _work(self, connection: sqlite3.Connection, jobs: SimpleQueue[_Ticket]) -> _Ticket:
        look_at = 0.0
        while True:
            tickets, last = self._take(jobs)
            try:
                if tickets:
                    self._transact(connection, tickets)
                is_due = not tickets or time.monotonic() >= look_at or any(ticket.writes for ticket in tickets)
                if self.watch is not None and is_due:
                    self._look(connection, self.watch)
                    look_at = time.monotonic() + POLL_S
            finally:
                if tickets:
                    self.tell(_settle, tickets)
            if last is not None:
                return last

    def _take(self, jobs: SimpleQueue[_Ticket]) -> tuple[list[_Ticket], _Ticket | None]:
        """Wait for jobs, or for the time to look; the second part is the one after which there are no more."""
        tickets: list[_Ticket] = []
        try:
            ticket = jobs.get(timeout=None if self.watch is None else POLL_S)
            while ticket.job is not None:
                tickets.append(ticket)
                if len(tickets) == BATCH:
                    return tickets, None
                ticket = jobs.get_nowait()
        except Empty:
            return tickets, None
        return tickets, ticket

    def _transact(self, connection: sqlite3.Connection, tickets: list[_Ticket]) -> None:
        writes = any(ticket.writes for ticket in tickets)
        try:
            # Not deferred for writers: a transaction that began by reading may not be allowed to write later.
            connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            for ticket in tickets:
                self._do(connection, ticket)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            for ticket in tickets:
                ticket.error = self._unusable(error)
            self._stop_watch(self._unusable(error))
        except BaseException as error:
            for ticket in tickets:
                ticket.error = error
            raise

    def _do(self, connection: sqlite3.Connection, ticket: _Ticket) -> None:
        if ticket.job is None:
            return
        if ticket.writes:
            connection.execute("SAVEPOINT job")
        try:
            ticket.value = ticket.job(connection)
        except (StoreError, ValueError) as error:
            ticket.error = error
            if ticket.writes:
                connection.execute("ROLLBACK TO job")
        if ticket.writes:
            connection.execute("RELEASE job")

    def _look(self, connection: sqlite3.Connection, watch: Callable[[sqlite3.Connection], None]) -> None:
        try:
            watch(connection)
        except sqlite3.Error as error:
            self._stop_watch(self._unusable(error))

    def _stop_watch(self, error: StoreError) -> None:
        if self.watch is not None and self.failed is not None:
            self.tell(self.failed, error)
        self.watch = None

    def _unusable(self, error: sqlite3.Error) -> StoreUnusable:
        unusable = StoreUnusable(f"{self.path}: {error}")
        unusable.__cause__ = error
        return unusable

    def _refuse_rest(self, jobs: SimpleQueue[_Ticket]) -> None:
        self._jobs = None
        while not jobs.empty():
            ticket = jobs.get_nowait()
            ticket.error = StoreClosed()
            ticket.settle()


def _settle(tickets: list[_Ticket]) -> None:
    for ticket in tickets:
        ticket.settle()
