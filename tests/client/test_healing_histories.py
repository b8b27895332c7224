"""Random lives of a client: calls, losses, opening and closing in any order, all at the same time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyport import Client
from anyport.client.backoff import Backoff
from anyport.client.states import StateChange
from anyport.errors import AnyportError, ConnectError, SessionLost
from anyport.protocol.calls import META_SUBSCRIPTION_ID
from anyport.protocol.changes import LISTEN
from anyport.protocol.jsonrpc import Notification, Request, Response
from anyport.protocol.revisions import Era, Revision
from anyport.protocol.types.json import JsonObject
from anyport.transports.calling import PLAIN, Answer, Incoming, Sending
from tests.client.peers import DISCOVERED, text_result

Fate = Literal["answered", "unsent", "lost before", "lost after", "session", "silent"]
FATES: Sequence[Fate] = ("answered", "answered", "unsent", "lost before", "lost after", "session", "silent")
Step = Literal["call", "safe call", "listen", "connect", "close", "cancel", "lose", "turns"]
STEPS: Sequence[Step] = ("call", "call", "safe call", "listen", "connect", "close", "cancel", "lose", "turns")
TOOLS: JsonObject = {
    "resultType": "complete",
    "tools": [
        {"name": "once", "inputSchema": {"type": "object"}},
        {"name": "safe", "inputSchema": {"type": "object"}, "annotations": {"idempotentHint": True}},
    ],
}
OPENED: JsonObject = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {"listChanged": True}},
    "serverInfo": {"name": "fateful", "version": "1"},
}
ANSWERS: dict[str, JsonObject] = {"server/discover": DISCOVERED, "initialize": OPENED}
BOUND_S = 20.0
ERAS: Sequence[Era] = ("modern", "legacy")


class FatefulTransport:
    """A transport to which happens what is told; it counts what its server really does.

    Args:
        fates: What becomes of each call of a tool; after them all is well.
        starts: Which starts succeed; after them all do.
    """

    probe_silence_s: float | None = None

    def __init__(self, fates: Iterator[Fate], starts: Iterator[bool]) -> None:
        self._fates, self._starts = fates, starts
        self._incoming: Incoming | None = None
        self._closed = asyncio.Event()
        self.done: Counter[str] = Counter()
        self.lives = 0
        self.most_lives = 0

    async def start(self, incoming: Incoming) -> None:
        self.lives += 1
        self.most_lives = max(self.most_lives, self.lives)
        await asyncio.sleep(0)
        if not next(self._starts, True):
            raise ConnectError("no start", unsent=True)
        self._incoming, self._closed = incoming, asyncio.Event()

    def settle(self, revision: Revision | None) -> None:
        """Nothing depends on it."""

    async def request(self, request: Request, sending: Sending = PLAIN) -> Answer:
        incoming, closed = self._incoming, self._closed
        await asyncio.sleep(0)
        if incoming is None or closed.is_set():
            raise ConnectError("The client was closed", unsent=True)
        if request.method == LISTEN:
            return await self._stream(request, incoming, closed)
        if request.method != "tools/call":
            return Response(request.id, ANSWERS.get(request.method, TOOLS))
        return await self._fulfil(self._fate(), request, incoming, closed)

    async def _stream(self, request: Request, incoming: Incoming, closed: asyncio.Event) -> Answer:
        meta: JsonObject = {META_SUBSCRIPTION_ID: request.id}
        granted: JsonObject = {"_meta": meta, "notifications": {"toolsListChanged": True}}
        incoming.notified(Notification("notifications/subscriptions/acknowledged", granted))
        incoming.notified(Notification("notifications/tools/list_changed", {"_meta": meta}))
        if self._fate() == "answered":
            return Response(request.id, {"resultType": "complete", "_meta": meta})
        await closed.wait()
        raise ConnectError("The client was closed")

    def _fate(self) -> Fate:
        for fate in self._fates:
            return fate
        return "answered"

    async def _fulfil(self, fate: Fate, request: Request, incoming: Incoming, closed: asyncio.Event) -> Answer:
        if fate == "unsent":
            raise ConnectError("not sent", unsent=True)
        if fate == "session":
            raise SessionLost("unknown session")
        if fate == "lost before":
            incoming.lost(ConnectError("lost"))
            raise ConnectError("lost", unsent=True)
        if fate == "silent":
            await closed.wait()
            raise ConnectError("The client was closed")
        arguments = request.params["arguments"]
        assert isinstance(arguments, dict)
        self.done[str(arguments["key"])] += 1
        await asyncio.sleep(0)
        if fate == "lost after":
            incoming.lost(ConnectError("lost"))
            raise ConnectError("lost on the way back")
        return Response(request.id, text_result("done"))

    def lose(self) -> None:
        """End the connection while nothing is on its way."""
        if self._incoming is not None:
            self._incoming.lost(ConnectError("gone"))

    async def notify(self, notification: Notification) -> None:
        """Take it."""

    async def aclose(self) -> None:
        self._closed.set()
        self._incoming = None
        self.lives = 0
        await asyncio.sleep(0)


class Life:
    """One client, and what it was made to do."""

    def __init__(self, transport: FatefulTransport, era: Era) -> None:
        self.transport = transport
        self.changes: list[StateChange] = []
        self.client = Client(transport, era=era, timeout=BOUND_S, on_state=self.changes.append)
        self.tasks: list[asyncio.Task[object]] = []
        self.cancelled: set[asyncio.Task[object]] = set()
        self.keys: dict[asyncio.Task[object], str] = {}

    def do(self, step: Step, number: int) -> None:
        """Begin a step; nobody waits for it."""
        if step in ("call", "safe call"):
            name, key = "once" if step == "call" else "safe", f"{step} {number}"
            self.keys[self._begin(self.client.call_tool(name, {"key": key}))] = key
        elif step == "listen":
            self._begin(self._listen(number % 3))
        elif step == "connect":
            self._begin(self.client.connect())
        elif step == "close":
            self._begin(self.client.aclose())
        elif step == "lose":
            self.transport.lose()
        elif step == "cancel" and self.tasks:
            task = self.tasks[number % len(self.tasks)]
            if task.cancel():
                self.cancelled.add(task)

    async def _listen(self, most: int) -> None:
        """Listen until some changes were told, or for ever."""
        async for event in self.client.listen(tools=True):
            assert event.kind == "tools"
            most -= 1
            if most == 0:
                break

    def _begin(self, work: Coroutine[object, object, object]) -> asyncio.Task[object]:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.append(task)
        return task

    def judge(self) -> None:
        """Check what became of everything."""
        assert self.client.state == "closed"
        assert self.transport.lives == 0
        assert self.transport.most_lives <= 1, "two connections at a time"
        for task in self.tasks:
            if task.cancelled():
                assert task in self.cancelled, "a cancellation that nobody asked for"
                continue
            error = task.exception()
            assert error is None or isinstance(error, AnyportError), repr(error)
            if error is None and task in self.keys:
                assert self.transport.done[self.keys[task]] >= 1
        for key, times in self.transport.done.items():
            assert times == 1 or key.startswith("safe"), "done twice"
            assert times <= 3
        for change, after in zip(self.changes, self.changes[1:], strict=False):
            assert change.state == after.before


async def live(era: Era, fates: Sequence[Fate], starts: Sequence[bool], steps: Sequence[tuple[Step, int]]) -> None:
    life = Life(FatefulTransport(iter(fates), iter(starts)), era)
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: problems.append(context))
    async with asyncio.timeout(BOUND_S):
        for number, (step, turns) in enumerate(steps):
            life.do(step, number)
            for _ in range(turns):
                await asyncio.sleep(0)
        await life.client.aclose()
        while not all(task.done() for task in life.tasks):
            # A step that was begun before may open it after; it is closed again until all is still.
            await asyncio.sleep(0)
            await life.client.aclose()
        await life.client.aclose()
    life.judge()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, left
    del life
    assert not problems, problems


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nothing between tries."""

    def at_once(backoff: Backoff) -> float:
        return 0.0

    monkeypatch.setattr(Backoff, "next", at_once)


_FATES = st.lists(st.sampled_from(FATES), max_size=12)
_STEPS = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 6)), max_size=20)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(ERAS), st.lists(st.sampled_from(FATES), max_size=12), st.lists(st.booleans(), max_size=6), _STEPS
)
def test_whatever_happens(era: Era, fates: list[Fate], starts: list[bool], steps: list[tuple[Step, int]]) -> None:
    """STDIO-09, LIFE-06: one connection at a time; nothing twice that must not be; no cancellation from nowhere."""
    opening: tuple[Step, int] = ("connect", 3)
    asyncio.run(live(era, fates, starts, [opening, *steps]))
