"""A client that measures itself: the processor time of an answer of 16 MiB and of one of 64, as they come.

The argument says whether the answer is a `line` of a child process, or, of a server in the same process, a `body` or an
`event`.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Final

from anyport.protocol.jsonrpc import Notification, Request, Response
from anyport.protocol.limits import Limits
from anyport.transports.calling import Answer, ClientTransport, Incoming
from anyport.transports.http.client import HttpClient
from anyport.transports.stdio.child import child_environment
from anyport.transports.stdio.client import StdioClient

MEBIBYTE: Final = 2**20
PIECE: Final = 2**18
CHILD: Final = """
import json, sys
for text in sys.stdin.buffer:
    message = json.loads(text)
    write = sys.stdout.buffer.write
    write(b'{"jsonrpc":"2.0","id":%d,"result":{"text":"' % message["id"])
    for _ in range(message["params"]["size"] // 2**20):
        write(b"x" * 2**20)
    write(b'"}}' + b"\\n")
    sys.stdout.flush()
"""
HEAD: Final = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: "


async def asked(request: Request) -> Answer:
    return Response(request.id, {})


def ignore(_: Notification | Exception) -> None: ...


async def seconds_of_line(size: int) -> float:
    """Return the processor time of one call over stdio."""
    command = [sys.executable, "-S", "-c", CHILD]
    client = StdioClient(command, child_environment("minimal"), Limits(line_bytes=65 * MEBIBYTE))
    return await seconds_of_call(client, size)


async def seconds_of_call(client: ClientTransport, size: int) -> float:
    """Return the processor time of one call."""
    await client.start(Incoming(ignore, asked, ignore))
    began = time.process_time()
    answer = await client.request(Request(1, "x", {"size": size}))
    taken = time.process_time() - began
    await client.aclose()
    assert isinstance(answer, Response)
    assert len(str(answer.result["text"])) == size
    return taken


async def seconds_over_http(size: int, *, stream: bool) -> float:
    """Return the processor time of one call; what the server takes is in it too."""
    body = b'{"jsonrpc":"2.0","id":1,"result":{"text":"' + b"x" * size + b'"}}'

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if stream:
            writer.write(HEAD + b"text/event-stream\r\n\r\ndata: ")
        else:
            writer.write(HEAD + b"application/json\r\ncontent-length: %d\r\n\r\n" % len(body))
        for start in range(0, len(body), PIECE):
            writer.write(body[start : start + PIECE])
            await writer.drain()
        writer.write(b"\n\n" if stream else b"")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    limits = Limits(line_bytes=65 * MEBIBYTE, event_bytes=65 * MEBIBYTE)
    client = HttpClient(f"http://{host}:{port}/", {}, limits)
    taken = await seconds_of_call(client, size)
    server.close()
    return taken


async def main(kind: str) -> None:
    async def seconds(mebibytes: int) -> float:
        size = mebibytes * MEBIBYTE
        return await (seconds_of_line(size) if kind == "line" else seconds_over_http(size, stream=kind == "event"))

    await seconds(1)
    times = [await seconds(size) for size in (16, 64, 16, 64)]
    print(min(times[0], times[2]), min(times[1], times[3]))


asyncio.run(main(sys.argv[1]))
