"""Programs that do not start, or not for long: a clear error in time, and nothing left (D01, D09, S20)."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from anyport.errors import AnyportError, ConnectError, LocalProtocolError, ServerExited
from anyport.protocol.jsonrpc import Request, Response
from anyport.protocol.limits import DEFAULT_LIMITS
from anyport.transports.calling import Answer, Incoming
from anyport.transports.stdio import child
from anyport.transports.stdio.child import child_environment
from anyport.transports.stdio.client import StdioClient
from tests.client.peers import scripted
from tests.requirements import require_linux

WAIT = 30.0
PING = Request(1, "ping", {})
ECHO = "for message in messages(): answer(message, {})"


def transport_of(command: Sequence[str], cwd: str | None = None) -> StdioClient:
    return StdioClient(command, child_environment("minimal"), DEFAULT_LIMITS, cwd=cwd)


async def _asked(request: Request) -> Answer:
    return Response(request.id, {})


class Lost:
    """Takes what a transport says when the connection is gone."""

    def __init__(self) -> None:
        self.errors: list[AnyportError] = []
        self.told = asyncio.Event()
        self.incoming = Incoming(lambda _: None, _asked, self._take)

    def _take(self, error: AnyportError) -> None:
        self.errors.append(error)
        self.told.set()


async def failure(transport: StdioClient) -> AnyportError:
    """Return why a transport cannot be used."""
    async with asyncio.timeout(WAIT):
        try:
            await transport.start(Lost().incoming)
            await transport.request(PING)
        except AnyportError as error:
            return error
        finally:
            await transport.aclose()
    raise AssertionError("it can be used")


# --- programs that cannot be started ----------------------------------------------------------------------------------


async def test_a_program_that_is_not_there() -> None:
    error = await failure(transport_of(["no-such-server"]))
    assert str(error) == (
        "Cannot start 'no-such-server': No such file or directory: it is not on the PATH of its environment"
    )
    assert isinstance(error, ConnectError)
    assert error.unsent


async def test_a_directory_that_is_not_there() -> None:
    error = await failure(transport_of(scripted(ECHO), cwd="/no/such/place"))
    assert str(error).endswith(": its directory /no/such/place: No such file or directory")


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [
        ("#!/bin/sh\n", 0o600, "Permission denied: it is no file, or not executable"),
        ("#!/no/such/shell\n", 0o700, "the file is there, but not the interpreter that its first line names"),
        ("\x00\x01", 0o700, "it is no program of this system, and has no first line that names its interpreter"),
    ],
)
async def test_a_file_that_is_no_program(text: str, mode: int, reason: str, tmp_path: Path) -> None:
    program = tmp_path / "server"
    program.write_text(text)
    program.chmod(mode)
    error = await failure(transport_of([str(program)]))
    assert str(error).startswith(f"Cannot start '{program}': ")
    assert str(error).endswith(reason)
    assert isinstance(error, ConnectError)


async def test_words_that_no_program_can_be_given() -> None:
    error = await failure(transport_of(["server", "a\x00b"]))
    assert str(error) == "Cannot start 'server': embedded null byte"


# --- programs that end at once ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code", "tail", "hint"),
    [
        ("sys.exit(3)", 3, "", ""),
        ("sys.exit('no licence')", 1, "no licence", ""),
        ("say('usage: shop [-h]'); sys.exit(2)", 2, "usage: shop [-h]", ""),
        ("print('usage: shop [-h]')", 0, "", "It wrote to stdout, where messages belong: usage: shop [-h]"),
        ("os.kill(os.getpid(), 9)", -9, "", ""),
    ],
)
async def test_a_program_that_ends_at_once(body: str, code: int, tail: str, hint: str) -> None:
    """D01: with its status, and what it said, wherever it said it."""
    error = await failure(transport_of(scripted(body)))
    assert isinstance(error, ServerExited)
    assert (error.code, error.stderr_tail, error.hint) == (code, tail, hint)


async def test_grandchildren_that_hold_the_streams_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """D09: one that has left the group for a daemon's life does not keep a dead server from being dead."""
    require_linux("setsid")
    monkeypatch.setattr(child, "_LAST_WORDS_S", 0.1)
    body = """
import subprocess
daemon = subprocess.Popen(["sleep", "60"], start_new_session=True)
answer(json.loads(sys.stdin.readline()), {"daemon": daemon.pid})
sys.exit(4)
"""
    lost = Lost()
    transport = transport_of(scripted(body))
    await transport.start(lost.incoming)
    async with asyncio.timeout(WAIT):
        answer = await transport.request(PING)
        assert isinstance(answer, Response)
        daemon = answer.result["daemon"]
        assert isinstance(daemon, int)
        try:
            await lost.told.wait()
            await transport.aclose()
        finally:
            os.kill(daemon, 9)
    assert [str(error) for error in lost.errors] == ["The server process ended with exit status 4"]


