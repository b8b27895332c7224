"""Expectations of the public harnesses, whose messages say what was expected, and bounded waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)

PATIENCE_S = 5.0
"""Seconds that a check waits for something that should come at once."""


def equal(actual: object, expected: object, what: str) -> None:
    """Compare.

    Raises:
        AssertionError: They differ.
    """
    if actual != expected:
        raise AssertionError(f"{what}: {_short(actual)} instead of {_short(expected)}")


def true(condition: bool, what: str) -> None:
    """Check what a call said.

    Raises:
        AssertionError: It said the opposite.
    """
    if not condition:
        raise AssertionError(f"{what}: the result says the opposite")


async def within(awaitable: Awaitable[T], what: str) -> T:
    """Wait for something that should come at once.

    Raises:
        AssertionError: It does not come within `PATIENCE_S`.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await awaitable
    except TimeoutError:
        raise AssertionError(f"{what}: nothing within {PATIENCE_S:g} s") from None


async def refused(kind: type[E], awaitable: Awaitable[object], what: str) -> E:
    """Wait for an error and return it.

    Raises:
        AssertionError: There is none.
    """
    try:
        value = await within(awaitable, what)
    except kind as error:
        return error
    raise AssertionError(f"{what}: {_short(value)} instead of {kind.__name__}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
