"""Calling tools: results, errors, progress, time limits and cancellation, over every transport in both eras."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import pytest

import anyport.transports.http.client as _http_client  # its import would count as a slow callback
from anyport import Client
from anyport.errors import ConnectError, LocalProtocolError, McpError, RemoteProtocolError, Timeout, ToolError
from anyport.protocol.types import TextContent
from anyport.protocol.types.json import JsonObject, JsonValue
from tests.client.peers import EXAMPLE, Reports, Where, http_server, make_client, scripted

assert _http_client


@dataclass(frozen=True)
class Way:
    """A transport and an era."""

    where: Where
    era: Literal["modern", "legacy"]
    url: str

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[Client]:
        """Open a client of the example."""
        async with make_client(self.where, self.url, self.era) as client:
            yield client


@pytest.fixture(scope="module", name="url")
def serve_url() -> Generator[str]:
    with http_server(f"{EXAMPLE}:server") as url:
        yield url


WAYS = [(where, era) for where in ("memory", "command", "http") for era in ("modern", "legacy")]


@pytest.fixture(params=WAYS, ids="-".join)
def way(request: pytest.FixtureRequest, url: str) -> Way:
    where, era = request.param
    return Way(where, era, url)


RESULTS: list[tuple[str, JsonObject, JsonValue, JsonValue]] = [
    ("add", {"a": 20, "b": 22}, 42, {"result": 42}),
    ("point", {"x": 1, "y": 2}, {"x": 1, "y": 2}, {"x": 1, "y": 2}),
    ("points", {"count": 1}, [{"x": 0, "y": 0}], {"result": [{"x": 0, "y": 0}]}),
    ("points", {"count": 0}, [], {"result": []}),
    ("echo", {"text": "grüße \U0001f308 \u2028"}, "grüße \U0001f308 \u2028", None),
    ("nothing", {}, None, None),
]


async def test_what_tools_return(way: Way) -> None:
    """TOOL-03: `data` is what the tool returned, `structured_content` what was on the wire."""
    async with way.connect() as client:
        for name, arguments, data, structured in RESULTS:
            result = await client.call_tool(name, arguments)
            assert (result.data, result.structured_content, result.is_error) == (data, structured, False), name
        assert (await client.call_tool("nothing")).content == []
        said = await client.call_tool("echo", {"text": "hello"})
        assert said.content == [TextContent(text="hello")]
        assert said.text == "hello"
        assert said.raw["content"] == [{"type": "text", "text": "hello"}]


async def test_a_tool_that_fails(way: Way) -> None:
    """TOOL-05, D01: the message reaches the caller, and the next call works."""
    async with way.connect() as client:
        with pytest.raises(ToolError, match="out of ink"):
            await client.call_tool("fail", {"reason": "out of ink"})
        result = await client.call_tool("fail", {"reason": "out of ink"}, raise_on_error=False)
        assert result.is_error
        assert result.data == "out of ink"
        with pytest.raises(ToolError, match="a: "):
            await client.call_tool("add", {"b": 1})
        assert (await client.call_tool("add", {"a": 1, "b": 1})).data == 2


async def test_a_tool_that_is_not_there(way: Way) -> None:
    async with way.connect() as client:
        with pytest.raises(McpError, match="Unknown tool: 'subtract'") as caught:
            await client.call_tool("subtract")
        assert caught.value.code == -32602


async def test_arguments_without_a_json_form(way: Way) -> None:
    async with way.connect() as client:
        with pytest.raises(LocalProtocolError, match="The parameters of tools/call have no JSON form"):
            await client.call_tool("echo", {"text": object()})
        assert (await client.call_tool("echo", {"text": "still here"})).data == "still here"


async def test_progress_reaches_the_callback_in_order(way: Way) -> None:
    """PRG-01: with total and message, before the result; the callback may be async, and slow."""
    async with way.connect() as client:
        slowly, quickly = Reports(), Reports()

        async def slow(progress: float, total: float | None, message: str | None) -> None:
            await asyncio.sleep(0)
            slowly(progress, total, message)

        expected = [(step, 20, f"step {step}") for step in range(1, 21)]
        assert (await client.call_tool("steps", {"count": 20}, on_progress=slow)).data == 20
        assert slowly.told == expected
        await client.call_tool("steps", {"count": 20}, on_progress=quickly)
        assert quickly.told == expected
        assert (await client.call_tool("steps", {"count": 3})).data == 3


async def test_what_a_progress_callback_raises_ends_the_call(way: Way) -> None:
    async with way.connect() as client:

        def broken(progress: float, total: float | None, message: str | None) -> None:
            raise KeyError("mine")

        key = f"broken {way}"
        with pytest.raises(KeyError, match="mine"):
            await client.call_tool("hang", {"key": key}, on_progress=broken)
        assert (await client.call_tool("was_cancelled", {"key": key}, timeout=5)).data is True


async def test_a_call_out_of_time_is_cancelled_at_the_server(way: Way) -> None:
    """CAN-02, STDIO-05, HTTP-10, LEG-06: `Timeout` here, the end of the tool there, and the next call works."""
    async with way.connect() as client:
        key = f"late {way}"
        with pytest.raises(Timeout, match=r"No answer to tools/call within 0\.3 s"):
            await client.call_tool("hang", {"key": key}, timeout=0.3)
        assert (await client.call_tool("was_cancelled", {"key": key}, timeout=5)).data is True


async def test_a_call_that_the_caller_cancels(way: Way) -> None:
    """CAN-01, D01: the caller sees its own cancellation and nothing else."""
    async with way.connect() as client:
        key, reports = f"cancelled {way}", Reports()
        call = asyncio.create_task(client.call_tool("hang", {"key": key}, on_progress=reports))
        async with asyncio.timeout(5):
            await reports.first.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        assert (await client.call_tool("was_cancelled", {"key": key}, timeout=5)).data is True


async def test_a_tool_that_cancels_itself_does_not_cancel_the_caller(way: Way) -> None:
    """D01: no CancelledError that the user did not cause."""
    async with way.connect() as client:
        with pytest.raises(McpError, match=r"The call was (ended|cancelled)"):
            await client.call_tool("give_up")
        assert (await client.call_tool("add", {"a": 1, "b": 1})).data == 2


async def test_many_calls_at_once(way: Way) -> None:
    """RPC-03: each answer reaches its own call."""
    async with way.connect() as client:
        async with asyncio.timeout(20):
            found = await asyncio.gather(*(client.call_tool("add", {"a": index, "b": 0}) for index in range(60)))
        assert [result.data for result in found] == list(range(60))


@pytest.mark.parametrize("way", WAYS[2:], indirect=True, ids="-".join)
async def test_closing_fails_the_calls_in_flight(way: Way) -> None:
    """D01, D09: whoever waits is told, at once. (In memory a call is a function call: there is nothing to drop.)"""
    async with way.connect() as client:
        reports = Reports()
        call = asyncio.create_task(client.call_tool("hang", {"key": "closing"}, on_progress=reports))
        async with asyncio.timeout(10):
            await reports.first.wait()
            await client.aclose()
            with pytest.raises(ConnectError):
                await call


async def test_whether_a_result_is_wrapped_is_for_the_schema_to_say() -> None:
    """A tool without that schema may return an object with the one key `result`, and it is left alone."""
    async with Client(
        scripted("""
