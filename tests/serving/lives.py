"""Servers with a lifespan, and the side of an HTTP server that tells of start-up and shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from anyport import Context, Server
from anyport.serving.asgi import AsgiApp
from tests.drivers.asgi import WAIT, AsgiCallable, Event, call

STATE = call("state")
"""The call whose answer says what the lifespan yielded."""


class Life:
    """A lifespan that keeps count.

    Attributes:
        entries: What it did.
        failures: How many starts fail before one works.
    """

    def __init__(self, failures: int = 0) -> None:
        self.entries: list[str] = []
        self.failures = failures

    @asynccontextmanager
    async def __call__(self, server: object) -> AsyncGenerator[str]:
        """Open something."""
        self.entries.append("start")
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the database is away")
        yield f"state {self.entries.count('start')}"
        self.entries.append("end")


def make(life: Life | None = None, name: str = "mounted") -> Server:
    """Return a server whose tool tells what the lifespan yielded."""
    server = Server(name, lifespan=life)

    @server.tool
    async def state(ctx: Context) -> str:
        return f"{name}: {ctx.state}"

    return server


async def stop(app: AsgiApp) -> None:
    """End a lifespan that no server of HTTP ends."""
    async with app.lifespan():
        pass


class Lifespan:
    """The side of an HTTP server that tells of start-up and shutdown.

    Attributes:
        said: What the application answered.
    """

    def __init__(self, app: AsgiCallable) -> None:
        self.said: list[Event] = []
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._changed = asyncio.Event()
        self.task = asyncio.ensure_future(self._run(app))

    async def _run(self, app: AsgiCallable) -> None:
        await app({"type": "lifespan", "state": {}}, self._events.get, self._take)

    async def _take(self, event: Event) -> None:
        self.said.append(event)
        self._changed.set()

    async def tell(self, what: str) -> Event:
        """Tell of an event and return the answer."""
        count = len(self.said)
        self._events.put_nowait({"type": f"lifespan.{what}"})
        async with asyncio.timeout(WAIT):
            while len(self.said) == count:
                self._changed.clear()
                await self._changed.wait()
        return self.said[-1]
