"""The server that the official conformance suite wants to meet, with anyport's public API alone.

python tests/conformance/server.py                # stdio
python tests/conformance/server.py --port 3000    # http://127.0.0.1:3000/mcp

Names, texts and values are the suite's. It describes each of them: `conformance list --server`, and the descriptions
of its scenarios.
"""

import argparse
import asyncio
import base64
import sys
from pathlib import Path
from typing import Annotated

from pydantic import Field

from anyport import Audio, Context, File, Image, Server, ToolError, UserMessage
from anyport.errors import MissingClientCapability

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.conformance.asking import add_asking

server = Server("anyport-conformance", version="1.0.0")

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
WAV = base64.b64decode("UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQIAAAAAAA==")
PAUSE_S = 0.05
"""Between two notifications of a tool, as the suite describes them."""

RETRY_S = 0.1
"""How long a client is told to wait before it comes back."""

CLIENT_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"

updates: list[str] = []
"""What the watched resource held, one text after the other."""

WORDS = ("paris", "park", "party", "test", "testValue1", "testValue2")
"""What the arguments of a prompt may be, for the completion."""

# --- tools ------------------------------------------------------------------------------------------------------------


# http-header-validation calls the first tool that is listed, without arguments.
@server.tool
def test_simple_text() -> str:
    """Return a text."""
    return "This is a simple text response for testing."


@server.tool
def test_image_content() -> Image:
    """Return an image."""
    return Image(PNG)


@server.tool
def test_audio_content() -> Audio:
    """Return a sound."""
    return Audio(WAV)


@server.tool
def test_embedded_resource() -> File:
    """Return a resource, embedded."""
    text = b"This is an embedded resource content."
    return File(text, uri="test://embedded-resource", mime_type="text/plain")


@server.tool
def test_multiple_content_types() -> list[str | Image | File]:
    """Return a text, an image and a resource."""
    resource = File(b'{"test":"data","value":123}', uri="test://mixed-content-resource", mime_type="application/json")
    return ["Multiple content types test:", Image(PNG), resource]


@server.tool
def test_error_handling() -> str:
    """Fail."""
    raise ToolError("This tool intentionally returns an error for testing")


@server.tool
async def test_tool_with_progress(ctx: Context) -> str:
    """Report progress three times."""
    await ctx.report_progress(0, total=100)
    await asyncio.sleep(PAUSE_S)
    await ctx.report_progress(50, total=100)
    await asyncio.sleep(PAUSE_S)
    await ctx.report_progress(100, total=100)
    return "Progress was reported."


@server.tool
async def test_tool_with_logging(ctx: Context) -> str:
    """Log three messages."""
    await ctx.info("Tool execution started")
    await asyncio.sleep(PAUSE_S)
    await ctx.info("Tool processing data")
    await asyncio.sleep(PAUSE_S)
    await ctx.info("Tool execution completed")
    return "Three messages were logged."


@server.tool
async def test_logging_tool(ctx: Context) -> str:
    """Log a message, which only a client that set a level receives."""
    await ctx.warning("For those who asked")
    return "One message was logged."


@server.tool
async def test_reconnection(ctx: Context) -> str:
    """Let go of the connection in the middle; the client comes back for the result."""
    await ctx.close_stream(retry=RETRY_S)
    await asyncio.sleep(PAUSE_S)
    return "The client came back for this."


@server.tool
def test_missing_capability(ctx: Context) -> str:
    """Refuse a client that does not declare sampling."""
    declared = ctx.meta.get(CLIENT_CAPABILITIES)
    if not isinstance(declared, dict) or "sampling" not in declared:
        raise MissingClientCapability({"sampling": {}})
    return "The client can sample."


@server.tool
async def test_trigger_tool_change(ctx: Context) -> str:
    """Change the list of tools: one comes and goes."""

    async def test_coming_and_going() -> str:
        return "Here now."

    server.tool(test_coming_and_going)
    server.tools.remove("test_coming_and_going")
    await ctx.notify_tools_changed()
    return "The list of tools has changed."


