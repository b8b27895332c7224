"""What the client of `mcp` 2.x sees of a low-level server: runs inside the environment `.interop/mcp2`.

python mcp2_lowlevel.py COMMAND ARGUMENT...

Prints one JSON list.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from mcp import Client, StdioServerParameters


async def main(command: str, *arguments: str) -> list[str]:
    parameters = StdioServerParameters(command=command, args=list(arguments), env=dict(os.environ))
    async with Client(parameters, read_timeout_seconds=10) as session:
        said = [f"{session.server_info.name} {session.server_info.version}"]
        said.append(" ".join(sorted(session.server_capabilities.model_dump(exclude_none=True))))
        said.append(" ".join(tool.name for tool in (await session.list_tools()).tools))
        said.append((await session.call_tool("add", {"a": 2, "b": 3})).content[0].text)
        said.append(str((await session.call_tool("weigh", {"light": 1})).structured_content))
        said.append(str((await session.call_tool("weigh", {"heavy": 1})).is_error))
        said.append(str((await session.list_resources()).resources[0].uri))
        said.append((await session.read_resource("note://one")).contents[0].text)
        said.append((await session.list_prompts()).prompts[0].name)
        said.append((await session.get_prompt("draft", {"about": "pens"})).messages[0].content.text)
    return said


print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