async def test_what_a_dead_server_started_ends_with_it() -> None:
    """STDIO-07: nobody has to close the client for that."""
    require_linux("pidfd")
    body = """
import subprocess
member = subprocess.Popen(["sleep", "60"])
answer(json.loads(sys.stdin.readline()), {"member": member.pid})
os._exit(0)
"""
    lost = Lost()
    transport = transport_of(scripted(body))
    await transport.start(lost.incoming)
    async with asyncio.timeout(WAIT):
        answer = await transport.request(PING)
        assert isinstance(answer, Response)
        member = answer.result["member"]
        assert isinstance(member, int)
        process = os.pidfd_open(member)
        try:
            dead = asyncio.Event()
            asyncio.get_running_loop().add_reader(process, dead.set)
            await dead.wait()
        finally:
            asyncio.get_running_loop().remove_reader(process)
            os.close(process)
        await lost.told.wait()
    await transport.aclose()


# --- again and again --------------------------------------------------------------------------------------------------


def held() -> tuple[int, int, list[str]]:
    """Return descriptors, threads and children of this process, without threads that end when they have been idle."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text("utf-8").split()
    threads = [thread for thread in threading.enumerate() if not thread.name.startswith(("asyncio_", "anyport-"))]
    return len(os.listdir("/proc/self/fd")), len(threads), children  # noqa: PTH208 - a count


async def settled() -> tuple[int, int, list[str]]:
    """Return what is held once the loop's own threads, which wait for children, have seen that they are dead."""
    for thread in threading.enumerate():
        if "waitpid" in thread.name:
            await asyncio.to_thread(thread.join, WAIT)
    return held()


@pytest.mark.parametrize("body", [ECHO, "sys.exit(3)", "os.close(0); os.close(1); time.sleep(60)"])
async def test_nothing_is_left_of_a_server(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """D09, D11: descriptors, threads and children are as before, each time; and it starts again."""
    require_linux("descriptors and children are counted in /proc")
    monkeypatch.setattr(child, "_SILENT_EXIT_S", 0.05)
    transport = transport_of(scripted(body))

    async def cycle() -> None:
        await transport.start(Lost().incoming)
        try:
            assert await transport.request(PING) == Response(1, {})
        except ServerExited:
            assert body != ECHO
        await transport.aclose()

    async with asyncio.timeout(2 * WAIT):
        await cycle()
        before = await settled()
        for _ in range(5):
            await cycle()
        assert await settled() == before


async def test_a_start_that_is_cancelled_leaves_nothing() -> None:
    """D09: wherever in the start it is cancelled, the same transport can be closed and started again."""
    require_linux("descriptors and children are counted in /proc")
    transport = transport_of(scripted(ECHO))
    await transport.start(Lost().incoming)
    await transport.aclose()
    before = await settled()
    for turns in range(6):
        starting = asyncio.create_task(transport.start(Lost().incoming))
        for _ in range(turns):
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        async with asyncio.timeout(WAIT):
            await transport.aclose()
    await transport.start(Lost().incoming)
    assert await transport.request(PING) == Response(1, {})
    await transport.aclose()
    assert await settled() == before


async def test_a_transport_is_opened_once_at_a_time() -> None:
    transport = transport_of(scripted(ECHO))
    await transport.aclose()
    with pytest.raises(ConnectError, match="The client was closed"):
        await transport.request(PING)
    await transport.start(Lost().incoming)
    with pytest.raises(LocalProtocolError, match="await aclose"):
        await transport.start(Lost().incoming)
    await asyncio.gather(transport.aclose(), transport.aclose())
    await transport.start(Lost().incoming)
    await transport.aclose()
