"""What a Context asks of a client, and what it makes of the answers (ELI-01, ELI-02, ELI-06, SMP-01, ROOT-01, S31)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast  # noqa: TID251 - what a tool returns

import pytest

from anyport import AssistantMessage, Context, Image, McpError, Server, UserMessage
from anyport.errors import LocalProtocolError, MissingClientCapability, Timeout
from anyport.protocol.revisions import LATEST_LEGACY, LATEST_MODERN, REVISIONS, Revision, find_revision
from anyport.protocol.types import (
    ModelPreferences,
    SamplingMessage,
    TextContent,
    Tool,
    ToolResultContent,
    ToolUseContent,
)
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.server.inputs import Elicited
from anyport.transports.memory import MemoryBackChannel, MemoryReply
from tests.server.asking import ACCEPT, ALL, SAID, Client, accept, asking_call, send, value
from tests.server.judging import EVERY

Body = Callable[[Context], Awaitable[object]]
REV_2025_06 = cast("Revision", find_revision("2025-06-18"))


class Legacy:
    """A client of the legacy era: what it was asked, and what it answers."""

    def __init__(self, *answers: JsonObject | McpError, revision: Revision = LATEST_LEGACY) -> None:
        self.asked: list[tuple[str, JsonObject]] = []
        self.answers = list(answers)
        self.revision = revision
        self.capabilities: JsonObject = ALL
        self.found: object = None

    async def _answer(self, method: str, params: JsonObject) -> JsonObject:
        self.asked.append((method, params))
        answer = self.answers.pop(0)
        if isinstance(answer, McpError):
            raise answer
        return answer

    async def run(self, body: Body) -> Any:  # noqa: ANN401 - whatever the body gives
        """Run the body of a tool; returns or raises what it did."""
        server = Server("test")

        @server.tool
        async def tool(ctx: Context) -> None:
            try:
                self.found = await body(ctx)
            except Exception as error:  # noqa: BLE001 - the test looks at it
                self.found = error

        reply = MemoryReply()
        reply.back_channel = MemoryBackChannel(self._answer, 5)
        call = asking_call("tool", revision=self.revision, capabilities=self.capabilities)
        await send(server, call, reply)
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    @property
    def params(self) -> JsonObject:
        return self.asked[-1][1]


# --- elicitation ------------------------------------------------------------------------------------------------------


async def test_an_answer_has_the_type_that_was_asked_for() -> None:
    client = Legacy(value(3))
    answer = cast("Elicited[int]", await client.run(lambda ctx: ctx.elicit("How many?", int)))
    assert (answer.action, answer.accepted, answer.data, answer.content) == ("accept", True, 3, {"value": 3})
    assert repr(answer) == "Elicited(action='accept', data=3)"
    method, params = client.asked[0]
    assert (method, params["message"], "mode" in params) == ("elicitation/create", "How many?", False)


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_who_does_not_accept_gives_no_data(action: str) -> None:
    """ELI-04: content that comes all the same is not looked at."""
    answer = await Legacy({"action": action, "content": {"value": "x"}}).run(lambda ctx: ctx.elicit("How many?", int))
    assert (answer.action, answer.accepted, answer.data, answer.content) == (action, False, None, None)


async def test_an_answer_is_not_there_before_it_is_awaited() -> None:
    async def body(ctx: Context) -> object:
        answer = ctx.elicit("How many?", int)
        assert repr(answer) == "Elicited(?)"
        with pytest.raises(LocalProtocolError, match=r"await ctx\.elicit\("):
            _ = answer.data
        roots = ctx.list_roots()
        with pytest.raises(LocalProtocolError, match=r"await ctx\.list_roots\("):
            len(roots)
        await roots
        assert (await answer) is (await answer)
        return answer.data

    assert await Legacy({"roots": []}, value(3)).run(body) == 3


async def test_what_breaks_the_form_is_an_error() -> None:
    for wrong in (value("three"), value(None), accept(), ACCEPT):
        with pytest.raises(McpError) as caught:
            await Legacy(wrong).run(lambda ctx: ctx.elicit("How many?", int))
        assert caught.value.code == -32602


async def test_errors_of_the_client_and_silence() -> None:
    with pytest.raises(McpError, match="no user"):
        await Legacy(McpError(-1, "no user")).run(lambda ctx: ctx.elicit("How many?", int))

    async def never(method: str, params: JsonObject) -> JsonObject:
        return await asyncio.Event().wait() and {}

    with pytest.raises(Timeout, match="limit answer_s"):
        await MemoryBackChannel(never, 0.01).request("roots/list", {})


# --- URLs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("revision", [LATEST_LEGACY, LATEST_MODERN])
async def test_a_url_is_asked_in_its_own_mode(revision: Revision) -> None:
    """ELI-02, ELI-05, ELI-06: an elicitation id in 2025-11-25, and none later; what a client adds is not looked at."""
    url = "https://example.com/connect?id=1"
    if revision.modern:
        server = Server("test")

        @server.tool
        async def connect(ctx: Context) -> str:
            return (await ctx.elicit_url("Connect", url, key="connect")).action

        client = Client(server, "connect")
        await client.call()
        assert client.asked == {"connect": {"mode": "url", "message": "Connect", "url": url}}
        await client.answer(connect={"action": "accept"})
        assert client.text == "accept"
    else:
        legacy = Legacy(accept(token="not by this way"))
        answer = await legacy.run(lambda ctx: ctx.elicit_url("Connect", url))
        assert (answer.action, answer.data, answer.content) == ("accept", None, None)
        assert legacy.params.keys() == {"mode", "message", "url", "elicitationId"}


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a",
        "ftp://example.com",
        "javascript:alert(1)",
        "https://",
        "https://user:secret@example.com",
        "https://[",
        "",
        "example.com",
    ],
)
async def test_a_url_that_must_not_be_opened(url: str) -> None:
    """ELI-02: https, and no credentials in it."""
    client = Legacy()
    with pytest.raises(LocalProtocolError, match="elicit_url"):
        await client.run(lambda ctx: ctx.elicit_url("Connect", url))
    assert client.asked == []


@pytest.mark.parametrize("url", ["http://localhost:3000/a", "http://127.0.0.1/", "http://[::1]:1/"])
async def test_a_page_of_this_machine_may_be_plain_http(url: str) -> None:
    assert (await Legacy({"action": "cancel"}).run(lambda ctx: ctx.elicit_url("Connect", url))).action == "cancel"


# --- sampling ---------------------------------------------------------------------------------------------------------


async def test_a_model_is_asked() -> None:
    client = Legacy(SAID)
    answer = await client.run(lambda ctx: ctx.sample("Capital?"))
    assert (answer.text, answer.role, answer.model, answer.stop_reason) == ("Paris", "assistant", "m", None)
    assert answer.message.content == TextContent(text="Paris")
    assert client.asked == [
        (
            "sampling/createMessage",
            {"messages": [{"role": "user", "content": {"type": "text", "text": "Capital?"}}], "maxTokens": 1024},
        )
    ]


async def test_every_option_goes_out() -> None:
    client = Legacy(SAID)
    preferences = ModelPreferences(cost_priority=0.5)
    await client.run(
        lambda ctx: ctx.sample(
            [UserMessage("Look"), UserMessage(Image(b"\x89PNG\r\n\x1a\n")), AssistantMessage("Yes?"), "Say"],
            system_prompt="Be brief",
            max_tokens=5,
            temperature=0.5,
            stop_sequences=["."],
            model_preferences=preferences,
            include_context="thisServer",
            tools=[Tool(name="look", input_schema={"type": "object"})],
            tool_choice="required",
            metadata={"a": 1},
        )
    )
    params = dict(client.params)
    roles = [(message["role"], message["content"]["type"]) for message in cast("list[Any]", params.pop("messages"))]
    assert roles == [("user", "text"), ("user", "image"), ("assistant", "text"), ("user", "text")]
    assert params == {
        "systemPrompt": "Be brief",
        "maxTokens": 5,
        "temperature": 0.5,
        "stopSequences": ["."],
        "modelPreferences": {"costPriority": 0.5},
        "includeContext": "thisServer",
        "tools": [{"name": "look", "inputSchema": {"type": "object"}}],
        "toolChoice": {"mode": "required"},
        "metadata": {"a": 1},
    }


async def test_names_of_models_are_hints() -> None:
    for given in ("claude", ["claude"]):
        client = Legacy(SAID)
        await client.run(lambda ctx, given=given: ctx.sample("Hi", model_preferences=given))
        assert client.params["modelPreferences"] == {"hints": [{"name": "claude"}]}


async def test_context_is_left_out_where_it_is_not_declared() -> None:
    """S31."""
    client = Legacy(SAID)
    client.capabilities = {"sampling": {}}
    await client.run(lambda ctx: ctx.sample("Hi", include_context="allServers"))
    assert "includeContext" not in client.params


USE = ToolUseContent(id="1", name="look", input={})
RESULT = ToolResultContent(tool_use_id="1", content=[TextContent(text="seen")])


def _said(*blocks: Any, role: Any = "assistant") -> SamplingMessage:  # noqa: ANN401 - any blocks
    return SamplingMessage(role=role, content=list(blocks))


async def test_a_model_that_uses_tools() -> None:
    """SMP-01: the answer is a message to go on from."""
    use: JsonObject = {"type": "tool_use", "id": "1", "name": "look", "input": {"a": 1}}
    client = Legacy({"role": "assistant", "content": [use], "model": "m", "stopReason": "toolUse"}, SAID)

    async def body(ctx: Context) -> str:
        tools = [Tool(name="look", input_schema={"type": "object"})]
        first = await ctx.sample("Look", tools=tools)
        assert (first.stop_reason, first.text, [each.name for each in first.tool_uses]) == ("toolUse", "", ["look"])
        return (await ctx.sample(["Look", first.message, _said(RESULT, role="user")], tools=tools)).text

    assert await client.run(body) == "Paris"
    assert len(cast("list[object]", client.params["messages"])) == 3


@pytest.mark.parametrize(
    "messages",
    [
        [_said(USE)],
        [_said(USE), "What?"],
        [_said(USE), _said(RESULT, TextContent(text="and"), role="user")],
        [_said(USE), _said(RESULT, RESULT, role="user")],
        [_said(USE), _said(RESULT)],
        [_said(RESULT, role="user")],
        [_said(USE, role="user"), _said(RESULT, role="user")],
    ],
)
async def test_tools_and_results_balance(messages: list[Any]) -> None:
    """SMP-01: checked before anything is sent."""
    client = Legacy(SAID)
    with pytest.raises(LocalProtocolError):
        await client.run(lambda ctx: ctx.sample(messages))
    assert client.asked == []


async def test_older_revisions_have_one_block_in_a_message() -> None:
    client = Legacy(SAID, revision=REV_2025_06)
    await client.run(lambda ctx: ctx.sample(_said(TextContent(text="a"), TextContent(text="b"), role="user")))
    contents = [message["content"]["text"] for message in cast("list[Any]", client.params["messages"])]
    assert contents == ["a", "b"]


async def test_a_message_that_no_model_takes() -> None:
    with pytest.raises(LocalProtocolError, match="No model"):
        await Legacy().run(lambda ctx: ctx.sample({"role": "user", "content": {"type": "video"}}))


# --- roots ------------------------------------------------------------------------------------------------------------


async def test_roots_are_listed() -> None:
    """ROOT-01."""
    client = Legacy({"roots": [{"uri": "file:///srv/a", "name": "A"}, {"uri": "file://host/b"}]})
    roots = await client.run(lambda ctx: ctx.list_roots())
    assert [(root.uri, root.name) for root in roots] == [("file:///srv/a", "A"), ("file://host/b", None)]
    assert (roots[0].name, len(roots[1:]), client.asked) == ("A", 1, [("roots/list", {})])


@pytest.mark.parametrize("uri", ["https://example.com/a", "/srv/a", "file:a", "file://", "file:", "", "file://["])
async def test_a_root_is_a_file(uri: str) -> None:
    """ROOT-01."""
    with pytest.raises(McpError, match="file://") as caught:
        await Legacy({"roots": [{"uri": uri}]}).run(lambda ctx: ctx.list_roots())
    assert caught.value.code == -32602


# --- what is declared -------------------------------------------------------------------------------------------------

NEEDS: list[tuple[JsonObject, Body, JsonObject]] = [
    ({}, lambda ctx: ctx.elicit("A?"), {"elicitation": {}}),
    ({"elicitation": None}, lambda ctx: ctx.elicit("A?"), {"elicitation": {}}),
    ({"elicitation": {"url": {}}}, lambda ctx: ctx.elicit("A?"), {"elicitation": {"form": {}}}),
    ({"elicitation": {}}, lambda ctx: ctx.elicit_url("A?", "https://a.b"), {"elicitation": {"url": {}}}),
    ({"elicitation": {"form": {}}}, lambda ctx: ctx.elicit_url("A?", "https://a.b"), {"elicitation": {"url": {}}}),
    ({"elicitation": {}}, lambda ctx: ctx.sample("A?"), {"sampling": {}}),
    ({"sampling": {}}, lambda ctx: ctx.sample("A?", tools=[]), {"sampling": {"tools": {}}}),
    ({"sampling": {}}, lambda ctx: ctx.sample("A?", tool_choice="none"), {"sampling": {"tools": {}}}),
    ({"sampling": {}}, lambda ctx: ctx.list_roots(), {"roots": {}}),
]


@pytest.mark.parametrize(("capabilities", "body", "needed"), NEEDS)
async def test_what_is_not_declared_is_not_asked(capabilities: JsonObject, body: Body, needed: JsonObject) -> None:
    """META-05, MRTR-03, S31: -32021 says what is needed; the legacy era has no such code."""
    client = Legacy()
    client.capabilities = capabilities
    with pytest.raises(MissingClientCapability) as caught:
        await client.run(body)
    assert (caught.value.code, caught.value.data, client.asked) == (-32600, None, [])
    server = Server("test")

    @server.tool
    async def tool(ctx: Context) -> None:
        await body(ctx)

    with pytest.raises(McpError) as refused:
        await Client(server, "tool", capabilities=capabilities).call()
    assert (refused.value.code, refused.value.data) == (-32021, {"requiredCapabilities": needed})


async def test_an_empty_declaration_means_forms() -> None:
    """ELI-01."""
    client = Legacy({"action": "accept"})
    client.capabilities = {"elicitation": {}}
    assert (await client.run(lambda ctx: ctx.elicit("Go?"))).accepted


@EVERY
async def test_a_context_tells_what_is_declared(revision: Revision) -> None:
    async def body(ctx: Context) -> JsonValue:
        with pytest.raises(TypeError):
            ctx.capabilities["roots"] = {}  # type: ignore[index] - the test is that it cannot be written
        return dict(ctx.capabilities)

    assert await Legacy(revision=revision).run(body) == ALL


@pytest.mark.parametrize("revision", [row for row in REVISIONS if not row.modern and row.lacks("2025-06-18")])
async def test_revisions_without_elicitation_still_sample(revision: Revision) -> None:
    assert (await Legacy(SAID, revision=revision).run(lambda ctx: ctx.sample("Hi"))).text == "Paris"


async def test_there_is_not_always_a_way_to_ask() -> None:
    """Such as in a function that completes arguments (MRTR-01)."""
    server = Server("test")

    @server.prompt
    def draft(tone: str) -> str:
        return tone

    @server.completion("draft", "tone")
    async def tones(typed: str, ctx: Context) -> list[str]:
        return [str((await ctx.elicit("Tone?", str)).data)]

    params = {"ref": {"type": "ref/prompt", "name": "draft"}, "argument": {"name": "tone", "value": ""}}
    with pytest.raises(McpError, match="no way to send") as caught:
        await send(server, asking_call("", method="completion/complete", more=params))
    assert caught.value.code == -32603
