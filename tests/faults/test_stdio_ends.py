"""A stdio server ends when it should and takes its children with it, whatever its tools are doing (D07, S02)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.drivers.stdio import (
    PATIENCE,
    Ended,
    StdioProcess,
    asyncio_only,
    call,
    environment,
    handshake,
    is_gone,
    kill,
    request,
)
from tests.drivers.stopwatch import Stopwatch
from tests.faults.kills import STATES, deaths
from tests.requirements import require_linux

WORKING = Path(__file__).parent.parent / "transports" / "stdio" / "servers" / "working.py"
LOOPS = pytest.mark.parametrize(
    "command", [[sys.executable, str(WORKING)], asyncio_only(WORKING)], ids=["uvloop", "asyncio"]
)
SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
BUSY = {
    "wait": "waiting",
    "swallow": "waiting",
    "wait_sync": "waiting",
    "block_thread": "blocked",
    "block_own_thread": "blocked",
    "block_loop": "blocked",
    "block_loop_in_c": "blocked",
    "print_for_ever": "printing",
    "run_child": "child",
}
"""Tools that never return by themselves, and what they say when they are at it."""
DEAFENING = {"block_loop", "block_loop_in_c"}
"""Nothing can be said while they run, on any transport."""


def answered(ended: Ended, *tools: str) -> None:
    """Check that each call, numbered from 1, was answered by an error, unless that cannot be."""
    codes = [] if DEAFENING & {*tools} else [(number, -32603) for number in range(1, len(tools) + 1)]
    assert (ended.status, [(each.id, each.code) for each in ended.messages]) == (0, codes)


# --- signals ----------------------------------------------------------------------------------------------------------


@LOOPS
@SIGNALS
def test_a_signal_ends_an_idle_server(number: int, command: list[str]) -> None:
    """D07: within a second, with status 0 and no traceback; the lifespan is closed and `run` returns."""
    with StdioProcess(command) as server:
        server.send(request(1, "server/discover"))
        server.answer(1)
        ended = server.signal(number)
    assert (ended.status, ended.messages, ended.stderr) == (0, [], "[lifespan closed]\n[run returned]\n")
    assert ended.seconds < 1


@pytest.mark.parametrize("tool", BUSY)
@pytest.mark.parametrize(
    ("number", "uvloop"),
    [(signal.SIGTERM, True), (signal.SIGINT, True), (signal.SIGTERM, False)],
    ids=["term", "int", "term-asyncio"],
)
def test_a_signal_ends_a_busy_server(tool: str, number: int, uvloop: bool) -> None:
    """D07: also where a tool blocks the loop, one of its threads, a thread of ours, or is deaf to cancellation.

    D10, adr/0038: with an answer, where one can be written at all.
    """
    with StdioProcess(WORKING if uvloop else asyncio_only(WORKING)) as server:
        server.send(call(1, tool))
        server.says(BUSY[tool])
        ended = server.signal(number)
    answered(ended, tool)
    assert ended.seconds < 1
    assert "Traceback" not in ended.stderr
    assert "rror" not in ended.stderr


@pytest.mark.parametrize("moment", ["SLOW_START", "SLOW_END"])
def test_a_signal_ends_a_server_whose_lifespan_hangs(moment: str) -> None:
    """D07: before the first message is read, and after the last was answered."""
    with StdioProcess(WORKING, env=environment(**{moment: "1"})) as server:
        if moment == "SLOW_END":
            server.close_input()
        server.says("starting" if moment == "SLOW_START" else "ending")
        ended = server.signal(signal.SIGTERM)
    assert (ended.status, ended.messages) == (0, [])
    assert ended.seconds < 1
    assert "Traceback" not in ended.stderr


@SIGNALS
@pytest.mark.parametrize("tool", [None, "wait", "block_loop", "block_own_thread"])
def test_a_signal_ends_anyport_run(tool: str | None, number: int) -> None:
    """D07: the command ends as a script does."""
    with StdioProcess([sys.executable, "-m", "anyport", "run", str(WORKING)]) as server:
        server.send(call(1, "add", {"a": 1, "b": 1}) if tool is None else call(1, tool))
        if tool is None:
            server.answer(1)
        else:
            server.says(BUSY[tool])
        ended = server.signal(number)
    answered(ended, *([] if tool is None else [tool]))
    assert ended.seconds < 1
    assert "Traceback" not in ended.stderr


def test_a_signal_leaves_no_call_without_an_answer() -> None:
    """D10: a hundred calls on stdio alone; those that can end in the little time that there is have their result."""
    with StdioProcess(WORKING) as server:
        server.send(*(call(number, "add_sync", {"a": number, "b": 0}) for number in range(90)))
        server.send(*(call(number, "wait", {"name": str(number)}) for number in range(90, 100)))
        server.says("waiting ", times=10)
        ended = server.signal(signal.SIGTERM)
    codes = {each.id: each.code if each.error else int(each.text) for each in ended.messages}
    assert (ended.status, len(ended.messages), len(codes)) == (0, 100, 100)
    assert all(codes[number] == -32603 for number in range(90, 100))
    assert all(codes[number] in (number, -32603) for number in range(90))
    assert ended.seconds < 1


def test_a_signal_after_the_end_of_input() -> None:
    """D07: the client has closed the input, has waited, and tells the server to hurry: it is answered all the same."""
    with StdioProcess(WORKING) as server:
        server.send(call(1, "wait"), call(2, "wait_sync"))
        server.says("waiting", times=2)
        server.close_input()
        ended = server.signal(signal.SIGTERM)
    assert sorted((each.id, each.code) for each in ended.messages) == [(1, -32603), (2, -32603)]
    assert ended.status == 0
    assert ended.seconds < 1


def test_a_second_interrupt_adds_nothing() -> None:
    """D07: an impatient Ctrl-C, Ctrl-C is one end, without a traceback."""
    with StdioProcess(WORKING) as server:
        server.send(call(1, "block_loop"))
        server.says("blocked")
        server.process.send_signal(signal.SIGINT)
        ended = server.signal(signal.SIGINT)
    assert (ended.status, ended.stderr) == (0, "[blocked]\n")
    assert ended.seconds < 1


def test_an_answer_that_is_ready_still_leaves() -> None:
    """What was answered before the signal is written, though the client reads it only afterwards."""
    with StdioProcess(WORKING, reading=False) as server:
        server.send(call(1, "add", {"a": 1, "b": 2}), call(2, "wait"))
        server.says("waiting")
        server.process.send_signal(signal.SIGTERM)
        server.read_output()
        assert server.answer(1).text == "3"
        assert server.end().status == 0


# --- end of input -----------------------------------------------------------------------------------------------------


@LOOPS
def test_the_end_of_input_ends_an_idle_server(command: list[str]) -> None:
    """D07, S02, STDIO-08: at once, with status 0, in order."""
    with StdioProcess(command) as server:
        ended = server.end()
    assert (ended.status, ended.messages, ended.stderr) == (0, [], "[lifespan closed]\n[run returned]\n")


@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_the_end_of_input_lets_calls_finish(era: str, tmp_path: Path) -> None:
    """D07, sdk#2678: what is in flight when the input ends is answered before the end."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with StdioProcess(WORKING) as server:
        if era == "legacy":
            server.send(*handshake())
        server.send(call(1, "wait_until", {"path": str(gate)}, "legacy" if era == "legacy" else "modern"))
        server.send(*(call(number, "add_sync", {"a": number, "b": 1}) for number in range(2, 30)))
        server.says("waiting")
        server.close_input()
        for number in range(2, 30):
            assert server.answer(number).text == str(number + 1)
        gate.write_text("opened")
        assert server.answer(1).text == "opened"
        ended = server.end()
    assert ended.status == 0
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("tool", sorted({*BUSY} - {"block_loop", "block_loop_in_c", "print_for_ever"}))
def test_the_end_of_input_does_not_wait_for_ever(tool: str) -> None:
    """D07, D10: a call that never ends gets `drain_s`, then an error; the threads it leaves behind get no more."""
    with StdioProcess(WORKING, "drain_s=0.3") as server:
        server.send(call(1, tool))
        server.says(BUSY[tool])
        ended = server.end()
    assert (ended.status, [(each.id, each.code) for each in ended.messages]) == (0, [(1, -32603)])
    assert 0.3 <= ended.seconds < 2
    assert "Traceback" not in ended.stderr


