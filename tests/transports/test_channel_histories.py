"""Random histories of a shared channel against a small model: sessions, calls, streams, subscriptions of both eras.

In this process, and over a Unix socket. Whatever a client does in whatever order, each request has one answer unless it
was cancelled, each stream and session is told what it asked for and nothing else, and the end leaves nothing open
(RPC-04, RPC-05, VER-10, CAN-01, SUB-03, SUB-04, LIFE-04, D01).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, TypeVar, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from anyport import Context, Server, ToolError
from anyport.protocol.revisions import LEGACY
from anyport.protocol.types.json import JsonObject
from anyport.transports.duplex import Duplex
from anyport.transports.sockets.server import SocketServer
from tests.drivers.stdio import call, cancel, handshake, request

WAIT = 30.0
IDS: list[int | str] = [1, "1", 2, "two"]
"""Few, so that they are used again; two of them look alike."""
LISTEN, SUBSCRIBED = "subscriptions/listen", ("test://a", "test://b")
TOOLS, UPDATED = "notifications/tools/list_changed", "notifications/resources/updated"
ACKNOWLEDGED, CANCELLED = "notifications/subscriptions/acknowledged", "notifications/cancelled"
SUBSCRIPTION_ID = "io.modelcontextprotocol/subscriptionId"
REFUSED = -32600

Era = Literal["modern", "legacy"]
Id = int | str
Key = tuple[object, ...]
T = TypeVar("T")


def key_of(message: JsonObject) -> Key:
    """Return what is compared of a message: ids with their types, since 1 is not "1"."""
    if "method" not in message:
        error = message.get("error")
        said = cast("JsonObject", error)["code"] if error is not None else "result"
        return "answer", repr(message["id"]) if "id" in message else None, said
    params = cast("JsonObject", message.get("params", {}))
    meta = cast("JsonObject", params.get("_meta", {}))
    of = meta.get(SUBSCRIPTION_ID, params.get("progressToken"))
    return message["method"], repr(of) if of is not None else None, params.get("uri")


class World:
    """A server, and everything that it has written on one channel."""

    def __init__(self) -> None:
        self.gates: dict[int, asyncio.Event] = {}
        self.seen: Counter[Key] = Counter()
        self.news = asyncio.Event()
        self.server = server = Server("world")

        @server.tool
        async def quick() -> str:
            return "quick"

        @server.tool
        async def fail() -> str:
            raise ToolError("failed")

        @server.tool
        def thread() -> str:
            return "thread"

        @server.tool
        async def tell(ctx: Context) -> str:
            await ctx.report_progress(1)
            return "told"

        @server.tool
        async def wait(number: int) -> str:
            await self.gates.setdefault(number, asyncio.Event()).wait()
            return "waited"

        @server.resource("test://{name}")
        async def thing(name: str) -> str:
            return name

    def take(self, line: bytes) -> None:
        """Note a message."""
        self.seen[key_of(json.loads(line))] += 1
        self.news.set()

    async def until(self, expected: Counter[Key]) -> None:
        """Wait until everything expected was written; nothing else may have been."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT):
                while not expected <= self.seen:
                    self.news.clear()
                    await self.news.wait()
        assert self.seen == expected


class Here(World):
    """The channel alone, without a transport."""

    full = False

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None]:
        """Have the channel; at the end the client leaves."""
        self._duplex = Duplex(self.server.service, self.server.limits, self, "stdio", self.server.subscriptions)
        yield
        self._duplex.end_of_input()
        await self._duplex.drain(WAIT)
        await self._duplex.aclose(WAIT)

    def write(self, message: bytes, *, last: bool = False) -> None:
        self.take(message)

    async def room(self) -> None:
        return

    def send(self, message: bytes) -> None:
        self._duplex.feed(message + b"\n")


