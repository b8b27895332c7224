"""Clients written for `mcp` and `fastmcp`, with their imports changed and nothing else."""

from __future__ import annotations

import datetime
import subprocess
import sys
from pathlib import Path

import pytest

from anyport.compat.fastmcp import NotHonoured
from anyport.compat.fastmcp.client import Client
from anyport.compat.mcp import ClientSession, StdioServerParameters
from anyport.compat.mcp.client.http import http_client
from anyport.compat.mcp.client.sse import sse_client
from anyport.compat.mcp.client.stdio import get_default_environment, stdio_client
from anyport.compat.mcp.client.streamable_http import streamablehttp_client
from anyport.compat.mcp.types import CreateMessageRequestParams, SamplingMessage, TextContent
from anyport.errors import LocalProtocolError, McpError, Timeout, ToolError
from tests.client.peers import EXAMPLE, load_server, scripted, served
from tests.client.ways import FULL
from tests.compat.ported import original, ported
from tests.requirements import interop_python

WAIT = 30.0

S21 = """
import asyncio, sys
from mcp import ClientSession
from mcp.client.sse import sse_client

async def main():
    async with sse_client(sys.argv[1]) as (read, write):
        async with ClientSession(read, write) as session:
            await session.initialize()
            result = await session.call_tool("add", {"a": 20, "b": 22})
            print(result.content[0].text)

asyncio.run(main())
"""

S22 = """
import asyncio, sys
from mcp import ClientSession
from mcp.client.http import http_client

async def main():
    async with http_client(sys.argv[1], headers={"Authorization": "Bearer token"}) as (read, write):
        async with ClientSession(read, write) as session:
            await session.initialize()
            result = await session.call_tool("sent_header", {"name": "authorization"})
            print(result.content[0].text)

asyncio.run(main())
"""


