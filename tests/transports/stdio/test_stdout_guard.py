"""Not one foreign byte on stdout (S03, D08, STDIO-02): every line that the driver reads has to be a message."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.drivers.stdio import Ended, Era, StdioProcess, asyncio_only, call, environment, handshake
from tests.requirements import require_linux

NOISY = Path(__file__).parent / "servers" / "noisy.py"
# Each tool, and what of its noise has to be on stderr at the end.
NOISE = {
    "by_print": "printed by a plain tool\n",
    "by_print_async": "printed by an async tool",
    "by_thread": "printed by a thread\n",
    "by_descriptor": "written to 1\nwritten to a path\n",
    "by_buffer": "written to the buffer\n",
    "by_child": "echoed by a child\n",
    "by_async_child": "echoed by an async child\n",
    "by_fork": "printed by a fork\n",
    "by_logging": "logged to stdout\n",
    "ask_user": "what now? ",
}
WARNING = "wrote to stdout, which belongs to the protocol"


def make_all_noise(server: StdioProcess, era: Era) -> Ended:
    """Call every noisy tool, one after the other and then all at once, and end the server."""
    if era == "legacy":
        server.send(*handshake())
        server.answer("hello")
    flushed = [{"flush": False}, {"flush": True}]
    for name in NOISE:
        server.send(call(name, name, era=era))
        server.answer(name)
    at_once = [name for name in NOISE if name != "by_fork"]  # to fork beside busy threads is the author's own risk
    server.send(*(call(name, name, era=era) for name in at_once))
    server.send(*(call(number, "by_c", {**arguments}, era) for number, arguments in enumerate(flushed)))
    for request_id in (*at_once, 0, 1):
        server.answer(request_id)
    return server.end()


@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize("mode", ["plain", "named"])
def test_whoever_writes_to_stdout_it_goes_to_stderr(mode: str, era: Era) -> None:
    """S01, S03, D08, STDIO-02, STDIO-03: print, descriptors, C, children, forks, at import, in a call, at exit."""
    with StdioProcess(NOISY, mode) as server:
        ended = make_all_noise(server, era)
    assert (ended.status, ended.messages) == (0, [])
    for noise in (*NOISE.values(), "printed at import", "put by C at import", "printed at exit"):
        assert noise in ended.stderr
    assert "put by C in a call, flushed: 0" in ended.stderr
    assert "put by C in a call, flushed: 1" in ended.stderr
    assert ended.stderr.count(WARNING) == 1
    line = 1 + NOISY.read_text().splitlines().index('    print("printed by a plain tool")')
    assert f"anyport: {NOISY}:{line} {WARNING}" in ended.stderr


def test_without_uvloop_too() -> None:
    """S03: the event loop makes no difference."""
    with StdioProcess(asyncio_only(NOISY)) as server:
        assert make_all_noise(server, "modern").status == 0


def test_unbuffered_python(tmp_path: Path) -> None:
    """S03: PYTHONUNBUFFERED makes every print a write; from `run` on that changes nothing."""
    script = tmp_path / "server.py"
    script.write_text(NOISY.read_text().replace('print("printed at import"', 'print("at import", file=sys.stderr'))
    script.write_text(script.read_text().replace('libc.puts(b"put by C at import")', ""))
    with StdioProcess(script, env=environment(PYTHONUNBUFFERED="1")) as server:
        ended = make_all_noise(server, "modern")
    assert (ended.status, ended.messages) == (0, [])


def test_strict_mode_names_file_and_line() -> None:
    """D08: a print in a tool is an error that says where."""
    with StdioProcess(NOISY, "strict") as server:
        server.send(call(1, "by_print"), call(2, "by_print_async"), call(3, "by_logging"), call(4, "by_descriptor"))
        for request_id in (1, 2):
            answer = server.answer(request_id)
            assert answer.result is not None
            assert answer.result.is_error
            assert re.search(rf"{re.escape(str(NOISY))}:\d+ {WARNING}", answer.text)
        server.answer(3)
        server.answer(4)
        ended = server.end()
    assert ended.status == 0
    # The handler of the logging package is not to blame: who uses it is.
    line = 1 + NOISY.read_text().splitlines().index(
        '    handler.emit(logging.makeLogRecord({"msg": "logged to stdout"}))'
    )
    assert f"{NOISY}:{line} {WARNING}" in ended.stderr
    assert "printed at exit" in ended.stderr


def test_children_get_neither_end_of_the_wire() -> None:
    """D08: a child that reads stdin sees its end at once, and inherits no private descriptor; so does `input()`."""
    require_linux("/proc/self/fd")
    with StdioProcess(NOISY) as server:
        server.send(call(1, "descriptors_of_child"), call(2, "ask_user"), call(3, "by_print"))
        # 3 is the listing of the directory itself.
        assert server.answer(1).text == "[0, 1, 2, 3] ''"
        assert "EOFError" in server.answer(2).text
        server.answer(3)
        assert server.end().messages == []


def test_forks_get_neither_end_of_the_wire() -> None:
    """D08: a process that is forked without an exec has let go of both, so it cannot keep the client waiting."""
    require_linux("/proc/self/fd")
    with StdioProcess(NOISY) as server:
        server.send(call(1, "descriptors_of_fork"))
        found = server.answer(1).text
        for stream in (server.process.stdin, server.process.stdout):
            assert stream is not None
            wire = str(Path(f"/proc/self/fd/{stream.fileno()}").readlink())
            assert wire.startswith("pipe:")
            assert wire not in found
        assert str(Path(f"/proc/{server.pid}/fd/2").readlink()) in found


def test_stdout_still_is_a_text_stream() -> None:
    """S03: what authors and libraries ask of sys.stdout still answers."""
    with StdioProcess(NOISY) as server:
        server.send(call(1, "reconfigure"))
        assert server.answer(1).text == "utf-8 False 1 <stdout>"


@pytest.mark.parametrize("closing", ["2>&-", "2>/dev/null"])
def test_without_stderr(closing: str) -> None:
    """D23, sdk#2551: stderr closed at the start harms nobody, and no stream of the protocol gets its number."""
    line = f'exec "{sys.executable}" "{NOISY}" {closing}'
    with StdioProcess(["/bin/sh", "-c", line]) as server:
        if sys.platform == "linux":
            server.send(*(call(number, "where", {"descriptor": number}) for number in range(3)))
            assert [server.answer(number).text for number in range(3)] == ["/dev/null"] * 3
        ended = make_all_noise(server, "modern")
    assert (ended.status, ended.messages, ended.stderr) == (0, [], "")


