"""Servers for `fastmcp` and `mcp.server.fastmcp`, only their imports changed, in every way that they are run (S24)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from anyport import Client
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.types import ContentBlock, EmbeddedResource
from tests.compat.ported import original, ported
from tests.drivers.http_server import HttpProcess
from tests.drivers.sse_wire import SsePeer
from tests.drivers.stdio import call, environment, handshake
from tests.requirements import Environment, interop_python

WAIT = 30.0


@contextmanager
def served(name: str, folder: Path, *arguments: str) -> Generator[HttpProcess]:
    """A snippet that serves over HTTP."""
    with HttpProcess(ported(name, folder), *arguments) as process:
        yield process


async def add(client: Client) -> object:
    return (await client.call_tool("add", {"a": 2, "b": 3})).data


@pytest.mark.parametrize("how", ["plain", "stdio", "async-stdio", "environment"])
async def test_on_stdio(how: str, tmp_path: Path) -> None:
    """S24, S01: `mcp.run()`, `mcp.run(transport="stdio")`, `await mcp.run_async()`, and what the environment says."""
    command = [sys.executable, str(ported("fastmcp_article", tmp_path)), how]
    async with Client(command, env=environment()) as client:
        assert client.server_info is not None
        assert client.server_info.name == "Calculator"
        assert [tool.name for tool in await client.list_tools()] == ["add", "shout"]
        assert await add(client) == 5
        assert (await client.call_tool("shout", {"text": "hi"})).data == {"said": "HI"}


@pytest.mark.parametrize(("how", "path"), [("http", "/mcp"), ("streamable-http", "/v1"), ("async", "/mcp")])
async def test_over_http(how: str, path: str, tmp_path: Path) -> None:
    """S24, S06: `transport="http"` and `"streamable-http"`, the usual path and another one, and `run_async`."""
    with served("fastmcp_article", tmp_path, how) as process:
        assert process.path == path
        async with Client(f"http://127.0.0.1:{process.port}{path}") as client:
            assert await add(client) == 5


@pytest.mark.parametrize(("how", "path"), [("sse", "/sse"), ("sse-path", "/events")])
def test_over_sse(how: str, path: str, tmp_path: Path) -> None:
    """S24, S04: `transport="sse"` with host and port, and another path."""
    with served("fastmcp_article", tmp_path, how) as process:
        assert process.path == path
        assert sse_says(process.port, path, "add", a=2, b=3) == "5"


def sse_says(port: int, path: str, tool: str, **arguments: JsonValue) -> str:
    """Call a tool over HTTP+SSE."""
    with SsePeer(port, path) as peer:
        for message in handshake():
            peer.post(message)
        assert peer.receive().id == "hello"
        peer.post(call(1, tool, arguments))
        return peer.receive().text


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({"MCP_TRANSPORT": "streamable-http", "MCP_PORT": "0"}, "/mcp"),
        ({"MCP_TRANSPORT": "sse", "MCP_HOST": "127.0.0.1", "MCP_PORT": "0"}, "/sse"),
    ],
)
def test_as_the_environment_says(
    variables: Mapping[str, str], path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S24, S15: the code asks the environment itself, and hands on what it says."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with served("fastmcp_article", tmp_path, "environment") as process:
        assert process.path == path


def test_an_unknown_transport(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S15: a ValueError that lists the known ones."""
    monkeypatch.setenv("MCP_TRANSPORT", "carrier-pigeon")
    monkeypatch.setenv("MCP_PORT", "0")
    file = ported("fastmcp_article", tmp_path)
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=WAIT, env=environment())
    assert done.returncode == 1
    assert "unknown transport 'carrier-pigeon'; known are stdio, http, streamable-http, sse" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "path"),
    [(("streamable-http",), "/api/mcp"), (("sse",), "/sse"), (("sse", "/other"), "/other")],
)
def test_host_and_port_in_the_constructor(arguments: tuple[str, ...], path: str, tmp_path: Path) -> None:
    """S24: `mcp` says them there, and lets `mcp.settings` change them before `run`."""
    with served("mcp1_features", tmp_path, *arguments) as process:
        assert (process.host, process.path) == ("127.0.0.1", path)


