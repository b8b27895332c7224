"""What the client of `mcp` 1.x sees of a low-level server: runs inside the environment `.interop/mcp1`.

python mcp1_lowlevel.py COMMAND ARGUMENT...

Prints one JSON list.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import timedelta

from mcp import ClientSession, StdioServerParameters, stdio_client
from pydantic import AnyUrl


async def main(command: str, *arguments: str) -> list[str]:
    parameters = StdioServerParameters(command=command, args=list(arguments), env=dict(os.environ))
    async with stdio_client(parameters) as (read, write), ClientSession(read, write, timedelta(seconds=10)) as session:
        hello = await session.initialize()
        said = [f"{hello.serverInfo.name} {hello.serverInfo.version}"]
        said.append(" ".join(sorted(hello.capabilities.model_dump(exclude_none=True))))
        said.append(" ".join(tool.name for tool in (await session.list_tools()).tools))
        said.append((await session.call_tool("add", {"a": 2, "b": 3})).content[0].text)
        said.append(str((await session.call_tool("weigh", {"light": 1})).structuredContent))
        said.append(str((await session.call_tool("weigh", {"heavy": 1})).isError))
        said.append(str((await session.list_resources()).resources[0].uri))
        said.append((await session.read_resource(AnyUrl("note://one"))).contents[0].text)
        said.append((await session.list_prompts()).prompts[0].name)
        said.append((await session.get_prompt("draft", {"about": "pens"})).messages[0].content.text)
    return said


print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
