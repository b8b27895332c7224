"""Limit: a bare `asyncio.Protocol` with httptools and uvloop; the port is the argument."""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import codec
import httptools
import uvloop

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


class Connection(asyncio.Protocol):
    """Parses requests and answers each in a task, as a server needs whose tools may wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer."""
        body, self._body = self._body, b""
        # The loop's queue holds the task until its first wait, and this tool has none.
        _ = self._loop.create_task(self._answer(body))

    async def _answer(self, body: bytes) -> None:
        answer = await codec.answer(body)
        self._transport.write(_HEAD % len(answer) + answer)


async def main() -> None:
    """Serve for ever."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(loop), "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
