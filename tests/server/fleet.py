"""Processes of one server that asks: servers which share a store, and whose bus can be told to fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from anyport import Context, Limits, Server
from anyport.stores import MemoryStore, Store
from anyport.stores.base import Bus, StoreError
from tests.server.asking import SECRET, Client

WAIT = 30.0
"""Seconds for anything that should happen at once; a bound, not a pause."""


class OneBus:
    """A bus of a store that is shared, which can be told to fail."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.error: StoreError | None = None
        self.lose: Callable[[str, bytes], bool] = lambda topic, message: False

    async def publish(self, topic: str, message: bytes) -> None:
        if self.error is not None:
            raise self.error
        if not self.lose(topic, message):
            await self._bus.publish(topic, message)

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        if self.error is not None:
            raise self.error
        return self._bus.subscribe(topic)


class Shared:
    """A store as one process has it: the others close it for themselves."""

    def __init__(self, store: Store) -> None:
        self.sessions, self.events = store.sessions, store.events
        self.bus = OneBus(store.bus)

    async def start(self) -> None:
        """Nothing: the test has started it."""

    async def aclose(self) -> None:
        """Nothing: the test closes it."""


class Process:
    """One process of a server whose tools ask."""

    def __init__(self, store: Store, limits: Limits | None = None, *, secret: str | None = SECRET) -> None:
        self.store = Shared(store)
        self.server = Server("shop", store=self.store, secret=secret, limits=limits or Limits())
        self.runs: list[str] = []
        self.working = asyncio.Event()
        self.go_on = asyncio.Event()
        self.ended = asyncio.Event()
        for tool in (self.steps, self.work, self.stubborn, self.both, self.fail, self.large):
            self.server.tool(tool)
        self.server.prompt(self.draft)
        self.server.resource("ask://{name}")(self.read)

    async def steps(self, ctx: Context) -> str:
        self.runs.append("steps")
        first = await ctx.elicit("First?", str, key="first")
        for number in range(100):
            await ctx.report_progress(number)
        second = await ctx.elicit("Second?", str, key="second")
        return f"{first.data} {second.data} {ctx.meta.get('note')} {ctx.request_id}"

    async def work(self, ctx: Context) -> str:
        await ctx.elicit("Go?", bool, key="go")
        try:
            self.working.set()
            await self.go_on.wait()
            return "worked"
        finally:
            self.ended.set()

    async def stubborn(self, ctx: Context) -> str:
        await ctx.elicit("Go?", bool, key="go")
        self.working.set()
        going = asyncio.ensure_future(self.go_on.wait())
        while not going.done():
            try:
                await asyncio.wait((going,))
            except asyncio.CancelledError:
                continue
        self.ended.set()
        return "went on"

    async def both(self, ctx: Context) -> str:
        name, town = await asyncio.gather(ctx.elicit("Name?", str, key="name"), ctx.sample("Town?", key="town"))
        return f"{name.data} of {town.text}"

    async def fail(self, ctx: Context) -> str:
        await ctx.elicit("Fail?", bool, key="go")
        raise ValueError("as asked")

    async def large(self, size: int, ctx: Context) -> str:
        said = await ctx.elicit("What?", str, key="what")
        for number in range(5):
            await ctx.info(f"{number}" * 200_000)
        return f"{len(said.data or '')} " + "x" * size

    async def draft(self, about: str, ctx: Context) -> str:
        if (await ctx.elicit("Tone?", str, key="tone")).data == "wrong":
            raise RuntimeError("no such tone")
        return f"{about}: dry" if about != "surrogates" else "\udcff"

    async def read(self, name: str, ctx: Context) -> str:
        return f"{name}: {(await ctx.elicit('Which?', str, key='which')).data}"


@asynccontextmanager
async def processes(
    number: int = 2, limits: Limits | None = None, *, store: Store | None = None, secret: str | None = SECRET
) -> AsyncGenerator[list[Process]]:
    """Start processes that share a store."""
    shared = store or MemoryStore()
    await shared.start()
    found = [Process(shared, limits, secret=secret) for _ in range(number)]
    try:
        for process in found:
            await process.server.lifespan.start()
        yield found
    finally:
        for process in found:
            process.store.bus.error = None
            await process.server.lifespan.aclose()
        await shared.aclose()


async def until(event: asyncio.Event) -> None:
    """Wait for what should happen at once."""
    async with asyncio.timeout(WAIT):
        await event.wait()


async def turn_until(condition: Callable[[], bool]) -> None:
    """Let others go on until something is so, which needs no time."""
    for _ in range(100_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to be")


async def parked(at: Process, tool: str, to: Process, *, principal: str | None = None) -> Client:
    """Call a tool at one process, and turn to the other one."""
    client = Client(at.server, tool, principal=principal)
    await client.call()
    client.server = to.server
    return client
