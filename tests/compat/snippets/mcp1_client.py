"""A client as it is written for `mcp` 1.x: a server on stdio, everything that a session has, callbacks."""

import asyncio
import sys

import mcp.types as types
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from pydantic import AnyUrl


async def sample(context, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
    said = f"{params.messages[0].role}: {params.messages[0].content.text} ({params.maxTokens})"
    return types.CreateMessageResult(role="assistant", content=types.TextContent(type="text", text=said), model="m")


async def ask(context, params: types.ElicitRequestParams) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content={"item": "cup", "count": 3})


async def roots(context) -> types.ListRootsResult:
    return types.ListRootsResult(roots=[types.Root(uri="file:///srv/shop")])


async def main(command: str, *args: str) -> None:
    server = StdioServerParameters(command=command, args=list(args))
    async with (
        stdio_client(server) as (read, write),
        ClientSession(
            read, write, sampling_callback=sample, elicitation_callback=ask, list_roots_callback=roots
        ) as session,
    ):
        opened = await session.initialize()
        print(opened.serverInfo.name)
        tools = await session.list_tools()
        print([tool.name for tool in tools.tools], tools.nextCursor, tools.tools[0].inputSchema["type"])
        for name in ("think", "order", "look"):
            result = await session.call_tool(name)
            print(name, [block.text for block in result.content], result.isError)
        failed = await session.call_tool("trickle", {"count": "many"})
        print(failed.isError)
        steps = []

        async def progress(step, total, message):
            steps.append(step)

        result = await session.call_tool("trickle", arguments={"count": 2}, progress_callback=progress)
        print(result.structuredContent, [int(step) for step in steps])
        resources = await session.list_resources()
        print([str(resource.uri) for resource in resources.resources])
        templates = await session.list_resource_templates()
        print([template.uriTemplate for template in templates.resourceTemplates])
        read_result = await session.read_resource(AnyUrl("shop://items/pen"))
        print(read_result.contents[0].text, read_result.contents[0].mimeType)
        prompts = await session.list_prompts()
        print([(prompt.name, [argument.name for argument in prompt.arguments]) for prompt in prompts.prompts])
        prompt = await session.get_prompt("greet", {"name": "Ada"})
        print(prompt.messages[0].role, prompt.messages[0].content.text)
        done = await session.complete(
            types.PromptReference(type="ref/prompt", name="greet"), {"name": "name", "value": "A"}
        )
        print(done.completion.values)
        await session.send_ping()
        await session.set_logging_level("error")
        await session.send_roots_list_changed()


asyncio.run(main(*sys.argv[1:]))
