"""What a client may be pointed at, in both eras, and how it is opened and closed (S20, D01, D09, VER-10, VER-11)."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest

import anyport.transports.http.client as _http_client  # its import would count as a slow callback
from anyport import Client, Server
from anyport.client.targets import Target
from anyport.errors import ConnectError, LocalProtocolError
from tests.client.peers import EXAMPLE, Where, http_server, load_example, make_client, run_command

assert _http_client

WHERE: tuple[Where, ...] = ("memory", "file", "command", "http")


@pytest.fixture(scope="module", name="url")
def serve_url() -> Generator[str]:
    with http_server(f"{EXAMPLE}:server") as url:
        yield url


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("era", [None, "modern", "legacy"])
async def test_every_target_in_every_era(where: Where, era: Literal["modern", "legacy"] | None, url: str) -> None:
    """S20, VER-10, LIFE-01: the client finds out what is spoken, or speaks what it is told to."""
    async with make_client(where, url, era) as client:
        assert client.era == (era or "modern")
        assert client.revision == ("2025-11-25" if era == "legacy" else "2026-07-28")
        assert client.server_info is not None
        assert (client.server_info.name, client.server_info.version) == ("example", "1.2")
        assert client.instructions == "Add up."
        assert client.capabilities.tools is not None
        assert "add" in [tool.name for tool in await client.list_tools()]
        assert (await client.call_tool("add", {"a": 1, "b": 2})).data == 3


@pytest.mark.parametrize("target", [Path(EXAMPLE), f"{EXAMPLE}", f"{EXAMPLE}:server"])
async def test_a_file_in_each_way_of_writing_it(target: Target) -> None:
    async with Client(target) as client:
        assert client.server_info is not None
        assert client.server_info.name == "example"


async def test_one_of_several_servers_in_a_file() -> None:
    async with Client(f"{EXAMPLE}:other") as client:
        assert client.server_info is not None
        assert client.server_info.name == "other"


async def test_a_file_that_prints_and_runs_its_server_itself(tmp_path: Path) -> None:
    """STDIO-02: a print at import reaches nobody, and the file's own choice of a transport does not count."""
    file = tmp_path / "mine.py"
    file.write_text(
        "from anyport import Server\nprint('hello')\nmine = Server('mine')\nmine.run(transport='http', port=1)\n"
    )
    async with Client(file) as client:
        assert client.server_info is not None
        assert client.server_info.name == "mine"


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ("ftp://somewhere/x", LocalProtocolError, "Cannot tell what 'ftp://somewhere/x' is: ftp:// is no scheme"),
        ("http:///mcp", LocalProtocolError, "Not an http or https URL with a host: 'http:///mcp'"),
        ("http://[::1/mcp", LocalProtocolError, "Not a URL: 'http://[::1/mcp'"),
        ("missing.py", ConnectError, "No such file: missing.py"),
        ([], LocalProtocolError, "A command needs at least the name of a program"),
        (["anyport-no-such-program"], ConnectError, "Cannot start 'anyport-no-such-program': No such file"),
    ],
)
async def test_a_target_that_is_none(target: Target, error: type[Exception], message: str) -> None:
    """D01: the error names what was wrong."""
    with pytest.raises(error) as caught:
        await Client(target).connect()
    assert str(caught.value).startswith(message)


async def test_no_time_limit() -> None:
    """An endless timeout is none, on any event loop."""
    async with Client(load_example(), timeout=math.inf) as client:
        assert (await client.call_tool("add", {"a": 1, "b": 1}, timeout=math.inf)).data == 2


def test_options_that_are_none() -> None:
    with pytest.raises(LocalProtocolError, match="era must be"):
        Client("http://x/", era="old")  # pyright: ignore[reportArgumentType] - what a user may type all the same
    for seconds in (0, -1, float("nan")):
        with pytest.raises(LocalProtocolError, match="A timeout must be a positive number"):
            Client("http://x/", timeout=seconds)


@pytest.mark.parametrize(
    ("client", "message"),
    [
        (Client(EXAMPLE, headers={"x": "y"}), "headers= goes with an http or https URL"),
        (Client(Server("s"), headers={"x": "y"}), "headers= goes with an http or https URL"),
        (Client(Server("s"), env="inherit"), "env= goes with a server that anyport starts"),
        (Client("http://x/", env={"A": "b"}), "env= goes with a server that anyport starts"),
        (Client("http://x/", headers={"a b": "y"}), "The header 'a b' has characters"),
        (Client("http://x/", headers={"a": "y\r\nx-evil: 1"}), "The header 'a' has characters"),
        (Client(EXAMPLE, env="all"), 'env must be "minimal", "inherit" or a mapping'),  # pyright: ignore[reportArgumentType] - as above
    ],
)
async def test_options_that_do_not_go_with_the_target(client: Client, message: str) -> None:
    with pytest.raises(LocalProtocolError, match=message):
        await client.connect()


async def test_a_client_that_is_not_open_says_so() -> None:
    client = Client(load_example())
    with pytest.raises(LocalProtocolError, match="not connected"):
        await client.call_tool("add", {"a": 1, "b": 2})
    with pytest.raises(LocalProtocolError, match="never was"):
        client.revision  # noqa: B018 - the property raises
    await client.aclose()
    await client.connect()
    await client.aclose()
    with pytest.raises(LocalProtocolError, match="not connected"):
        await client.list_tools()
    assert client.revision == "2026-07-28"


@pytest.mark.parametrize("where", WHERE)
async def test_open_close_and_open_again_from_any_task(where: Where, url: str) -> None:
    """D09: each step in a task of its own, twice over; a second opening or closing changes nothing."""
    client = make_client(where, url, None)
    for _ in range(2):
        await asyncio.create_task(client.connect())
        await asyncio.create_task(client.connect())
        assert (await asyncio.create_task(client.call_tool("add", {"a": 1, "b": 1}))).data == 2
        await asyncio.create_task(client.aclose())
        await asyncio.create_task(client.aclose())


async def test_the_lifespan_lasts_as_long_as_there_are_clients_in_memory() -> None:
    happened: list[str] = []

    @asynccontextmanager
    async def live(server: Server) -> AsyncGenerator[str]:
        happened.append("start")
        yield "state"
        happened.append("end")

    server = Server("living", lifespan=live)
    first, second = Client(server), Client(server)
    await first.connect()
    await second.connect()
    await first.aclose()
    assert happened == ["start"]
    await second.aclose()
    assert happened == ["start", "end"]
    async with first:
        assert happened == ["start", "end", "start"]


def test_a_client_of_a_command_imports_no_http_library() -> None:
    """D18: the client of HTTP is loaded for a URL and for nothing else."""
    code = (
        "import asyncio, sys\nfrom anyport import Client\n"
        f"async def main():\n    async with Client({run_command(f'{EXAMPLE}:server')!r}, env='inherit') as client:\n"
        "        await client.list_tools()\n"
        "asyncio.run(main())\n"
        "unwanted = ('httptools', 'anyport.transports.http11', 'uvicorn', 'pydantic')\n"
        "print([name for name in unwanted if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() in ("[]", "['pydantic']")
