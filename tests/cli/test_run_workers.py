"""`anyport run --workers N`: several processes behind one command."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.test_run import refused
from tests.client.peers import run_command
from tests.drivers.asgi import call, text_of
from tests.drivers.http_server import HttpProcess
from tests.drivers.workers import SERVED, peers
from tests.requirements import require_linux

FILE = """
import sys
from anyport import Server
from anyport.cli.main import main
if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]]))
"""


@pytest.mark.parametrize("by", ["option", "variable"])
def test_several_processes(by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the file runs its server itself: the command line counts, or the environment below it."""
    require_linux("processes")
    (script := tmp_path / "command.py").write_text(FILE, "utf-8")
    options = ["--workers", "2"] if by == "option" else []
    monkeypatch.setenv("ANYPORT_WORKERS", "2" if by == "variable" else "3")
    with HttpProcess(script, str(SERVED), "--http", "0", *options) as server, peers(server.port) as found:
        assert server.process.pid not in found
        for peer in found.values():
            assert text_of(peer.post(call("echo", {"text": "x"})).json) == "x"
        ended = server.ended(server.signal(signal.SIGTERM))
    assert ended.status == 0
    assert ended.stderr.count("[lifespan began]") == 2


def test_a_lifespan_that_fails(tmp_path: Path) -> None:
    require_linux("processes")
    (file := tmp_path / "mine.py").write_text(
        "import contextlib\nfrom anyport import Server\n"
        "@contextlib.asynccontextmanager\n"
        "async def live(server):\n    raise ConnectionError('the database is away')\n    yield\n"
        "server = Server('mine', lifespan=live)\n"
    )
    done = subprocess.run(
        run_command(str(file), "--http", "0", "--workers", "2"), capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 3
    assert "the database is away" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--http", "0", "--workers", "0"], "--workers: a number of processes from 1 to 64, not '0'"),
        (["--http", "0", "--workers", "two"], "--workers: a number of processes from 1 to 64, not 'two'"),
        (["--workers", "2"], "stdio has no workers: name the transport, --http"),
        (["--http", "0", "--sse", "0", "--workers", "2"], "does not go with HTTP+SSE"),
        (["--stdio", "--http", "0", "--workers", "2"], "goes with http alone, not with stdio"),
    ],
)
def test_what_cannot_be(arguments: list[str], reason: str) -> None:
    assert reason in refused(SERVED, *arguments)


def test_a_variable_that_cannot_be() -> None:
    assert refused(SERVED, "--http", "0", ANYPORT_WORKERS="many").startswith("ANYPORT_WORKERS: a number of processes")