class Socket(World):
    """A Unix socket."""

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None]:
        """Have a connection; at the end the client says that it has nothing more to say, and hears the rest."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "s"
            listening = socket.socket(socket.AF_UNIX)
            listening.bind(str(path))
            accepting = SocketServer(self.server.service, self.server.limits, self.server.subscriptions)
            await accepting.start([listening])
            reader, self._writer = await asyncio.open_unix_connection(path)
            reading = asyncio.create_task(self._read(reader))
            yield
            self._writer.write_eof()
            async with asyncio.timeout(WAIT):
                await reading
            self._writer.close()
            await accepting.aclose()

    def send(self, message: bytes) -> None:
        self._writer.write(message + b"\n")

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            self.take(line)


class ChannelMachine(RuleBasedStateMachine):
    """One client of one channel, and what it must have heard."""

    kind: type[Here | Socket] = Here

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.world = self.kind()
        self.stack = contextlib.AsyncExitStack()
        self.run(self.enter())
        self.expected: Counter[Key] = Counter()
        self.session: Literal["new", "opened", "ready"] = "new"
        self.waiting: dict[str, int] = {}
        self.listening: set[str] = set()
        self.subscribed: set[str] = set()
        self.number = 0

    def run(self, work: Coroutine[object, object, T]) -> T:
        return self.runner.run(work)

    async def enter(self) -> None:
        await self.stack.enter_async_context(self.world.opened())

    async def exchange(self, *messages: bytes) -> None:
        for message in messages:
            self.world.send(message)
        await self.world.until(self.expected)

    def answer(self, request_id: Id | None, said: object = "result") -> None:
        self.expected["answer", repr(request_id) if request_id is not None else None, said] += 1

    def begins(self, request_id: Id, era: Era) -> bool:
        """Whether a request is served at all; its refusal is expected where it is not."""
        refused = repr(request_id) in {*self.waiting, *self.listening} or (era == "legacy" and self.session == "new")
        if refused:
            self.answer(request_id, REFUSED)
        return not refused

    def teardown(self) -> None:
        try:
            # What waits is let through, and streams have their result.
            for name in self.waiting:
                self.expected["answer", name, "result"] += 1
            for name in self.listening:
                self.expected["answer", name, "result"] += 1
                self.expected[CANCELLED, name, None] += 1
            self.run(self.end())
            assert self.world.seen == self.expected
        finally:
            self.runner.close()

    async def end(self) -> None:
        for number in self.waiting.values():
            self.world.gates.setdefault(number, asyncio.Event()).set()
        await self.stack.aclose()

    # --- sessions -----------------------------------------------------------------------------------------------------

    @rule(version=st.sampled_from([row.name for row in LEGACY]), request_id=st.sampled_from(IDS))
    def initialize(self, version: str, request_id: Id) -> None:
        if repr(request_id) in {*self.waiting, *self.listening} or self.session != "new":
            self.answer(request_id, REFUSED)
        else:
            self.answer(request_id)
            self.session = "opened"
        self.run(self.exchange(handshake(request_id, version)[0]))

    @rule()
    def confirm(self) -> None:
        self.session = "new" if self.session == "new" else "ready"
        self.run(self.exchange(handshake()[1]))
        # A notification has no answer that would show that it has come.
        self.ping("modern")

    @rule(era=st.sampled_from(["modern", "legacy"]))
    def ping(self, era: Era) -> None:
        """A ping is always allowed in the legacy era, and unknown in the modern one."""
        self.answer("ping", -32601 if era == "modern" else "result")
        self.run(self.exchange(request("ping", "ping", {}, era)))

    # --- calls --------------------------------------------------------------------------------------------------------

    @rule(
        era=st.sampled_from(["modern", "legacy"]),
        tool=st.sampled_from(["quick", "fail", "thread", "tell", "none"]),
        request_id=st.sampled_from(IDS),
    )
    def call(self, era: Era, tool: str, request_id: Id) -> None:
        if self.begins(request_id, era):
            self.answer(request_id, -32602 if tool == "none" else "result")
            if tool == "tell":
                self.number += 1
                self.expected["notifications/progress", repr(self.number), None] += 1
        params: JsonObject = {"name": tool, "arguments": {}, "_meta": {"progressToken": self.number}}
        self.run(self.exchange(request(request_id, "tools/call", params, era)))

    @rule(era=st.sampled_from(["modern", "legacy"]), request_id=st.sampled_from(IDS))
    def begin(self, era: Era, request_id: Id) -> None:
        self.number += 1
        if self.begins(request_id, era):
            self.waiting[repr(request_id)] = self.number
        self.run(self.exchange(call(request_id, "wait", {"number": self.number}, era)))

    @precondition(lambda self: bool(self.waiting))
    @rule(which=st.integers(0, 3))
    def release(self, which: int) -> None:
        name = list(self.waiting)[which % len(self.waiting)]
        self.world.gates.setdefault(self.waiting.pop(name), asyncio.Event()).set()
        self.expected["answer", name, "result"] += 1
        self.run(self.exchange())

    @rule(request_id=st.sampled_from(IDS))
    def give_up(self, request_id: Id) -> None:
        """Of a call, a stream, or nothing: silence."""
        self.waiting.pop(repr(request_id), None)
        self.listening.discard(repr(request_id))
        self.run(self.exchange(cancel(request_id)))
        self.ping("modern")

    # --- changes ------------------------------------------------------------------------------------------------------

    @rule(request_id=st.sampled_from(IDS))
    def listen(self, request_id: Id) -> None:
        if self.begins(request_id, "modern"):
            self.listening.add(repr(request_id))
            self.expected[ACKNOWLEDGED, repr(request_id), None] += 1
        wanted: JsonObject = {"toolsListChanged": True, "resourceSubscriptions": ["test://a"]}
        self.run(self.exchange(request(request_id, LISTEN, {"notifications": wanted})))

    @precondition(lambda self: self.session != "new")
    @rule(uri=st.sampled_from(SUBSCRIBED), un=st.booleans())
    def subscribe(self, uri: str, un: bool) -> None:
        (self.subscribed.discard if un else self.subscribed.add)(uri)
        self.answer("subscribe")
        method = "resources/unsubscribe" if un else "resources/subscribe"
        self.run(self.exchange(request("subscribe", method, {"uri": uri}, "legacy")))

    @rule()
    def change(self) -> None:
        for name in self.listening:
            self.expected[TOOLS, name, None] += 1
        self.expected[TOOLS, None, None] += self.session == "ready"
        self.run(self.told(None))

    @rule(uri=st.sampled_from(SUBSCRIBED))
    def update(self, uri: str) -> None:
        for name in self.listening if uri == "test://a" else ():
            self.expected[UPDATED, name, uri] += 1
        self.expected[UPDATED, None, uri] += self.session == "ready" and uri in self.subscribed
        self.run(self.told(uri))

    async def told(self, uri: str | None) -> None:
        if uri is None:
            self.world.server.notify_tools_changed()
        else:
            self.world.server.notify_resource_updated(uri)
        await self.world.until(self.expected)

    # --- what is no message -------------------------------------------------------------------------------------------

    @rule(junk=st.sampled_from([(b"{", -32700), (b"7", REFUSED), (b'{"jsonrpc":"1.0","id":9}', REFUSED)]))
    def junk(self, junk: tuple[bytes, int]) -> None:
        data, code = junk
        self.answer(9 if b"id" in data else None, code)
        self.run(self.exchange(data))

    @rule(request_id=st.sampled_from(IDS))
    def answer_nothing(self, request_id: Id) -> None:
        self.run(self.exchange(json.dumps({"jsonrpc": "2.0", "id": request_id, "result": {}}).encode()))
        self.ping("modern")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "examples"), [(Here, 60), (Socket, 20)], ids=["in process", "socket"])
def test_any_history_of_a_channel(kind: type[Here | Socket], examples: int) -> None:
    """Both eras at once, ids that are used again, and an end at any moment."""

    class Machine(ChannelMachine):
        pass

    Machine.kind = kind
    checked = settings(
        max_examples=examples, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    run_state_machine_as_test(Machine, settings=checked)
