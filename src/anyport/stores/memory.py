"""The store of one process: nothing is shared, nothing survives, every operation takes constant time.

There is no timer and no task: what has expired is dropped by the next call that would see it or needs its room, oldest
first.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from itertools import islice

from msgspec import Struct

from anyport.stores.base import (
    DEFAULT_STORE_LIMITS,
    EVENT_COST,
    STREAM_COST,
    StoreClosed,
    StoreFull,
    StoreLimits,
    StreamEnded,
    StreamLost,
)
from anyport.stores.memory_bus import MemoryBus


class _Session:
    __slots__ = ("holds", "owner", "row", "used")

    def __init__(self, row: bytes, owner: str | None) -> None:
        self.row = row
        self.owner = owner
        self.used = 0.0
        self.holds = 0


class _Hold:
    """One hold: a class, as a generator would cost every request of a session several times as much."""

    __slots__ = ("_id", "_session", "_sessions")

    def __init__(self, sessions: MemorySessions, session_id: str) -> None:
        self._sessions = sessions
        self._id = session_id
        self._session: _Session | None = None

    async def __aenter__(self) -> bytes | None:
        self._session = session = self._sessions.take(self._id)
        return None if session is None else session.row

    async def __aexit__(self, *_: object) -> None:
        session = self._session
        if session is not None:
            self._sessions.let_go(self._id, session)


class MemorySessions:
    """Sessions in the order of their last use; one that is held does not expire when its turn comes.

    Args:
        limits: Of the store.
        clock: Monotonic seconds.
        ended: Called with the id of each session that ends.
    """

    def __init__(self, limits: StoreLimits, clock: Callable[[], float], ended: Callable[[str], None]) -> None:
        self._limits = limits
        self._clock = clock
        self._ended = ended
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        # Nobody has a session whose last use is earlier.
        self._oldest = float("-inf")
        self._of_owner: Counter[str] = Counter()
        self.is_open = False

    async def create(self, session_id: str, row: bytes, owner: str | None) -> None:
        """Keep a new session; see `SessionStore.create`."""
        self._check(row)
        self._reap()
        if session_id in self._sessions:
            raise ValueError("There is a session of this id")
        count = len(self._sessions)
        if count >= self._limits.sessions:
            raise StoreFull(f"{count} sessions are open", "sessions")
        if owner is not None:
            if self._of_owner[owner] >= self._limits.sessions_per_owner:
                raise StoreFull(f"{self._of_owner[owner]} sessions of this owner are open", "sessions_per_owner")
            self._of_owner[owner] += 1
        session = self._sessions[session_id] = _Session(row, owner)
        session.used = self._clock()

    async def get(self, session_id: str) -> bytes | None:
        """Return a row; see `SessionStore.get`."""
        self._check()
        session = self._use(session_id)
        return None if session is None else session.row

    async def update(self, session_id: str, row: bytes) -> bool:
        """Replace a row; see `SessionStore.update`."""
        self._check(row)
        session = self._use(session_id)
        if session is None:
            return False
        session.row = row
        return True

    async def delete(self, session_id: str) -> bool:
        """End a session; see `SessionStore.delete`."""
        self._check()
        if self._use(session_id) is None:
            return False
        self._end(session_id)
        return True

    def hold(self, session_id: str) -> AbstractAsyncContextManager[bytes | None]:
        """Keep a session from expiring; see `SessionStore.hold`."""
        return _Hold(self, session_id)

    def take(self, session_id: str) -> _Session | None:
        """Begin a hold; ``None`` for a session that is unknown or has ended."""
        if not self.is_open:
            raise StoreClosed
        self._reap()
        session = self._sessions.get(session_id)
        if session is not None:
            session.holds += 1
        return session

    def let_go(self, session_id: str, session: _Session) -> None:
        """End a hold."""
        session.holds -= 1
        # It may have been deleted meanwhile, and an equal id is another session.
        if not session.holds and self._sessions.get(session_id) is session:
            session.used = self._clock()
            self._sessions.move_to_end(session_id)

    def clear(self) -> None:
        """Drop everything."""
        self._sessions.clear()
        self._of_owner.clear()

    def _check(self, row: bytes = b"") -> None:
        if not self.is_open:
            raise StoreClosed
        if len(row) > self._limits.session_bytes:
            raise StoreFull(f"The session takes {len(row)} bytes", "session_bytes")

    def _use(self, session_id: str) -> _Session | None:
        now = self._reap()
        session = self._sessions.get(session_id)
        if session is not None:
            session.used = now
            self._sessions.move_to_end(session_id)
        return session

    def _reap(self) -> float:
        """End what has expired, and return the time."""
        now = self._clock()
        oldest = now - self._limits.session_idle_s
        while self._oldest < oldest:
            session_id, session = next(iter(self._sessions.items()), ("", None))
            self._oldest = now if session is None else session.used
            if session is None or session.used >= oldest:
                break
            if session.holds:
                session.used = now
                self._sessions.move_to_end(session_id)
            else:
                self._end(session_id)
        return now

    def _end(self, session_id: str) -> None:
        session = self._sessions.pop(session_id)
        if session.owner is not None:
            self._of_owner[session.owner] -= 1
            if not self._of_owner[session.owner]:
                del self._of_owner[session.owner]
        self._ended(session_id)


class _Stream(Struct, gc=False):
    # There may be hundreds of thousands, nearly all of them ended: such a one is small, and nothing for the garbage
    # collector to look at, which would cost more than the events themselves.
    events: deque[bytes] | tuple[bytes, ...]
    size: int = 0
    last: int = 0
    used: float = 0.0

    @property
    def first(self) -> int:
        return self.last - len(self.events) + 1

    @property
    def cost(self) -> int:
        return self.size + len(self.events) * EVENT_COST


class MemoryEvents:
    """The event log: streams that have events, in the order of their last append, and those that only count.

    Args:
        limits: Of the store.
        clock: Monotonic seconds.
    """

    def __init__(self, limits: StoreLimits, clock: Callable[[], float]) -> None:
        self._most, self._most_bytes = limits.stream_events, limits.stream_bytes
        self._log_bytes, self._idle_s = limits.log_bytes, limits.stream_idle_s
        self._clock = clock
        self._live: OrderedDict[str, _Stream] = OrderedDict()
        self._silent: OrderedDict[str, _Stream] = OrderedDict()
        self._groups: dict[str, dict[str, None]] = {}
        self._cost = 0
        # Nobody has a stream whose last append is earlier.
        self._oldest = float("-inf")
        self.is_open = False

    async def append(self, stream: str, event: bytes, *, final: bool = False) -> int:
        """Add an event; see `EventLog.append`."""
        now = self._expire()
        kept = self._live.get(stream) or self._begin(stream)
        events = kept.events
        if isinstance(events, tuple):
            raise StreamEnded("Nothing may follow the final event of a stream")
        events.append(event)
        kept.size += len(event)
        kept.last += 1
        kept.used = now
        self._cost += len(event) + EVENT_COST
        while len(events) > self._most or kept.size > self._most_bytes:
            if final and len(events) == 1:
                break
            dropped = len(events.popleft())
            kept.size -= dropped
            self._cost -= dropped + EVENT_COST
        if final:
            kept.events = tuple(events)
        self._live.move_to_end(stream)
        if self._cost > self._log_bytes:
            self._evict()
        return kept.last

    async def read(self, stream: str, after: int) -> list[tuple[int, bytes]]:
        """Return events; see `EventLog.read`."""
        self._expire()
        if after < 0:
            raise ValueError("Positions begin at 1")
        kept = self._live.get(stream) or self._silent.get(stream)
        if kept is None or after > kept.last:
            raise StreamLost("The stream is unknown, has expired or never came that far")
        if after + 1 < kept.first:
            raise StreamLost("Events were dropped", kept.first if kept.events else None)
        start = after + 1 - kept.first
        return list(enumerate(islice(kept.events, start, None), after + 1))

    async def forget(self, stream: str) -> None:
        """Drop streams; see `EventLog.forget`."""
        self._expire()
        self.drop(stream)

    def drop(self, stream: str) -> None:
        """Drop the stream of this name and those below it."""
        group = self._groups.get(stream.partition("/")[0], {})
        for name in [name for name in group if name == stream or name.startswith(f"{stream}/")]:
            self._remove(name)

    def clear(self) -> None:
        """Drop everything."""
        self._live.clear()
        self._silent.clear()
        self._groups.clear()
        self._cost = 0

    def _begin(self, name: str) -> _Stream:
        stream = self._silent.pop(name, None)
        if stream is None:
            stream = _Stream(deque())
            self._cost += STREAM_COST
            self._groups.setdefault(name.partition("/")[0], {})[name] = None
        self._live[name] = stream
        return stream

    def _expire(self) -> float:
        if not self.is_open:
            raise StoreClosed
        now = self._clock()
        while now - self._oldest > self._idle_s:
            name, stream = next(iter(self._live.items()), ("", None))
            self._oldest = now if stream is None else stream.used
            if stream is not None and now - stream.used > self._idle_s:
                self._silence(name)
        return now

    def _evict(self) -> None:
        while self._cost > self._log_bytes and len(self._live) > 1:
            self._silence(next(iter(self._live)))
        while self._cost > self._log_bytes and self._silent:
            self._remove(next(iter(self._silent)))

    def _silence(self, name: str) -> None:
        stream = self._live[name]
        if isinstance(stream.events, tuple):
            self._remove(name)
            return
        self._cost -= stream.cost
        # A new deque: an empty one keeps the room of the events that it had.
        stream.events = deque()
        stream.size = 0
        self._silent[name] = self._live.pop(name)

    def _remove(self, name: str) -> None:
        stream = self._live.pop(name, None) or self._silent.pop(name)
        self._cost -= stream.cost + STREAM_COST
        key = name.partition("/")[0]
        group = self._groups[key]
        del group[name]
        if not group:
            del self._groups[key]


class MemoryStore:
    """The `Store` of a server that runs in one process and may forget everything when it ends.

    Args:
        limits: Its bounds.
        clock: Monotonic seconds.

    Attributes:
        sessions: See `SessionStore`.
        events: See `EventLog`.
        bus: See `Bus`.
    """

    def __init__(
        self, limits: StoreLimits = DEFAULT_STORE_LIMITS, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.events = MemoryEvents(limits, clock)
        self.sessions = MemorySessions(limits, clock, self.events.drop)
        self.bus = MemoryBus(limits)

    async def start(self) -> None:
        """Open the store, which is empty."""
        for part in (self.sessions, self.events, self.bus):
            part.is_open = True

    async def aclose(self) -> None:
        """Drop everything and end every subscription."""
        for part in (self.sessions, self.events, self.bus):
            part.is_open = False
            part.clear()
