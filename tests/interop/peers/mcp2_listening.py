"""Subscriptions with the client of `mcp` 2.x: runs inside the environment `.interop/mcp2`.

python mcp2_listening.py --mode MODE URL
python mcp2_listening.py --mode MODE -- COMMAND ARGUMENT...

MODE is `legacy` or `modern`. Prints one JSON list: what the client was told, in its own words.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import warnings

from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp.shared.subscriptions import ResourceUpdated, ServerEvent
from mcp.types import ServerNotification

LIMIT_S = 10.0
HEARD = "notifications/prompts/list_changed"


def name_of(event: ServerEvent) -> str:
    """Tell what an event is, and of what."""
    return f"{type(event).__name__} {event.uri}" if isinstance(event, ResourceUpdated) else type(event).__name__


async def listen(client: Client) -> list[str]:
    """Hold two streams of the modern era, one after what the other does not hear."""
    said: list[str] = []
    async with client.listen(
        tools_list_changed=True, prompts_list_changed=True, resource_subscriptions=["note://one", "other://one"]
    ) as stream:
        said.append(json.dumps(stream.honored.model_dump(by_alias=True, exclude_none=True), sort_keys=True))
        async with client.listen(resource_subscriptions=["note://two"]) as second:
            await client.call_tool("add_tool", {"name": "late"})
            said.append(name_of(await anext(stream)))
            said.append(str("late" in [tool.name for tool in (await client.list_tools()).tools]))
            await client.call_tool("remove_tool", {"name": "late"})
            said.append(name_of(await anext(stream)))
            await client.call_tool("change_prompts")
            said.append(name_of(await anext(stream)))
            await client.call_tool("write", {"name": "two", "text": "second"})
            said.append(name_of(await anext(second)))
        # The second stream was left: its client hears nothing more, and the first goes on.
        await client.call_tool("write", {"name": "two", "text": "third"})
        await client.call_tool("write", {"name": "one", "text": "second"})
        said.append(name_of(await anext(stream)))
        await client.call_tool("end_streams")
        # A stream that were lost would raise here.
        said.extend([name_of(event) async for event in stream])
        said.append("graceful")
    return said


async def subscribe(client: Client, heard: asyncio.Queue[str]) -> list[str]:
    """Do the same in the legacy era, where there is one channel for all of it."""
    said: list[str] = []
    # The client opens the standing stream when it gets round to it.
    while heard.empty():
        await client.call_tool("change_prompts")
        await client.list_tools()
    await client.subscribe_resource("note://one")  # pyright: ignore[reportDeprecated] - what is tested
    await client.call_tool("add_tool", {"name": "late"})
    while (first := await heard.get()) == HEARD:
        continue
    said.append(first)
    said.append(str("late" in [tool.name for tool in (await client.list_tools()).tools]))
    await client.call_tool("remove_tool", {"name": "late"})
    said.append(await heard.get())
    await client.call_tool("write", {"name": "two", "text": "second"})
    await client.call_tool("write", {"name": "one", "text": "second"})
    said.append(await heard.get())
    await client.unsubscribe_resource("note://one")  # pyright: ignore[reportDeprecated] - what is tested
    await client.call_tool("write", {"name": "one", "text": "third"})
    await client.call_tool("change_prompts")
    said.append(await heard.get())
    return said


async def run(target: str | StdioServerParameters, mode: str) -> list[str]:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def take(message: ServerNotification | Exception) -> None:
        if isinstance(message, Exception):
            raise message
        uri = getattr(message.params, "uri", None)
        heard.put_nowait(f"{message.method} {uri}" if uri else message.method)

    async with asyncio.timeout(LIMIT_S):
        legacy = mode == "legacy"
        async with Client(
            target, mode="legacy" if legacy else "auto", message_handler=take if legacy else None, cache=None
        ) as client:
            return await subscribe(client, heard) if legacy else await listen(client)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=["legacy", "modern"], required=True)
    parser.add_argument("target", nargs="+")
    options = parser.parse_args()
    first, *rest = options.target
    target = (
        first if first.startswith("http") else StdioServerParameters(command=first, args=rest, env=dict(os.environ))
    )
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    print(json.dumps(asyncio.run(run(target, options.mode))))


if __name__ == "__main__":
    main()
