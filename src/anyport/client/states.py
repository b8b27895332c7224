"""How things stand with a connection, and who is told when that changes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal, TypeAlias

from msgspec import Struct

from anyport.client.logs import Teller
from anyport.protocol.errors import AnyportError

logger = logging.getLogger("anyport.client")

State: TypeAlias = Literal["new", "connecting", "connected", "reconnecting", "disconnected", "closed"]
"""``new``: never connected. ``disconnected``: gone, or not reached; the next call tries again where that may help.
``closed``: by its user."""


class StateChange(Struct, frozen=True):
    """A change of a connection's state.

    Attributes:
        state: From now on.
        before: Until now.
        error: What made it so, if it was no wish of the user.
    """

    state: State
    before: State
    error: AnyportError | None = None


StateCallback: TypeAlias = Callable[[StateChange], object]
"""Called with each change; what it returns is awaited if it can be."""


class Status:
    """The state of one connection.

    Attributes:
        state: How things stand.
    """

    def __init__(self) -> None:
        self.state: State = "new"
        self._teller: Teller[StateChange] | None = None

    def tell(self, callback: StateCallback) -> None:
        """Tell a callback of each change."""
        self._teller = Teller(callback, "on_state")

    def set(self, state: State, error: AnyportError | None = None) -> None:
        """Take a new state; one that is no change is nothing."""
        if state == self.state:
            return
        change = StateChange(state, self.state, error)
        self.state = state
        level = logging.DEBUG if error is None else logging.INFO
        logger.log(level, "The client is %s%s", state, "" if error is None else f": {error}")
        if self._teller is not None:
            self._teller.tell(change)

    async def aclose(self) -> None:
        """Let the callback hear what it was not told yet."""
        if self._teller is not None:
            await self._teller.aclose()
