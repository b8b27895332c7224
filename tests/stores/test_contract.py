"""Both stores do what their contract says (SES-01, SES-03, RES-03, RES-04, A13.6, D06, D11)."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from anyport.stores import base
from anyport.stores.base import Store, StoreLimits
from anyport.stores.memory import MemoryStore
from anyport.stores.sqlite import SqliteStore
from anyport.testing.stores import STORE_CHECKS, StoreCheck, check_store
from tests.stores.kinds import Kind


@pytest.mark.parametrize("check", STORE_CHECKS)
async def test_a_store_keeps_its_contract(check: StoreCheck, kind: Kind) -> None:
    await check(kind.harness)


async def test_all_of_it_at_once(memory: Kind) -> None:
    """As the author of a store of their own calls it."""
    await check_store(memory.make, advance=memory.clock.advance)


def test_the_types_agree(tmp_path: Path) -> None:
    """Both are a Store to the type checker, too; their clocks are real by default."""
    stores: list[Store] = [MemoryStore(), SqliteStore(tmp_path / "a.db")]
    assert len(stores) == 2


@pytest.mark.parametrize("protocol", [base.SessionStore, base.EventLog, base.Bus, base.Store])
def test_a_protocol_is_small(protocol: type) -> None:
    """Five methods are what somebody who writes a store of their own can hold in mind."""
    names = [name for name, value in vars(protocol).items() if inspect.isfunction(value) and not name.startswith("_")]
    assert 0 < len(names) <= 5


def test_the_default_limits() -> None:
    """Those of the table in the checklist, and those that a bounded memory needs besides."""
    limits = StoreLimits()
    assert (limits.sessions, limits.sessions_per_owner, limits.session_idle_s) == (10_000, 100, 30 * 60)
    assert (limits.stream_events, limits.stream_bytes, limits.stream_idle_s) == (1_000, 4 * 2**20, 10 * 60)
    assert (limits.session_bytes, limits.log_bytes) == (256 * 2**10, 256 * 2**20)
    assert (limits.waiting_messages, limits.waiting_bytes) == (1_000, 4 * 2**20)
