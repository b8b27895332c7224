"""A server as code for the low-level API of `mcp` 1.x writes it: nothing but the imports was changed (S23)."""

import asyncio

import anyport.compat.mcp.types as types
from anyport.compat.mcp.server import ReadResourceContents, Server
from anyport.compat.mcp.server.stdio import stdio_server

app = Server("lowlevel", version="1.2")


@app.list_tools()
async def list_tools() -> list[types.Tool]:
    return [
        types.Tool(
            name="add",
            description="Add two numbers",
            inputSchema={
                "type": "object",
                "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
                "required": ["a", "b"],
            },
        ),
        types.Tool(
            name="weigh",
            inputSchema={"type": "object"},
            outputSchema={"type": "object", "properties": {"grams": {"type": "number"}}, "required": ["grams"]},
        ),
    ]


@app.call_tool()
async def call_tool(name: str, arguments: dict[str, float]) -> object:
    if name == "weigh":
        if "heavy" in arguments:
            raise ValueError("too heavy")
        return {"grams" if arguments else "pounds": 3}
    print("this goes to stderr")
    return [types.TextContent(type="text", text=str(arguments["a"] + arguments["b"]))]


@app.list_resources()
async def list_resources() -> list[types.Resource]:
    return [types.Resource(uri="note://one", name="one", mimeType="text/plain")]


@app.list_resource_templates()
async def list_resource_templates() -> list[types.ResourceTemplate]:
    return [types.ResourceTemplate(uriTemplate="note://{name}", name="note")]


@app.read_resource()
async def read_resource(uri: object) -> list[ReadResourceContents]:
    return [ReadResourceContents(f"text of {uri}", "text/plain"), ReadResourceContents(b"\x00")]


@app.list_prompts()
async def list_prompts() -> list[types.Prompt]:
    argument = types.PromptArgument(name="about", required=True)
    return [types.Prompt(name="draft", arguments=[argument])]


@app.get_prompt()
async def get_prompt(name: str, arguments: dict[str, str] | None) -> types.GetPromptResult:
    text = types.TextContent(type="text", text=f"{name} about {(arguments or {}).get('about')}")
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=text)])


async def main() -> None:
    async with stdio_server() as (read_stream, write_stream):
        await app.run(read_stream, write_stream, app.create_initialization_options())


if __name__ == "__main__":
    asyncio.run(main())
