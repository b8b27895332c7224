"""Subscriptions with the client of `mcp` 1.x: runs inside the environment `.interop/mcp1`.

python mcp1_listening.py URL
python mcp1_listening.py -- COMMAND ARGUMENT...

Prints one JSON list: what the client was told, by the names on the wire.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os

from mcp import ClientSession, StdioServerParameters, stdio_client, types
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.session import RequestResponder
from pydantic import AnyUrl

LIMIT_S = 10.0
HEARD = "notifications/prompts/list_changed"
Incoming = RequestResponder[types.ServerRequest, types.ClientResult] | types.ServerNotification | Exception


async def subscribe(session: ClientSession, heard: asyncio.Queue[str]) -> list[str]:
    """Subscribe, hear, unsubscribe, and hear of lists alone."""
    said: list[str] = []
    one = AnyUrl("note://one")
    await session.subscribe_resource(one)
    await session.call_tool("add_tool", {"name": "late"})
    while (first := await heard.get()) == HEARD:
        continue
    said.append(first)
    said.append(str("late" in [tool.name for tool in (await session.list_tools()).tools]))
    await session.call_tool("remove_tool", {"name": "late"})
    said.append(await heard.get())
    await session.call_tool("write", {"name": "two", "text": "second"})
    await session.call_tool("write", {"name": "one", "text": "second"})
    said.append(await heard.get())
    await session.unsubscribe_resource(one)
    await session.call_tool("write", {"name": "one", "text": "third"})
    await session.call_tool("change_prompts")
    said.append(await heard.get())
    return said


async def be_heard(session: ClientSession, heard: asyncio.Queue[str]) -> None:
    """Wait for the standing stream, which the client opens when it gets round to it."""
    while heard.empty():
        await session.call_tool("change_prompts")
        await session.send_ping()


async def run(target: str | StdioServerParameters) -> list[str]:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def take(message: Incoming) -> None:
        if isinstance(message, Exception):
            raise message
        if isinstance(message, types.ServerNotification):
            uri = getattr(message.root.params, "uri", None)
            heard.put_nowait(f"{message.root.method} {uri}" if uri else message.root.method)

    async with (
        asyncio.timeout(LIMIT_S),
        streamable_http_client(target) if isinstance(target, str) else stdio_client(target) as (read, write, *_),
        ClientSession(read, write, message_handler=take) as session,
    ):
        await session.initialize()
        await be_heard(session, heard)
        return await subscribe(session, heard)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("target", nargs="+")
    first, *rest = parser.parse_args().target
    target = (
        first if first.startswith("http") else StdioServerParameters(command=first, args=rest, env=dict(os.environ))
    )
    print(json.dumps(asyncio.run(run(target))))


if __name__ == "__main__":
    main()
