"""The store of one machine: a SQLite file that its processes share and that survives each of them.

Whatever a call acknowledged is there after ``kill -9`` of any process (`sqlite_file.open_file` says why, and what a
power cut may cost). A file belongs on a local disk: SQLite's shared memory does not work over a network.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from os import PathLike
from pathlib import Path

from anyport.stores.base import DEFAULT_STORE_LIMITS, StoreLimits
from anyport.stores.sqlite_bus import SqliteBus
from anyport.stores.sqlite_events import SqliteEvents
from anyport.stores.sqlite_sessions import SqliteSessions
from anyport.stores.sqlite_thread import SqliteThread


class SqliteStore:
    """The `Store` of every process on a machine that opens the same file.

    Args:
        path: The file; it is made, readable by its owner alone, if there is none. Its folder exists.
        limits: Its bounds; every process gives the same.
        clock: Seconds since the epoch: what every process and every start agrees on. Where it jumps ahead, what was
            idle ends early.
        busy_s: Seconds to wait for another process that writes, before a call fails with StoreUnusable.

    Attributes:
        sessions: See `SessionStore`.
        events: See `EventLog`.
        bus: See `Bus`.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        limits: StoreLimits = DEFAULT_STORE_LIMITS,
        *,
        clock: Callable[[], float] = time.time,
        busy_s: float = 5.0,
    ) -> None:
        self._thread = SqliteThread(Path(path).absolute(), busy_s)
        self.sessions = SqliteSessions(self._thread, limits, clock)
        self.events = SqliteEvents(self._thread, limits, clock)
        self.bus = SqliteBus(self._thread, limits, clock)

    async def start(self) -> None:
        """Open the file.

        Raises:
            StoreUnusable: It cannot be opened, is damaged, another application's or a newer version's.
        """
        if not self._thread.is_running():
            self.sessions.forget_holds()
            await self._thread.start()

    async def aclose(self) -> None:
        """Finish what was begun and close the file."""
        self.sessions.forget_holds()
        self.bus.end()
        await self._thread.aclose()
