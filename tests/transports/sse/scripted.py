"""A server of HTTP+SSE that does what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from anyport.protocol.limits import Limits
from anyport.transports.sse.client import SseClient
from tests.client.incoming import WAIT, Taken
from tests.client.peers import HttpPeer, Posted, event, http_answer, http_peer, result, stream_head


class Scripted:
    """A server of HTTP+SSE that answers a POST with 202, and then does what a test says.

    Attributes:
        endpoint: What the first event says.
        said: Does what follows a POST, with the writer of the stream.
        refused: The HTTP answer to a POST in place of a 202.
        stream: Writes the stream.
    """

    def __init__(self) -> None:
        self.endpoint = b"/messages?session=1"
        self.said: Callable[[Posted, asyncio.StreamWriter], Awaitable[None]] | None = None
        self.refused: bytes | None = None
        self.stream: asyncio.StreamWriter | None = None
        self.peer: HttpPeer | None = None

    async def __call__(self, posted: Posted, writer: asyncio.StreamWriter) -> None:
        if posted.method == "GET":
            writer.write(stream_head() + b"event: endpoint\ndata: " + self.endpoint + b"\n\n")
            self.stream = writer
            return
        writer.write(self.refused or http_answer(202, b"Accepted", "text/plain"))
        assert self.stream is not None
        if self.said is not None and self.refused is None:
            await self.said(posted, self.stream)


@asynccontextmanager
async def connected(scripted: Scripted, taken: Taken, limits: Limits | None = None) -> AsyncGenerator[SseClient]:
    async with http_peer(scripted) as peer:
        scripted.peer = peer
        client = SseClient(peer.url, {"X-Token": "t"}, limits or Limits())
        try:
            async with asyncio.timeout(WAIT):
                await client.start(taken.incoming)
            yield client
        finally:
            await client.aclose()


async def echo(posted: Posted, stream: asyncio.StreamWriter) -> None:
    """Answer a request with its parameters."""
    params = posted.message.get("params", {})
    assert isinstance(params, dict)
    if "id" in posted.message:
        stream.write(event(result(posted, params)))