def test_a_stderr_that_the_author_has_closed() -> None:
    """D23: neither the warning nor the prints make a tool fail."""
    with StdioProcess(NOISY, "no stderr") as server:
        server.send(call(1, "by_print"), call(2, "by_print"))
        assert (server.answer(1).text, server.answer(2).text) == ("done", "done")
        ended = server.end()
    assert (ended.status, ended.messages) == (0, [])


def test_a_stderr_that_the_client_has_closed() -> None:
    """D23: what nobody reads makes no tool fail, and the server ends as it should."""
    ours, theirs = os.pipe()
    os.close(ours)
    with StdioProcess(NOISY, stderr=theirs) as server:
        os.close(theirs)
        for name in ("by_print", "by_print_async", "by_thread", "by_logging"):
            server.send(call(name, name), call(name + "!", name))
            assert (server.answer(name).text, server.answer(name + "!").text) == ("done", "done")
        ended = server.end()
    assert (ended.status, ended.messages) == (0, [])


def test_a_stderr_that_nobody_reads() -> None:
    """adr/0006, D23: neither prints nor log lines on the loop hold the server up; who reads later sees the gap."""
    ours, theirs = os.pipe()
    with os.fdopen(ours, "rb") as output, StdioProcess(NOISY, stderr=theirs) as server:
        os.close(theirs)
        server.send(call(1, "by_the_megabyte", {"count": 10_000}), call(2, "by_print"))
        assert (server.answer(1).text, server.answer(2).text) == ("done", "done")
        held = output.read1(2**20)
        server.send(call(3, "by_the_megabyte", {"count": 1}))
        server.answer(3)
        ended = server.end()
        rest = held + output.read()
    assert (ended.status, ended.messages) == (0, [])
    assert re.search(rb"anyport: \d{7} bytes were dropped here: nobody read stderr\n0000000x+\n0000000y+\n", rest)
    assert len(rest) < 2**20


