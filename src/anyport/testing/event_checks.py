"""What any `EventLog` must do."""

from __future__ import annotations

import asyncio

from anyport.stores.base import Store, StoreLimits, StreamEnded, StreamLost
from anyport.testing.expecting import equal, refused
from anyport.testing.store_harness import ODD_NAMES, StoreHarness

IDLE_S = 2.0
"""``stream_idle_s`` where a check lets streams expire, in seconds."""

ALIVE_S = 0.7 * IDLE_S
GONE_S = 1.2 * IDLE_S


async def check_positions(harness: StoreHarness) -> None:
    """Positions count from 1, whoever appends; reading gives what comes after one."""
    async with harness.pair() as (one, other):
        expected: list[tuple[int, bytes]] = []
        for number in range(1, 11):
            event = b"" if number == 3 else b"\x00\xff %d" % number
            store = one if number % 2 else other
            equal(await store.events.append("s/1", event), number, "the position of an event")
            expected.append((number, event))
        for after in range(11):
            equal(await one.events.read("s/1", after), expected[after:], f"the events after {after}")
            equal(await other.events.read("s/1", after), expected[after:], f"the events after {after}")


async def check_names(harness: StoreHarness) -> None:
    """Each name is a stream of its own."""
    async with harness.running() as store:
        for count in (1, 2):
            for name in ODD_NAMES:
                equal(await store.events.append(name, repr(name).encode()), count, f"a position in {name!r}")
        for name in ODD_NAMES:
            event = repr(name).encode()
            equal(await store.events.read(name, 0), [(1, event), (2, event)], f"the events of {name!r}")


async def check_unknown_positions(harness: StoreHarness) -> None:
    """What a peer makes up is lost, not an empty answer and not a failure."""
    async with harness.running() as store:
        for name in ODD_NAMES:
            await refused(StreamLost, store.events.read(name, 0), f"reading the unknown stream {name!r}")
            await refused(StreamLost, store.events.read(name, 7), f"reading the unknown stream {name!r}")
        await store.events.append("s/1", b"event")
        for after in (2, 2**31, 2**63, 10**40):
            lost = await refused(StreamLost, store.events.read("s/1", after), f"reading after the position {after}")
            equal(lost.kept_from, None, "what is kept after a position that never was")
        await refused(ValueError, store.events.read("s/1", -1), "reading after the position -1")


async def check_count_bound(harness: StoreHarness) -> None:
    """Of a stream with too many events the newest stay, and whoever asks for a dropped one is told where they begin."""
    async with harness.running(StoreLimits(stream_events=5)) as store:
        for number in range(1, 6):
            await store.events.append("s", b"%d" % number)
            equal((await store.events.read("s", 0))[0], (1, b"1"), f"the oldest of {number} events, where 5 are kept")
        await store.events.append("s", b"6")
        lost = await refused(StreamLost, store.events.read("s", 0), "an event that was dropped")
        equal(lost.kept_from, 2, "the first position that is kept")
        equal([place for place, _ in await store.events.read("s", 1)], [2, 3, 4, 5, 6], "the positions that are kept")
        await store.events.append("s", b"7", final=True)
        equal((await store.events.read("s", 2))[-1], (7, b"7"), "the final event")
        await refused(StreamLost, store.events.read("s", 1), "an event that was dropped")


async def check_size_bound(harness: StoreHarness) -> None:
    """The same for bytes; an event that is too large alone is not kept, unless it is final."""
    async with harness.running(StoreLimits(stream_bytes=1_000)) as store:
        for size in (400, 599, 1):
            await store.events.append("s", bytes(size))
            equal((await store.events.read("s", 0))[0], (1, bytes(400)), "the oldest of up to 1,000 bytes")
        await store.events.append("s", b"x")
        lost = await refused(StreamLost, store.events.read("s", 0), "an event that was dropped")
        equal(lost.kept_from, 2, "the first position that is kept")
        equal(await store.events.append("s", bytes(1_001)), 5, "the position of an event that is too large")
        equal(await store.events.read("s", 5), [], "what follows an event that is too large")
        lost = await refused(StreamLost, store.events.read("s", 4), "an event that is too large")
        equal(lost.kept_from, None, "the first position that is kept, if none is")
        await store.events.append("s", b"small")
        await store.events.append("s", bytes(5_000), final=True)
        equal(await store.events.read("s", 6), [(7, bytes(5_000))], "the final event, however large")
        lost = await refused(StreamLost, store.events.read("s", 5), "an event that was dropped")
        equal(lost.kept_from, 7, "the position of the final event")


async def check_final_events(harness: StoreHarness) -> None:
    """Nothing follows the final event, which stays until the stream expires; then the stream is unknown."""
    async with harness.pair(StoreLimits(stream_idle_s=IDLE_S)) as (one, other):
        await one.events.append("s/1", b"first")
        await one.events.append("s/1", b"last", final=True)
        for store in (one, other):
            await refused(StreamEnded, store.events.append("s/1", b"late"), "an event after the final one")
        await harness.advance(ALIVE_S)
        await refused(StreamEnded, other.events.append("s/1", b"late", final=True), "a second final event")
        equal(await other.events.read("s/1", 0), [(1, b"first"), (2, b"last")], "a stream that is ended")
        equal(await one.events.read("s/1", 2), [], "what follows the final event")
        await harness.advance(GONE_S - ALIVE_S)
        for after in (0, 2):
            lost = await refused(StreamLost, one.events.read("s/1", after), "a stream that has expired")
            equal(lost.kept_from, None, "what is kept of a stream that has expired")


