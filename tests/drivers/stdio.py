"""A raw driver for stdio servers: a child process, lines in, lines out, no MCP library in between.

    with StdioProcess([sys.executable, "server.py"]) as server:
        server.send(call(1, "add", {"a": 1, "b": 2}))
        assert server.answer(1).text == "3"
        assert server.end().status == 0

Every wait is bounded by `PATIENCE`, and every line that ever comes must be a JSON-RPC message: one foreign byte on
stdout fails the test that sees it.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Literal, Self, TypeVar

import msgspec

from anyport.protocol.types.json import JsonObject, JsonValue
from tests.drivers.stopwatch import Stopwatch

PATIENCE: Final = 15.0
"""Seconds after which something that should happen is said not to happen."""

SOURCE: Final = Path(__file__).resolve().parent.parent.parent / "src"
META: Final[JsonObject] = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
Era = Literal["modern", "legacy"]
_WITHOUT_UVLOOP: Final = """
import runpy, sys
sys.modules["uvloop"] = None
del sys.argv[0]
runpy.run_path(sys.argv[0], {}, "__main__")
"""
T = TypeVar("T")


class Content(msgspec.Struct):
    """A content block, as far as tests look at it."""

    type: str
    text: str = ""


class Result(msgspec.Struct, rename="camel"):
    """A result of any method, as far as tests look at it."""

    content: list[Content] = []
    is_error: bool = False
    result_type: str | None = None
    protocol_version: str | None = None
    input_requests: JsonObject = {}
    request_state: str | None = None


class Error(msgspec.Struct):
    """A JSON-RPC error."""

    code: int
    message: str
    data: JsonValue = None


class Message(msgspec.Struct):
    """Any message of a server."""

    jsonrpc: Literal["2.0"]
    id: int | str | None = None
    method: str | None = None
    params: JsonObject = {}
    result: Result | None = None
    error: Error | None = None

    @property
    def text(self) -> str:
        """Text of a tool's result."""
        assert self.result is not None, f"no result: {self}"
        return "".join(block.text for block in self.result.content)

    @property
    def code(self) -> int:
        """Code of an error."""
        assert self.error is not None, f"no error: {self}"
        return self.error.code


class Ended(msgspec.Struct):
    """A process that has ended.

    Attributes:
        status: Exit status; negative for a signal.
        seconds: Time from the call of `StdioProcess.end` or `StdioProcess.signal`, by its `Stopwatch`.
        messages: What came that nobody had asked for yet.
        stderr: All that it wrote to stderr.
    """

    status: int
    seconds: float
    messages: list[Message]
    stderr: str