def run(python: Path | str, program: Path | str, *arguments: str) -> str:
    """Run a program and return what it prints."""
    code = ["-c", program] if isinstance(program, str) else [str(program)]
    command = [str(python), *code, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def changed(snippet: str) -> str:
    """Return a snippet with its imports changed."""
    return snippet.replace("from mcp", "from anyport.compat.mcp")


def test_the_snippet_of_sse() -> None:
    """S21."""
    with served(f"{EXAMPLE}:server", "--sse", "0") as url:
        assert run(sys.executable, changed(S21), url) == "42\n"


def test_the_snippet_of_http() -> None:
    """S22: the header fields go with every request."""
    with served(f"{EXAMPLE}:server", "--http", "0") as url:
        assert run(sys.executable, changed(S22), url) == "Bearer token\n"


@pytest.mark.needs_interop
def test_a_whole_client(tmp_path: Path) -> None:
    """S20, S23: it says what it says under the library that it was written for."""
    server = (sys.executable, str(FULL))
    ours = run(sys.executable, ported("mcp1_client", tmp_path), *server)
    assert ours == run(interop_python("mcp1"), original("mcp1_client"), *server)
    assert "['user: What is the capital of France? (7)'] False" in ours
    assert "['3 cup'] False" in ours


async def test_a_session_of_its_own() -> None:
    """Times, refusals, what is not here; the server may be of the modern era."""
    async with stdio_client(StdioServerParameters(command=sys.executable, args=[str(FULL)])) as (read, write):
        with pytest.raises(NotHonoured, match="message_handler is not here"):
            ClientSession(read, write, message_handler=print)
        async with ClientSession(read, write, read_timeout_seconds=datetime.timedelta(seconds=20)) as session:
            with pytest.raises(LocalProtocolError, match="not connected"):
                await session.list_tools()
            opened = await session.initialize()
            assert opened.protocolVersion == "2026-07-28"
            assert session.get_server_capabilities() == session.client.capabilities
            with pytest.raises(McpError, match="Unknown tool"):
                await session.call_tool("nothing")
            with pytest.raises(Timeout):
                await session.call_tool("trickle", {"count": 100}, datetime.timedelta(seconds=0.2))
            meta = await session.call_tool("meta", {"key": "org.example/x"}, meta={"org.example/x": 1})
            assert meta.content[0].model_dump()["text"] == "1"
        assert session.client.state == "closed"
    async with http_client("http://127.0.0.1:1/") as (other, _):
        with pytest.raises(LocalProtocolError, match="the two ends"):
            ClientSession(read, other)
    async with sse_client("http://127.0.0.1:1/", headers={"x": "y"}, timeout=5) as (read, write):
        assert read is write
    assert "PATH" in get_default_environment()


async def test_leaving_the_ends_closes_the_session() -> None:
    """As code does that makes a session without a block of its own."""
    async with stdio_client(StdioServerParameters(command=sys.executable, args=[str(FULL)])) as (read, write):
        session = ClientSession(read, write)
        await session.initialize()
    assert session.client.state == "closed"


async def test_where_a_server_starts(tmp_path: Path) -> None:
    """Its directory, its variables, and who takes what it says on stderr."""
    body = """
for message in modern():
    say("to stderr")
    answer(message, text([os.getcwd(), os.environ.get("SHOP", "")]))
"""
    command, *args = scripted(body)
    log = tmp_path / "log"
    with log.open("w") as errlog:
        server = StdioServerParameters(command=command, args=args, cwd=tmp_path, env={"SHOP": "pens"})
        async with stdio_client(server, errlog=errlog) as (read, write), ClientSession(read, write) as session:
            await session.initialize()
            said = (await session.call_tool("x")).content[0].model_dump()["text"]
    assert said == f'["{tmp_path}", "pens"]'
    assert "to stderr" in log.read_text()


async def test_streamable_http_has_three() -> None:
    async with streamablehttp_client("http://127.0.0.1:1/mcp", timeout=datetime.timedelta(seconds=3)) as found:
        read, write, session_id = found
        assert read is write
        assert session_id() is None
        assert read.options.get("timeout") == 3


# --- fastmcp ----------------------------------------------------------------------------------------------------------


async def test_a_client_of_fastmcp() -> None:
    """S24: options, methods and results have the names that its code uses."""
    told: list[float] = []

    def sample(messages: list[SamplingMessage], params: CreateMessageRequestParams, context: object) -> str:
        assert isinstance(messages[0].content, TextContent)
        return f"{messages[0].content.text} {params.maxTokens}"

    def ask(message: str, kind: object, params: object, context: object) -> dict[str, object]:
        return {"item": message}

    async def progress(step: float, total: float | None, message: str | None) -> None:
        told.append(step)

    client = Client(
        load_server(FULL),
        sampling_handler=sample,
        elicitation_handler=ask,
        progress_handler=progress,
        roots=["file:///srv"],
        timeout=datetime.timedelta(seconds=20),
    )
    async with client:
        async with client:
            assert client.is_connected()
        assert client.is_connected()
        assert client.initialize_result.serverInfo.name == "full"
        assert await client.ping()
        tools = {tool.name: tool for tool in await client.list_tools()}
        assert tools["order"].inputSchema["type"] == "object"
        assert (await client.call_tool("think")).data == "What is the capital of France? 7"
        assert (await client.call_tool("order")).data == "2 What shall it be?"
        result = await client.call_tool("trickle", {"count": 2})
        assert (result.data, result.structured_content, told) == (2, {"result": 2}, [1, 2])
        assert (await client.call_tool("look")).data == ["file:///srv"]
        with pytest.raises(ToolError):
            await client.call_tool("trickle", {"count": "x"})
        assert (await client.call_tool("trickle", {"count": "x"}, raise_on_error=False)).is_error
        with pytest.raises(Timeout):
            await client.call_tool("trickle", {"count": 100}, timeout=0.2)
        assert [str(found.uri) for found in await client.list_resources()] == ["shop://list"]
        assert [found.uriTemplate for found in await client.list_resource_templates()] == ["shop://items/{name}"]
        assert (await client.read_resource("shop://items/pen"))[0].model_dump()["text"] == "a pen"
        assert [found.name for found in await client.list_prompts()] == ["greet"]
        prompt = await client.get_prompt("greet", {"name": "Ada"})
        assert prompt.messages[0].content.model_dump()["text"] == "Say hello to Ada."
        done = await client.complete({"type": "ref/prompt", "name": "greet"}, {"name": "name", "value": "G"})
        assert done.values == ["Grace"]
        await client.set_logging_level("error")
    assert not client.is_connected()


async def test_options_of_fastmcp_that_are_not_here() -> None:
    with pytest.raises(NotHonoured, match="message_handler is not here"):
        Client("x", message_handler=print)
    with pytest.raises(TypeError, match="no option 'colour'"):
        Client("x", colour="red")
    client = Client("http://127.0.0.1:1/mcp", auth="secret")
    assert not client.is_connected()
    await client.close()
