"""Which calls may ask something of a modern client, whose answers come with a retry: a round.

Most calls ask nothing, and most servers have nothing that asks. Those that do are run by `anyport.server.parking`,
which is loaded with the first of them.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, cast

from anyport.protocol.calls import Call, Reply
from anyport.protocol.limits import Limits
from anyport.protocol.types import Result
from anyport.protocol.types.json import JsonObject
from anyport.security.sealing import Sealer
from anyport.server.manners import Manner

if TYPE_CHECKING:
    from anyport.server.parking import Parking
    from anyport.stores.base import Bus

Answer: TypeAlias = Callable[[Call, Reply], Awaitable[Result]]
AnswerOf = TypeVar("AnswerOf", bound=Callable[[Call, Reply], Awaitable[Result | bytes]])

_ASKABLE: Final = ("elicitation", "sampling", "roots")


class Rounds:
    """Tells the calls that may ask from the others.

    Args:
        limits: ``parked``, ``parked_per_principal``, ``parked_bytes``, ``answer_s`` and ``state_bytes``.
        sealer: Seals ``requestState``.
        bus: Brings a retry to the process that holds the call; ``None`` where there are no others.
        topic: Name of the server on the bus.
    """

    def __init__(self, limits: Limits, sealer: Sealer, bus: Bus | None = None, topic: str = "parked") -> None:
        self._limits = limits
        self._sealer = sealer
        self._bus = bus
        self._topic = topic
        self._parking: Parking | None = None

    def __len__(self) -> int:
        """Return how many calls wait for an answer."""
        return 0 if self._parking is None else len(self._parking)

    def share(self, bus: Bus) -> bool:
        """Be one of several processes, forked from this one, which have its secret in common.

        Args:
            bus: Brings retries from one to another.

        Returns:
            Whether the secret is random, and so ends with them.
        """
        self._bus, self._parking = bus, None
        return self._sealer.share()

    async def start(self) -> None:
        """Let the other processes reach what is parked here, where there is a bus."""
        if self._bus is not None:
            await self.parking.start()

    async def drain(self, seconds: float) -> None:
        """Let calls that go on for other processes finish, for so long; then cancel them."""
        if self._parking is not None:
            await self._parking.drain(seconds)

    async def aclose(self) -> None:
        """Unwind every parked call, and wait until all are through."""
        if self._parking is not None:
            await self._parking.aclose()

    def around(self, answer: Answer, manner: Callable[[JsonObject], Manner]) -> Answer:
        """Let the calls of a method ask.

        Args:
            answer: What answers the method.
            manner: Parameters of a call to how what they name asks.

        Returns:
            What answers the method from now on. It is not a coroutine of its own where nothing can be asked, so that
            such a call costs no frame.
        """
        return self.between(answer, answer, manner)

    def between(self, answer: AnswerOf, asking: Answer, manner: Callable[[JsonObject], Manner]) -> AnswerOf:
        """Do as `around`, where what answers the calls that may ask is not what answers the others.

        Args:
            answer: What answers a call that asks nothing.
            asking: What answers one that may ask.
            manner: Parameters of a call to how what they name asks.
        """

        def ask(call: Call, reply: Reply) -> Awaitable[Result | bytes]:
            able = call.capabilities
            if "requestState" not in call.params and (not able or able.keys().isdisjoint(_ASKABLE)):
                return answer(call, reply)
            if not call.revision.modern:
                return answer(call, reply)
            how = manner(call.params)
            if how == "silent":
                # A state that comes all the same has nothing to act on.
                return answer(call, reply)
            return self.parking.serve(asking, how, call, reply)

        return cast("AnswerOf", ask)

    @property
    def parking(self) -> Parking:
        """What runs the calls that may ask; made when it is first wanted."""
        if self._parking is None:
            parking = importlib.import_module("anyport.server.parking")
            self._parking = cast("Parking", parking.Parking(self._limits, self._sealer, self._bus, self._topic))
        return self._parking
