"""How the client of a legacy session is told what changed, over a channel that carries its answers too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from anyport.protocol.changes import Change, Changes
from anyport.protocol.jsonrpc import encode_notification
from anyport.protocol.legacy import LegacySession

if TYPE_CHECKING:
    from anyport.transports.duplex import Outlet


class Teller:
    """Tells one client, from the moment that its session is open.

    A client that reads slowly is told later, and of each change once.

    Args:
        session: Knows what the client wants.
        outlet: Takes each message.
        changes: Where the changes come from.
    """

    __slots__ = ("_changes", "_detach", "_outlet", "_pending", "_session", "_task")

    def __init__(self, session: LegacySession, outlet: Outlet, changes: Changes) -> None:
        self._session = session
        self._outlet = outlet
        self._changes = changes
        self._detach: Callable[[], None] | None = None
        self._pending: dict[Change, None] = {}
        self._task: asyncio.Task[None] | None = None

    def look(self) -> None:
        """See whether the session is open by now."""
        if self._detach is None and self._session.state == "ready":
            self._detach = self._changes.attach(self._take)

    def close(self) -> None:
        """Tell nothing any more."""
        if self._detach is not None:
            self._detach()
        if self._task is not None:
            self._task.cancel()

    def _take(self, change: Change) -> None:
        if not self._session.wants(change):
            return
        if self._task is None and not self._outlet.full:
            self._write(change)
            return
        self._pending[change] = None
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._tell_late())

    async def _tell_late(self) -> None:
        while self._pending:
            await self._outlet.room()
            change = next(iter(self._pending))
            del self._pending[change]
            # The client may have changed its mind meanwhile.
            if self._session.wants(change):
                self._write(change)
        self._task = None

    def _write(self, change: Change) -> None:
        self._outlet.write(encode_notification(change.method, change.params()))
