"""`anyport run`: which server is served, on what, and what is said when it cannot be (S01, S06, S15, D18)."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

import anyport.transports.http.client as _http_client  # its import would count as a slow callback
from anyport import Client
from anyport.errors import AuthError, McpError
from tests.client.peers import EXAMPLE, http_server, run_command
from tests.drivers.http_server import HttpPeer, head

assert _http_client

LIMIT_S = 60.0


def write(folder: Path, text: str, name: str = "mine.py") -> Path:
    """Write a file that a user could have written."""
    file = folder / name
    file.write_text(text)
    return file


def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `anyport run` with an input that ends at once."""
    command = run_command(*map(str, arguments))
    environment = {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, env=environment, input="")


def refused(*arguments: object, **variables: str) -> str:
    """Return what `anyport run` says when it ends with status 2, without anything on stdout."""
    done = run(*arguments, **variables)
    assert (done.returncode, done.stdout) == (2, ""), done
    assert done.stderr.startswith("anyport run: ")
    return done.stderr.removeprefix("anyport run: ").rstrip("\n")


async def name_of(target: str, **variables: str) -> str:
    """Return the name of the server that `anyport run` serves on stdio."""
    async with Client(run_command(target), env={**os.environ, **variables}) as client:
        assert client.server_info is not None
        return client.server_info.name


# --- which server -----------------------------------------------------------------------------------------------------

SEVERAL = (
    "from anyport import Server\nfirst = Server('one')\nsecond = Server('two')\nclass inner: third = Server('three')\n"
)


@pytest.mark.parametrize(
    ("text", "choice", "name"),
    [
        ("from anyport import Server\nanything = Server('only')\n", "", "only"),
        ("from anyport import Server\na = b = Server('twice')\n", "", "twice"),
        (SEVERAL, ":second", "two"),
        (SEVERAL, ":inner.third", "three"),
        (SEVERAL + "app = Server('app')\n", "", "app"),
        (SEVERAL + "app = Server('app')\nmcp = Server('mcp')\n", "", "mcp"),
        (SEVERAL + "app = Server('app')\nmcp = Server('mcp')\nserver = Server('server')\n", "", "server"),
        (SEVERAL + "second.run()\n", "", "two"),
        (SEVERAL + "second.run()\n", ":first", "one"),
        (SEVERAL + "if __name__ == '__main__': second.run()\nserver = first\n", "", "one"),
    ],
)
async def test_the_server_that_is_served(text: str, choice: str, name: str, tmp_path: Path) -> None:
    assert await name_of(f"{write(tmp_path, text)}{choice}") == name


RUNS_ITSELF = """
import sys
from anyport import Server
print("before")
mine = Server("mine")
try:
    mine.run(transport="http", port=1)
finally:
    print("after", "mine" in vars(sys.modules["mine"]))
"""


async def test_a_file_that_runs_its_server_itself(tmp_path: Path) -> None:
    """It is served, but the transport of its own call does not count."""
    assert await name_of(str(write(tmp_path, RUNS_ITSELF))) == "mine"


def test_what_a_file_does_around_its_own_call_stays_around_it(tmp_path: Path) -> None:
    done = run(write(tmp_path, RUNS_ITSELF))
    assert (done.returncode, done.stdout) == (0, "")
    assert [line for line in done.stderr.splitlines() if not line.startswith("anyport: ")] == ["before", "after True"]


async def test_a_file_with_neighbours_and_annotations_as_text(tmp_path: Path) -> None:
    """The folder of the file is where it imports from, and its own name is where its types are looked up."""
    write(tmp_path, "NAME = 'neighbour'\n", "beside.py")
    text = """
from __future__ import annotations
from dataclasses import dataclass
from anyport import Server
from beside import NAME
server = Server(NAME)
@dataclass
class Point:
    x: int
@server.tool
def make(x: int) -> Point:
    return Point(x)
"""
    # The second is called like a module that anyport itself has imported.
    for name in ("mine.py", "types.py"):
        file = write(tmp_path, text, name)
        async with Client(run_command(str(file)), env="inherit") as client:
            assert (await client.call_tool("make", {"x": 1})).data == {"x": 1}


