"""Everything a client may ask for beside tools, in both eras; the options that every request takes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import cast

import pytest

from anyport import Client
from anyport.client.logs import LogMessage, Teller
from anyport.errors import LocalProtocolError, McpError, RemoteProtocolError, Timeout
from anyport.protocol.types import LoggingLevel, PromptReference, ResourceTemplateReference
from tests.client.peers import (
    EXAMPLE,
    Posted,
    Reports,
    answering,
    encoded,
    http_answer,
    http_peer,
    load_example,
    result,
    scripted,
)
from tests.client.ways import WAIT, Way


async def test_resources_prompts_and_completions(full: Way) -> None:
    """RSC-01, PRM-01, CMP-01, PAG-01."""
    async with full.client() as client:
        assert [found.uri for found in await client.list_resources()] == ["shop://list"]
        assert [found.uri_template for found in await client.list_resource_templates()] == ["shop://items/{name}"]
        assert [contents.text for contents in await client.read_resource("shop://items/pen")] == ["a pen"]
        with pytest.raises(McpError) as caught:
            await client.read_resource("shop://nothing/here")
        assert caught.value.code == (-32602 if full.era == "modern" else -32002)
        assert [found.name for found in await client.list_prompts()] == ["greet"]
        prompt = await client.get_prompt("greet", {"name": "Ada"})
        assert prompt.messages[0].content.type == "text"
        assert prompt.description == "Greet somebody."
        with pytest.raises(McpError):
            await client.get_prompt("shout")
        assert (await client.complete("greet", "name", "A")).values == ["Ada", "Alan"]
        assert (await client.complete(PromptReference(name="greet"), "name", "G", context={"x": "y"})).values == [
            "Grace"
        ]
        template = ResourceTemplateReference(uri="shop://items/{name}")
        assert (await client.complete(template, "name", "G")).values == []
        assert (await client.complete("shop://items/{name}", "name", "G")).values == []
        await client.ping()


async def test_logs(full: Way) -> None:
    """LOG-01: from the level that is wanted on, in the order they came, before the call returns."""
    told: list[LogMessage] = []
    async with full.client(on_log=told.append) as client:
        await client.call_tool("chatter")
        assert told == [LogMessage("info", {"n": 1}, "shop"), LogMessage("error", "high")]
        await client.set_log_level("error")
        await client.call_tool("chatter")
        assert told[2:] == [LogMessage("error", "high")]
        with pytest.raises(LocalProtocolError, match="Unknown log level 'loud'"):
            await client.set_log_level(cast(LoggingLevel, "loud"))
        if full.era == "modern":
            await client.call_tool("chatter", log_level="debug")
            assert [message.level for message in told[3:]] == ["debug", "info", "error"]


async def test_a_callback_for_logs_may_fail_and_be_slow(caplog: pytest.LogCaptureFixture) -> None:
    """What it raises is logged, the rest is told; what is too much is dropped, with a warning."""
    told: list[int] = []
    done = asyncio.Event()

    async def tell(number: int) -> None:
        if number == 1:
            raise ZeroDivisionError
        told.append(number)
        if number == 2000:
            done.set()

    teller = Teller(tell, "on_thing")
    for number in range(2001):
        teller.tell(number)
    async with asyncio.timeout(WAIT):
        await done.wait()
    await teller.aclose()
    assert told == list(range(1001, 2001))
    teller.tell(1)
    teller.tell(7)
    await teller.aclose()
    assert told[-1] == 7
    assert "on_thing failed" in caplog.text
    assert "on_thing is too slow: 1001 were dropped" in caplog.text


async def test_metadata_of_a_call(near: Way) -> None:
    """META-01, RPC-14: entries of one's own go beside those of the protocol, and replace none."""
    async with near.client() as client:
        assert (await client.call_tool("meta", {"key": "org.example/x"}, meta={"org.example/x": 7})).data == "7"
        for key in ("progressToken", "io.modelcontextprotocol/protocolVersion"):
            with pytest.raises(LocalProtocolError, match=f"must not have {key!r}"):
                await client.call_tool("meta", {"key": key}, meta={key: "forged"})


async def test_the_trace_of_a_call(full: Way) -> None:
    """RPC-15: it reaches the function in its parts; what is not in the format of the W3C is not sent."""
    parent = f"00-{'a' * 32}-{'b' * 16}-01"
    async with full.client() as client:
        called = await client.call_tool("trace", meta={"traceparent": parent, "baggage": "k=v"})
        assert called.data == ["a" * 32, "b" * 16, "k=v"]
        assert (await client.call_tool("trace")).data == [None, None, None]
        with pytest.raises(LocalProtocolError, match="'traceparent' is not in the format of the W3C"):
            await client.call_tool("trace", meta={"traceparent": "garbage"})


async def test_header_fields_of_a_call() -> None:
    """They are there for one request, and stand for none of the protocol's."""

    def rest(posted: Posted) -> bytes:
        return http_answer(200, encoded(result(posted, {"tools": []})))

    async with http_peer(answering("modern", rest)) as peer, Client(peer.url, headers={"x-all": "1"}) as client:
        await client.list_tools(headers={"X-One": "2", "mcp-method": "forged"})
        await client.list_tools()
        first, second = peer.requests[-2:]
        assert (first.headers["x-all"], first.headers["x-one"], first.headers["mcp-method"]) == ("1", "2", "tools/list")
        assert "x-one" not in second.headers