def test_a_stderr_that_is_read_gets_everything() -> None:
    """D08: nothing is dropped where the client reads, however much it is."""
    with StdioProcess(NOISY) as server:
        server.send(call(1, "by_the_megabyte", {"count": 5_000}))
        server.answer(1)
        ended = server.end()
    lines = ended.stderr.splitlines()
    for filler in "xy":
        assert [int(line[:7]) for line in lines if line.endswith(filler * 50)] == list(range(5_000))


def test_stderr_into_stdout() -> None:
    """A client that merges the two gets both, unbroken: there is nowhere else for the noise to go."""
    line = f'exec "{sys.executable}" "{NOISY}" 2>&1'
    ran = subprocess.run(
        ["/bin/sh", "-c", line], input=call(1, "by_print") + b"\n", capture_output=True, env=environment(), timeout=20
    )
    lines = ran.stdout.splitlines()
    assert ran.returncode == 0
    assert b"printed by a plain tool" in lines
    assert sum(line.startswith(b'{"jsonrpc":"2.0","id":1,"result"') for line in lines) == 1


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_without_stdin_or_stdout_it_says_so(closed: str) -> None:
    """A process without the two streams cannot serve: the error names them."""
    ran = subprocess.run(
        ["/bin/sh", "-c", f'exec "{sys.executable}" "{NOISY}" strict {closed}'],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(),
        timeout=60,
        text=True,
    )
    assert ran.returncode == 1
    assert "LocalProtocolError: The stdio transport needs a standard input and output" in ran.stderr


INSTALLED_FIRST = """
import runpy, sys
from anyport.transports.stdio.stdout_guard import StdoutGuard
StdoutGuard.install()
del sys.argv[0]
runpy.run_path(sys.argv[0], None, "__main__")
"""


@pytest.mark.parametrize(
    "command",
    [["-m", "anyport", "run"], ["-m", "anyport", "run", "--stdio"], ["-c", INSTALLED_FIRST]],
    ids=["run", "run --stdio", "by hand"],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_installed_before_the_import_it_guards_the_import(command: list[str], unbuffered: str, tmp_path: Path) -> None:
    """S03, D08: `anyport run` covers the import of the file, too: even what is flushed there goes to stderr."""
    script = tmp_path / "server.py"
    noise = "print('flushed', flush=True); os.write(1, b'written'); os.system('echo echoed')"
    script.write_text(NOISY.read_text().replace('print("printed at import"', f'{noise}\nprint("printed at import"'))
    with StdioProcess([sys.executable, *command, str(script)], env=environment(PYTHONUNBUFFERED=unbuffered)) as server:
        ended = make_all_noise(server, "modern")
    assert (ended.status, ended.messages) == (0, [])
    for noise in ("flushed\n", "written", "echoed\n", "printed at import", "printed at exit"):
        assert noise in ended.stderr


def test_strict_may_be_asked_for_later() -> None:
    """D08: the guard that `anyport run` installed becomes strict where the author's `run` says so."""
    with StdioProcess([sys.executable, "-c", INSTALLED_FIRST, str(NOISY), "strict"]) as server:
        server.send(call(1, "by_print"))
        assert WARNING in server.answer(1).text


def test_the_streams_are_served_once(tmp_path: Path) -> None:
    """A second `run` in the process says what is wrong."""
    script = tmp_path / "server.py"
    script.write_text("from anyport import Server\nserver = Server('twice')\nserver.run()\nserver.run()\n")
    with StdioProcess(script) as server:
        ended = server.end()
    assert ended.status == 1
    assert "LocalProtocolError: The standard streams of this process were served before" in ended.stderr
