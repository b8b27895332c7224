"""The contract of a store: what outlives a request, as bytes.

A store keeps three things, each behind a `Protocol` of its own: sessions (rows that expire when nobody uses them), the
event log (what was said on a stream, so that it can be said again) and a bus (messages to whoever listens now, in
every process that shares the store). It knows no MCP: ids, names and topics are strings, the rest is bytes.

What goes wrong is one of these; nothing else leaves a store, apart from ``ValueError`` for misuse::

    StoreError
    |-- StoreFull          a limit is reached; ``limit`` is the field of StoreLimits
    |-- StreamLost         (also a LookupError) events that were asked for are not kept any more, or never were
    |-- StreamEnded        the final event of the stream was appended before
    |-- SubscriptionLost   the subscriber may have missed a message: it was too slow, or the store failed
    |-- StoreClosed        used before start() or after aclose()
    `-- StoreUnusable      the medium: unreachable, locked, full, damaged, foreign or written by a newer version

`anyport.testing.stores.check_store` holds any implementation to what is written here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

from msgspec import Struct

EVENT_COST = 64
"""Bytes that an event counts toward ``log_bytes`` beside its own, so that many tiny ones are bounded, too."""

STREAM_COST = 256
"""Bytes that a stream counts toward ``log_bytes`` beside its events."""


class StoreError(Exception):
    """Anything that a store refuses or fails to do."""


class StoreFull(StoreError):
    """A limit is reached.

    Attributes:
        limit: The field of `StoreLimits` that says no.
    """

    def __init__(self, message: str, limit: str) -> None:
        super().__init__(f"{message} (limit {limit})")
        self.limit = limit


class StreamLost(StoreError, LookupError):
    """Events after the position that was asked for are not kept, or the store never had such a position.

    Attributes:
        kept_from: The first position that is still kept: reading after ``kept_from - 1`` gives the rest, the final
            event included. ``None`` if nothing is kept.
    """

    def __init__(self, message: str, kept_from: int | None = None) -> None:
        super().__init__(message)
        self.kept_from = kept_from


class StreamEnded(StoreError):
    """An event was to follow the final one."""


class SubscriptionLost(StoreError):
    """A subscription was given up; whoever still cares subscribes again and looks for what it missed elsewhere."""


class StoreClosed(StoreError):
    """The store is not started, or closed."""

    def __init__(self) -> None:
        super().__init__("The store is closed: start() it first")


class StoreUnusable(StoreError):
    """The medium of the store cannot be used; the message names it."""


class StoreLimits(Struct, frozen=True, kw_only=True):
    """The bounds of a store. Each counts for everybody who shares the store, except those of a subscription.

    Attributes:
        sessions: Sessions in all.
        sessions_per_owner: Sessions of one owner; those without an owner are not counted here.
        session_idle_s: Seconds after the last use at which a session ends.
        session_bytes: Largest row of a session, in bytes.
        stream_events: Events kept for one stream.
        stream_bytes: Bytes of events kept for one stream.
        stream_idle_s: Seconds after the last append at which the events of a stream are dropped.
        log_bytes: Bytes of events kept in all, each event and stream counting `EVENT_COST` and `STREAM_COST` more.
        waiting_messages: Messages that may wait in one subscription.
        waiting_bytes: Bytes that may wait in one subscription; a message alone always fits.
    """

    sessions: int = 10_000
    sessions_per_owner: int = 100
    session_idle_s: float = 1800.0
    session_bytes: int = 256 * 2**10
    stream_events: int = 1_000
    stream_bytes: int = 4 * 2**20
    stream_idle_s: float = 600.0
    log_bytes: int = 256 * 2**20
    waiting_messages: int = 1_000
    waiting_bytes: int = 4 * 2**20


DEFAULT_STORE_LIMITS = StoreLimits()


class SessionStore(Protocol):
    """Rows by session id, which end when nobody has used them for ``session_idle_s``.

    A session lives for at least ``session_idle_s`` after its last use (any method here, and the end of `hold`) and is
    gone at most a tenth of that later, so that not every read has to be a write. One that ends, in whichever way, takes
    its streams along: see `EventLog.forget`.
    """

    async def create(self, session_id: str, row: bytes, owner: str | None) -> None:
        """Keep a new session.

        Args:
            session_id: Unguessable and never used before (SES-01).
            row: What to keep.
            owner: Whose allowance it counts against; ``None``: nobody's.

        Raises:
            StoreFull: ``sessions`` or ``sessions_per_owner`` is reached, and not one of them has expired; or the row is
                larger than ``session_bytes``.
            ValueError: There is a session of this id; it stays as it is.
        """
        ...

    async def get(self, session_id: str) -> bytes | None:
        """Return the row of a session, which counts as a use; ``None`` if it is unknown or has ended."""
        ...

    async def update(self, session_id: str, row: bytes) -> bool:
        """Replace the row of a session, which counts as a use. Of two at a time the later one stays.

        Returns:
            Whether there is such a session.

        Raises:
            StoreFull: The row is larger than ``session_bytes``.
        """
        ...

    async def delete(self, session_id: str) -> bool:
        """End a session, held or not.

        Returns:
            Whether there was one.
        """
        ...

    def hold(self, session_id: str) -> AbstractAsyncContextManager[bytes | None]:
        """Use a session for as long as a call takes: it does not expire before the block is left.

        Leaving the block counts as a use. The hold ends with the process, however it ends, so that the session expires
        as if it had been used last within a third of ``session_idle_s`` before. Holds may nest and overlap.

        Returns:
            A context manager that yields what `get` would return; for ``None`` it holds nothing.
        """
        ...


class EventLog(Protocol):
    """What was said on each stream, in order, for as long as somebody may come back for it.

    The events of one stream are numbered 1, 2, 3 and so on, whoever appends them. When a bound of the stream is passed
    the oldest events go; ``stream_idle_s`` after the last append all of them do. The final event stays until then,
    however large it is. To keep to ``log_bytes`` (roughly: an implementation may be late by an eighth), the streams
    that were silent for longest lose their events first.

    A stream that has lost its events goes on with its numbers, so that no position ever means two events; it is
    unknown again only after `forget`, after the end of its session, or, if it was ended, when its events are dropped.

    The name of a stream is ``<session id>/<anything>``: with it equal request ids of two sessions are two streams. To
    the log it is a string whose part before the first ``/`` groups it with others.
    """

    async def append(self, stream: str, event: bytes, *, final: bool = False) -> int:
        """Add an event; it survives the process (where the medium does) once this returns.

        Args:
            stream: Its name. A name that is unknown begins a stream.
            event: What was said.
            final: Nothing will follow. The name is not to be used again.

        Returns:
            The position of the event.

        Raises:
            StreamEnded: The final event was appended before.
        """
        ...

    async def read(self, stream: str, after: int) -> list[tuple[int, bytes]]:
        """Return every event of a stream after a position, in order.

        Args:
            stream: Its name; a peer may have made it up.
            after: The last position that is known already; 0 for all. A peer may have made it up, too.

        Returns:
            Position and event of each; nothing if ``after`` is the last one.

        Raises:
            StreamLost: An event after ``after`` is not kept any more, the stream is unknown or expired, or it has no
                position ``after``.
            ValueError: ``after`` is negative.
        """
        ...

    async def forget(self, stream: str) -> None:
        """Drop the stream of this name and all whose names begin with it and a ``/``, with their numbers."""
        ...


class Bus(Protocol):
    """Messages by topic, to whoever subscribes at the time, in every process that shares the store.

    Per topic every subscriber sees the same order. A message is delivered at most once and not kept: who subscribes
    later does not see it.
    """

    async def publish(self, topic: str, message: bytes) -> None:
        """Send a message. It never waits for a subscriber, and that there is none is no error."""
        ...

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Receive what is published from the moment the block is entered.

        Returns:
            A context manager that yields the messages, for one reader. They end when the block or the store is closed.
            The iterator raises `SubscriptionLost` when more than ``waiting_messages`` or ``waiting_bytes`` waited, or
            when the store may have lost a message; what waited is dropped then.
        """
        ...


