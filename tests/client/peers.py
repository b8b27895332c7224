"""Servers for tests of the client: the example over every transport, and scripted ones that do exactly what is said."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
import ssl
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from anyport import Client, Server
from anyport.client.targets import Target
from anyport.protocol.types.json import JsonObject, JsonValue

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = Path(__file__).with_name("example_server.py")
START_S = 20.0
STOP_S = 5.0

Where = Literal["memory", "file", "command", "http"]


# --- the example ------------------------------------------------------------------------------------------------------


def load_example() -> Server:
    """Return a fresh server of the example, in this process."""
    return load_server(EXAMPLE)


def load_server(file: Path) -> Server:
    """Return a fresh `server` of a file, in this process."""
    spec = importlib.util.spec_from_file_location(f"tests_client_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.server


def run_command(*arguments: str) -> list[str]:
    """Return the command `anyport run` with arguments."""
    return [sys.executable, "-m", "anyport", "run", *arguments]


@contextmanager
def http_server(*arguments: str) -> Generator[str]:
    """Serve a file with `anyport run ... --http 0`; yields the URL."""
    with served(*arguments, "--http", "0") as url:
        yield url


@contextmanager
def served(*arguments: str) -> Generator[str]:
    """Serve a file with `anyport run ...`; yields the URL."""
    process = subprocess.Popen(run_command(*arguments), stderr=subprocess.PIPE, text=True)
    with process:
        assert process.stderr is not None
        try:
            line = process.stderr.readline()
            found = re.search(r"(?:http://|unix:)\S+", line)
            assert found, line + process.stderr.read()
            yield found[0]
        finally:
            process.terminate()
            process.wait(STOP_S)


class Reports:
    """A progress callback that keeps what it is told.

    Attributes:
        told: Progress, total and message of each report.
        first: There was one.
    """

    def __init__(self) -> None:
        self.told: list[tuple[float, float | None, str | None]] = []
        self.first = asyncio.Event()

    def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self.told.append((progress, total, message))
        self.first.set()


# --- scripted stdio servers -------------------------------------------------------------------------------------------

_PRELUDE = """
import json, os, signal, sys, time

def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\\n")
    sys.stdout.flush()

def say(text):
    sys.stderr.write(text + "\\n")
    sys.stderr.flush()

def answer(request, result):
    send({"id": request["id"], "result": result})

def refuse(request, code, message="no", **data):
    send({"id": request["id"], "error": {"code": code, "message": message, "data": data}})

def messages():
    for line in sys.stdin:
        yield json.loads(line)

INFO = {"name": "scripted", "version": "1"}
DISCOVERED = {"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
              "ttlMs": 0, "cacheScope": "private"}

def initialized(version="2025-11-25"):
    return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": INFO}

def modern():
    '''Yield what comes after the probe, as a modern server.'''
    for message in messages():
        if message.get("method") == "server/discover":
            answer(message, DISCOVERED)
        else:
            yield message

def legacy(version="2025-11-25"):
    '''Yield what comes after the handshake, as a server that knows nothing but the legacy era.'''
    for message in messages():
        if message.get("method") == "server/discover":
            refuse(message, -32601)
        elif message.get("method") == "initialize":
            answer(message, initialized(version))
        elif message.get("method") != "notifications/initialized":
            yield message

def text(value):
    return {"content": [{"type": "text", "text": value if isinstance(value, str) else json.dumps(value)}]}
"""


def scripted(body: str) -> list[str]:
    """Return the command of a stdio server that runs a few lines of Python; see the prelude for what they may use."""
    return [sys.executable, "-c", f"{_PRELUDE}\n{body}"]


# --- scripted HTTP servers --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Posted:
    """A request that a scripted HTTP server received."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def message(self) -> JsonObject:
        """The body as JSON, or nothing."""
        return cast(JsonObject, json.loads(self.body)) if self.body else {}

    @property
    def rpc_method(self) -> JsonValue:
        """The JSON-RPC method of the body."""
        return self.message.get("method")


Script = Callable[[Posted, asyncio.StreamWriter], Awaitable[None]]


class HttpPeer:
    """A scripted HTTP server while it serves.

    Attributes:
        url: URL of its endpoint.
        requests: What it has received.
        left: A client has closed a connection.
    """

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Posted] = []
        self.arrived: asyncio.Queue[Posted] = asyncio.Queue()
        self.left = asyncio.Event()

    async def wait_for(self, method: str) -> Posted:
        """Return the next request with an RPC method, or with an HTTP one that is not POST."""
        async with asyncio.timeout(STOP_S):
            while True:
                posted = await self.arrived.get()
                if method in (posted.rpc_method, posted.method):
                    return posted


