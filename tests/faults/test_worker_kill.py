"""kill -9 and signals, for one worker, for all, and for the first process: what is lost is what the dead one held.

D06, D10.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.drivers.asgi import call, text_of
from tests.drivers.http_server import HttpPeer
from tests.drivers.stdio import PATIENCE, is_gone
from tests.drivers.workers import given, peers, pid_of, serving
from tests.faults.kills import descendants
from tests.faults.test_sigterm import orderly
from tests.requirements import require_linux


@pytest.fixture(autouse=True)
def linux() -> None:
    require_linux("signals, processes")


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where temporary folders are made by what is started now."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@contextlib.contextmanager
def loaded(peer: HttpPeer) -> Generator[list[int]]:
    """Call over one connection all the time; yields how many answers there were, checked by then."""
    counts, stop, failed = [0], threading.Event(), list[BaseException]()

    def work() -> None:
        try:
            while not stop.is_set():
                assert text_of(peer.post(call("echo", {"text": "x"})).json) == "x"
                counts[0] += 1
        except BaseException as error:  # noqa: BLE001 - it belongs to the test, which runs in another thread
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield counts
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert not failed, failed
    assert not thread.is_alive()


def refuses(port: int) -> bool:
    """Wait until nobody is let in any more."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            HttpPeer(port).close()
        except ConnectionError:
            return True
    return False


def test_a_worker_that_is_killed_under_load() -> None:
    """Another takes its place; the other worker's connections and calls do not notice."""
    with serving() as (server, [(victim, doomed), (survivor, peer)]):
        with peers(server.port, 2) as more, loaded(peer) as counts:
            more[survivor].begin(call("last", {"seconds": 0.5}))
            doomed.begin(call("last", {"seconds": 60}))
            server.says("[began]", 2)
            before = counts[0]
            os.kill(victim, signal.SIGKILL)
            server.says(f"of several (process {victim}) was ended by SIGKILL")
            assert doomed.is_closed()
            assert text_of(more[survivor].answer().json) == "done"
            with peers(server.port, 1, without=(survivor,)) as fresh:
                (successor,) = fresh
                assert successor not in (victim, survivor, server.process.pid)
            while counts[0] <= before:
                assert pid_of(more[survivor]) == survivor
        ended = server.ended(server.signal(signal.SIGTERM))
    assert ended.status == 0
    assert ended.stderr.count("another takes its place") == 1
    assert ended.stderr.count("serves MCP at") == 1
    orderly(ended.stderr)


def test_what_waits_for_a_worker_that_died() -> None:
    """A connection whose worker is dead before it was accepted is served by the next one."""
    with serving() as (server, [(one, _), (other, _)]):
        for pid in (one, other):
            os.kill(pid, signal.SIGSTOP)
        waiting = [HttpPeer(server.port) for _ in range(20)]
        for number, peer in enumerate(waiting):
            peer.begin(call("echo", {"text": f"{number}"}))
        for pid in (one, other):
            os.kill(pid, signal.SIGKILL)
        for number, peer in enumerate(waiting):
            assert text_of(peer.answer().json) == f"{number}"
            peer.close()
        assert server.ended(server.signal(signal.SIGTERM)).status == 0


def test_a_worker_that_is_told_to_end() -> None:
    """A signal to it alone: it drains, and is replaced."""
    with serving() as (server, [(one, peer), (other, _)]):
        peer.begin(call("last", {"seconds": 0.5}))
        server.says("[began]")
        os.kill(one, signal.SIGTERM)
        assert text_of(peer.answer().json) == "done"
        server.says(f"(process {one}) ended with status 0: another takes its place")
        with peers(server.port, 1, without=(other,)) as fresh:
            assert one not in fresh
        ended = server.ended(server.signal(signal.SIGTERM))
    assert ended.status == 0
    orderly(ended.stderr)


def test_a_first_process_that_is_killed(folders: Path) -> None:
    """Nothing is left, neither a process nor the store; calls in flight are answered, and the port is free."""
    with serving() as (server, [(one, first), (other, second)]):
        for peer in (first, second):
            peer.begin(call("last", {"seconds": 0.5}))
        server.says("[began]", 2)
        assert len(list(folders.iterdir())) == 1
        server.signal(signal.SIGKILL)
        server.says("The first process is gone", 2)
        for peer in (first, second):
            assert text_of(peer.answer().json) == "done"
        ended = server.ended()
        assert is_gone(one, PATIENCE)
        assert is_gone(other, PATIENCE)
    assert ended.stderr.count("[lifespan closed]") == 2
    assert "Traceback" not in ended.stderr
    assert list(folders.iterdir()) == []


def test_a_first_process_that_is_killed_with_calls_that_never_end() -> None:
    with serving(given(drain_s=0.5)) as (server, [(one, first), (other, second)]):
        first.begin(call("stubborn"))
        second.begin(call("last_sync", {"seconds": 30}))
        server.says("[began]", 2)
        server.signal(signal.SIGKILL)
        assert first.answer().code == second.answer().code == -32603
        assert is_gone(one, PATIENCE)
        assert is_gone(other, PATIENCE)


@pytest.mark.parametrize("everybody", [False, True])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_calls_in_flight_at_the_end(number: int, everybody: bool, folders: Path) -> None:
    """Answered; also where every process is told, as a terminal and some supervisors do."""
    with serving() as (server, [(one, _), (other, _)]):
        calls = [HttpPeer(server.port) for _ in range(20)]
        for peer in calls:
            peer.begin(call("last", {"seconds": 1}))
        server.says("[began]", 20)
        below = descendants(server.process.pid)
        assert {one, other} <= set(below)
        watch = server.signal(number)
        for pid in (one, other) if everybody else ():
            os.kill(pid, number)
        for peer in calls:
            assert text_of(peer.answer().json) == "done"
            peer.close()
        ended = server.ended(watch)
        assert all(is_gone(pid, PATIENCE) for pid in below)
    assert ended.status == 0
    assert ended.stderr.count("[lifespan closed]") == 2
    assert "place" not in ended.stderr
    orderly(ended.stderr)
    assert list(folders.iterdir()) == []


def test_nobody_is_let_in_at_the_end() -> None:
    """A new connection is refused at once, not left to wait for somebody to accept it."""
    with serving() as (server, [(_, peer), _]):
        peer.begin(call("last", {"seconds": 2}))
        server.says("[began]")
        watch = server.signal(signal.SIGTERM)
        assert refuses(server.port)
        assert text_of(peer.answer().json) == "done"
        assert server.ended(watch).status == 0


def test_a_second_signal_does_not_wait() -> None:
    with serving() as (server, [(_, one), (_, other)]):
        for peer in (one, other):
            peer.begin(call("last", {"seconds": 60}))
        server.says("[began]", 2)
        watch = server.signal(signal.SIGTERM)
        assert refuses(server.port)
        server.signal(signal.SIGTERM)
        assert one.answer().code == other.answer().code == -32603
        ended = server.ended(watch)
    assert ended.status == 0
    assert ended.seconds < 6
    orderly(ended.stderr)


def test_a_worker_that_cannot_end_is_killed() -> None:
    """One that is stopped hears nothing: the first process does not wait for ever."""
    with serving(given(drain_s=0.2)) as (server, [(one, _), _]):
        os.kill(one, signal.SIGSTOP)
        ended = server.ended(server.signal(signal.SIGTERM))
        assert ended.status == 0
        assert f"(process {one}) did not end in time: it is killed" in ended.stderr
        assert is_gone(one, PATIENCE)