def test_what_the_file_sees_as_its_arguments(tmp_path: Path) -> None:
    file = write(
        tmp_path, "import sys\nfrom anyport import Server\ns = Server('s')\nprint(sys.argv, file=sys.stderr)\n"
    )
    assert f"['{file}']" in run(file, "--transport", "stdio").stderr


def test_a_server_that_leaves_at_import(tmp_path: Path) -> None:
    assert run(write(tmp_path, "raise SystemExit(5)\n")).returncode == 5


# --- what cannot be served --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "choice", "message"),
    [
        ("x = 1\n", "", "{file} defines no Server at module level, such as: server = Server('name')"),
        (SEVERAL, "", "{file} defines several servers (first, second); name one: {file}:first"),
        (SEVERAL, ":missing", "{file} defines no missing"),
        (SEVERAL, ":inner", "inner in {file} is no Server but of type type"),
        (
            "from anyport import Server\ns = Server('s')\n@s.tool\ndef f(x: 'Nowhere'): ...\n",
            "",
            "{file}:3: f: an annotation cannot be resolved: name 'Nowhere' is not defined",
        ),
        ("from anyport import Server\nServer('')\n", "", "A server needs a name"),
    ],
)
def test_a_file_that_defines_no_server(text: str, choice: str, message: str, tmp_path: Path) -> None:
    """One line, status 2, no traceback."""
    file = write(tmp_path, text)
    assert refused(f"{file}{choice}") == message.format(file=file)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    assert refused(tmp_path / "no.py") == f"no such file: {tmp_path / 'no.py'}"
    assert refused(f"{tmp_path / 'no.py'}:server") == f"no such file: {tmp_path / 'no.py'}"
    assert refused(tmp_path) == f"not a file: {tmp_path}"
    assert refused(write(tmp_path, "", "notes.txt")) == f"not a Python file: {tmp_path / 'notes.txt'}"


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("def broken(:\n", "SyntaxError: invalid syntax"),
        ("import anyport_no_such_module\n", "ModuleNotFoundError: No module named 'anyport_no_such_module'"),
        ("def f():\n    return 1 / 0\nf()\n", "ZeroDivisionError: division by zero"),
        ("from anyport import Nothing\n", "ImportError: cannot import name 'Nothing' from 'anyport'"),
    ],
)
@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_a_file_that_cannot_be_loaded(text: str, last: str, transport: str, tmp_path: Path) -> None:
    """The user's own traceback, and nothing of anyport's in it."""
    file = write(tmp_path, text)
    first, *rest = refused(file, "--transport", transport).splitlines()
    assert first == f"{file} cannot be loaded"
    assert rest[-1].startswith(last)
    frames = [line for line in rest if line.startswith("  File ")]
    assert frames
    assert all(str(file) in frame for frame in frames), frames


def test_a_lifespan_that_fails(tmp_path: Path) -> None:
    text = """
from contextlib import asynccontextmanager
from anyport import Server
@asynccontextmanager
async def live(server):
    raise RuntimeError("no database")
    yield
server = Server("s", lifespan=live)
"""
    file = write(tmp_path, text)
    error = refused(file)
    assert error.startswith("the server failed\n")
    assert error.endswith("RuntimeError: no database")
    assert f'File "{file}", line 6, in live' in error
    assert "anyport/server" not in error


