"""Crowds at an HTTP server, in a small size and with short deadlines; `make soak` has them in full (`crowds.py`).

The bounds are what a busy machine keeps. The faults "slow-loris", "clients that stop reading" and "overload collapses".
"""

from __future__ import annotations

import pytest

from tests.faults.crowds import Report, lazy_readers, loris, overload, sessions, streams
from tests.requirements import require_linux

NOISE_MS = 250.0
"""Less than whoever holds things up here would hold up a neighbour."""


@pytest.fixture(autouse=True)
def on_linux() -> None:
    require_linux("resident memory is read from /proc")


def check(report: Report) -> None:
    assert report.problems == [], report.figures


async def test_clients_that_send_slowly() -> None:
    """Heads, bodies and silence each have their deadline (header_s, body_s, keep_alive_s)."""
    check(await loris(20, 0.03, slower=20, noise_ms=NOISE_MS, late_s=1.0))


async def test_clients_that_read_nothing() -> None:
    """At most 256 KiB each, and dropped (write_s)."""
    check(await lazy_readers(10, 0.8, pause=0.005, slower=20, noise_ms=NOISE_MS))


async def test_twice_as_many_calls_as_it_takes() -> None:
    """Those that it can take are answered; the others learn quickly when to come back."""
    check(await overload(1.0, capacity=10, work_s=0.1, goodput=0.6, refusal_s=1.0))


async def test_many_listen_streams() -> None:
    """Memory of each, and calls go on while all are told of a change."""
    check(await streams(400, most_kb=25, slower=2.0))


async def test_many_legacy_sessions() -> None:
    check(await sessions(500, most_kb=15))


def test_what_is_wrong_is_said() -> None:
    """Without this the bounds could hold nothing."""
    report = Report("x", {})
    report.hold("a", value=2, most=1)
    report.hold("b", value=1, least=2)
    report.hold("c", value=1, most=1, least=1)
    assert report.problems == ["a is 2, more than 1", "b is 1, less than 2"]
