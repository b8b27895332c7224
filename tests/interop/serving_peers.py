"""Servers made with other libraries, started as a user would, for the tests of the client."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Final, Literal, TypeAlias

import pytest

from tests.interop.runs import environment
from tests.requirements import Environment, interop_python

START_LIMIT_S: Final = 40.0
STOP_LIMIT_S: Final = 5.0
PEERS = Path(__file__).with_name("peers")

HttpTransport: TypeAlias = Literal["http", "sse"]
_PATHS: Final[Mapping[HttpTransport, str]] = {"http": "/mcp", "sse": "/sse"}
_LISTENS: Final = re.compile(r"running on|listening on|is running", re.IGNORECASE)


def peer_command(peer: Environment) -> list[str]:
    """Return the command of the server of a peer, on stdio."""
    return [str(interop_python(peer)), str(PEERS / f"{peer}_server.py")]


@contextmanager
def served(command: Sequence[str], transport: HttpTransport, variables: Mapping[str, str], port: int) -> Generator[str]:
    """Run a server over HTTP for as long as the context lasts.

    Args:
        command: What starts it.
        transport: What it serves; says the path.
        variables: More of its environment.
        port: Where it listens.

    Yields:
        The URL of its endpoint.
    """
    with subprocess.Popen(
        command,
        env={**environment(), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            _await_start(process.stderr)
            yield f"http://127.0.0.1:{port}{_PATHS[transport]}"
        finally:
            process.terminate()
            try:
                process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _await_start(stream: IO[str]) -> None:
    said: SimpleQueue[bool] = SimpleQueue()
    lines: list[str] = []

    def read() -> None:
        # To its end, so that the pipe never fills.
        for line in stream:
            lines.append(line)
            if _LISTENS.search(line):
                said.put(True)
        said.put(False)

    threading.Thread(target=read, daemon=True).start()
    try:
        started = said.get(timeout=START_LIMIT_S)
    except Empty:
        started = False
    if not started:
        pytest.fail(f"the server does not listen:\n{''.join(lines)}", pytrace=False)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