USAGE = [
    (
        ["--transport", "carrier"],
        "--transport: unknown transport 'carrier'; known are stdio, http, streamable-http, sse, socket",
    ),
    (["--stdio", "--http", "--socket-remote"], "None of stdio, http has socket_remote"),
    (["--stdio", "--sse", "--path", "/x"], "None of stdio, sse has path"),
    (["--http", "--socket-remote"], "The http transport has no socket_remote"),
    (["--sse", "localhost"], "--sse: a port is a number from 0 to 65535, not 'localhost'"),
    (["--sse", "8000", "--port", "9000"], "--sse and --port say different things: 8000 and 9000"),
    (["--transport", "socket"], "The socket transport needs a place: socket_path for a Unix socket"),
    (["--socket", ":70000"], "--socket: a port is a number from 0 to 65535, not '70000'"),
    (["--socket", "0.0.0.0:0"], "the socket transport has no authentication, and others can reach 0.0.0.0"),
    (["--http", "0", "--sse", "--sse-path", "/mcp"], "sse_path is '/mcp', which is another endpoint's path already"),
    (["--port", "8000"], "stdio has no port: name the transport, --http"),
    (["--stdio", "--host", "x", "--path", "/x"], "stdio has no host, path: name the transport, --http"),
    (["--http", "99999"], "--http: a port is a number from 0 to 65535, not '99999'"),
    (["--http", "localhost"], "--http: a port is a number from 0 to 65535, not 'localhost'"),
    (["--http", "--port", "http"], "--port: a port is a number from 0 to 65535, not 'http'"),
    (["--http", "8000", "--port", "9000"], "--http and --port say different things: 8000 and 9000"),
    (["--http", "a:8000", "--host", "b"], "--http and --host say different things: a and b"),
    (["--http", "0", "--path", "mcp"], "path must start with a slash; it is 'mcp'"),
]


@pytest.mark.parametrize(("arguments", "message"), USAGE)
def test_options_that_cannot_be(arguments: list[str], message: str) -> None:
    assert refused(f"{EXAMPLE}:server", *arguments).startswith(message)


def test_settings_that_cannot_be() -> None:
    """S15: the message names the variable."""
    message = "unknown transport 'carrier'; known are stdio, http, streamable-http, sse, socket"
    assert refused(EXAMPLE, MCP_TRANSPORT="carrier") == f"MCP_TRANSPORT: {message}"
    assert refused(EXAMPLE, TRANSPORT="carrier") == f"TRANSPORT: {message}"
    assert refused(EXAMPLE, "--http", ANYPORT_PORT="x") == "ANYPORT_PORT: a port is a number from 0 to 65535, not 'x'"


