"""The client's side of the streams of a legacy session, over the driver of `tests.drivers.asgi`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from anyport import Server
from anyport.protocol.calls import Call, Reply
from anyport.protocol.changes import Change
from anyport.protocol.jsonrpc import ResultLike
from anyport.protocol.limits import Limits
from anyport.protocol.sse import ServerSentEvent
from anyport.protocol.types.json import JsonObject
from anyport.server.subscriptions import Subscriptions
from anyport.serving.asgi import AsgiApp
from anyport.stores.base import Store
from tests.drivers.asgi import AsgiCallable, Exchange, legacy, start

Method = Callable[[Call, Reply], Awaitable[ResultLike]]


class Play:
    """A server whose methods are written by the test, beside those that every server has."""

    def __init__(self, store: Store | None = None, limits: Limits | None = None, *, json_only: bool = False) -> None:
        self.server = Server("play", store=store, limits=limits or Limits())
        self.changes = FakeChanges()
        self.server.subscriptions = cast("Subscriptions", self.changes)
        self._inner = self.server.service
        self.server.service = self._serve
        self.methods: dict[str, Method] = {}
        self.app: AsgiApp = self.server.asgi(json_only=json_only)

    def method(self, function: Method) -> Method:
        """Serve ``test/<name>`` with a function."""
        self.methods[f"test/{getattr(function, '__name__', '')}"] = function
        return function

    async def _serve(self, call: Call, reply: Reply) -> ResultLike:
        function = self.methods.get(call.method)
        if function is None:
            return await self._inner(call, reply)
        return await function(call, reply)


class FakeChanges:
    """Changes that the test makes.

    Attributes:
        listeners: Who is told.
        left: Set once a listener has left.
    """

    def __init__(self) -> None:
        self.listeners: list[Callable[[Change], None]] = []
        self.left = asyncio.Event()

    def attach(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Tell a listener from now on."""
        self.listeners.append(listener)

        def leave() -> None:
            self.listeners.remove(listener)
            self.left.set()

        return leave

    def end(self) -> None:
        """Nothing listens by streams of the modern era here."""

    def tell(self, change: Change) -> None:
        """Make a change."""
        for listener in list(self.listeners):
            listener(change)


def ask_for(app: AsgiCallable, method: str, session: Mapping[str, str], request_id: int | str = 1) -> Exchange:
    """Begin a call of one of the test's own methods."""
    return start(app, legacy(f"test/{method}", {"_meta": {"progressToken": "t"}}, request_id=request_id), session)


def get(app: AsgiCallable, session: Mapping[str, str], last: str | None = None, **fields: str | None) -> Exchange:
    """Begin a GET; underscores in the names of fields are hyphens."""
    changes = {name.replace("_", "-"): value for name, value in fields.items()}
    headers = {"accept": "text/event-stream", "content-type": None, **session, "last-event-id": last, **changes}
    return start(app, b"", headers, method="GET")


def messages_of(events: list[ServerSentEvent]) -> list[bytes]:
    """Return what events carry, priming ones left out."""
    return [event.data for event in events if event.data]


def step(number: int) -> JsonObject:
    """Return the parameters of a notification that has a number."""
    return {"progressToken": "t", "progress": number}


class Steps(Play):
    """A server with a call whose every step the test allows."""

    def __init__(self, store: Store | None = None, limits: Limits | None = None) -> None:
        super().__init__(store, limits)
        self.allowed = asyncio.Semaphore(0)
        self.ended = asyncio.Event()
        self.method(self.steps)
        self.method(self.flood)

    async def steps(self, call: Call, reply: Reply) -> JsonObject:
        """Send three notifications."""
        try:
            for number in range(3):
                await self.allowed.acquire()
                await reply.notify("notifications/progress", step(number))
            await self.allowed.acquire()
        finally:
            self.ended.set()
        return {"steps": 3}

    async def flood(self, call: Call, reply: Reply) -> JsonObject:
        """Send a hundred, once the first was taken."""
        for number in range(100):
            await reply.notify("notifications/progress", step(number))
            if not number:
                await self.allowed.acquire()
        return {"steps": 100}

    def allow(self, count: int) -> None:
        """Let so many steps happen."""
        for _ in range(count):
            self.allowed.release()


def progress_of(answer: Exchange) -> list[object]:
    """Return the numbers of the notifications, and ``None`` for the result."""
    found: list[object] = []
    for event in answer.events:
        params = event.get("params")
        found.append(params["progress"] if isinstance(params, dict) else None)
    return found