@asynccontextmanager
async def http_peer(script: Script, port: int = 0, *, tls: ssl.SSLContext | None = None) -> AsyncGenerator[HttpPeer]:
    """Serve HTTP with a script, byte for byte as it writes; over TLS where it is given."""
    connections: set[asyncio.Task[None]] = set()
    peer = HttpPeer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        number = len(connections)
        try:
            while (posted := await _read_request(reader, number)) is not None:
                peer.requests.append(posted)
                peer.arrived.put_nowait(posted)
                await script(posted, writer)
            peer.left.set()
        except (ConnectionError, asyncio.CancelledError):
            # The end of the test; asyncio would report a cancelled handler as an error.
            return
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", port, ssl=tls)
    host, port = listening.sockets[0].getsockname()[:2]
    peer.url = f"{'http' if tls is None else 'https'}://{host}:{port}/mcp"
    try:
        yield peer
    finally:
        listening.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _read_request(reader: asyncio.StreamReader, connection: int) -> Posted | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *fields = head.decode("latin-1").strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Posted(method, path, headers, body, connection)


def http_answer(status: int, body: bytes = b"", kind: str = "application/json", **fields: str) -> bytes:
    """Return a whole HTTP answer."""
    head = [f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(body)}"]
    head += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def stream_head() -> bytes:
    """Return the head of an event stream that ends with its connection."""
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def event(message: JsonObject) -> bytes:
    """Return a message as an event."""
    return b"event: message\ndata: " + json.dumps(message).encode() + b"\n\n"


def result(posted: Posted, value: JsonObject) -> JsonObject:
    """Return the response to a request."""
    return {"jsonrpc": "2.0", "id": posted.message["id"], "result": value}


def error(posted: Posted, code: int, message: str, data: JsonValue = None) -> JsonObject:
    """Return the error response to a request."""
    return {"jsonrpc": "2.0", "id": posted.message["id"], "error": {"code": code, "message": message, "data": data}}


def encoded(message: JsonObject) -> bytes:
    """Return a message as bytes."""
    return json.dumps(message).encode()


INFO: JsonObject = {"name": "scripted", "version": "1"}
DISCOVERED: JsonObject = {
    "resultType": "complete",
    "supportedVersions": ["2026-07-28"],
    "capabilities": {"tools": {}},
    "ttlMs": 0,
    "cacheScope": "private",
}


def text_result(text: str) -> JsonObject:
    """Return the result of a tool that says something."""
    return {"content": [{"type": "text", "text": text}]}


def opened(posted: Posted, era: Literal["modern", "legacy"], **fields: str) -> bytes | None:
    """Return the HTTP answer to what belongs to the handshake, or nothing for the rest."""
    if era == "modern":
        if posted.rpc_method == "server/discover":
            return http_answer(200, encoded(result(posted, DISCOVERED)))
        return None
    if posted.rpc_method == "server/discover":
        return http_answer(400, b"Bad Request: no session", "text/plain")
    if posted.rpc_method == "initialize":
        opening: JsonObject = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": INFO}
        return http_answer(200, encoded(result(posted, opening)), **fields)
    if posted.rpc_method == "notifications/initialized":
        return http_answer(202)
    if posted.method == "DELETE":
        return http_answer(204)
    if posted.method == "GET":
        return http_answer(405)
    return None


def answering(era: Literal["modern", "legacy"], rest: Callable[[Posted], bytes], **fields: str) -> Script:
    """Return a script that does the handshake and answers the rest with whole answers."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(opened(posted, era, **fields) or rest(posted))
        await writer.drain()

    return script


def legacy_peer(script: Script) -> AbstractAsyncContextManager[HttpPeer]:
    """Serve the legacy handshake with the session ``s``, and the rest with a script."""

    async def both(posted: Posted, writer: asyncio.StreamWriter) -> None:
        answer = opened(posted, "legacy", mcp_session_id="s")
        if answer is None:
            await script(posted, writer)
        else:
            writer.write(answer)

    return http_peer(both)


def make_client(where: Where, url: str, era: Literal["modern", "legacy"] | None) -> Client:
    """Return a client of the example."""
    targets: dict[Where, Target] = {
        "memory": load_example(),
        "file": f"{EXAMPLE}:server",
        "command": run_command(f"{EXAMPLE}:server"),
        "http": url,
    }
    # The commands of the tests find anyport the way that the tests do.
    return Client(targets[where], era=era, env="inherit" if where == "command" else "minimal", timeout=20)
