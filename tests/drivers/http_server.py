"""An HTTP server as a child process, and a peer that sends it bytes as they are: no HTTP library in between.

with HttpProcess(script) as server, HttpPeer(server.port) as peer:
    assert peer.post(call("add", {"a": 1, "b": 2})).status == 200
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

import msgspec

from anyport.protocol.types.json import JsonObject, JsonValue
from tests.drivers.asgi import Headers, usual_headers
from tests.drivers.stdio import PATIENCE, environment
from tests.drivers.stopwatch import Stopwatch

_LISTENS = re.compile(rb"serves MCP at http://(\[?[^]\s]+\]?):(\d+)(\S*)")
Fields = Iterable[tuple[str, str]]


class HttpEnded(msgspec.Struct):
    """A process that has ended: its status, how long that took by its `Stopwatch`, and what it wrote to stderr."""

    status: int
    seconds: float
    stderr: str


class HttpProcess:
    """A server whose file calls ``run(transport="http", port=0)``.

    Args:
        script: The file.
        *arguments: Its arguments.
        listens: Whether to wait until it says where it listens.

    Attributes:
        host: Where it listens, without brackets.
        port: The port.
        path: The path of the endpoint.
    """

    def __init__(self, script: Path, *arguments: str, listens: bool = True) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(script), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        self._stderr = bytearray()
        self._said = threading.Condition()
        self._thread = threading.Thread(target=self._read_stderr, daemon=True)
        self._thread.start()
        self.host, self.port, self.path = "", 0, ""
        if listens:
            self._find_address()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self._thread.join(PATIENCE)
        cast("IO[bytes]", self.process.stderr).close()
        if error is not None:
            error.add_note(f"stderr of the server:\n{self.stderr}")

    @property
    def stderr(self) -> str:
        """What it wrote to stderr so far."""
        with self._said:
            return self._stderr.decode(errors="replace")

    def signal(self, number: int) -> Stopwatch:
        """Send a signal; what is returned is for `ended`."""
        watch = Stopwatch(self.process)
        self.process.send_signal(number)
        return watch

    def ended(self, since: Stopwatch | None = None) -> HttpEnded:
        """Wait for the end."""
        took = (since or Stopwatch(self.process)).stop(PATIENCE)
        status = self.process.wait()
        self._thread.join(PATIENCE)
        return HttpEnded(status, took, self.stderr)

    def says(self, text: str, times: int = 1) -> None:
        """Wait until the server has written a text to stderr so many times."""
        with self._said:
            found = self._said.wait_for(lambda: self._stderr.count(text.encode()) >= times, PATIENCE)
            assert found, self._stderr

    def _find_address(self) -> None:
        with self._said:
            self._said.wait_for(lambda: _LISTENS.search(self._stderr) or self.process.poll() is not None, PATIENCE)
            found = _LISTENS.search(self._stderr)
        if found is None:
            with self:
                raise AssertionError(f"the server does not listen: {self.stderr}")
        self.host, self.port, self.path = found[1].decode().strip("[]"), int(found[2]), found[3].decode()

    def _read_stderr(self) -> None:
        descriptor = cast("IO[bytes]", self.process.stderr).fileno()
        while chunk := os.read(descriptor, 1 << 16):
            with self._said:
                self._stderr += chunk
                self._said.notify_all()
        with self._said:
            self._said.notify_all()


class HttpAnswer(msgspec.Struct):
    """An HTTP answer, or its head.

    Attributes:
        status: HTTP status.
        headers: Its fields, names in lower case.
        body: The body, chunks put together.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> JsonObject:
        """The body as a JSON object."""
        return cast("JsonObject", json.loads(self.body))

    @property
    def code(self) -> JsonValue:
        """The JSON-RPC code of an error in the body."""
        return cast("JsonObject", self.json["error"])["code"]


class HttpPeer:
    """One connection.

    Args:
        port: Where to connect.
        host: On which address.
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection((host, port), PATIENCE)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave."""
        self._file.close()
        self.socket.close()

    def send(self, *pieces: bytes) -> None:
        """Send bytes as they are."""
        for piece in pieces:
            self.socket.sendall(piece)

    def post(self, message: JsonValue | bytes, headers: Headers | None = None, path: str = "/mcp") -> HttpAnswer:
        """Send a message as a well-behaved client does, with changes to its header fields, and wait for the answer."""
        self.begin(message, headers, path)
        return self.answer()

    def begin(self, message: JsonValue | bytes, headers: Headers | None = None, path: str = "/mcp") -> None:
        """Send a message as a well-behaved client does, with changes to its header fields."""
        fields = {**usual_headers(message), **(headers or {})}
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.send(
            head("POST", path, [(name, value) for name, value in fields.items() if value is not None], body) + body
        )

    def answer(self) -> HttpAnswer:
        """Wait for a whole answer."""
        found = self.head()
        while found.status == 100:
            found = self.head()
        if "content-length" in found.headers:
            found.body = self._exactly(int(found.headers["content-length"]))
        elif found.headers.get("transfer-encoding") == "chunked":
            while chunk := self.chunk():
                found.body += chunk
        return found

    def head(self) -> HttpAnswer:
        """Wait for the head of an answer."""
        line = self._file.readline()
        assert line, "the server closed the connection"
        status = int(line.split(b" ")[1])
        fields: dict[str, str] = {}
        while line := self._file.readline().rstrip(b"\r\n"):
            name, _, value = line.decode("latin-1").partition(":")
            fields[name.lower()] = value.strip()
        return HttpAnswer(status, fields, b"")

    def chunk(self) -> bytes:
        """Wait for a chunk of a body; empty at its end."""
        data = self._exactly(int(self._file.readline(), 16))
        self._file.readline()
        return data

    def is_closed(self) -> bool:
        """Wait for the next byte and tell whether it is the end of the connection."""
        try:
            return not self._file.read(1)
        except ConnectionError:
            return True

    def _exactly(self, size: int) -> bytes:
        data = self._file.read(size)
        assert len(data) == size, f"the body ended after {len(data)} of {size} bytes"
        return data


def head(method: str, target: str, fields: Fields, body: bytes | None = None) -> bytes:
    """Return the head of a request; a length is added for a body, unless there is one."""
    given: Sequence[tuple[str, str]] = list(fields)
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in given)]
    if body is not None and not any(name in ("content-length", "transfer-encoding") for name, _ in given):
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