async def test_a_time_that_progress_starts_again(some: Way) -> None:
    """LIFE-06, CAN-02, PRG-02: `timeout` is then the longest silence; `max_total` bounds the whole all the same."""
    reports = Reports()
    async with some.client() as client:
        call = client.call_tool("trickle", {"count": 12}, timeout=0.6, reset_on_progress=True, on_progress=reports)
        assert (await call).data == 12
        assert len(reports.told) == 12
        with pytest.raises(Timeout, match=r"within 0\.6 s$"):
            await client.call_tool("trickle", {"count": 100}, timeout=0.6, on_progress=reports)
        with pytest.raises(Timeout, match=r"0.5 s without progress, or 0.9 s in all \(max_total\)"):
            await client.call_tool(
                "trickle", {"count": 100}, timeout=0.5, max_total=0.9, reset_on_progress=True, on_progress=reports
            )
        assert (await client.call_tool("meta", {"key": "x"})).data == "None"


async def test_the_time_of_the_user_does_not_count(some: Way) -> None:
    """LIFE-06: the server has its time; the user has the rest of `max_total`."""
    asked = 0

    async def think(question: object) -> object:
        nonlocal asked
        asked += 1
        # Longer than the server has.
        await asyncio.sleep(1.2 if asked == 1 else 60)
        return {"item": "pen"}

    async with some.client(on_elicit=think) as client:
        assert (await client.call_tool("order", timeout=0.9)).data == "2 pen"
        with pytest.raises(Timeout):
            await client.call_tool("order", timeout=0.5, max_total=0.7)


async def test_options_that_cannot_be() -> None:
    client = Client(load_example())
    async with client:
        with pytest.raises(TypeError, match="no option 'timout'; known are timeout, max_total"):
            await client.list_prompts(timout=3)  # pyright: ignore[reportCallIssue] - that is the mistake
        with pytest.raises(TypeError, match="no option 'timout'"):
            await client.list_tools(timout=3)  # pyright: ignore[reportCallIssue] - that is the mistake
        with pytest.raises(LocalProtocolError, match="positive number"):
            await client.ping(timeout=0)
        with pytest.raises(LocalProtocolError, match="positive number"):
            await client.ping(max_total=-1)
    for options in ({"timeout": 0}, {"max_total": 0}, {"log_level": "loud"}):
        with pytest.raises(LocalProtocolError):
            Client("x", **options)  # pyright: ignore[reportArgumentType] - that is the mistake


async def test_what_the_server_does_not_declare_is_not_sent() -> None:
    """S31, LIFE-05: a list of it is empty, anything else an error that says why."""
    body = """
for message in legacy():
    answer(message, text("unexpected " + message["method"]))
"""
    async with Client(scripted(body)) as client:
        assert await client.list_resources() == []
        assert await client.list_resource_templates(cursor=None) == []
        assert await client.list_prompts() == []
        for asking, name in (
            (client.read_resource("x://y"), "'resources'"),
            (client.get_prompt("x"), "'prompts'"),
            (client.complete("x", "y", "z"), "'completions'"),
            (client.set_log_level("info"), "'logging'"),
        ):
            with pytest.raises(LocalProtocolError, match=f"the server \\('scripted'\\) does not declare {name}"):
                await asking
        assert (await client.call_tool("x")).text == "unexpected tools/call"


async def test_one_page() -> None:
    """PAG-01: a page says where the next one begins."""
    body = """
for message in modern():
    at = message["params"].get("cursor", "0")
    page = {"tools": [{"name": "t" + at, "inputSchema": {"type": "object"}}]}
    answer(message, page if at == "1" else {**page, "nextCursor": "1"})
"""
    async with Client(scripted(body)) as client:
        first = await client.list_tools(cursor=None)
        assert ([tool.name for tool in first], first.next_cursor) == (["t0"], "1")
        second = await client.list_tools(cursor=first.next_cursor)
        assert ([tool.name for tool in second], second.next_cursor) == (["t1"], None)
        everything = await client.list_tools()
        assert ([tool.name for tool in everything], everything.next_cursor) == (["t0", "t1"], None)


@dataclass
class Point:
    """A place."""

    x: int
    y: int


async def test_data_of_a_type() -> None:
    """TOOL-03: read as what the caller says it is, or refused."""
    async with Client(f"{EXAMPLE}:server") as client:
        assert (await client.call_tool("point", {"x": 1, "y": 2}, result_type=Point)).data == Point(1, 2)
        assert (await client.call_tool("points", {"count": 1}, result_type=list[Point])).data == [Point(0, 0)]
        assert (await client.call_tool("add", {"a": 1, "b": 2}, result_type=int)).data == 3
        with pytest.raises(RemoteProtocolError, match="What 'echo' returned cannot be read as"):
            await client.call_tool("echo", {"text": "x"}, result_type=Point)
        failed = await client.call_tool("fail", {"reason": "no"}, result_type=Point, raise_on_error=False)
        assert failed.is_error
