"""A coroutine that is stepped once by hand: most sends are through then, and need no lock and no deadline.

What waits all the same is awaited from there on by the task that has stepped it, so that it never notices.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import cast


class Rest:
    """What is left of a coroutine that has begun to wait; to be awaited at once, by the task that stepped it.

    Args:
        coroutine: The coroutine.
        waits_for: What it has yielded.
    """

    __slots__ = ("_coroutine", "_given", "_waits_for")

    def __init__(self, coroutine: Coroutine[object, None, None], waits_for: object) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for
        self._given = False

    def __await__(self) -> Generator[object, None, None]:
        # All of a generator that `await` makes use of.
        return cast("Generator[object, None, None]", self)

    def __iter__(self) -> Rest:
        return self

    def __next__(self) -> object:
        if self._given:
            return self._coroutine.send(None)
        self._given = True
        return self._waits_for

    def throw(self, error: BaseException, *old: object) -> object:
        """Raise an error in it; some versions of Python give the type, the error and the traceback."""
        value = old[0] if old and isinstance(old[0], BaseException) else error
        return self._coroutine.throw(value)

    def close(self) -> None:
        """End it where it waits."""
        self._coroutine.close()


def step(coroutine: Coroutine[object, None, None]) -> Rest | None:
    """Run a coroutine as far as it goes without waiting.

    Args:
        coroutine: It must be new.

    Returns:
        What is left of it; ``None`` when it is through.

    Raises:
        Exception: Whatever it raises.
    """
    try:
        waits_for = coroutine.send(None)
    except StopIteration:
        return None
    return Rest(coroutine, waits_for)
