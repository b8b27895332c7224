"""Random histories: the stores against models of dicts and lists (RES-03, RES-04, A13.6, D11)."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from anyport.stores.base import StoreFull, StoreLimits, StreamEnded, StreamLost
from tests.stores.kinds import KIND_NAMES, Kind, KindName

T = TypeVar("T")

SETTINGS = settings(
    max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

STREAMS = ("a", "a/1", "a/1/x", "ab/1", "b/1")
SESSIONS = ("s1", "s2", "s3", "s4")
OWNERS = (None, "o1", "o2")
IDLE = 100


class StoreMachine(RuleBasedStateMachine):
    """One file or memory, and a loop of its own."""

    kind_name: KindName = "memory"
    limits = StoreLimits()

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.kind = Kind(self.kind_name, Path(self.folder.name))
        self.runner = asyncio.Runner()
        self.store = self.kind.make(self.limits)
        self.run(self.store.start())
        self.stores = [self.store]
        if self.kind.harness.another is not None:
            self.stores.append(self.kind.harness.another(self.store))
            self.run(self.stores[1].start())

    def run(self, coroutine: Coroutine[object, object, T]) -> T:
        return self.runner.run(coroutine)

    @property
    def now(self) -> float:
        return self.kind.clock.now

    def teardown(self) -> None:
        for store in self.stores:
            self.run(store.aclose())
        self.runner.close()
        self.folder.cleanup()


class ModelStream:
    def __init__(self) -> None:
        self.events: list[tuple[int, bytes]] = []
        self.last = 0
        self.ended = False
        self.used = 0.0


class EventLogMachine(StoreMachine):
    """Two processes append, read, forget, wait and open the file anew."""

    limits = StoreLimits(stream_events=4, stream_bytes=40, stream_idle_s=10)
    model: dict[str, ModelStream]

    def __init__(self) -> None:
        super().__init__()
        self.model = {}

    def expire(self) -> None:
        for name, stream in list(self.model.items()):
            if self.now - stream.used > 10:
                stream.events.clear()
                if stream.ended:
                    del self.model[name]

    @rule(
        name=st.sampled_from(STREAMS),
        event=st.binary(max_size=15) | st.just(bytes(41)),
        final=st.integers(0, 9).map(lambda value: value == 0),
        process=st.integers(0, 1),
    )
    def append(self, name: str, event: bytes, final: bool, process: int) -> None:
        store = self.stores[process % len(self.stores)]
        self.expire()
        stream = self.model.setdefault(name, ModelStream())
        if stream.ended:
            with pytest.raises(StreamEnded):
                self.run(store.events.append(name, event, final=final))
            return
        stream.last += 1
        stream.events.append((stream.last, event))
        stream.ended, stream.used = final, self.now
        while len(stream.events) > 4 or sum(len(each) for _, each in stream.events) > 40:
            if final and len(stream.events) == 1:
                break
            del stream.events[0]
        assert self.run(store.events.append(name, event, final=final)) == stream.last

    @rule(name=st.sampled_from(STREAMS), after=st.integers(0, 8), process=st.integers(0, 1))
    def read(self, name: str, after: int, process: int) -> None:
        store = self.stores[process % len(self.stores)]
        self.expire()
        stream = self.model.get(name)
        known = stream is not None and after <= stream.last
        first = stream.events[0][0] if stream is not None and stream.events else None
        if stream is not None and known and (after == stream.last or (first is not None and after + 1 >= first)):
            expected = [(place, event) for place, event in stream.events if place > after]
            assert self.run(store.events.read(name, after)) == expected
            return
        with pytest.raises(StreamLost) as caught:
            self.run(store.events.read(name, after))
        assert caught.value.kept_from == (first if known else None)

    @rule(name=st.sampled_from((*STREAMS, "unknown")), process=st.integers(0, 1))
    def forget(self, name: str, process: int) -> None:
        self.run(self.stores[process % len(self.stores)].events.forget(name))
        for each in list(self.model):
            if each == name or each.startswith(f"{name}/"):
                del self.model[each]

    @rule(seconds=st.integers(1, 11))
    def wait(self, seconds: int) -> None:
        self.run(self.kind.clock.advance(seconds))

    @precondition(lambda self: len(self.stores) == 2)
    @rule(process=st.integers(0, 1))
    def reopen(self, process: int) -> None:
        self.run(self.stores[process].aclose())
        self.run(self.stores[process].start())


class ModelSession:
    def __init__(self, row: bytes, owner: str | None, used: float) -> None:
        self.row = row
        self.owner = owner
        self.used = used
        self.holds = 0


class SessionMachine(StoreMachine):
    """Sessions are opened, used, held, left, ended and forgotten about."""

    limits = StoreLimits(sessions=3, sessions_per_owner=2, session_idle_s=IDLE)

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[str, ModelSession] = {}
        self.holds: list[tuple[AsyncExitStack, ModelSession]] = []
        # An id is never used twice: each slot has a new one when it is free.
        self.names = {slot: f"{slot} 0" for slot in SESSIONS}

    def expire(self) -> None:
        for name, session in list(self.model.items()):
            if not session.holds and self.now - session.used > IDLE + self.kind.late_s:
                del self.model[name]

    def use(self, name: str) -> ModelSession | None:
        self.expire()
        session = self.model.get(name)
        if session is not None:
            session.used = self.now
        return session

    @rule(slot=st.sampled_from(SESSIONS), row=st.binary(max_size=5), owner=st.sampled_from(OWNERS))
    def create(self, slot: str, row: bytes, owner: str | None) -> None:
        self.expire()
        name = self.names[slot]
        if name not in self.model:
            name = self.names[slot] = f"{slot} {int(name.split()[1]) + 1}"
        attempt = self.store.sessions.create(name, row, owner)
        if name in self.model:
            with pytest.raises(ValueError, match="of this id"):
                self.run(attempt)
        elif len(self.model) == 3:
            with pytest.raises(StoreFull, match=r"\(limit sessions\)"):
                self.run(attempt)
        elif owner is not None and sum(session.owner == owner for session in self.model.values()) == 2:
            with pytest.raises(StoreFull, match=r"\(limit sessions_per_owner\)"):
                self.run(attempt)
        else:
            self.run(attempt)
            self.model[name] = ModelSession(row, owner, self.now)

    @rule(slot=st.sampled_from(SESSIONS))
    def get(self, slot: str) -> None:
        name = self.names[slot]
        session = self.use(name)
        assert self.run(self.store.sessions.get(name)) == (None if session is None else session.row)

    @rule(slot=st.sampled_from(SESSIONS), row=st.binary(max_size=5))
    def update(self, slot: str, row: bytes) -> None:
        name = self.names[slot]
        session = self.use(name)
        assert self.run(self.store.sessions.update(name, row)) == (session is not None)
        if session is not None:
            session.row = row

    @rule(slot=st.sampled_from(SESSIONS))
    def delete(self, slot: str) -> None:
        name = self.names[slot]
        self.expire()
        assert self.run(self.store.sessions.delete(name)) == (self.model.pop(name, None) is not None)

    @rule(slot=st.sampled_from(SESSIONS))
    def hold(self, slot: str) -> None:
        name = self.names[slot]
        session = self.use(name)
        stack = AsyncExitStack()
        row = self.run(stack.enter_async_context(self.store.sessions.hold(name)))
        assert row == (None if session is None else session.row)
        if session is not None:
            session.holds += 1
            self.holds.append((stack, session))

    @precondition(lambda self: self.holds)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        stack, session = self.holds.pop(data.draw(st.integers(0, len(self.holds) - 1)))
        self.run(stack.aclose())
        session.holds -= 1
        session.used = self.now

    @rule(seconds=st.sampled_from([1, 30, 60, IDLE, IDLE + 1, IDLE + 2]))
    def wait(self, seconds: int) -> None:
        self.run(self.kind.clock.advance(seconds))

    def teardown(self) -> None:
        for stack, _ in self.holds:
            self.run(stack.aclose())
        super().teardown()


MACHINES = (EventLogMachine, SessionMachine)


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", KIND_NAMES)
def test_a_store_does_what_its_model_does(machine: type[StoreMachine], name: KindName) -> None:
    run_state_machine_as_test(type(machine.__name__, (machine,), {"kind_name": name}), settings=SETTINGS)