@runtime_checkable
class DirectBus(Bus, Protocol):
    """A bus that can hand its messages over: that of one process, where to subscribe is to be written down.

    What an implementation need not have: whoever uses a bus looks for it, and subscribes where it is missing.
    """

    def attach(self, topic: str, listener: Callable[[bytes], None]) -> Callable[[], None]:
        """Hand over what is published from now on, in its order, in turns of the loop that come after.

        Args:
            topic: What to listen to.
            listener: Called with each message; it must not block. There is nothing that could wait for it, so it misses
                nothing.

        Returns:
            Called once, to end it: nothing is handed over from then on, nor once the store is closed.

        Raises:
            StoreClosed: The store is not started, or closed.
        """
        ...


class Store(Protocol):
    """Everything that outlives a request. The one who starts a server starts its store, and closes it after it.

    What an implementation may assume:

    - It is used from one event loop per `start`, by any number of tasks, and in each process by an instance of its own
      (after a fork: one that is started there).
    - Session ids and stream names that are created or appended to come from the server; those that are looked up may be
      any string a peer sent, lone surrogates and NUL included.
    - A call that is cancelled may or may not take effect, but never by half.

    What it must give, beyond the protocols: each call is atomic for everybody who shares the store; no call blocks the
    loop; memory and medium stay within the limits whatever a peer does.

    New kinds of state (tasks, counters) come as further protocols with an attribute here, not as methods of these.
    """

    @property
    def sessions(self) -> SessionStore:
        """The sessions."""
        ...

    @property
    def events(self) -> EventLog:
        """The event log."""
        ...

    @property
    def bus(self) -> Bus:
        """The bus."""
        ...

    async def start(self) -> None:
        """Make the store ready; on a store that is, do nothing. A store that was closed may be started again.

        Raises:
            StoreUnusable: Its medium cannot be used.
        """
        ...

    async def aclose(self) -> None:
        """Finish what was begun, end every subscription and let go of every resource. Closing twice is harmless."""
        ...