def test_a_thread_that_prints_survives_the_end() -> None:
    """D07: a tool that holds the lock of stdout most of the time is no fatal error of the interpreter at its end."""
    with StdioProcess(WORKING, "drain_s=0.1") as server:
        server.send(call(1, "print_for_ever"))
        server.says("printing")
        ended = server.end()
    assert ended.status == 0
    assert "Fatal" not in ended.stderr


def test_a_lifespan_that_hangs_is_not_waited_for() -> None:
    """D07: closing what the author opened gets `drain_s` as well."""
    with StdioProcess(WORKING, "drain_s=0.3", env=environment(SLOW_END="1")) as server:
        ended = server.end()
    assert (ended.status, ended.stderr) == (0, "[ending]\n")
    assert 0.3 <= ended.seconds < 2


@LOOPS
@pytest.mark.parametrize("tool", [None, "wait", "block_own_thread"])
def test_a_client_that_closes_the_output_has_left(tool: str | None, command: list[str]) -> None:
    """D07: nobody will ever read an answer, so the server ends within a second, though its input is still open."""
    with StdioProcess(command, reading=False) as server:
        server.send(call(1, "add", {"a": 1, "b": 1}) if tool is None else call(1, tool))
        if tool is not None:
            server.says(BUSY[tool])
        watch = Stopwatch(server.process)
        server.close_output()
        assert watch.stop(PATIENCE) < 1
        ended = server.end()
    assert ended.status == 0
    assert "Traceback" not in ended.stderr
    assert "rror" not in ended.stderr
    assert ("cancelled" in ended.stderr) is (tool == "wait")


