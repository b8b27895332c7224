"""A client that does not read stops nobody but itself, and costs a bounded amount of memory (D11, D19)."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from anyport.protocol.types.json import JsonObject
from tests.drivers.stdio import PATIENCE, StdioProcess, asyncio_only, call, request
from tests.requirements import require_linux

WORKING = Path(__file__).parent.parent / "transports" / "stdio" / "servers" / "working.py"
LOOPS = pytest.mark.parametrize(
    "command", [[sys.executable, str(WORKING)], asyncio_only(WORKING)], ids=["uvloop", "asyncio"]
)
MEBIBYTE = 2**20


def resident(server: StdioProcess) -> int:
    """Return the most bytes of memory that a server has ever had at once."""
    status = Path(f"/proc/{server.pid}/status").read_text(encoding="ascii")
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


@LOOPS
def test_the_loop_goes_on(command: list[str], tmp_path: Path) -> None:
    """A call in flight runs on while the answer to another is stuck in the pipe."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with StdioProcess(command, reading=False) as server:
        server.send(call(1, "wait_until", {"path": str(gate)}), call(2, "big", {"size": 8 * MEBIBYTE}))
        assert server.process.stdout is not None
        assert os.read(server.process.stdout.fileno(), 1) == b"{"
        gate.write_text("opened")
        server.says("[opened]")
        server.read_output(b"{")
        assert len(server.answer(2).text) == 8 * MEBIBYTE
        assert server.answer(1).text == "opened"
        assert server.end().status == 0


@LOOPS
def test_requests_wait_in_the_pipe(command: list[str]) -> None:
    """Above 1 MiB of unread answers nothing more is read, so that they do not all become memory."""
    require_linux("peak memory in /proc")
    count, size = 5_000, 64 * 1024
    with StdioProcess(command, reading=False) as server:
        server.send(call(-1, "say", {"text": "before"}))
        server.says("[before]")
        before = resident(server)
        writer = threading.Thread(target=lambda: server.send(*(call(n, "big", {"size": size}) for n in range(count))))
        writer.start()
        server.read_output()
        server.answer(-1)
        answers = [server.receive() for _ in range(count)]
        writer.join(PATIENCE)
        # One chunk of input is served before reading stops: 256 calls of it, the others are busy. A result says its
        # text twice, and while it is made it exists several times.
        assert resident(server) - before < 4 * 256 * 2 * size
        assert sorted(str(answer.id) for answer in answers) == sorted(map(str, range(count)))
        assert {answer.code for answer in answers if answer.error is not None} <= {429}
        ended = server.end()
    assert (ended.status, ended.messages) == (0, [])


@LOOPS
@pytest.mark.parametrize("tool", ["flood", "flood_sync"])
def test_notifications_wait_for_the_reader(tool: str, command: list[str]) -> None:
    """PRG-02: a tool that reports faster than the client reads is held up, on the loop and on a thread."""
    require_linux("peak memory in /proc")
    count, size = 4_000, 16 * 1024
    params: JsonObject = {"name": tool, "arguments": {"count": count, "size": size}, "_meta": {"progressToken": "t"}}
    with StdioProcess(command, reading=False) as server:
        server.send(call(1, "say", {"text": "before"}))
        server.says("[before]")
        before = resident(server)
        server.send(request(2, "tools/call", params), call(3, "say", {"text": "meanwhile"}))
        server.says("[meanwhile]")
        server.read_output()
        reported = 0
        while (message := server.receive()).id != 2:
            reported += message.method == "notifications/progress"
        assert reported == count
        assert resident(server) - before < 32 * MEBIBYTE
        ended = server.end()
    assert ended.status == 0


def test_at_the_end_of_input_the_reader_gets_its_time() -> None:
    """D07: what is answered is written out though the client is slow to read; for `write_s` at most."""
    with StdioProcess(WORKING, reading=False) as server:
        server.send(call(1, "big", {"size": 8 * MEBIBYTE}), call(2, "say", {"text": "done"}))
        server.says("[done]")
        server.close_input()
        server.read_output()
        assert len(server.answer(1).text) == 8 * MEBIBYTE
        server.answer(2)
        assert server.end().status == 0
    with StdioProcess(WORKING, "write_s=0.2", reading=False) as server:
        server.send(call(1, "big", {"size": 8 * MEBIBYTE}))
        server.close_input()
        # Twice: what it has not read yet is not known to be the end of the input.
        server.process.wait(0.4 + 10)
        assert server.process.returncode == 0
