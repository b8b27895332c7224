"""Listen streams of a server, as a modern client holds them open; and legacy sessions that look on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import cast

from anyport import Server
from anyport.protocol.calls import Call, Carrier
from anyport.protocol.changes import LISTEN
from anyport.protocol.jsonrpc import Notification
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.transports.memory import MemoryReply, as_object
from tests.server.calling import make_call

WAIT = 30.0
"""Seconds for anything that should happen at once; a bound, not a pause."""

ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
TOOLS = "notifications/tools/list_changed"
PROMPTS = "notifications/prompts/list_changed"
RESOURCES = "notifications/resources/list_changed"
UPDATED = "notifications/resources/updated"
SUBSCRIPTION_ID = "io.modelcontextprotocol/subscriptionId"


class Stream:
    """One listen stream.

    Attributes:
        messages: What came so far.
        gate: Cleared, it lets nothing more be sent: a client that does not read.
        task: The call.
    """

    def __init__(self, server: Server, call: Call) -> None:
        self.messages: list[Notification] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._came = asyncio.Event()
        self._id = call.id
        self._reply = MemoryReply(self._take)
        self.task = asyncio.ensure_future(self._run(server, call))

    @property
    def methods(self) -> list[str]:
        """The methods of what came."""
        return [message.method for message in self.messages]

    @property
    def granted(self) -> JsonValue:
        """What the acknowledgement says."""
        assert self.messages[0].method == ACKNOWLEDGED
        return self.messages[0].params["notifications"]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what came makes a condition true."""
        async with asyncio.timeout(WAIT):
            while not condition():
                self._came.clear()
                await self._came.wait()

    async def until_count(self, count: int) -> list[str]:
        """Wait until so many messages came, and return the methods of all that did."""
        await self.until(lambda: len(self.messages) >= count)
        return self.methods

    async def result(self) -> JsonObject:
        """Wait for the end."""
        async with asyncio.timeout(WAIT):
            return await self.task

    async def _run(self, server: Server, call: Call) -> JsonObject:
        return as_object(await server.service(call, self._reply))

    async def _take(self, notification: Notification) -> None:
        meta = cast("JsonObject", notification.params["_meta"])
        # SUB-03: on every message, and of the type that the id had.
        assert meta[SUBSCRIPTION_ID] == self._id
        assert type(meta[SUBSCRIPTION_ID]) is type(self._id)
        await self.gate.wait()
        self.messages.append(notification)
        self._came.set()


def listen_call(wanted: Mapping[str, object], request_id: int | str = 1, carrier: Carrier | None = None) -> Call:
    """Return a call of ``subscriptions/listen``."""
    call = make_call(LISTEN, {"notifications": wanted}, carrier=carrier)
    call.id = request_id
    return call


@asynccontextmanager
async def listening(
    server: Server, wanted: Mapping[str, object], request_id: int | str = 1, carrier: Carrier | None = None
) -> AsyncGenerator[Stream]:
    """Open a listen stream, acknowledged; at the end the client leaves it."""
    stream = Stream(server, listen_call(wanted, request_id, carrier))
    try:
        await stream.until(lambda: bool(stream.messages) or stream.task.done())
        yield stream
    finally:
        stream.task.cancel()
        await asyncio.wait([stream.task])


async def turns(count: int = 10) -> None:
    """Let everything that can go on go on."""
    for _ in range(count):
        await asyncio.sleep(0)


ALL = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True}
"""A filter that wants every list."""


def make_server(limits: Limits | None = None) -> Server:
    """A server with one of everything."""
    server = Server("changing", limits=limits or Limits())

    @server.tool
    async def first() -> str:
        return ""

    @server.prompt
    async def hello() -> str:
        return ""

    @server.resource("test://one")
    async def one() -> str:
        return ""

    @server.resource("test://many/{number}")
    async def many(number: int) -> str:
        return str(number)

    return server


def change_everything(server: Server) -> None:
    """Tell of every kind of change."""
    server.notify_tools_changed()
    server.notify_prompts_changed()
    server.notify_resources_changed()
    server.notify_resource_updated("test://one")
    server.notify_resource_updated("test://many/1")
