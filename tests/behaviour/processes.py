"""The servers of the behaviour suite that are processes of their own: each started once, when a test first wants it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from anyport.protocol.revisions import Revision
from anyport.protocol.types.json import JsonObject
from tests.behaviour.cells import Cell
from tests.behaviour.peers.channel import StreamPeer
from tests.behaviour.peers.http import UrlPeer
from tests.behaviour.peers.peer import WAIT, Asked, Peer
from tests.drivers.http_server import HttpProcess
from tests.drivers.stdio import StdioProcess, environment

SERVER = Path(__file__).with_name("fixture.py")


class StdioServer:
    """A stdio server, used by one test after the other on one channel."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
        )
        self._opening: JsonObject | None = None
        self._last_id = 0

    @asynccontextmanager
    async def connect(self, revision: Revision, asked: Asked | None) -> AsyncGenerator[Peer]:
        """Go on with the channel; the handshake happens once."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        reader = asyncio.StreamReader(limit=32 * 2**20)
        pipe = os.fdopen(os.dup(self.process.stdout.fileno()), "rb", buffering=0)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        peer = StreamPeer(reader, self._write, revision, asked, self._last_id)
        try:
            if self._opening is None or revision.modern:
                await peer.open()
                self._opening = peer.opening
            peer.opening = self._opening
            yield peer
        finally:
            self._last_id = peer.last_id
            await peer.aclose()
            transport.close()

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        assert self.process.wait(WAIT) == 0
        self.process.stdout.close()

    def _write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        view = memoryview(data)
        while view:
            view = view[os.write(self.process.stdin.fileno(), view) :]


class Processes:
    """All of them; closed at the end of the session."""

    def __init__(self) -> None:
        self._http: HttpProcess | None = None
        self._stdio: dict[str, StdioServer] = {}
        self._socket: tuple[StdioProcess, Path] | None = None

    @asynccontextmanager
    async def connect(self, cell: Cell, asked: Asked | None) -> AsyncGenerator[Peer]:
        """Connect to the server of a cell."""
        if cell.transport == "stdio process":
            # What a client can be asked is said once on a channel, in the handshake.
            key = f"{cell.revision.name} {sorted(asked.capabilities) if asked is not None else ''}"
            if key not in self._stdio:
                self._stdio[key] = StdioServer()
            server = self._stdio[key]
            async with server.connect(cell.revision, asked) as peer:
                yield peer
            return
        if cell.transport == "socket process":
            async with self._connect_socket(cell.revision, asked) as peer:
                yield peer
            return
        if self._http is None:
            self._http = HttpProcess(SERVER, "http")
        peer = UrlPeer(f"http://{self._http.host}:{self._http.port}{self._http.path}", cell.revision, asked)
        try:
            await peer.open()
            yield peer
        finally:
            await peer.aclose()

    @asynccontextmanager
    async def _connect_socket(self, revision: Revision, asked: Asked | None) -> AsyncGenerator[Peer]:
        """Open a connection, which is a conversation of its own."""
        if self._socket is None:
            path = Path(tempfile.mkdtemp()) / "mcp.sock"
            self._socket = StdioProcess(SERVER, "socket", str(path)), path
            self._socket[0].says(str(path))
        reader, writer = await asyncio.open_unix_connection(self._socket[1], limit=32 * 2**20)
        peer = StreamPeer(reader, writer.write, revision, asked, transport="socket")
        try:
            await peer.open()
            yield peer
        finally:
            await peer.aclose()
            writer.close()
            await writer.wait_closed()

    def close(self) -> None:
        """End those that were started."""
        for server in self._stdio.values():
            server.close()
        if self._http is not None:
            with self._http:
                self._http.process.terminate()
                assert self._http.process.wait(WAIT) == 0
        if self._socket is not None:
            with self._socket[0] as process:
                assert process.signal(signal.SIGTERM).status == 0
            self._socket[1].unlink(missing_ok=True)
            self._socket[1].parent.rmdir()
