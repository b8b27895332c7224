"""What any `SessionStore` must do."""

from __future__ import annotations

from anyport.stores.base import Store, StoreFull, StoreLimits, StreamLost
from anyport.testing.expecting import equal, refused, true
from anyport.testing.store_harness import ODD_NAMES, StoreHarness

IDLE_S = 2.0
"""``session_idle_s`` where a check lets sessions expire, in seconds."""

ALIVE_S = 0.7 * IDLE_S
GONE_S = 1.2 * IDLE_S

SHORT_LIVED = StoreLimits(session_idle_s=IDLE_S, sessions=2)


async def check_rows(harness: StoreHarness) -> None:
    """A row comes back as it was written last, under its own id and no other, until it is deleted."""
    async with harness.pair() as (one, other):
        for name in ODD_NAMES:
            equal(await one.sessions.get(name), None, f"the row of the unknown id {name!r}")
        for name in ODD_NAMES:
            await one.sessions.create(name, repr(name).encode() + b"\x00\xff", name)
        for name in ODD_NAMES:
            equal(await other.sessions.get(name), repr(name).encode() + b"\x00\xff", f"the row of {name!r}")
            true(await other.sessions.update(name, b"new"), f"updating {name!r}")
            equal(await one.sessions.get(name), b"new", f"the row of {name!r} after an update")
            true(await one.sessions.update(name, b""), f"updating {name!r}")
            equal(await other.sessions.get(name), b"", f"the empty row of {name!r}")
            true(await one.sessions.delete(name), f"deleting {name!r}")
            true(not await one.sessions.delete(name), f"deleting {name!r} again")
            equal(await other.sessions.get(name), None, f"the row of {name!r} after it was deleted")
            true(not await other.sessions.update(name, b"x"), f"updating {name!r} after it was deleted")
            equal(await one.sessions.get(name), None, f"the row of {name!r}, which an update must not bring back")


async def check_taken_ids(harness: StoreHarness) -> None:
    """An id that is taken stays its session's."""
    async with harness.pair() as (one, other):
        await one.sessions.create("a", b"first", None)
        for store in (one, other):
            await refused(ValueError, store.sessions.create("a", b"second", None), "creating a session twice")
            equal(await store.sessions.get("a"), b"first", "the row of the session that was there")


async def check_session_limits(harness: StoreHarness) -> None:
    """As many sessions as allowed, in all and of one owner; each that ends makes room."""
    async with harness.pair(StoreLimits(sessions=5, sessions_per_owner=2)) as (one, other):
        await one.sessions.create("a1", b"", "a")
        await other.sessions.create("a2", b"", "a")
        full = await refused(StoreFull, other.sessions.create("a3", b"", "a"), "one session too many of an owner")
        equal(full.limit, "sessions_per_owner", "the limit that is named")
        equal(await one.sessions.get("a3"), None, "the session that was refused")
        for number in (1, 2, 3):
            await one.sessions.create(f"nobody's {number}", b"", None)
        full = await refused(StoreFull, one.sessions.create("b1", b"", "b"), "one session too many")
        equal(full.limit, "sessions", "the limit that is named")
        await other.sessions.delete("a1")
        await one.sessions.create("a3", b"", "a")
        await refused(StoreFull, one.sessions.create("a4", b"", "a"), "one session too many after one has ended")


async def check_row_limit(harness: StoreHarness) -> None:
    """A row as large as allowed and no larger."""
    async with harness.running(StoreLimits(session_bytes=1_000)) as store:
        for size in (999, 1_000):
            await store.sessions.create(f"{size}", bytes(size), None)
            true(await store.sessions.update(f"{size}", bytes(size)), f"a row of {size} bytes")
        full = await refused(StoreFull, store.sessions.create("a", bytes(1_001), None), "a row one byte too large")
        equal(full.limit, "session_bytes", "the limit that is named")
        full = await refused(StoreFull, store.sessions.update("999", bytes(1_001)), "a row one byte too large")
        equal(full.limit, "session_bytes", "the limit that is named")
        equal(await store.sessions.get("a"), None, "the session that was refused")
        equal(await store.sessions.get("999"), bytes(999), "the row that stayed")