# --- children ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["input", "signal"])
def test_children_end_with_the_server(end: str) -> None:
    """adr/0016: also the deaf one and its own child, also one in a session of its own."""
    require_linux("process ids in /proc")
    with StdioProcess(WORKING) as server:
        server.send(call(1, "child"), call(2, "stubborn_child"), call(3, "child", {"session": True}))
        plain, apart = int(server.answer(1).text), int(server.answer(3).text)
        stubborn = [int(pid) for pid in server.answer(2).text.split()]
        try:
            if end == "input":
                server.close_input()
                server.process.wait(PATIENCE)
            else:
                server.process.send_signal(signal.SIGTERM)
                server.process.wait(PATIENCE)
            assert all(is_gone(pid, 1) for pid in (plain, apart, *stubborn))
        finally:
            kill(apart)
        server.end()


def test_children_end_with_a_server_whose_loop_is_blocked() -> None:
    """D07: the thread that ends the process ends them, too."""
    require_linux("process ids in /proc")
    with StdioProcess(WORKING) as server:
        server.send(call(1, "child"))
        child = int(server.answer(1).text)
        server.send(call(2, "block_loop"))
        server.says("blocked")
        assert server.signal(signal.SIGTERM).status == 0
        assert is_gone(child, 1)


PARENT = """
import json, os, subprocess, sys
server = subprocess.Popen(sys.argv[1:], stdin=int(os.environ["TO"]), stdout=int(os.environ["FROM"]))
print(server.pid, flush=True)
server.wait()
"""


@pytest.mark.parametrize("tool", ["child", "block_loop", "block_own_thread"])
def test_an_orphan_ends(tool: str) -> None:
    """D07: the parent is killed while this process holds the pipe: gone within two seconds, with its child."""
    require_linux("process ids in /proc")
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    command = [sys.executable, "-c", PARENT, sys.executable, str(WORKING)]
    parent = subprocess.Popen(
        command,
        env=environment(TO=str(to_read), FROM=str(from_write)),
        pass_fds=(to_read, from_write),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with parent, os.fdopen(from_read, "rb") as output, os.fdopen(to_write, "wb", buffering=0) as wire:
        os.close(to_read)
        os.close(from_write)
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        try:
            wire.write(call(1, "child") + b"\n")
            child = int(json.loads(output.readline())["result"]["content"][0]["text"])
            if tool != "child":
                wire.write(call(2, tool) + b"\n")
                assert parent.stderr is not None
                assert b"blocked" in parent.stderr.readline()
            parent.kill()
            assert is_gone(server, 2)
            assert is_gone(child, 0.5)
        finally:
            kill(server)


def test_a_client_that_is_killed_leaves_nothing() -> None:
    """D07, S02: killed with -9 in six states; after two seconds neither the server nor anything below it is left.

    `make soak` kills 200.
    """
    require_linux("process ids in /proc")
    found = deaths(24)
    assert {death.state for death in found} == {*STATES}
    assert [death for death in found if death.left] == []


def test_children_end_with_a_server_whose_lifespan_fails() -> None:
    """D07: the author's clean-up fails, as it does where it writes to the stderr of a client that is dead."""
    require_linux("process ids in /proc")
    with StdioProcess(WORKING, env=environment(FAIL_END="1")) as server:
        server.send(call(1, "stubborn_child"))
        children = [int(pid) for pid in server.answer(1).text.split()]
        ended = server.end()
    assert ended.status == 1
    assert "the end fails" in ended.stderr
    assert all(is_gone(pid, 1) for pid in children)
