"""`Client` against the reference servers from npm: `everything` on its three transports, `filesystem` and `memory`."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel

from anyport import Client, ToolError
from anyport.client.answers import Elicitation
from anyport.client.listening import ChangeEvent
from anyport.client.logs import LogMessage
from anyport.client.results import ToolResult
from anyport.protocol.errors import McpError
from anyport.protocol.types import (
    AudioContent,
    CreateMessageRequestParams,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
)
from anyport.protocol.types.json import JsonObject, JsonValue
from tests.interop.serving_peers import free_port, served
from tests.requirements import npm_server

pytestmark = pytest.mark.needs_interop

WAIT_S = 15.0
FORM: JsonObject = {"name": "ann", "check": True, "color": "red", "email": "ann@example.com", "integer": 7}


@dataclass
class User:
    """Answers for the user, and keeps what was said."""

    logs: list[LogMessage] = field(default_factory=list[LogMessage])
    asked: list[Elicitation] = field(default_factory=list[Elicitation])
    changes: asyncio.Queue[ChangeEvent] = field(default_factory=asyncio.Queue[ChangeEvent])

    def elicit(self, request: Elicitation) -> JsonObject:
        self.asked.append(request)
        return {"action": "accept"} if request.url is not None else {"action": "accept", "content": FORM}

    def sample(self, request: CreateMessageRequestParams) -> str:
        return f"At most {request.max_tokens}."


def everything_client(target: str | list[str], user: User, root: Path) -> Client:
    return Client(
        target,
        roots=[root],
        on_elicit=user.elicit,
        on_sample=user.sample,
        on_log=user.logs.append,
        on_change=user.changes.put_nowait,
    )


@contextmanager
def everything(transport: Literal["stdio", "http", "sse"]) -> Generator[str | list[str]]:
    command = npm_server("everything")
    if transport == "stdio":
        yield command
        return
    port = free_port()
    word = "streamableHttp" if transport == "http" else "sse"
    with served([*command, word], transport, {"PORT": str(port)}, port) as url:
        yield url


def text_of(result: ToolResult[JsonValue]) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))


async def use_tools(client: Client, user: User) -> None:
    assert text_of(await client.call_tool("echo", {"message": "hé"})) == "Echo: hé"
    assert "5" in text_of(await client.call_tool("get-sum", {"a": 2, "b": 3}))
    weather = await client.call_tool("get-structured-content", {"location": "Chicago"})
    assert isinstance(weather.data, dict)
    assert set(weather.data) == {"temperature", "conditions", "humidity"}
    image = (await client.call_tool("get-tiny-image")).content[1]
    assert isinstance(image, ImageContent)
    assert base64.b64decode(image.data).startswith(b"\x89PNG")
    links = (await client.call_tool("get-resource-links", {"count": 2})).content[1:]
    assert all(isinstance(link, ResourceLink) for link in links)
    assert len(links) == 2
    arguments: JsonObject = {"resourceType": "Text", "resourceId": 1}
    embedded = (await client.call_tool("get-resource-reference", arguments)).content[1]
    assert isinstance(embedded, EmbeddedResource)
    annotated = (await client.call_tool("get-annotated-message", {"messageType": "error"})).content[0]
    assert not isinstance(annotated, AudioContent)
    assert annotated.annotations is not None
    assert annotated.annotations.priority == 1
    data = f"data:text/plain;base64,{base64.b64encode(b'text').decode()}"
    zipped = await client.call_tool("gzip-file-as-resource", {"name": "a.gz", "data": data})
    assert any(isinstance(part, ResourceLink) for part in zipped.content)
    assert "HOME" in text_of(await client.call_tool("get-env"))
    with pytest.raises(ToolError):
        await client.call_tool("get-sum", {"a": "no number", "b": 3})


async def use_progress(client: Client) -> None:
    reports: list[float] = []
    arguments: JsonObject = {"duration": 0.1, "steps": 4}
    result = await client.call_tool(
        "trigger-long-running-operation", arguments, on_progress=lambda done, total, message: reports.append(done)
    )
    assert "completed" in text_of(result)
    assert reports == [1, 2, 3, 4]


async def answer(client: Client, user: User, root: Path) -> None:
    names = {tool.name for tool in await client.list_tools()}
    assert {"trigger-elicitation-request", "trigger-sampling-request", "get-roots-list"} <= names
    said = text_of(await client.call_tool("trigger-elicitation-request"))
    assert "Name: ann" in said
    assert "Favorite Integer: 7" in said
    arguments: JsonObject = {"url": "https://example.com/pay", "message": "Pay?", "elicitationId": "one"}
    said = text_of(await client.call_tool("trigger-url-elicitation", arguments))
    assert "completed the URL elicitation" in said
    assert [question.url for question in user.asked] == [None, "https://example.com/pay"]
    said = text_of(await client.call_tool("trigger-sampling-request", {"prompt": "hi", "maxTokens": 12}))
    assert "At most 12." in said
    assert root.as_uri() in text_of(await client.call_tool("get-roots-list"))
    with pytest.raises(McpError) as refused:
        await client.call_tool("trigger-url-elicitation", {**arguments, "errorPath": True})
    assert refused.value.code == -32042


async def use_resources(client: Client, user: User) -> None:
    documents = await client.list_resources()
    assert any(document.uri.startswith("demo://resource/static/document/") for document in documents)
    assert len(await client.list_resource_templates()) == 2
    [text] = await client.read_resource("demo://resource/dynamic/text/1")
    assert "Resource 1" in (text.text or "")
    uri = documents[0].uri
    await client.subscribe(uri)
    await client.call_tool("toggle-subscriber-updates")
    async with asyncio.timeout(WAIT_S):
        assert await user.changes.get() == ChangeEvent("resource", uri)
    await client.call_tool("toggle-subscriber-updates")
    await client.unsubscribe(uri)


async def use_prompts(client: Client) -> None:
    names = {prompt.name for prompt in await client.list_prompts()}
    assert names == {"simple-prompt", "args-prompt", "completable-prompt", "resource-prompt"}
    [message] = (await client.get_prompt("args-prompt", {"city": "Oslo"})).messages
    assert isinstance(message.content, TextContent)
    assert "Oslo" in message.content.text
    assert (await client.complete("completable-prompt", "department", "S")).values == ["Sales", "Support"]
    known = {"department": "Sales"}
    assert (await client.complete("completable-prompt", "name", "", context=known)).values == ["David", "Eve", "Frank"]


@pytest.fixture(name="target", params=["stdio", "http", "sse"])
def serve_everything(request: pytest.FixtureRequest) -> Generator[str | list[str]]:
    """The reference server on one of its transports, started and ended outside the loop of the test."""
    with everything(request.param) as target:
        yield target


async def test_everything(target: str | list[str], tmp_path: Path) -> None:
    """S20, S26, S31: every feature of the reference server, over each of its transports."""
    user = User()
    async with everything_client(target, user, tmp_path) as client:
        assert client.era == "legacy"
        await client.ping()
        await client.set_log_level("debug")
        await use_tools(client, user)
        await use_progress(client)
        await answer(client, user, tmp_path)
        await use_resources(client, user)
        await use_prompts(client)
        assert any("Subscribe" in str(log.data) for log in user.logs)


async def test_filesystem(tmp_path: Path) -> None:
    """Files are written, edited, found and read; what lies outside is refused."""
    async with Client([*npm_server("filesystem"), str(tmp_path)], roots=[tmp_path]) as client:
        await client.call_tool("write_file", {"path": str(tmp_path / "a.txt"), "content": "one\ntwo\n"})
        edit: JsonObject = {"oldText": "two", "newText": "three"}
        await client.call_tool("edit_file", {"path": str(tmp_path / "a.txt"), "edits": [edit]})
        assert (tmp_path / "a.txt").read_text() == "one\nthree\n"
        read = await client.call_tool("read_text_file", {"path": str(tmp_path / "a.txt")})
        assert read.data == {"content": "one\nthree\n"} or text_of(read) == "one\nthree\n"
        await client.call_tool("create_directory", {"path": str(tmp_path / "deep" / "er")})
        await client.call_tool(
            "move_file", {"source": str(tmp_path / "a.txt"), "destination": str(tmp_path / "deep" / "b.txt")}
        )
        assert "b.txt" in text_of(await client.call_tool("directory_tree", {"path": str(tmp_path)}))
        found = text_of(await client.call_tool("search_files", {"path": str(tmp_path), "pattern": "**/*.txt"}))
        assert "b.txt" in found
        with pytest.raises(ToolError, match="denied"):
            await client.call_tool("read_text_file", {"path": "/etc/hostname"})


class Entity(BaseModel):
    name: str


class Graph(BaseModel):
    entities: list[Entity]
    relations: list[dict[str, str]]


async def test_memory(tmp_path: Path) -> None:
    """A graph of entities and relations grows, is searched and shrinks; the file is where the environment says."""
    variables = {"MEMORY_FILE_PATH": str(tmp_path / "memory.json")}
    async with Client(npm_server("memory"), env=variables) as client:
        entities: list[JsonValue] = [
            {"name": name, "entityType": "person", "observations": ["likes tea"]} for name in ("ann", "bob")
        ]
        await client.call_tool("create_entities", {"entities": entities})
        relation: JsonObject = {"from": "ann", "to": "bob", "relationType": "knows"}
        await client.call_tool("create_relations", {"relations": [relation]})
        graph = (await client.call_tool("read_graph", result_type=Graph)).data
        assert graph.relations == [relation]
        assert [entity.name for entity in graph.entities] == ["ann", "bob"]
        found = await client.call_tool("search_nodes", {"query": "bob"}, result_type=Graph)
        assert [entity.name for entity in found.data.entities] == ["bob"]
        await client.call_tool("delete_entities", {"entityNames": ["ann"]})
    assert "ann" not in (tmp_path / "memory.json").read_text()
