"""A peer of the HTTP edge under a uvicorn in this process, over real connections."""

from __future__ import annotations

from contextlib import AsyncExitStack

from anyport import Server
from anyport.protocol.revisions import Revision
from tests.behaviour.peers.http import UrlPeer
from tests.behaviour.peers.peer import Asked
from tests.drivers.edge import serving_edge


class EdgePeer(UrlPeer):
    """Streamable HTTP as `server.run("http")` serves it.

    Args:
        server: The server.
        revision: What is spoken.
        asked: How questions are answered.
    """

    transport = "edge"

    def __init__(self, server: Server, revision: Revision, asked: Asked | None = None) -> None:
        super().__init__("", revision, asked)
        self._server = server
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        edge = await self._stack.enter_async_context(serving_edge(self._server.asgi(), self._server.limits))
        self._url = f"http://127.0.0.1:{edge.port}/mcp"
        await super().open()

    async def aclose(self) -> None:
        await super().aclose()
        await self._stack.aclose()
