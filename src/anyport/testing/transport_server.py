"""The server that a transport under check has to reach; as a program it speaks on its standard streams.

python -m anyport.testing.transport_server
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict

from anyport.app import Server
from anyport.server.context import Context

_PATIENCE_S = 30.0
"""Seconds after which a call that waits for another one gives up: no check takes that long."""


class Moments:
    """What calls wait for, by key: a check makes up a key that nobody else has."""

    def __init__(self) -> None:
        self._events: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def come(self, moment: str) -> None:
        """Let a moment come."""
        self._events[moment].set()

    async def wait(self, moment: str) -> None:
        """Wait for a moment, within bounds."""
        await asyncio.wait_for(self._events[moment].wait(), _PATIENCE_S)


def make_server() -> Server:
    """Return a server; everything that a check calls has to reach the same one."""
    server = Server("transport-check")
    _add_plain(server)
    _add_waiting(server, Moments())
    return server


def _add_plain(server: Server) -> None:
    @server.tool
    async def echo(text: str) -> str:
        """Return what it is given."""
        return text

    @server.tool
    async def steps(ctx: Context, count: int) -> str:
        """Report progress so many times."""
        for number in range(count):
            await ctx.report_progress(number + 1, count)
        return "done"

    @server.tool
    async def roots(ctx: Context) -> str:
        """Ask the client for its roots."""
        return " ".join(str(root.uri) for root in await ctx.list_roots())


def _add_waiting(server: Server, moments: Moments) -> None:
    @server.tool
    async def wait(key: str) -> str:
        """Wait until the key is released."""
        moments.come(f"began {key}")
        try:
            await moments.wait(f"released {key}")
        except asyncio.CancelledError:
            moments.come(f"cancelled {key}")
            raise
        return key

    @server.tool
    async def release(key: str) -> str:
        """Release a key, once somebody waits for it."""
        await moments.wait(f"began {key}")
        moments.come(f"released {key}")
        return key

    @server.tool
    async def began(key: str) -> str:
        """Return when a call waits for the key."""
        await moments.wait(f"began {key}")
        return key

    @server.tool
    async def cancelled(key: str) -> str:
        """Return when the call that waited for the key was cancelled."""
        await moments.wait(f"cancelled {key}")
        return key


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        make_server().run("stdio")
