"""Resources that a client subscribed to, whose changes are told to one callback."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeAlias

from anyport.client.connection import Connection
from anyport.client.listening import ChangeEvent, Listening, Wanted
from anyport.client.logs import Teller
from anyport.protocol.errors import LocalProtocolError

logger = logging.getLogger("anyport.client")

ChangeCallback: TypeAlias = Callable[[ChangeEvent], object]
"""Called with each change; what it returns is awaited if it can be."""


class Watches:
    """The subscriptions of one client.

    Args:
        connection: Leads to the server.
        callback: Told of each change; ``None`` where nobody wants to know.
        timeout: Seconds that the server may take to grant one; ``None`` for no limit.
    """

    def __init__(self, connection: Connection, callback: ChangeCallback | None, timeout: float | None) -> None:
        self._connection = connection
        self._teller = None if callback is None else Teller(callback, "on_change")
        self._timeout = timeout
        self._watched: dict[str, tuple[Listening, asyncio.Task[None]]] = {}

    async def add(self, uri: str) -> None:
        """Watch a resource; does nothing where that is done.

        Raises:
            LocalProtocolError: There is nobody to tell.
            AnyportError: The server does not grant it.
        """
        if self._teller is None:
            raise LocalProtocolError("Nobody is told of changes: use Client(..., on_change=...), or listen()")
        known = self._watched.get(uri)
        if known is not None and not known[1].done():
            return
        listening = Listening(self._connection, Wanted(frozenset(), (uri,)), self._timeout)
        await listening.start()
        task = asyncio.get_running_loop().create_task(_forward(listening, self._teller))
        task.add_done_callback(_note)
        self._watched[uri] = (listening, task)

    async def remove(self, uri: str) -> None:
        """Watch a resource no longer."""
        listening, task = self._watched.pop(uri, (None, None))
        if listening is not None and task is not None:
            await listening.aclose()
            await asyncio.wait((task,))


async def _forward(listening: Listening, teller: Teller[ChangeEvent]) -> None:
    async for event in listening:
        teller.tell(event)


def _note(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        logger.warning("A subscription ended: %s", error)
