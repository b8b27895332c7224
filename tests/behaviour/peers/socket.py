"""The peer of a Unix socket, both ends in this process."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from anyport import Server
from anyport.protocol.revisions import Revision
from anyport.protocol.types.json import JsonObject
from anyport.transports.sockets.server import SocketServer
from tests.behaviour.peers.channel import ChannelPeer
from tests.behaviour.peers.peer import Asked


class SocketPeer(ChannelPeer):
    """A connection of its own, to a server that nobody else reaches.

    Args:
        server: The server.
        revision: What is spoken.
        asked: How questions are answered.
        place: Where another peer's server listens, which lives longer.

    Attributes:
        place: Where the server listens.
    """

    transport = "socket"

    def __init__(
        self, server: Server, revision: Revision, asked: Asked | None = None, *, place: Path | None = None
    ) -> None:
        super().__init__(revision, asked)
        self.place = place
        self._server = server
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        if self.place is None:
            self.place = await self._listen()
        reader, self._writer = await asyncio.open_unix_connection(self.place, limit=32 * 2**20)
        self._stack.push_async_callback(asyncio.wait, [asyncio.create_task(self._read(reader))])
        await super().open()

    def write(self, line: bytes) -> None:
        self._writer.write(line + b"\n")

    async def tell(self, message: JsonObject) -> None:
        await super().tell(message)
        # Both ends need their turn: nothing waits in the buffer of this one.
        await asyncio.sleep(0)

    async def aclose(self) -> None:
        self._writer.close()
        await self._stack.aclose()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            self.receive(line)

    async def _listen(self) -> Path:
        stack = self._stack
        path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "s"
        await self._server.lifespan.start()
        stack.push_async_callback(self._server.lifespan.aclose)
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(path))
        accepting = SocketServer(self._server.service, self._server.limits, self._server.subscriptions)
        await accepting.start([listening])
        stack.push_async_callback(accepting.aclose)
        return path