async def check_expiry(harness: StoreHarness) -> None:
    """A session lives while it is used, ends when it is not, and makes room then."""
    async with harness.pair(SHORT_LIVED) as (one, other):
        await one.sessions.create("read", b"r", None)
        await one.sessions.create("written", b"w", None)
        for store in (one, other, one):
            await harness.advance(ALIVE_S)
            equal(await store.sessions.get("read"), b"r", "a session that is read now and then")
            true(await store.sessions.update("written", b"w"), "a session that is written now and then")
        await refused(StoreFull, one.sessions.create("third", b"", None), "one session too many")
        await harness.advance(GONE_S)
        equal(await other.sessions.get("read"), None, "a session that nobody has used")
        true(not await one.sessions.update("written", b"w"), "updating a session that nobody has used")
        true(not await one.sessions.delete("written"), "deleting a session that nobody has used")
        for name in ("third", "fourth"):
            await one.sessions.create(name, b"", None)
        await refused(StoreFull, other.sessions.create("fifth", b"", None), "one session too many")


async def check_one_expiry(harness: StoreHarness) -> None:
    """The use of one session does nothing for another, and the room of one that has expired is there at once."""
    async with harness.pair(SHORT_LIVED) as (one, other):
        await one.sessions.create("used", b"u", None)
        await one.sessions.create("unused", b"", None)
        for store in (other, one):
            await harness.advance(ALIVE_S)
            equal(await store.sessions.get("used"), b"u", "a session that is read now and then")
        equal(await one.sessions.get("unused"), None, "a session that nobody has used")
        await one.sessions.create("third", b"", None)
        await refused(StoreFull, other.sessions.create("fourth", b"", None), "one session too many")


async def check_holds(harness: StoreHarness) -> None:
    """A session that is held does not expire, however long it takes; leaving is a use."""
    async with harness.running(SHORT_LIVED) as store:
        await store.sessions.create("a", b"row", None)
        async with store.sessions.hold("a") as row, store.sessions.hold("a") as again:
            equal((row, again), (b"row", b"row"), "the row of a session that is held twice")
            await harness.advance(GONE_S)
            equal(await store.sessions.get("a"), b"row", "a session that is held")
            await harness.advance(GONE_S)
            await _fill(store)
            true(await store.sessions.update("a", b"new"), "updating a session that is held")
            await harness.advance(GONE_S)
        await harness.advance(ALIVE_S)
        equal(await store.sessions.get("a"), b"new", "a session that was held until just now")
        await harness.advance(GONE_S)
        equal(await store.sessions.get("a"), None, "a session that is held no more")


async def check_holds_of_nothing(harness: StoreHarness) -> None:
    """Holding an unknown session gives no row; one that is deleted while it is held stays deleted."""
    async with harness.running(SHORT_LIVED) as store:
        async with store.sessions.hold("unknown") as row:
            equal(row, None, "the row of an unknown session that is held")
        equal(await store.sessions.get("unknown"), None, "an unknown session that was held")
        await store.sessions.create("a", b"row", "owner")
        async with store.sessions.hold("a"):
            true(await store.sessions.delete("a"), "deleting a session that is held")
            equal(await store.sessions.get("a"), None, "a session that was deleted while it was held")
        equal(await store.sessions.get("a"), None, "a session that was deleted while it was held")
        await _fill(store, 2)


async def check_streams_end_with_sessions(harness: StoreHarness) -> None:
    """When a session ends so do its streams, and no others."""
    async with harness.running(SHORT_LIVED) as store:
        names = ("a", "a/1", "a/1/x", "ab/1", "a0/1", "a.1", "A/1", "/a")
        for name in names:
            await store.events.append(name, b"event")
        await store.sessions.create("a", b"", None)
        await store.sessions.create("ab", b"", None)
        await store.sessions.delete("a")
        await _expect_streams(store, lost=names[:3], kept=names[3:])
        await harness.advance(GONE_S)
        await _fill(store, 2)
        equal(await store.sessions.get("ab"), None, "a session that nobody has used")
        await _expect_streams(store, lost=names[:4], kept=names[4:])


SESSION_CHECKS = (
    check_rows,
    check_taken_ids,
    check_session_limits,
    check_row_limit,
    check_expiry,
    check_one_expiry,
    check_holds,
    check_holds_of_nothing,
    check_streams_end_with_sessions,
)


async def _fill(store: Store, count: int = 1) -> None:
    """Open as many sessions as there should be room for."""
    for number in range(count):
        await store.sessions.create(f"another {number}", b"", None)
    await refused(StoreFull, store.sessions.create("one too many", b"", None), "one session too many")


async def _expect_streams(store: Store, *, lost: tuple[str, ...], kept: tuple[str, ...]) -> None:
    for name in lost:
        await refused(StreamLost, store.events.read(name, 0), f"the stream {name!r} of a session that has ended")
    for name in kept:
        equal(await store.events.read(name, 0), [(1, b"event")], f"the stream {name!r} of no session that has ended")
