"""What the client does with a server of another library, and what has to come back: the same for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from anyport import Client, ToolError
from anyport.client.answers import Elicitation
from anyport.client.listening import ChangeEvent
from anyport.client.logs import LogMessage
from anyport.protocol.errors import McpError
from anyport.protocol.revisions import Era
from anyport.protocol.types import (
    CreateMessageRequestParams,
    ImageContent,
    TextContent,
)

PNG: Final = "iVBORw=="
"""The first bytes of a picture, as they travel."""
WAIT_S: Final = 15.0


@dataclass
class Heard:
    """What a client is told and asked while it uses a server."""

    logs: list[LogMessage] = field(default_factory=list[LogMessage])
    questions: list[str] = field(default_factory=list[str])

    def fill_in(self, request: Elicitation) -> dict[str, str]:
        self.questions.append(request.message)
        return {"colour": "red"}

    def think(self, request: CreateMessageRequestParams) -> str:
        [message] = request.messages
        assert isinstance(message.content, TextContent)
        self.questions.append(message.content.text)
        return "Hello."

    def client(self, target: str | list[str], root: Path, era: Era | None) -> Client:
        """Return a client that answers everything."""
        return Client(
            target, era=era, roots=[root], on_elicit=self.fill_in, on_sample=self.think, on_log=self.logs.append
        )


async def use_tools(client: Client, heard: Heard) -> None:
    """Values, objects, images, failures, progress and logs."""
    names = {tool.name for tool in await client.list_tools()}
    assert {"add", "person", "fail", "picture", "count"} <= names
    assert (await client.call_tool("add", {"a": 1, "b": 2})).data == 3
    assert (await client.call_tool("person", {"name": "ann"})).data == {"name": "ann", "age": 41}
    [image] = (await client.call_tool("picture")).content
    assert isinstance(image, ImageContent)
    assert (image.data, image.mime_type) == (PNG, "image/png")
    with pytest.raises(ToolError, match="it went wrong"):
        await client.call_tool("fail")
    with pytest.raises((ToolError, McpError)):
        await client.call_tool("add", {"a": 1, "b": -1})
    with pytest.raises((ToolError, McpError)):
        await client.call_tool("no such tool")
    reports: list[tuple[float, float | None, str | None]] = []

    def report(progress: float, total: float | None, message: str | None) -> None:
        reports.append((progress, total, message))

    counted = await client.call_tool("count", {"upto": 3}, on_progress=report)
    assert counted.data == "counted"
    assert reports == [(1, 3, "step 1"), (2, 3, "step 2"), (3, 3, "step 3")]
    assert [number for log in heard.logs for number in (1, 2, 3) if f"counted {number}" in str(log.data)] == [1, 2, 3]


async def use_resources(client: Client) -> None:
    """Texts, bytes and templates; what is not there."""
    assert {resource.uri for resource in await client.list_resources()} == {"note://one", "note://bytes"}
    [template] = await client.list_resource_templates()
    assert template.uri_template == "note://of/{name}"
    [text] = await client.read_resource("note://one")
    assert (text.text, text.mime_type) == ("first", "text/plain")
    [data] = await client.read_resource("note://bytes")
    assert data.blob == PNG
    [note] = await client.read_resource("note://of/ann")
    assert note.text == "note of ann"
    with pytest.raises(McpError):
        await client.read_resource("note://nowhere/at/all")


async def use_prompts(client: Client) -> None:
    """A prompt, its arguments and what completes them."""
    [prompt] = await client.list_prompts()
    assert prompt.name == "describe"
    [message] = (await client.get_prompt("describe", {"colour": "red"})).messages
    assert isinstance(message.content, TextContent)
    assert message.content.text == "Describe red."
    assert (await client.complete("describe", "colour", "r")).values == ["red", "rose"]
    with pytest.raises(McpError):
        await client.get_prompt("no such prompt")


async def answer_questions(client: Client, heard: Heard, root: Path, tools: Sequence[str]) -> None:
    """Elicitation, sampling and roots, as far as the server asks."""
    if "ask" in tools:
        assert (await client.call_tool("ask")).data == "accept: red"
        assert "Which colour?" in heard.questions
    if "think" in tools:
        assert (await client.call_tool("think")).data == "Hello."
    if "where" in tools:
        assert (await client.call_tool("where")).data == root.as_uri()


async def give_up(client: Client) -> None:
    """A call that is cancelled ends at the server too, and harms no other."""
    waiting = asyncio.ensure_future(client.call_tool("wait"))
    assert (await client.call_tool("add", {"a": 1, "b": 1})).data == 2
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(WAIT_S):
        while (await client.call_tool("cancellations")).data != 1:
            pass


async def hear_of_changes(client: Client) -> None:
    """A tool comes; the client is told."""
    async with client.listen(tools=True) as changes:
        await client.call_tool("grow")
        async with asyncio.timeout(WAIT_S):
            assert await anext(aiter(changes)) == ChangeEvent("tools")
    assert "late" in {tool.name for tool in await client.list_tools()}


async def watch_a_resource(client: Client) -> None:
    """A resource changes; a client that watches it is told."""
    async with client.listen(resources=["note://one"]) as changes:
        await client.call_tool("touch", {"uri": "note://one"})
        async with asyncio.timeout(WAIT_S):
            assert await anext(aiter(changes)) == ChangeEvent("resource", "note://one")
