"""`check_store`: hold your own store to the contract of `anyport.stores.base`.

    async def test_my_store() -> None:
        await check_store(lambda limits: MyStore(limits))

From any test runner; each check makes stores of its own. To see each check as a test, go through `STORE_CHECKS`::

    @pytest.mark.parametrize("check", STORE_CHECKS)
    async def test_my_store(check: StoreCheck) -> None:
        await check(StoreHarness(make, another=open_again))
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from anyport.stores.base import Store, StoreLimits
from anyport.testing.bus_checks import BUS_CHECKS
from anyport.testing.event_checks import EVENT_CHECKS
from anyport.testing.session_checks import SESSION_CHECKS
from anyport.testing.store_harness import StoreHarness

__all__ = ["STORE_CHECKS", "StoreCheck", "StoreHarness", "check_store"]

StoreCheck = Callable[[StoreHarness], Awaitable[None]]

STORE_CHECKS: tuple[StoreCheck, ...] = (*SESSION_CHECKS, *EVENT_CHECKS, *BUS_CHECKS)
"""Every check, independent of the others."""


async def check_store(
    make_store: Callable[[StoreLimits], Store],
    *,
    another: Callable[[Store], Store] | None = None,
    advance: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Check that a store does what its contract says; the first thing that it does not do ends the check.

    Args:
        make_store: Returns a store of the given limits that is empty and not started. It is called often.
        another: Returns a store of the same limits on the same data, as another process would open it. Without it the
            checks of what processes share see one store only.
        advance: Lets seconds pass for the stores. By default they really pass, about half a minute in all; give the
            function that moves the clock of your store, if it has one.

    Raises:
        AssertionError: It does not; the message and a note say what and where.
    """
    harness = StoreHarness(make_store, another, advance)
    for check in STORE_CHECKS:
        try:
            await check(harness)
        except Exception as error:
            error.add_note(f"in {getattr(check, '__qualname__', check)} of anyport.testing.stores")
            raise
