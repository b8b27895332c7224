"""What servers for `fastmcp` and `mcp.server.fastmcp` do, with only their imports changed (S24)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from anyport import Client
from anyport.compat.fastmcp import FastMCP, Image
from anyport.compat.fastmcp.utilities.types import Audio, File
from anyport.errors import McpError, ToolError
from anyport.protocol.jsonrpc import as_object
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.types import AudioContent, CallToolResult, EmbeddedResource, ImageContent, Tool
from tests.compat.ported import loaded
from tests.server.asking import CANCEL, DECLINE, SAID, accept
from tests.server.asking import Client as Asked
from tests.server.calling import Heard, call_tool


@pytest.fixture(scope="module", name="features")
def load_features(tmp_path_factory: pytest.TempPathFactory) -> FastMCP:
    """The server for `fastmcp`."""
    return loaded("fastmcp_features", tmp_path_factory.mktemp("features")).mcp


@pytest.fixture(scope="module", name="mcp1")
def load_mcp1(tmp_path_factory: pytest.TempPathFactory) -> FastMCP:
    """The server for `mcp` 1.x."""
    return loaded("mcp1_features", tmp_path_factory.mktemp("mcp1")).mcp


async def told(server: FastMCP, name: str, arguments: JsonObject | None = None) -> list[tuple[str, JsonObject]]:
    """Return the notifications that a call sends."""
    heard = Heard()
    await call_tool(server, name, arguments, heard=heard, meta={"progressToken": 1}, log_level="debug")
    return [(each.method.removeprefix("notifications/"), as_object(each.params)) for each in heard.notifications]


def logs(notifications: Sequence[tuple[str, JsonObject]]) -> list[tuple[JsonValue, ...]]:
    return [
        (params["level"], params["data"], params.get("logger")) for kind, params in notifications if kind == "message"
    ]


def progress(notifications: Sequence[tuple[str, JsonObject]]) -> list[tuple[JsonValue, ...]]:
    return [
        (params["progress"], params.get("total"), params.get("message"))
        for kind, params in notifications
        if kind == "progress"
    ]


async def tool(server: FastMCP, name: str) -> Tool:
    return next(tool for tool in await server.list_tools() if tool.name == name)


# --- fastmcp ----------------------------------------------------------------------------------------------------------


async def test_what_a_server_says_of_itself(features: FastMCP) -> None:
    async with Client(features) as client:
        assert client.server_info is not None
        assert (client.server_info.name, client.server_info.version) == ("Features", "1.2")
        assert client.instructions == "Everything at once."


async def test_what_a_tool_says_of_itself(features: FastMCP) -> None:
    added = await tool(features, "sum")
    assert added.description == "Add up."
    assert added.meta == {"owner": "us", "fastmcp": {"tags": ["basic", "maths"]}}
    assert added.annotations is not None
    assert (added.annotations.read_only_hint, added.annotations.title) == (True, "Sum")
    moved = await tool(features, "renamed")
    assert moved.description == "Move a point."
    assert moved.annotations is not None
    assert moved.annotations.destructive_hint is False
    assert moved.output_schema is not None


async def test_a_second_tool_of_the_same_name(features: FastMCP) -> None:
    assert (await features.call_tool("twice")).content == (await features.call_tool("twice")).content
    async with Client(features) as client:
        assert (await client.call_tool("twice")).data == "second"


async def test_logs_and_progress(features: FastMCP) -> None:
    """In the library's order of arguments, from the lifespan's state to the last report."""
    notifications = await told(features, "talk")
    assert logs(notifications) == [
        ("debug", "starting", None),
        ("info", "going", "talk"),
        ("warning", {"msg": "careful", "extra": {"round": 2}}, None),
        ("error", "not really", None),
        ("notice", "a message", None),
    ]
    assert progress(notifications) == [(1, 2, "round 1"), (2, 2, "round 2")]
    async with Client(features) as client:
        assert (await client.call_tool("talk")).data == "Features: hello from Features"


@pytest.mark.parametrize(
    ("answer", "text"),
    [(accept(item="pen", count=2), "2 pen"), (DECLINE, "declined"), (CANCEL, "cancelled")],
)
async def test_answers_are_told_apart_by_their_class(answer: JsonObject, text: str, features: FastMCP) -> None:
    client = Asked(features, "choose")
    await client.call()
    (key,) = client.asked
    await client.answer(**{key: answer})
    assert client.text == text


async def test_failures(features: FastMCP) -> None:
    async with Client(features) as client:
        with pytest.raises(ToolError, match=r"\Atry another one\Z"):
            await client.call_tool("fail", {"how": "tool"})
        with pytest.raises(ToolError, match=r"\AValueError: no good"):
            await client.call_tool("fail", {"how": "other"})


async def test_results(features: FastMCP) -> None:
    async with Client(features) as client:
        result = await client.call_tool("result")
        assert result.structured_content == {"kept": 1}
        assert cast("JsonObject", result.raw["_meta"])["k"] == "v"
        assert len((await client.call_tool("blocks")).content) == 2
        assert isinstance((await client.call_tool("media", {"kind": "image"})).content[0], ImageContent)
        assert isinstance((await client.call_tool("media", {"kind": "audio"})).content[0], AudioContent)
        file = (await client.call_tool("media", {"kind": "file"})).content[0]
        assert isinstance(file, EmbeddedResource)
        assert (file.resource.uri, file.resource.mime_type, file.resource.text) == (
            "file:///table.csv",
            "text/csv",
            "a,b",
        )


async def test_resources(features: FastMCP) -> None:
    """Templates whose variables take several segments too, contexts, types, and those of a mounted server."""
    for uri, text, mime_type in (
        ("config://app", '{"debug": true}', "application/json"),
        ("users://7/profile", "user 7", "text/plain"),
        ("notes://a/b/c", "note a/b/c", "text/plain"),
        ("data://sub/one", "1", "text/plain"),
    ):
        (contents,) = await features.read_resource(uri)
        assert (contents.text, contents.mime_type) == (text, mime_type)
    listed = {resource.uri: resource.meta for resource in await features.list_resources()}
    assert listed["config://app"] == {"fastmcp": {"tags": ["settings"]}}
    with pytest.raises(McpError):
        await features.read_resource("users://x/profile")


async def test_prompts(features: FastMCP) -> None:
    prompt = await features.get_prompt("summarise", {"text": "x"})
    assert [message.role for message in prompt.messages] == ["user"]
    discussion = await features.get_prompt("talk_it_over", {"topic": "pens"})
    assert [message.role for message in discussion.messages] == ["user", "assistant"]


async def test_older_code(tmp_path: Path) -> None:
    """`fastmcp` 2: sampling, roots, what the lifespan yielded by way of the request, a mount with its name first."""
    with pytest.warns(UserWarning, match="dependencies makes no difference here"):
        server: FastMCP = loaded("fastmcp2_article", tmp_path).mcp
    assert [tool.name for tool in await server.list_tools()] == ["summarise", "roots", "state", "weather_forecast"]
    client = Asked(server, "summarise", {"text": "long"})
    await client.call()
    ((key, asked),) = client.asked.items()
    assert (asked["systemPrompt"], asked["temperature"], asked["maxTokens"]) == ("Be brief.", 0.2, 20)
    await client.answer(**{key: SAID})
    assert client.text == "Paris"
    client = Asked(server, "roots")
    await client.call()
    (key,) = client.asked
    answer: JsonObject = {"roots": [{"uri": "file:///x"}]}
    await client.answer(**{key: answer})
    assert client.text == '["file:///x"]'
    assert (await server.call_tool("state")).content
    settings = (server.settings.host, server.settings.port)
    assert settings == ("127.0.0.1", 0)


# --- mcp.server.fastmcp -----------------------------------------------------------------------------------------------


async def test_the_state_of_the_lifespan(mcp1: FastMCP) -> None:
    """By `ctx.request_context.lifespan_context`, with an annotation of up to three type parameters."""
    async with Client(mcp1) as client:
        assert (await client.call_tool("query")).data == "the database of Features"


async def test_logs_in_the_order_of_mcp(mcp1: FastMCP) -> None:
    notifications = await told(mcp1, "long", {"name": "x", "steps": 2})
    assert logs(notifications) == [
        ("info", "Starting: x", None),
        ("warning", "halfway", "long"),
        ("debug", "Completed step 1", None),
        ("debug", "Completed step 2", None),
    ]
    assert progress(notifications) == [(0.5, 1, "Step 1/2"), (1, 1, "Step 2/2")]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (accept(checkAlternative=True, alternativeDate="2026-12-27"), "[SUCCESS] 2026-12-27"),
        (accept(checkAlternative=False), "[CANCELLED]"),
        (DECLINE, "[CANCELLED]"),
    ],
)
async def test_asking_the_user(answer: JsonObject, text: str, mcp1: FastMCP) -> None:
    client = Asked(mcp1, "book", {"date": "2026-12-25"})
    await client.call()
    ((key, asked),) = client.asked.items()
    assert asked["message"] == "No tables on 2026-12-25. Another date?"
    await client.answer(**{key: answer})
    assert client.text == text


async def test_asking_a_model_by_the_session(mcp1: FastMCP) -> None:
    client = Asked(mcp1, "poem", {"topic": "pens"})
    await client.call()
    ((key, asked),) = client.asked.items()
    assert asked["messages"] == [{"role": "user", "content": {"type": "text", "text": "A poem about pens"}}]
    await client.answer(**{key: SAID})
    assert client.text == "Paris"


async def test_what_the_session_tells(mcp1: FastMCP) -> None:
    changes: list[str] = []
    detach = mcp1.subscriptions.attach(lambda change: changes.append(change.method))
    try:
        assert logs(await told(mcp1, "change")) == [("info", "changed", None)]
    finally:
        detach()
    assert changes == ["notifications/resources/list_changed", "notifications/resources/updated"]


async def test_results_of_mcp(mcp1: FastMCP) -> None:
    async with Client(mcp1) as client:
        weather = await client.call_tool("get_weather", {"city": "Paris"})
        assert weather.structured_content == {"temperature": 22.5, "condition": "fine in Paris"}
        direct = await client.call_tool("direct")
        assert direct.structured_content == {"a": 1}
        assert (await client.call_tool("plain")).structured_content is None
        assert (await client.call_tool("read")).data == "settings"
    shown = await tool(mcp1, "get_weather")
    assert shown.icons is not None
    assert (shown.title, shown.icons[0].src) == ("Weather", "https://x/i.png")


async def test_prompts_of_mcp(mcp1: FastMCP) -> None:
    prompt = await mcp1.get_prompt("debug_error", {"error": "x"})
    assert [message.role for message in prompt.messages] == ["user", "user", "assistant"]
    assert [prompt.title for prompt in await mcp1.list_prompts()] == ["Code Review", "Debug Assistant"]
    (document,) = await mcp1.read_resource("file://documents/a")
    assert (document.text, document.mime_type) == ("Content of a", "text/markdown")


# --- media ------------------------------------------------------------------------------------------------------------


def test_media_from_files_and_bytes(tmp_path: Path) -> None:
    """A path comes first, and a format stands for a type."""
    for name in ("x.jpeg", "x.mp3", "x.txt"):
        (tmp_path / name).write_bytes(b"x")
    assert Image(tmp_path / "x.jpeg").to_image_content().mime_type == "image/jpeg"
    assert Image(data=b"x").to_image_content().mime_type == "image/png"
    assert Audio(str(tmp_path / "x.mp3")).to_audio_content().mime_type == "audio/mpeg"
    assert Audio(data=b"x", format="ogg").to_audio_content().mime_type == "audio/ogg"
    assert File(tmp_path / "x.txt").to_resource_content().resource.text == "x"
    made = File(data=b"x", format="pdf", name="report").to_resource_content().resource
    assert (made.uri, made.mime_type) == ("file:///report.pdf", "application/pdf")
    odd = File(data=b"x", format="zzodd").to_resource_content().resource
    assert (odd.uri, odd.mime_type) == ("file:///resource.zzodd", "application/zzodd")
    with_annotations = Image(data=b"x", annotations={"audience": ["user"]}).to_image_content()
    assert with_annotations.annotations is not None
    assert with_annotations.annotations.audience == ["user"]


async def test_a_tool_on_the_loop() -> None:
    """`run_in_thread=False` is what it says, and the result is adapted all the same."""
    server = FastMCP("loop")
    seen: list[bool] = []

    @server.tool(run_in_thread=False)
    def here(numbers: list[int]) -> int:
        seen.append(asyncio.current_task() is not None)
        return sum(numbers)

    result = await server.call_tool("here", {"numbers": [1, 2]})
    assert isinstance(result, CallToolResult)
    assert result.structured_content == {"result": 3}
    assert seen == [True]
    assert here([1]) == 1