def environment(**extra: str) -> dict[str, str]:
    """Return this process's variables without those that change how Python starts, and the source tree on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONPATH": str(SOURCE), **extra}


def asyncio_only(script: Path) -> list[str]:
    """Return the command that runs a script as if uvloop were not installed."""
    return [sys.executable, "-c", _WITHOUT_UVLOOP, str(script)]


# --- what is sent -----------------------------------------------------------------------------------------------------


def request(request_id: int | str, method: str, params: JsonObject | None = None, era: Era = "modern") -> bytes:
    """Encode a request, without its newline."""
    whole: JsonObject = dict(params or {})
    if era == "modern":
        whole["_meta"] = {**META, **_object(whole.get("_meta"))}
    return _encode({"jsonrpc": "2.0", "id": request_id, "method": method, "params": whole})


def call(request_id: int | str, tool: str, arguments: JsonObject | None = None, era: Era = "modern") -> bytes:
    """Encode the call of a tool."""
    return request(request_id, "tools/call", {"name": tool, "arguments": arguments or {}}, era)


def cancel(request_id: JsonValue) -> bytes:
    """Encode the cancellation of a request."""
    params: JsonObject = {"requestId": request_id, "reason": "test"}
    return _encode({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})


def handshake(request_id: int | str = "hello", version: str = "2025-11-25") -> list[bytes]:
    """Encode the two messages that open a legacy session."""
    params: JsonObject = {
        "protocolVersion": version,
        "capabilities": {},
        "clientInfo": {"name": "driver", "version": "1"},
    }
    return [
        request(request_id, "initialize", params, "legacy"),
        _encode({"jsonrpc": "2.0", "method": "notifications/initialized"}),
    ]


def _encode(value: JsonObject) -> bytes:
    return msgspec.json.encode(value)


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


# --- the process ------------------------------------------------------------------------------------------------------


class StdioProcess:
    """A stdio server as a child process.

    Args:
        command: Program and arguments, or a Python file.
        env: Its environment; default `environment()`.
        stdin: Its standard input instead of a pipe: a descriptor or an open file.
        stderr: Its standard error instead of a pipe that is read.
        reading: Whether its output is read from the start; else `read_output` begins to.
    """

    def __init__(
        self,
        command: Sequence[str] | Path,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        stdin: int | IO[bytes] = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
        reading: bool = True,
    ) -> None:
        line = [sys.executable, str(command)] if isinstance(command, Path) else list(command)
        self.process = subprocess.Popen(
            [*line, *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment() if env is None else env,
        )
        self.pid = self.process.pid
        self._kept: list[Message] = []
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._stderr = bytearray()
        self._said = threading.Condition()
        self._threads: list[threading.Thread] = []
        if stderr == subprocess.PIPE:
            self._start(self._read_stderr)
        if reading:
            self.read_output()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        for thread in self._threads:
            thread.join(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        if error is not None:
            error.add_note(f"stderr of the server:\n{self.stderr}")

    @property
    def stderr(self) -> str:
        """What it wrote to stderr so far."""
        with self._said:
            return self._stderr.decode(errors="replace")

    def send(self, *messages: bytes) -> None:
        """Write messages, each with a newline, in one system call as far as the pipe takes it."""
        self.write(b"".join(message + b"\n" for message in messages))

    def write(self, data: bytes) -> None:
        """Write bytes as they are."""
        assert self.process.stdin is not None
        view = memoryview(data)
        while view:
            view = view[os.write(self.process.stdin.fileno(), view) :]

    def receive(self, seconds: float = PATIENCE) -> Message:
        """Return the next message that was not taken yet.

        Raises:
            AssertionError: None came in time, the output ended, or what came is no message.
        """
        return self._kept.pop(0) if self._kept else self._next(time.monotonic() + seconds)

    def receive_batch(self, seconds: float = PATIENCE) -> list[Message]:
        """Return the next line, which has to be a batch; nothing else may have been kept before."""
        assert not self._kept
        return _decode(self._line(time.monotonic() + seconds), list[Message])

    def answer(self, request_id: int | str, seconds: float = PATIENCE) -> Message:
        """Return the answer to a request; what else comes meanwhile is kept for `receive`."""
        deadline = time.monotonic() + seconds
        for index, message in enumerate(self._kept):
            if message.id == request_id:
                return self._kept.pop(index)
        while (message := self._next(deadline)).id != request_id:
            self._kept.append(message)
        return message

    def says(self, text: str, times: int = 1, seconds: float = PATIENCE) -> None:
        """Wait until the server has written a text to stderr so many times."""
        with self._said:
            assert self._said.wait_for(lambda: self._stderr.count(text.encode()) >= times, seconds), (
                f"{text!r} did not come on stderr: {bytes(self._stderr)!r}"
            )

    def read_output(self, begun: bytes = b"") -> None:
        """Begin to read stdout.

        Args:
            begun: What the test has read itself.
        """
        self._start(lambda: self._read_stdout(begun))

    def close_input(self) -> None:
        """Close the server's stdin."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def close_output(self) -> None:
        """Close our end of the server's stdout; only before `read_output`."""
        assert self.process.stdout is not None
        self.process.stdout.close()

    def signal(self, number: int, seconds: float = PATIENCE) -> Ended:
        """Send a signal and wait for the end."""
        watch = Stopwatch(self.process)
        self.process.send_signal(number)
        return self._wait(watch, seconds)

    def end(self, seconds: float = PATIENCE) -> Ended:
        """Close stdin, if that was not done yet, and wait for the end."""
        watch = Stopwatch(self.process)
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()
        return self._wait(watch, seconds)

    def _start(self, read: Callable[[], None]) -> None:
        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _wait(self, watch: Stopwatch, seconds: float) -> Ended:
        took = watch.stop(seconds)
        status = self.process.wait()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "the server has ended, but somebody still holds its stdout or stderr"
        while not self._lines.empty() and (line := self._lines.get_nowait()) is not None:
            self._kept.append(_decode(line, Message))
        kept, self._kept = self._kept, []
        self._lines.put(None)
        return Ended(status, took, kept, self.stderr)

    def _next(self, deadline: float) -> Message:
        return _decode(self._line(deadline), Message)

    def _line(self, deadline: float) -> bytes:
        try:
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise AssertionError(f"no message came; stderr: {self.stderr}") from None
        if line is None:
            self._lines.put(None)
            raise AssertionError(f"the output ended; stderr: {self.stderr}")
        return line

    def _read_stdout(self, begun: bytes) -> None:
        assert self.process.stdout is not None
        descriptor, pieces = self.process.stdout.fileno(), [begun]
        while chunk := os.read(descriptor, 1 << 16):
            *whole, rest = chunk.split(b"\n")
            for line in whole:
                self._lines.put(b"".join(pieces) + line)
                pieces.clear()
            pieces.append(rest)
        if any(pieces):
            self._lines.put(b"".join(pieces) + b" (without a newline)")
        self._lines.put(None)

    def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        while chunk := os.read(self.process.stderr.fileno(), 1 << 16):
            with self._said:
                self._stderr += chunk
                self._said.notify_all()


def _decode(line: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise AssertionError(f"not a message on stdout ({error}): {line[:500]!r}") from error


def is_gone(pid: int, seconds: float) -> bool:
    """Wait until a process that need not be ours has ended, for so many seconds at most."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return True
        if stat.rpartition(b") ")[2][:1] in (b"Z", b"X"):
            return True
        threading.Event().wait(0.01)
    return False


def kill(pid: int) -> None:
    """End a process for good, if it is still there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