async def check_silence(harness: StoreHarness) -> None:
    """A stream that was silent for too long loses its events and keeps its numbers, so that none means two events."""
    async with harness.pair(StoreLimits(stream_idle_s=IDLE_S)) as (one, other):
        await one.events.append("s/1", b"1")
        await one.events.append("s/2", b"1")
        await harness.advance(ALIVE_S)
        await other.events.append("s/1", b"2")
        await harness.advance(ALIVE_S)
        equal(await one.events.read("s/1", 0), [(1, b"1"), (2, b"2")], "a stream that was not silent for long")
        await refused(StreamLost, one.events.read("s/2", 0), "a stream that was silent while another was not")
        await harness.advance(GONE_S - ALIVE_S)
        for store in (one, other):
            lost = await refused(StreamLost, store.events.read("s/1", 1), "an event that has expired")
            equal(lost.kept_from, None, "what is kept of a stream that was silent for long")
            equal(await store.events.read("s/1", 2), [], "what follows the last event of a stream")
        equal(await other.events.append("s/1", b"3"), 3, "the next position")
        equal(await one.events.read("s/1", 2), [(3, b"3")], "what was appended since")
        lost = await refused(StreamLost, one.events.read("s/1", 1), "an event that has expired")
        equal(lost.kept_from, 3, "the first position that is kept")


async def check_forgetting(harness: StoreHarness) -> None:
    """A stream is forgotten with those below it, and no other; its name begins anew."""
    # What sorts right before and after "/" is a name of its own.
    others = ("a.", "a.b", "a0", "a0/b", "ab", "ab/c", "/a/b", "A/b")
    names = ("a", "a/b", "a/b/c", "a/b0", "a/bc", *others)
    async with harness.pair() as (one, other):
        for name in names:
            await one.events.append(name, b"1")
        await other.events.forget("unknown")
        await other.events.forget("a/b")
        await _expect_streams(one, lost=("a/b", "a/b/c"), kept=("a", "a/b0", "a/bc", *others))
        await one.events.forget("a")
        await _expect_streams(other, lost=("a", "a/b", "a/b/c", "a/b0", "a/bc"), kept=others)
        equal(await one.events.append("a/b", b"new"), 1, "the first position of a stream that was forgotten")
        equal(await other.events.read("a/b", 0), [(1, b"new")], "a stream that was forgotten and began anew")


async def check_total_bound(harness: StoreHarness) -> None:
    """All streams together stay within the log; those that were silent for longest go first, and keep their numbers."""
    limits = StoreLimits(log_bytes=64 * 2**10)
    streams = [f"s/{number}" for number in range(64)]
    async with harness.running(limits) as store:
        for name in streams:
            for _ in range(8):
                await store.events.append(name, bytes(1_000))
        sizes = [await _kept(store, name) for name in streams]
        if sum(sizes) > limits.log_bytes * 9 / 8:
            raise AssertionError(f"the log keeps {sum(sizes)} bytes, which is more than its {limits.log_bytes}")
        equal(sizes[-1], 8_000, "the bytes that are kept of the newest stream")
        equal(sizes, sorted(sizes), "the bytes that are kept, from the oldest stream to the newest")
        equal(await store.events.append(streams[0], b"event"), 9, "the next position of the oldest stream")


async def check_concurrent_appends(harness: StoreHarness) -> None:
    """However many append at a time, each position is given once and belongs to the event it was given for."""
    async with harness.pair() as (one, other):

        async def append(number: int) -> tuple[int, bytes]:
            event = b"event %d" % number
            return await (one if number % 2 else other).events.append("s/1", event), event

        acknowledged = await asyncio.gather(*(append(number) for number in range(100)))
        equal(sorted(place for place, _ in acknowledged), list(range(1, 101)), "the positions of 100 appends")
        equal(await one.events.read("s/1", 0), sorted(acknowledged), "the events of 100 appends")


EVENT_CHECKS = (
    check_positions,
    check_names,
    check_unknown_positions,
    check_count_bound,
    check_size_bound,
    check_final_events,
    check_silence,
    check_forgetting,
    check_total_bound,
    check_concurrent_appends,
)


async def _expect_streams(store: Store, *, lost: tuple[str, ...], kept: tuple[str, ...]) -> None:
    for name in lost:
        await refused(StreamLost, store.events.read(name, 0), f"the stream {name!r}, which was forgotten")
    for name in kept:
        equal(await store.events.read(name, 0), [(1, b"1")], f"the stream {name!r}, which was not forgotten")


async def _kept(store: Store, name: str) -> int:
    try:
        return sum(len(event) for _, event in await store.events.read(name, 0))
    except StreamLost:
        return 0
