"""`check_store` finds what is wrong, and says where."""

from __future__ import annotations

import pytest

from anyport.stores.base import Store, StoreError, StoreLimits
from anyport.testing import expecting
from anyport.testing.store_harness import StoreHarness
from anyport.testing.stores import STORE_CHECKS, check_store
from tests.stores.broken_events import BROKEN_EVENTS
from tests.stores.broken_sessions import BROKEN_SESSIONS
from tests.stores.broken_stores import BrokenStore, Part
from tests.stores.broken_topics import BROKEN_TOPICS
from tests.stores.kinds import Kind

BROKEN: dict[Part, str] = BROKEN_SESSIONS | BROKEN_EVENTS | BROKEN_TOPICS


@pytest.mark.parametrize("part", BROKEN)
async def test_a_fault_is_found(part: Part, memory: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """One fault at a time, by the check that is about it; a message that says what was expected."""
    monkeypatch.setattr(expecting, "PATIENCE_S", 0.05)

    def make(limits: StoreLimits) -> Store:
        inner = memory.make(limits)
        return BrokenStore(inner, part(inner, memory.clock))

    harness = StoreHarness(make, None, memory.clock.advance)
    check = next(each for each in STORE_CHECKS if getattr(each, "__name__", "") == BROKEN[part])
    with pytest.raises((AssertionError, ValueError, StoreError)) as caught:
        await check(harness)
    assert str(caught.value)


async def test_what_is_wrong_is_named(memory: Kind) -> None:
    """The first fault ends the check, with a note that leads to it."""

    def make(limits: StoreLimits) -> Store:
        inner = memory.make(limits)
        return BrokenStore(inner, next(iter(BROKEN))(inner, memory.clock))

    with pytest.raises(AssertionError, match=r"^the row of .*: b.* instead of b'new'") as caught:
        await check_store(make, advance=memory.clock.advance)
    assert caught.value.__notes__ == ["in check_rows of anyport.testing.stores"]


def test_every_check_has_a_fault() -> None:
    """Or it could pass whatever a store does."""
    assert {getattr(check, "__name__", "") for check in STORE_CHECKS} == set(BROKEN.values())
