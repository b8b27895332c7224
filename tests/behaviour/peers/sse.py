"""The peer of HTTP+SSE of 2024-11-05: one event stream carries everything that comes, messages go out by POST."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Final

from anyport import Server
from anyport.protocol.revisions import Revision
from anyport.protocol.sse import EventDecoder, ServerSentEvent
from anyport.protocol.types.json import JsonObject
from anyport.serving.asgi import AsgiApp
from tests.behaviour.peers.channel import ChannelPeer
from tests.behaviour.peers.peer import WAIT, Asked, Raw
from tests.drivers.asgi import Exchange, start

FIELDS: Final = {"host": "127.0.0.1:8000", "content-type": "application/json"}


class SsePeer(ChannelPeer):
    """The ASGI application in this process, without a socket.

    Args:
        server: The server.
        revision: What is spoken.
        asked: How questions are answered.
        app: The application of another peer, which lives longer.
    """

    transport = "sse"

    def __init__(
        self, server: Server, revision: Revision, asked: Asked | None = None, *, app: AsgiApp | None = None
    ) -> None:
        super().__init__(revision, asked)
        self.app = app or server.asgi(sse=True)
        self._is_first = app is None
        self._stack = AsyncExitStack()
        self._posts: set[asyncio.Task[None]] = set()
        self._endpoint: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def open(self) -> None:
        if self._is_first:
            await self._stack.enter_async_context(self.app.lifespan())
        fields = {"host": "127.0.0.1:8000", "accept": "text/event-stream"}
        self._stream = start(self.app, b"", fields, method="GET", path="/sse")
        self._reader = asyncio.create_task(self._read(self._stream))
        async with asyncio.timeout(WAIT):
            await asyncio.shield(self._endpoint)
        await super().open()

    def write(self, line: bytes) -> None:
        task = asyncio.create_task(self._post(line))
        self._posts.add(task)
        task.add_done_callback(self._posts.discard)

    async def tell(self, message: JsonObject) -> None:
        await self._post(json.dumps(message).encode())

    async def raw(self, data: bytes) -> Raw:
        answer = await self._send(data)
        if answer.status != 202:
            return Raw(answer.json, answer.status)
        async with asyncio.timeout(WAIT):
            return Raw(await self._unclaimed.get())

    async def aclose(self) -> None:
        if self._posts:
            await asyncio.wait(self._posts)
        self._stream.disconnect()
        await self._stream.done()
        self._reader.cancel()
        await asyncio.wait([self._reader])
        await self._stack.aclose()

    async def _post(self, data: bytes) -> None:
        answer = await self._send(data)
        if answer.status != 202:
            self.receive(answer.body)

    async def _send(self, data: bytes) -> Exchange:
        path, _, query = self._endpoint.result().partition("?")
        scope = {"query_string": query.encode()}
        return await start(self.app, data, FIELDS, path=path, scope=scope).done()

    async def _read(self, stream: Exchange) -> None:
        events = EventDecoder()
        while not stream.complete or stream.chunks:
            await stream.until(lambda: bool(stream.chunks) or stream.complete)
            chunks, stream.chunks = stream.chunks, []
            for event in events.feed(b"".join(chunks)):
                if not isinstance(event, ServerSentEvent):
                    continue
                if event.event == "endpoint":
                    self._endpoint.set_result(event.data.decode())
                elif event.data:
                    self.receive(event.data)
