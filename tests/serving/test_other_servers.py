"""granian and hypercorn serve `server.asgi()` as uvicorn does: calls, streams, sessions, leaving, lifespan (D03)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import IO, Self, cast

import pytest

from tests.drivers.asgi import call, initialize, legacy, text_of
from tests.drivers.http_server import HttpPeer
from tests.drivers.stdio import PATIENCE, environment

HERE = Path(__file__).parent
COMMANDS = {
    "granian": ["-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}", "hosted:app"],
    "hypercorn": ["-m", "hypercorn", "--bind", "127.0.0.1:{port}", "hosted:app"],
}
READY = {"granian": "Started worker", "hypercorn": "Running on"}
"""What each says once a signal ends it in good order."""


class Host:
    """A server of another kind, as a process."""

    def __init__(self, kind: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        command = [part.format(port=self.port) for part in COMMANDS[kind]]
        self.process = subprocess.Popen(
            [sys.executable, *command],
            cwd=HERE,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._ready = READY[kind]
        self.output = b""
        self._said = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        self.says("[started]")
        self.says(self._ready)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                assert time.monotonic() < deadline, self.output

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        self._thread.join(PATIENCE)
        cast("IO[bytes]", self.process.stdout).close()

    def says(self, text: str) -> None:
        """Wait until it has written a text."""
        with self._said:
            found = self._said.wait_for(lambda: text.encode() in self.output, PATIENCE)
        assert found, self.output.decode()

    def _read(self) -> None:
        descriptor = cast("IO[bytes]", self.process.stdout).fileno()
        while chunk := os.read(descriptor, 1 << 16):
            with self._said:
                self.output += chunk
                self._said.notify_all()


@pytest.fixture(scope="module", params=COMMANDS)
def host(request: pytest.FixtureRequest) -> Generator[Host]:
    """One server for all tests of its kind."""
    with Host(request.param) as running:
        yield running


def test_calls_on_one_connection(host: Host) -> None:
    with HttpPeer(host.port) as peer:
        for number in range(5):
            answer = peer.post(call("add", {"a": number, "b": 1}, request_id=number))
            assert (answer.status, answer.json["id"], text_of(answer.json)) == (200, number, str(number + 1))
        assert len(peer.post(call("big", {"size": 500_000})).body) > 500_000
        assert peer.post(b"{").status == 400


def test_a_stream(host: Host) -> None:
    """Progress comes before the result."""
    with HttpPeer(host.port) as peer:
        peer.begin(call("last", {"seconds": 0.2}, _meta={"progressToken": 1}))
        assert peer.head().headers["content-type"] == "text/event-stream"
        first = peer.chunk()
        assert b"progress" in first
        assert b"done" not in first
        rest = b""
        while chunk := peer.chunk():
            rest += chunk
        assert b"done" in rest


def test_a_client_that_leaves_ends_its_call(host: Host) -> None:
    """HTTP-10."""
    with HttpPeer(host.port) as peer:
        peer.begin(call("last", {"seconds": 60}, _meta={"progressToken": 1}))
        peer.head()
        assert b"progress" in peer.chunk()
    host.says("[cancelled]")


def test_a_session(host: Host) -> None:
    """A legacy session, opened, used and ended."""
    with HttpPeer(host.port) as peer:
        fields = {"mcp-session-id": peer.post(initialize()).headers["mcp-session-id"]}
        assert peer.post(legacy("notifications/initialized", request_id=None), fields).status == 202
        answer = peer.post(legacy("tools/call", {"name": "add", "arguments": {"a": 1, "b": 1}}), fields)
        assert answer.status == 200
        assert b'"2"' in answer.body
        peer.send(
            f"DELETE /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nmcp-session-id: {fields['mcp-session-id']}\r\n\r\n".encode()
        )
        assert peer.head().status == 204
    with HttpPeer(host.port) as peer:
        assert peer.post(legacy("tools/list"), fields).status == 404


@pytest.mark.parametrize("kind", COMMANDS)
def test_its_lifespan_ends(kind: str) -> None:
    with Host(kind) as host:
        with HttpPeer(host.port) as peer:
            # granian passes the signal on to a worker, which does not hear it before it serves.
            assert peer.post(call("add", {"a": 1, "b": 1})).status == 200
        host.process.send_signal(signal.SIGTERM)
        host.says("[ended]")
        host.process.wait(PATIENCE)
