"""Pings a legacy server now and then, so that one that is gone is found out before somebody needs it (LIFE-07)."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from anyport.client.call_options import Terms
from anyport.client.connection import Connection
from anyport.protocol.errors import AnyportError, ConnectError, McpError

logger = logging.getLogger("anyport.client")

_MOST_FAILURES: Final = 3
"""Pings in a row without an answer, after which the connection counts as lost."""
_LONGEST_WAIT_S: Final = 30.0


class Heartbeat:
    """Pings the server of one connection for as long as it is open.

    Args:
        connection: Leads to the server.
        interval: Seconds between pings.
    """

    def __init__(self, connection: Connection, interval: float) -> None:
        self._connection = connection
        self._interval = interval
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; does nothing where that is done."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
            self._connection.closing.add(self)

    async def aclose(self) -> None:
        """End."""
        task, self._task = self._task, None
        self._connection.closing.discard(self)
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))

    async def _run(self) -> None:
        failures = 0
        while True:
            await asyncio.sleep(self._interval)
            if self._connection.state == "connected" and not self._connection.known.revision.modern:
                failures = 0 if await self._answers() else failures + 1
                if failures >= _MOST_FAILURES:
                    failures = 0
                    lost = ConnectError(f"The server did not answer {_MOST_FAILURES} pings in a row")
                    self._connection.conversation.lost(lost)

    async def _answers(self) -> bool:
        terms = Terms(timeout=min(self._interval, _LONGEST_WAIT_S))
        try:
            await self._connection.conversation.request("ping", {}, terms)
        except McpError:
            # It answers, if only to say that it knows no ping.
            return True
        except AnyportError as error:
            logger.warning("The server did not answer a ping: %s", error)
            return False
        return True