def test_problems_as_json() -> None:
    done = run("nowhere.py", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert json.loads(done.stderr) == {"error": "no such file: nowhere.py"}


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        expected = f"port {port} of 127.0.0.1 is in use; choose another, or 0 for any that is free"
        assert refused(f"{EXAMPLE}:server", "--http", port) == expected


def test_a_host_that_is_not_here() -> None:
    assert refused(f"{EXAMPLE}:server", "--http", "192.0.2.1:8000").startswith("cannot bind 192.0.2.1:8000: ")
    assert refused(f"{EXAMPLE}:server", "--http", "host.invalid:8000").startswith("cannot bind host.invalid: ")


# --- on what ----------------------------------------------------------------------------------------------------------


@contextmanager
def serving(*arguments: str, **variables: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """Serve over HTTP; yields the process and the line that tells the address."""
    environment: Mapping[str, str] = {**os.environ, **variables}
    with subprocess.Popen(
        run_command(f"{EXAMPLE}:server", *arguments), stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr is not None
        try:
            yield process, process.stderr.readline()
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("arguments", "variables", "address"),
    [
        (["--http", "0"], {}, r"http://127\.0\.0\.1:\d+/mcp"),
        (["--http", "127.0.0.2:0"], {}, r"http://127\.0\.0\.2:\d+/mcp"),
        (["--transport", "http", "--port", "0", "--path", "/v1"], {}, r"http://127\.0\.0\.1:\d+/v1"),
        (["--transport", "streamable-http", "--host", "127.0.0.2", "--port", "0"], {}, r"http://127\.0\.0\.2:\d+/mcp"),
        (["--http", "0", "--transport", "streamable-http"], {}, r"http://127\.0\.0\.1:\d+/mcp"),
        ([], {"MCP_TRANSPORT": "http", "MCP_HOST": "127.0.0.2", "MCP_PORT": "0"}, r"http://127\.0\.0\.2:\d+/mcp"),
        (
            ["--http", "0"],
            {"MCP_PORT": "1", "TRANSPORT": "stdio", "ANYPORT_PATH": "/v2"},
            r"http://127\.0\.0\.1:\d+/v2",
        ),
    ],
)
def test_where_it_serves_http(arguments: list[str], variables: dict[str, str], address: str) -> None:
    """S06, S15, S17: the command line first, then the environment, then the safe default."""
    with serving(*arguments, **variables) as (process, line):
        assert re.fullmatch(f"anyport: example serves MCP at {address}\n", line)
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0


@pytest.mark.parametrize(
    ("arguments", "addresses"),
    [
        (["--http", ":0", "--sse", ":0"], ["127.0.0.1/mcp", "127.0.0.1/sse"]),
        (["--http", ":0", "--sse"], ["127.0.0.1/mcp", "127.0.0.1/sse"]),
        (["--sse", "127.0.0.2:0", "--sse-path", "/v1"], ["127.0.0.2/v1"]),
        (["--sse", "127.0.0.2:0", "--http", "--port", "0"], ["127.0.0.1/mcp", "127.0.0.2/sse"]),
        (["--transport", "sse", "--port", "0", "--host", "127.0.0.2"], ["127.0.0.2/sse"]),
        (["--http", "0", "--socket", "127.0.0.2:0"], ["127.0.0.1/mcp", "127.0.0.2"]),
        (["--socket", "0"], ["127.0.0.1"]),
    ],
)
def test_where_it_serves_several(arguments: list[str], addresses: list[str]) -> None:
    """S04, S16: any subset, each where it was put."""
    with serving(*arguments) as (process, line):
        assert process.stderr is not None
        lines = [line, *(process.stderr.readline() for _ in addresses[1:])]
        found = [re.sub(r".* at \w+://([\d.]+):\d+(\S*)\n", r"\1\2", each) for each in lines]
        assert found == addresses
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0


async def test_stdio_with_the_others(tmp_path: Path) -> None:
    """S16: the client on stdio starts them, and ends them."""
    path = tmp_path / "s"
    options = ["--stdio", "--http", ":0", "--sse", ":0", "--socket", str(path)]
    async with Client(run_command(f"{EXAMPLE}:server", *options), env=dict(os.environ)) as client:
        assert (await client.call_tool("add", {"a": 1, "b": 1})).data == 2
        assert path.is_socket()
    assert not path.exists()


async def test_stdio_wins_over_the_environment() -> None:
    """A client starts a server with --stdio, whatever variables are around."""
    variables = {**os.environ, "MCP_TRANSPORT": "http"}
    async with Client(run_command(f"{EXAMPLE}:server", "--stdio"), env=variables) as client:
        assert client.server_info is not None


@pytest.fixture(name="open_url")
def serve_strangers() -> Generator[str]:
    options = ["--allowed-host", "mcp.example.com", "--allowed-origin", "https://a.example"]
    with http_server(f"{EXAMPLE}:server", *options) as url:
        yield url


async def test_hosts_and_origins_of_the_command_line(open_url: str) -> None:
    """D04: what is named there is served, and nothing else."""
    headers = {"Host": "mcp.example.com", "Origin": "https://a.example"}
    async with Client(open_url, headers=headers) as client:
        assert (await client.call_tool("add", {"a": 1, "b": 1})).data == 2
    with pytest.raises(McpError, match="allowed_hosts"):
        await Client(open_url, headers={"Host": "evil.example"}).connect()
    with pytest.raises(AuthError, match="allowed_origins"):
        await Client(open_url, headers={"Origin": "https://evil.example"}).connect()


def test_json_only_on_the_command_line() -> None:
    """S08: no streams."""
    with http_server(f"{EXAMPLE}:server", "--json-only") as url, HttpPeer(int(url.split(":")[2].split("/")[0])) as peer:
        peer.send(head("GET", "/mcp", [("host", "127.0.0.1"), ("accept", "text/event-stream")]))
        assert peer.answer().status == 405


# --- what it costs ----------------------------------------------------------------------------------------------------


async def test_a_stdio_server_imports_only_what_it_needs() -> None:
    """D18: no HTTP library, no client, no other command."""
    async with Client(run_command(f"{EXAMPLE}:server"), env="inherit") as client:
        names = (await client.call_tool("modules")).data
    assert isinstance(names, list)
    unwanted = {
        "aiohttp",
        "uvicorn",
        "httptools",
        "anyport.client",
        "anyport.cli.list",
        "anyport.cli.call",
        "anyport.serving.asgi",
    }
    assert unwanted.isdisjoint(map(str, names))
    assert "anyport.cli.run" in names
