"""Child processes: their environment, their group, and their end in order and within bounds (STDIO-07, D09, D23)."""

from __future__ import annotations

import asyncio
import os
import select
import sys
import time
from pathlib import Path

import pytest

from anyport import Client
from anyport.errors import ConnectError, ServerExited
from anyport.transports.stdio import child
from anyport.transports.stdio.child import Child, child_environment
from tests.client.peers import scripted
from tests.requirements import require_linux

PATIENCE_S = 5.0


class Started:
    """A child that runs a few lines of Python, and what came of it."""

    def __init__(self, body: str) -> None:
        self.output = bytearray()
        self.said = asyncio.Event()
        self.ended: asyncio.Future[ServerExited] = asyncio.get_running_loop().create_future()
        self.strayed = ""
        self.child = Child()
        self._body = body

    def end(self, error: ServerExited) -> None:
        self.ended.set_result(error)

    def feed(self, data: bytes) -> None:
        self.output += data
        if self.output.endswith(b"\n"):
            self.said.set()

    async def __aenter__(self) -> Started:
        await self.child.start(scripted(self._body), dict(os.environ), self)
        async with asyncio.timeout(PATIENCE_S):
            await self.said.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.child.aclose()

    @property
    def pids(self) -> list[int]:
        """What the child printed: its own id, and those of its children."""
        return [int(word) for word in self.output.split()]

    async def exit_status(self) -> int | None:
        """Return the exit status."""
        async with asyncio.timeout(PATIENCE_S):
            return (await self.ended).code


async def is_gone(pid: int) -> bool:
    """Wait until a process is dead."""
    return await asyncio.to_thread(_wait_for_end, pid)


def _wait_for_end(pid: int) -> bool:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], PATIENCE_S)[0])
    finally:
        os.close(process)


def is_reaped(pid: int) -> bool:
    """Whether a dead child of this process is no zombie."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


PRINT_ID = "print(os.getpid(), flush=True)\n"


async def test_the_end_of_its_input_is_the_first_thing_that_a_child_hears_of() -> None:
    """STDIO-07: nothing but EOF is needed for a child that listens to it, and it is given time."""
    async with Started(PRINT_ID + "sys.stdin.read(); time.sleep(0.2); sys.exit(7)") as started:
        await started.child.aclose()
        assert await started.exit_status() == 7


async def test_sigterm_comes_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_EOF_S", 0.1)
    body = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(8))\n" + PRINT_ID + "while True: time.sleep(60)"
    async with Started(body) as started:
        await started.child.aclose()
        assert await started.exit_status() == 8


async def test_sigkill_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_EOF_S", 0.1)
    monkeypatch.setattr(child, "_TERMINATE_S", 0.1)
    body = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + PRINT_ID + "while True: time.sleep(60)"
    async with Started(body) as started:
        await started.child.aclose()
        assert await started.exit_status() == -9


async def test_no_zombie_is_left() -> None:
    """D09: the child is waited for."""
    async with Started(PRINT_ID + "sys.stdin.read()") as started:
        (pid,) = started.pids
    assert is_reaped(pid)


SPAWN = """
import subprocess
stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE)
child.stdout.readline()
print(os.getpid(), child.pid, flush=True)
"""


@pytest.mark.parametrize("rest", ["sys.stdin.read()", "while True: time.sleep(60)"])
async def test_what_a_child_started_ends_with_it(rest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """STDIO-07: the whole group, even a member that ignores SIGTERM, whether or not its leader left in order."""
    require_linux("pidfd")
    monkeypatch.setattr(child, "_EOF_S", 0.5)
    async with Started(SPAWN + rest) as started:
        own, grandchild = started.pids
        assert os.getpgid(own) == own == os.getpgid(grandchild) != os.getpgid(0)
    assert await is_gone(own)
    assert await is_gone(grandchild)


async def test_closing_that_is_cancelled_kills_at_once() -> None:
    """D09: bounded even under cancellation, by a loop that ends, for example."""
    require_linux("pidfd")
    async with Started(PRINT_ID + "while True: time.sleep(60)") as started:
        (pid,) = started.pids
        closing = asyncio.create_task(started.child.aclose())
        await asyncio.sleep(0)
        began = time.monotonic()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert await is_gone(pid)
        assert time.monotonic() - began < 1.5


async def test_a_caller_that_is_cancelled_does_not_leave_the_child_behind() -> None:
    """D09: closing goes on without the one who asked for it."""
    async with Started(PRINT_ID + "sys.stdin.read(); time.sleep(0.2); sys.exit(6)") as started:
        closing = asyncio.create_task(started.child.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert await started.exit_status() == 6


async def test_a_connection_that_is_given_up_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """D09: cancelled in the middle of the handshake."""
    monkeypatch.setattr(child, "_EOF_S", 0.1)
    require_linux("pidfd")
    note = tmp_path / "pid"
    os.mkfifo(note)
    body = f"open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    opening = asyncio.create_task(Client(scripted(body)).connect())
    async with asyncio.timeout(PATIENCE_S):
        pid = int(await asyncio.to_thread(note.read_text))
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
    assert await is_gone(pid)


async def test_closing_what_never_started() -> None:
    nothing = Child()
    await nothing.aclose()
    with pytest.raises(ConnectError, match="Cannot start '/': Permission denied"):
        await nothing.start(["/"], {}, Started(""))
    await nothing.aclose()


# --- the environment --------------------------------------------------------------------------------------------------


@pytest.fixture(name="variables")
def set_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "secret")
    monkeypatch.setenv("LANG", "() { :; }; echo")


@pytest.mark.usefixtures("variables")
def test_the_minimal_environment() -> None:
    """D23: what a program needs to run, no secrets, no exported shell functions."""
    found = child_environment("minimal")
    assert found["PATH"] == os.environ["PATH"]
    assert "SHOP_TOKEN" not in found
    assert "LANG" not in found


@pytest.mark.usefixtures("variables")
def test_the_other_environments() -> None:
    assert child_environment("inherit") == dict(os.environ)
    assert child_environment({"A": "b", "PATH": "/"}) == {**child_environment("minimal"), "A": "b", "PATH": "/"}


@pytest.mark.usefixtures("variables")
async def test_a_server_sees_the_environment_that_was_chosen() -> None:
    """STDIO-11, D23: minimal is the default."""
    body = "for message in modern(): answer(message, text([os.environ.get(name) for name in ('SHOP_TOKEN', 'A')]))"
    for client, seen in (
        (Client(scripted(body)), "[null, null]"),
        (Client(scripted(body), env={"A": "b"}), '[null, "b"]'),
        (Client(scripted(body), env="inherit"), '["secret", null]'),
    ):
        async with client:
            assert (await client.call_tool("any")).data == seen


async def test_a_program_is_looked_for_in_the_path_of_its_environment(tmp_path: Path) -> None:
    program = tmp_path / "shop-server"
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.exit(3)\n")
    program.chmod(0o755)
    with pytest.raises(ConnectError, match="Cannot start 'shop-server'"):
        await Client(["shop-server"]).connect()
    with pytest.raises(ServerExited):
        await Client(["shop-server"], env={"PATH": str(tmp_path)}).connect()