for message in modern():
    if message["method"] == "tools/list":
        answer(message, {"tools": [
            {"name": "wrapped", "inputSchema": {"type": "object"}, "outputSchema":
                {"type": "object", "properties": {"result": {"type": "integer"}}, "required": ["result"]}},
            {"name": "open", "inputSchema": {"type": "object"}, "outputSchema": {"type": "object"}},
            {"name": "bare", "inputSchema": {"type": "object"}}]})
    else:
        answer(message, {"content": [], "structuredContent": {"result": 1}})
""")
    ) as client:
        for name, data in (
            ("wrapped", 1),
            ("open", {"result": 1}),
            ("bare", {"result": 1}),
            ("unlisted", {"result": 1}),
        ):
            result = await client.call_tool(name)
            assert (result.data, result.structured_content) == (data, {"result": 1}), name


async def test_a_result_is_not_lost_when_its_schema_cannot_be_had() -> None:
    async with Client(
        scripted("""
for message in modern():
    if message["method"] == "tools/list":
        refuse(message, -32603)
    else:
        answer(message, {"content": [], "structuredContent": {"result": 1}})
""")
    ) as client:
        assert (await client.call_tool("any")).data == {"result": 1}


@pytest.mark.parametrize(
    "answer",
    [
        '{"content": 7}',
        '{"content": [{"type": "smell"}]}',
        "{}",
        '{"resultType": "input_required", "requestState": "x"}',
        '{"resultType": "someday", "content": []}',
        '{"resultType": 1, "content": []}',
    ],
)
async def test_an_answer_that_is_no_result(answer: str) -> None:
    """RPC-07: a typed error, and the next call works."""
    body = f"""
for message in modern():
    answer(message, text("fine") if message["params"]["name"] == "good" else {answer})
"""
    async with Client(scripted(body)) as client:
        with pytest.raises(RemoteProtocolError, match="tools/call"):
            await client.call_tool("bad")
        assert (await client.call_tool("good")).data == "fine"


async def test_one_server_serves_whoever_calls(way: Way) -> None:
    """META-07, META-09: a client, and the process behind it, belong to no task: opened in one, used in many, closed in
    another."""
    manager = way.connect()
    client = await asyncio.create_task(manager.__aenter__())
    calls = [asyncio.create_task(client.call_tool("add", {"a": number, "b": 1})) for number in range(20)]
    assert [(await call).data for call in calls] == list(range(1, 21))
    await asyncio.create_task(client.aclose())