def test_host_and_port_of_older_code(tmp_path: Path) -> None:
    with served("fastmcp2_article", tmp_path, "http") as process:
        assert (process.host, process.path) == ("127.0.0.1", "/mcp")
        process.says("CompatWarning: FastMCP: dependencies makes no difference here")


def test_its_own_client(tmp_path: Path) -> None:
    """S24: `Client` comes from the same import."""
    command = [sys.executable, str(ported("fastmcp2_article", tmp_path)), "client"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, env=environment())
    assert (done.returncode, done.stdout) == (0, "rain in Paris\n"), done.stderr


def test_run_by_the_command_line(tmp_path: Path) -> None:
    """A file for another library is a server for `anyport run` and for `Client` like any other."""
    command = [sys.executable, "-m", "anyport", "call", str(ported("fastmcp_article", tmp_path)), "add", "a=1", "b=1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, env=environment())
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr


# --- beside the originals ---------------------------------------------------------------------------------------------

CALLS: dict[str, list[tuple[str, dict[str, object]]]] = {
    "fastmcp_features": [
        ("sum", {"numbers": [1, 2]}),
        ("renamed", {"point": {"x": 1, "y": 2}, "mode": "a"}),
        ("talk", {}),
        ("read", {}),
        ("blocks", {}),
        ("result", {}),
        ("media", {"kind": "image"}),
        ("media", {"kind": "audio"}),
        ("media", {"kind": "file"}),
        ("here", {}),
        ("twice", {}),
        ("sub_ping", {}),
    ],
    "mcp1_features": [
        ("get_weather", {"city": "Paris"}),
        ("query", {}),
        ("long", {"name": "x"}),
        ("read", {}),
        ("direct", {}),
        ("thumbnail", {}),
        ("plain", {}),
        ("change", {}),
    ],
}


@pytest.mark.needs_interop
@pytest.mark.slow
@pytest.mark.parametrize(("name", "library"), [("fastmcp_features", "fastmcp4"), ("mcp1_features", "mcp1")])
async def test_the_original_says_the_same(name: str, library: Environment, tmp_path: Path) -> None:
    """S24: the same file under the library that it was written for: the same tools, and the same answers."""
    commands = [
        [str(interop_python(library)), str(original(name))],
        [sys.executable, str(ported(name, tmp_path))],
    ]
    theirs, ours = [await answers(command, CALLS[name]) for command in commands]
    assert ours == theirs


async def answers(command: list[str], calls: list[tuple[str, dict[str, object]]]) -> dict[str, object]:
    """Return what a server has and says, as far as the libraries are to agree."""
    async with Client(command, env=environment()) as client:
        tools = await client.list_tools()
        found: dict[str, object] = {
            "instructions": client.instructions,
            "tools": [(tool.name, tool.description or "", properties(tool.input_schema)) for tool in tools],
        }
        for tool, arguments in calls:
            result = await client.call_tool(tool, arguments)
            found[f"{tool} {arguments}"] = (as_data(result.data), [parts(block) for block in result.content])
        return found


def properties(schema: JsonObject) -> list[str]:
    found = schema.get("properties")
    return sorted(found) if isinstance(found, dict) else []


def as_data(data: object) -> object:
    """Return what a text says where it is JSON, whose layout is the libraries' own."""
    try:
        return json.loads(data) if isinstance(data, str) else data
    except ValueError:
        return data


def parts(block: ContentBlock) -> tuple[object, ...]:
    """Return what a block says; texts are compared as data."""
    if isinstance(block, EmbeddedResource):
        return block.type, str(block.resource.uri), block.resource.mime_type, block.resource.text or block.resource.blob
    return block.type, getattr(block, "data", None), getattr(block, "mime_type", None)
