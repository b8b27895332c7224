"""Who is told of changes on one event loop, and how: piece by piece, so that many listeners keep nobody waiting."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Final

from anyport.protocol.calls import Carrier
from anyport.protocol.changes import Change, ChangeMethod

SLICE: Final = 100
"""How many listeners are told in one turn of the loop; each may then encode and write a message."""


class Listen:
    """One listen stream, as far as changes go.

    What it has not been told yet is a set: a client that reads slowly is told late, and once of each.

    Args:
        carrier: What carries the call.

    Attributes:
        carrier: The same.
        wanted: What was granted.
    """

    __slots__ = ("_ended", "_pending", "_waiter", "carrier", "wanted")

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier
        self.wanted: tuple[Change, ...] = ()
        self._pending: dict[Change, None] = {}
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False

    def tell(self, change: Change) -> None:
        """Note a change, to be sent when the client has taken what was sent before."""
        self._pending[change] = None
        self._wake()

    def end(self) -> None:
        """Let the stream come to its end, after what is noted."""
        self._ended = True
        self._wake()

    async def next(self) -> Change | None:
        """Wait for the next change and take it; ``None`` at the end."""
        while not self._pending:
            if self._ended:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        change = next(iter(self._pending))
        del self._pending[change]
        return change

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Attached:
    """A listener that decides by itself what it wants of the changes that it was promised.

    Args:
        listener: Takes each change.
        promised: The kinds of change that were offered to it.
    """

    __slots__ = ("_listener", "_promised")

    def __init__(self, listener: Callable[[Change], None], promised: frozenset[ChangeMethod]) -> None:
        self._listener: Callable[[Change], None] | None = listener
        self._promised = promised

    def tell(self, change: Change) -> None:
        """Pass a change on."""
        if self._listener is not None and change.method in self._promised:
            self._listener(change)

    def detach(self) -> None:
        """Pass nothing on any more."""
        self._listener = None


class _Ending:
    """That streams are to end; it waits its turn among the changes."""

    __slots__ = ("carrier",)

    def __init__(self, carrier: Carrier | None) -> None:
        self.carrier = carrier


class Audience:
    """Everybody who is told of changes on one event loop.

    Changes come from any thread, and each is told once however often it comes before its turn. What waits is a set
    too, so that a busy author cannot make it grow.

    Args:
        loop: The event loop; everything but `post` and `end` is called on it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # One that a thread may take twice: a signal handler may post, wherever it interrupts.
        self._lock = threading.RLock()
        self._posted: dict[Change | _Ending, None] = {}
        self._is_scheduled = False
        self._rounds: dict[Change | _Ending, None] = {}
        self._round: Change | _Ending | None = None
        self._left: Iterator[Listen | Attached] = iter(())
        self._listens: dict[Listen, None] = {}
        self._principals: dict[str, int] = {}
        self._attached: dict[Attached, None] = {}
        self._wanting: dict[Change, dict[Listen, None]] = {}

    def __len__(self) -> int:
        return len(self._listens) + len(self._attached)

    @property
    def is_over(self) -> bool:
        """Whether its loop has ended, and everybody with it, as between two tests."""
        return self._loop.is_closed()

    @property
    def listens(self) -> int:
        """How many listen streams there are."""
        return len(self._listens)

    @property
    def watched(self) -> list[Change]:
        """Every change that some listen stream was granted."""
        return list(self._wanting)

    def listens_of(self, principal: str) -> int:
        """Count the listen streams of a principal."""
        return self._principals.get(principal, 0)

    def enter(self, listen: Listen) -> None:
        """Take a listen stream in, which is told nothing yet."""
        self._listens[listen] = None
        principal = listen.carrier.principal
        if principal is not None:
            self._principals[principal] = self._principals.get(principal, 0) + 1

    def grant(self, listen: Listen, wanted: tuple[Change, ...]) -> None:
        """Tell a listen stream of these changes from now on."""
        listen.wanted = wanted
        for change in wanted:
            self._wanting.setdefault(change, {})[listen] = None

    def leave(self, listen: Listen) -> None:
        """Forget a listen stream."""
        del self._listens[listen]
        principal = listen.carrier.principal
        if principal is not None:
            self._principals[principal] -= 1
            if not self._principals[principal]:
                del self._principals[principal]
        for change in listen.wanted:
            wanting = self._wanting[change]
            del wanting[listen]
            if not wanting:
                del self._wanting[change]

    def attach(self, attached: Attached) -> None:
        """Tell a listener of every change from now on."""
        self._attached[attached] = None

    def detach(self, attached: Attached) -> None:
        """Tell a listener no more; it may have left before."""
        attached.detach()
        self._attached.pop(attached, None)

    def post(self, change: Change) -> None:
        """Have a change told, in one of the next turns of the loop; from any thread.

        Raises:
            RuntimeError: The loop has ended.
        """
        self._post(change)

    def end(self, carrier: Carrier | None) -> None:
        """Have the listen streams on a carrier ended, or all, after the changes that were posted; from any thread.

        Raises:
            RuntimeError: The loop has ended.
        """
        self._post(_Ending(carrier))

    def _post(self, item: Change | _Ending) -> None:
        with self._lock:
            self._posted[item] = None
            if self._is_scheduled:
                return
            self._is_scheduled = True
            try:
                # On its own thread too: a signal handler finds the loop asleep.
                self._loop.call_soon_threadsafe(self._hand_out)
            except RuntimeError:
                self._is_scheduled = False
                self._posted.clear()
                raise

    def _hand_out(self) -> None:
        goes_on = True
        try:
            goes_on = self._tell_some()
        finally:
            # Also after a listener that raised, which the loop reports: the others are told nevertheless.
            if goes_on:
                self._loop.call_soon(self._hand_out)

    def _tell_some(self) -> bool:
        """Tell some listeners, and tell whether there are more."""
        for _ in range(SLICE):
            listener = next(self._left, None)
            if listener is None:
                if not self._begin_round():
                    return False
            elif isinstance(self._round, Change):
                listener.tell(self._round)
            elif isinstance(listener, Listen):
                listener.end()
        return True

    def _begin_round(self) -> bool:
        if not self._rounds:
            with self._lock:
                # In this order nothing is overlooked that a signal handler posts in between.
                self._is_scheduled = False
                self._rounds, self._posted = self._posted, {}
                if not self._rounds:
                    return False
                self._is_scheduled = True
        self._round = next(iter(self._rounds))
        del self._rounds[self._round]
        if isinstance(self._round, Change):
            self._left = iter((*self._attached, *self._wanting.get(self._round, ())))
        else:
            only = self._round.carrier
            self._left = iter([listen for listen in self._listens if only is None or listen.carrier is only])
        return True


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that the caller runs on, or ``None``."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