@server.tool
async def test_trigger_prompt_change(ctx: Context) -> str:
    """Change the list of prompts: one comes and goes."""

    async def test_coming_and_going() -> str:
        return "Here now."

    server.prompt(test_coming_and_going)
    server.prompts.remove("test_coming_and_going")
    await ctx.notify_prompts_changed()
    return "The list of prompts has changed."


@server.tool
async def update_watched_resource(ctx: Context) -> str:
    """Change what test://watched-resource holds."""
    updates.append(f"Watched resource content, update {len(updates) + 1}.")
    await ctx.notify_resource_updated("test://watched-resource")
    return updates[-1]


@server.tool
def test_x_mcp_header(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
    """Return a region, which a header names too."""
    return f"The region is {region}."


# Verbatim in tools/list: no reference resolved, no keyword dropped.
@server.tool(
    input_schema={
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            }
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    }
)
def json_schema_2020_12_tool(**arguments: object) -> str:
    """Take what a JSON Schema 2020-12 describes."""
    return f"Received {', '.join(sorted(arguments))}."


add_asking(server)

# --- resources --------------------------------------------------------------------------------------------------------


@server.resource("test://static-text", mime_type="text/plain")
def static_text() -> str:
    """A text that never changes."""
    return "This is the content of the static text resource."


@server.resource("test://static-binary", mime_type="image/png")
def static_binary() -> bytes:
    """An image that never changes."""
    return PNG


@server.resource("test://watched-resource", mime_type="text/plain")
def watched_resource() -> str:
    """A text that clients subscribe to."""
    return updates[-1] if updates else "Watched resource content."


@server.resource("test://template/{id}/data", mime_type="application/json")
def template_data(id: str) -> dict[str, str | bool]:  # noqa: A002 - the name of the variable
    """The data of an id."""
    return {"id": id, "templateTest": True, "data": f"Data for ID: {id}"}


# --- prompts ----------------------------------------------------------------------------------------------------------


@server.prompt
def test_simple_prompt() -> str:
    """A prompt without arguments."""
    return "This is a simple prompt for testing."


@server.prompt
def test_prompt_with_arguments(
    arg1: Annotated[str, Field(description="First test argument")],
    arg2: Annotated[str, Field(description="Second test argument")],
) -> str:
    """A prompt that says its two arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@server.completion("test_prompt_with_arguments", "arg1")
@server.completion("test_prompt_with_arguments", "arg2")
def complete_word(typed: str) -> list[str]:
    """Suggest the words that begin with what was typed."""
    return [word for word in WORDS if word.startswith(typed)]


@server.prompt
def test_prompt_with_embedded_resource(
    resource_uri: Annotated[str, Field(alias="resourceUri", description="URI of the resource to embed")],
) -> list[UserMessage]:
    """A prompt with a resource in it."""
    resource = File(b"Embedded resource content for testing.", uri=resource_uri, mime_type="text/plain")
    return [UserMessage(resource), UserMessage("Please process the embedded resource above.")]


@server.prompt
def test_prompt_with_image() -> list[UserMessage]:
    """A prompt with an image in it."""
    return [UserMessage(Image(PNG)), UserMessage("Please analyze the image above.")]


def main() -> None:
    """Serve on stdio, or over HTTP on the ports given."""
    parser = argparse.ArgumentParser(description="The fixture server of the official conformance suite.")
    parser.add_argument("--port", type=int, metavar="N", help="serve http://127.0.0.1:N/mcp; 0 takes any free port")
    parser.add_argument("--sse", type=int, metavar="N", help="serve HTTP+SSE at http://127.0.0.1:N/sse, too or alone")
    given = parser.parse_args()
    if given.port is None and given.sse is None:
        server.run()
    elif given.port is None:
        server.run(transport="sse", host="127.0.0.1", port=given.sse)
    elif given.sse is None:
        server.run(transport="http", host="127.0.0.1", port=given.port, path="/mcp")
    else:
        server.run(["http", "sse"], host="127.0.0.1", port=given.port, sse_port=given.sse, path="/mcp")


if __name__ == "__main__":
    main()
