"""What a target is understood as, what errors call it, and what is said about one that is none (D01)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyport import Client, Server
from anyport.client.config import read_servers
from anyport.client.connect import Options, command_environment, make_ways
from anyport.client.destinations import (
    Command,
    Custom,
    Endpoint,
    InMemory,
    SocketAddress,
    shown_words,
)
from anyport.client.in_memory import MemoryClient
from anyport.client.targets import Target, UnknownTarget, read_target
from anyport.errors import AnyportError, ConnectError, LocalProtocolError
from anyport.protocol.limits import DEFAULT_LIMITS
from anyport.protocol.urls import shown_url
from tests.client.peers import EXAMPLE, load_example, run_command


def test_each_kind_of_target() -> None:
    server = Server("shop")
    assert read_target(server) == InMemory(server)
    assert read_target("https://host/mcp") == Endpoint(url="https://host/mcp")
    assert read_target("HTTP://host") == Endpoint(url="HTTP://host")
    assert read_target(["python", Path("x.py")]) == Command(words=("python", "x.py"))  # pyright: ignore[reportArgumentType] - a path among texts
    assert read_target(("program",)) == Command(words=("program",))
    assert read_target("unix:/run/mcp.sock") == SocketAddress(path="/run/mcp.sock")
    assert read_target("unix:///run/mcp.sock") == SocketAddress(path="/run/mcp.sock")
    assert read_target("unix:mcp.sock") == SocketAddress(path="mcp.sock")
    assert read_target("unix:/run/x.json") == SocketAddress(path="/run/x.json")
    assert read_target("tcp://127.0.0.1:9000") == SocketAddress(host="127.0.0.1", port=9000)
    assert read_target("tcp://[::1]:9000") == SocketAddress(host="::1", port=9000)
    file = read_target(f"{EXAMPLE}:server")
    assert isinstance(file, Command)
    assert file.words == (*run_command(f"{EXAMPLE}:server"), "--stdio")
    assert file.same_python
    transport = MemoryClient(server)
    assert read_target(transport) == Custom(transport)
    entry = read_servers({"mcpServers": {"a": {"url": "http://host/"}}})["a"]
    assert read_target(entry) == Endpoint(url="http://host/", label="a of the configuration")


async def test_a_transport_of_ones_own() -> None:
    async with Client(MemoryClient(load_example())) as client:
        assert (await client.call_tool("add", {"a": 1, "b": 2})).data == 3


NO_TARGETS = (
    (None, "A client cannot be pointed at None: a target is an http(s) URL"),
    (3, "A client cannot be pointed at a int"),
    (b"server.py", "A client cannot be pointed at a bytes"),
    (Server, "A client cannot be pointed at a type"),
    (MemoryClient, "A client cannot be pointed at a type"),
    ("", "it is empty"),
    ("  ", "it is empty"),
    ("ws://host/mcp", "ws:// is no scheme that carries MCP"),
    ("file:///x/server.py", "file:// is no scheme that carries MCP"),
    ("localhost:8000/mcp", 'a URL begins with its scheme: "http://localhost:8000/mcp"'),
    ("localhost:8000", 'a URL begins with its scheme: "http://localhost:8000"'),
    ("example.com/mcp", 'a URL begins with its scheme: "http://example.com/mcp"'),
    ("[::1]:8000/mcp", 'a URL begins with its scheme: "http://[::1]:8000/mcp"'),
    ("mcp-server-time", 'a package is started by "npx mcp-server-time" or "uvx mcp-server-time"'),
    ("@scope/server", 'a package is started by "npx @scope/server" or "uvx @scope/server"'),
    ("python server.py --x", "a command is given as a list: ['python'] and its arguments"),
    ("./scripts/server", "there is no such file"),
    ('{"mcpServers": {}}', "it looks like JSON: pass the dictionary, or the path of the file"),
    ("x" * 5000 + "/", "there is no such file"),
    ("x" * 5000, "there is no such file"),
    ("host.example/mcp?key=x", 'a URL begins with its scheme: "http://host.example/mcp?..."'),
    ("a\0b/", "there is no such file"),
    ("unix:", "unix: is followed by the path of a socket"),
    ("unix://host/x", "unix: is followed by the path of a socket"),
    ("tcp://host", "tcp:// is followed by a host and a port"),
    ("tcp://host:0", "tcp:// is followed by a host and a port"),
    ("tcp://host:99999", "tcp:// is followed by a host and a port"),
    ("tcp://host:1/x", "tcp:// is followed by a host and a port"),
)


@pytest.mark.parametrize(("target", "message"), NO_TARGETS)
async def test_what_is_no_target(target: object, message: str) -> None:
    """The error says what was probably meant, and what there is."""
    with pytest.raises(UnknownTarget) as caught:
        await Client(cast("Target", target)).connect()
    assert message in str(caught.value)
    assert "a target is an http(s) URL, a .py or .js file" in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        (["python", 3], LocalProtocolError, "A command is a list of texts; number 1 is a int"),
        ([None], LocalProtocolError, "A command needs at least the name of a program"),
        ([""], LocalProtocolError, "A command needs at least the name of a program"),
        ("http://host:port/", LocalProtocolError, "Not a URL: 'http://host:port/'"),
        (
            "http://user:secret@/x?key=secret",
            LocalProtocolError,
            "Not an http or https URL with a host: 'http:///x?...'",
        ),
        ("http://host/a b", LocalProtocolError, "Not a URL, which has no blanks in it: 'http://host/a b'"),
        ("missing.js", ConnectError, 'No such file: missing.js; a package called so is started by "npx missing.js"'),
        ("./missing.js", ConnectError, "No such file: missing.js"),
        ("missing.py:server", ConnectError, "No such file: missing.py"),
        ("missing.json", ConnectError, "No such file: missing.json"),
        ("a\nb.json", ConnectError, "No such file: a?b.json"),
        (f"{'x' * 300}.json", ConnectError, f"Cannot read {'x' * 300}.json: File name too long"),
        ("a\nb.py", ConnectError, "No such file: a?b.py"),
    ],
)
async def test_what_cannot_be_reached(target: object, error: type[AnyportError], message: str) -> None:
    with pytest.raises(error) as caught:
        await Client(cast("Target", target)).connect()
    assert str(caught.value) == message


async def test_what_is_there_but_no_server(tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(LocalProtocolError, match=r"folder.py is a directory; name the file in it that has the server"):
        read_target(tmp_path / "folder.py")
    with pytest.raises(UnknownTarget, match="it is a directory; name the file"):
        read_target(tmp_path)
    with pytest.raises(UnknownTarget, match=r"it is a file of another kind; a program is given as a list, \[PATH\]"):
        read_target(tmp_path / "notes.txt")
    with pytest.raises(LocalProtocolError, match="server= goes with an mcpServers file or dictionary"):
        await Client(EXAMPLE, server="x").connect()


@given(st.text(max_size=80))
def test_any_text_is_understood_or_refused(text: str) -> None:
    """Nothing but the errors that are documented, and none that spreads over lines."""
    try:
        said = read_target(text).shown
    except (LocalProtocolError, ConnectError) as error:
        said = str(error)
    assert said.isprintable()


def test_names_have_no_secrets() -> None:
    assert shown_url("https://user:pw@host:1/a?key=secret#secret") == "https://host:1/a?..."
    assert shown_url("http://user:pw@[x/?secret") == "http://[x/"
    assert Endpoint(url="https://user:pw@host/?k=v").shown == "https://host/?..."
    words = "prog --api-key SECRET --token=SECRET PASSWORD=SECRET -v db=postgres://u:SECRET@h/d https://u:SECRET@h/?x=SECRET"
    shown = shown_words([*words.split(), "--header", "Authorization: Bearer SECRET"])
    assert "SECRET" not in shown
    assert shown.startswith("prog --api-key ... --token=... PASSWORD=... -v db=postgres://h/d https://h/?...")
    assert shown_words(["prog", "--auth", "--verbose", "x"]) == "prog --auth --verbose x"
    assert shown_words(["a" * 200]) == "a" * 100 + "..."
    assert shown_words(["a\x1b[31m", "b\nc"]) == "a?[31m b c"
    assert SocketAddress(host="::1", port=1).shown == "tcp://[::1]:1"
    assert SocketAddress(path="/x").shown == "unix:/x"
    assert InMemory(Server("shop")).shown == "the server shop"
    assert Custom(MemoryClient(Server("shop"))).shown == "the transport MemoryClient"


def test_fingerprints() -> None:
    """Equal for the same target, different for others, and nothing in them can be read."""
    targets: list[Target] = ["http://h/a", "http://h/b", ["p"], ["p", "x"], "unix:/a", "tcp://h:1", "tcp://h:2"]
    prints = [read_target(target).fingerprint for target in targets]
    assert prints == [read_target(target).fingerprint for target in targets]
    assert len(set(prints)) == len(targets)
    assert "secret" not in str(read_target("http://h/?secret").fingerprint)
    assert Command(words=("p",), cwd="/a").fingerprint != Command(words=("p",), cwd="/b").fingerprint
    pins = [Endpoint(url="http://h/", transport=pin).fingerprint for pin in (None, "http", "sse")]
    assert len(set(pins)) == 3
    assert read_target(Server("x")).fingerprint is None
    assert read_target(MemoryClient(Server("x"))).fingerprint is None


def test_the_environment_of_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the target says is added to what every child gets; what the user of the client says counts more."""
    monkeypatch.setenv("PYTHONPATH", "there")
    monkeypatch.setenv("MINE", "1")
    plain = command_environment(Command(words=("p",)), "minimal")
    assert "PATH" in plain
    assert {"PYTHONPATH", "MINE"}.isdisjoint(plain)
    command = Command(words=("p",), env={"A": "target", "B": "target", "PATH": None}, same_python=True)
    found = command_environment(command, {"B": "user"})
    assert (found["A"], found["B"], found["PYTHONPATH"], "PATH" in found) == ("target", "user", "there", False)
    assert command_environment(command, "inherit")["MINE"] == "1"


async def test_a_command_in_a_directory_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import os\nfrom anyport import Server\nserver = Server('mine')\n@server.tool\ndef here() -> str:\n"
        "    return os.getcwd()\nserver.run()\n"
    )
    entry: dict[str, object] = {"command": sys.executable, "args": ["mine.py"], "cwd": str(tmp_path)}
    async with Client({"mcpServers": {"x": entry}}) as client:
        assert (await client.call_tool("here")).data == os.path.realpath(tmp_path)  # noqa: ASYNC240 - a directory of the test


def test_header_fields_of_a_target_and_of_the_user() -> None:
    """Both are sent; the user's count more, however they are written."""
    options = Options({"authorization": "user"}, "minimal", DEFAULT_LIMITS)
    endpoint = Endpoint(url="http://h/", headers={"Authorization": "target", "X-Other": "target"})
    transport = make_ways(endpoint, options, None)[0].transport()
    assert type(transport).__name__ == "HttpClient"
    with pytest.raises(LocalProtocolError, match="The header 'a b' has characters that HTTP does not allow"):
        make_ways(Endpoint(url="http://h/", headers={"a b": "x"}), options, None)
