"""The official suite's client: what each of its scenarios asks for, done through `Client`.

    MCP_CONFORMANCE_SCENARIO=tools_call python tests/conformance/client.py http://127.0.0.1:3000/mcp

The suite starts it once for each scenario, with the URL of a mock server as its last argument. Nothing is pinned: the
client finds out by itself which era the mock speaks, as it does for everybody. The status is 0 when every step went as
it should.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias, cast

from anyport import Client
from anyport.protocol.types.json import JsonObject, JsonValue

LIMIT_S: Final = 20.0
"""Seconds for all steps of a scenario."""

Steps: TypeAlias = Callable[[Client, JsonObject], Awaitable[None]]

_SAMPLES: Final[Mapping[JsonValue, JsonValue]] = {"string": "text", "integer": 7, "number": 1.5, "boolean": True}


async def look(client: Client, context: JsonObject) -> None:
    """Connect and list the tools."""
    await client.list_tools()


async def add(client: Client, context: JsonObject) -> None:
    """Call a tool that takes numbers."""
    await client.list_tools()
    result = await client.call_tool("add_numbers", {"a": 5, "b": 3})
    assert not result.is_error


async def call_what_asks(client: Client, context: JsonObject) -> None:
    """Call a tool that asks for values which all have defaults."""
    await client.call_tool("test_client_elicitation_defaults", {})


async def come_back(client: Client, context: JsonObject) -> None:
    """Call a tool whose stream the server closes before the answer."""
    result = await client.call_tool("test_reconnection", {})
    assert result.content


async def read_all(client: Client, context: JsonObject) -> None:
    """Use every kind of thing that the mock has."""
    for tool in await client.list_tools():
        await client.call_tool(tool.name, samples(tool.input_schema))
    for resource in await client.list_resources():
        await client.read_resource(resource.uri)
    for prompt in await client.list_prompts():
        await client.get_prompt(prompt.name)


async def call_as_told(client: Client, context: JsonObject) -> None:
    """Make the calls that the scenario names, word for word."""
    await client.list_tools()
    calls = cast("list[JsonObject]", context["toolCalls"])
    assert calls
    for call in calls:
        await client.call_tool(cast(str, call["name"]), cast(JsonObject, call["arguments"]))


async def call_what_is_left(client: Client, context: JsonObject) -> None:
    """Call every tool that the client lets through."""
    tools = await client.list_tools()
    assert "valid_tool" in {tool.name for tool in tools}
    for tool in tools:
        await client.call_tool(tool.name, samples(tool.input_schema))


async def answer_in_rounds(client: Client, context: JsonObject) -> None:
    """Call tools that ask, with another in between."""
    await client.list_tools()
    asking = asyncio.ensure_future(client.call_tool("test_mrtr_echo_state", {}))
    await client.call_tool("test_mrtr_unrelated", {})
    await asking
    for name in ("test_mrtr_no_state", "test_mrtr_no_result_type"):
        await client.call_tool(name, {})


async def send_a_schema_back(client: Client, context: JsonObject) -> None:
    """Give a tool the schema of another, as it came."""
    schemas = {tool.name: tool.input_schema for tool in await client.list_tools()}
    await client.call_tool("json_schema_echo", {"schema": schemas["json_schema_2020_12_tool"]})


SCENARIOS: Final[Mapping[str, Steps]] = {
    "initialize": look,
    "tools_call": add,
    "elicitation-sep1034-client-defaults": call_what_asks,
    "sse-retry": come_back,
    "request-metadata": look,
    "http-standard-headers": read_all,
    "http-custom-headers": call_as_told,
    "http-invalid-tool-headers": call_what_is_left,
    "sep-2322-client-request-state": answer_in_rounds,
    "json-schema-ref-no-deref": look,
    "json-schema-2020-12-preservation": send_a_schema_back,
}
"""What is done in each scenario that needs no authorization and no extension."""


def samples(schema: JsonObject) -> JsonObject:
    """Return a value for each simple property of a schema."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return {}
    return {
        name: _SAMPLES[part["type"]]
        for name, part in properties.items()
        if isinstance(part, dict) and part.get("type") in _SAMPLES
    }


def accept(schema: JsonObject | None) -> JsonObject:
    """Fill in a form: defaults where it has them, else a sample."""
    properties = (schema or {}).get("properties")
    assert isinstance(properties, dict)
    defaults = {
        name: part["default"] for name, part in properties.items() if isinstance(part, dict) and "default" in part
    }
    return {**samples(schema or {}), **defaults}


async def main(scenario: str, url: str) -> None:
    """Do what a scenario asks for.

    Raises:
        KeyError: It is none of those that this client knows.
        Exception: Whatever a step raised.
    """
    context = cast(JsonObject, json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}")))
    async with asyncio.timeout(LIMIT_S), Client(url, on_elicit=lambda request: accept(request.schema)) as client:
        await SCENARIOS[scenario](client, context)


if __name__ == "__main__":
    asyncio.run(main(os.environ["MCP_CONFORMANCE_SCENARIO"], sys.argv[-1]))
