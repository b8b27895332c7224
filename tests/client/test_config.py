"""`mcpServers` configurations of every host: read, chosen from, expanded, and what is said of mistakes (S25, D21)."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import cast

import pytest

from anyport import Client
from anyport.client.config import MAX_BYTES, Servers, read_servers
from anyport.client.destinations import Command, Endpoint
from anyport.client.targets import read_target
from anyport.errors import ConfigError, ConnectError
from anyport.protocol.types.json import JsonObject
from tests.client.peers import EXAMPLE, http_server, run_command

SECRET = "s3cr3t-canary"


def one(fields: object, name: str = "shop", **more: object) -> dict[str, object]:
    """Return a configuration of one server."""
    return {"mcpServers": {name: fields}, **more}


def written(path: Path, whole: object) -> Path:
    """Write a file, with the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(whole if isinstance(whole, str) else json.dumps(whole), encoding="utf-8")
    return path


def command(whole: object, server: str | None = None) -> Command:
    """Return the command that a configuration leads to."""
    found = read_target(cast("dict[str, object]", whole), server)
    assert isinstance(found, Command)
    return found


def endpoint(whole: object) -> Endpoint:
    """Return the URL that a configuration leads to."""
    found = read_target(cast("dict[str, object]", whole))
    assert isinstance(found, Endpoint)
    return found


def refused(whole: object, server: str | None = None) -> ConfigError:
    """Return the error of a configuration; it must not repeat a value."""
    with pytest.raises(ConfigError) as caught:
        read_target(cast("dict[str, object]", whole), server)
    assert SECRET not in str(caught.value)
    return caught.value


# --- the hosts' shapes ------------------------------------------------------------------------------------------------


async def test_a_file_of_claude_desktop(tmp_path: Path) -> None:
    """S25: command, args, env; from the file to the answer of the server."""
    program, *args = run_command(f"{EXAMPLE}:server", "--stdio")
    whole = one({"command": program, "args": args, "env": {"SHOP_KEY": "k"}}, globalShortcut="Ctrl+Space")
    file = written(tmp_path / "claude_desktop_config.json", whole)
    for target in (file, str(file), whole):
        async with Client(target) as client:
            assert client.server_info is not None
            assert client.server_info.name == "example"
            assert (await client.call_tool("environment", {"name": "SHOP_KEY"})).data == "k"


async def test_a_url(tmp_path: Path) -> None:
    """S25: `url` with headers, in the shape of Cursor."""
    with http_server(f"{EXAMPLE}:server") as url:
        file = written(tmp_path / ".cursor" / "mcp.json", one({"url": url, "headers": {"X-Token": "t"}}))
        async with Client(file) as client:
            assert (await client.call_tool("sent_header", {"name": "x-token"})).data == "t"


@pytest.mark.parametrize(
    ("said", "pin"),
    [
        ({}, None),
        ({"transport": "sse"}, "sse"),
        ({"type": "sse"}, "sse"),
        ({"transport": "streamable-http"}, "http"),
        ({"transport": "http"}, "http"),
        ({"type": "streamableHttp"}, "http"),
        ({"type": "http", "transport": "sse"}, "http"),
    ],
)
def test_transports_of_a_url(said: dict[str, str], pin: str | None) -> None:
    """S25: each host has its own word for it."""
    found = endpoint(one({"url": "http://host/x", **said}))
    assert (found.url, found.transport) == ("http://host/x", pin)


def test_a_file_of_claude_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.mcp.json`: variables with defaults; programs start in the project."""
    monkeypatch.setenv("TOKEN", "t")
    monkeypatch.delenv("NOWHERE", raising=False)
    fields = {
        "type": "stdio",
        "command": "${NOWHERE:-node}",
        "args": ["./server.js", "--token=${TOKEN}", "${NOWHERE:-}"],
        "env": {"A": "x${TOKEN}y${NOWHERE:-z}", "B": "$TOKEN"},
    }
    found = command(written(tmp_path / ".mcp.json", one(fields)))
    assert found.words == ("node", "./server.js", "--token=t", "")
    assert found.env == {"A": "xtyz", "B": "$TOKEN"}
    assert found.cwd == str(tmp_path)


def test_the_settings_of_claude_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~/.claude.json`: the user's servers, and those of the project in which this is; the nearer one counts."""
    whole: dict[str, object] = {
        "numStartups": 3,
        "mcpServers": {"a": {"command": "user-a"}, "b": {"command": "user-b"}},
        "projects": {str(tmp_path): {"mcpServers": {"b": {"command": "mine"}, "c": {"command": "c"}}, "history": []}},
    }
    file = written(tmp_path / ".claude.json", whole)
    elsewhere = read_servers(file, workspace=tmp_path / "elsewhere")
    assert sorted(elsewhere) == ["a", "b"]
    monkeypatch.chdir(tmp_path)
    assert list(read_servers(file)) == ["a", "b", "c"]
    assert command(file, "b").words == ("mine",)
    assert command(file, "b").cwd is None
    assert len(read_servers({"projects": {}})) == 0


def test_a_file_of_vs_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.vscode/mcp.json`: servers, inputs, comments, trailing commas, envFile, cwd, predefined variables."""
    monkeypatch.setenv("FROM_ENV", "e")
    monkeypatch.setenv("ANYPORT_INPUT_OTHER_KEY", "o")
    monkeypatch.setenv("HOME", str(tmp_path / "house"))
    (tmp_path / "sub").mkdir()
    written(tmp_path / "my.env", "# comment\nA=file\nexport B='b b' # why\nC=c # why\nD=\n\nE=\"e#e\"\n")
    file = written(
        tmp_path / ".vscode" / "mcp.json",
        """\ufeff{
          // asked for once
          "inputs": [
            {"type": "promptString", "id": "api-key", "description": "The key", "password": true},
            {"type": "pickString", "id": "level", "options": ["a", "b"], "default": "b"}, /* the
            last */
          ],
          "servers": {
            "shop": {
              "type": "stdio", "command": "node",
              "args": ["${workspaceFolder}/server.js", "${workspaceFolderBasename}${/}${pathSeparator}", "//x", "a,]"],
              "env": {"A": "${input:other-key}", "LEVEL": "${input:level}", "X": "${env:FROM_ENV}", "PORT": 80,
                      "GONE": null},
              "envFile": "${workspaceFolder}/my.env",
              "cwd": "sub",
              "dev": {"watch": "*.js"},
            },
          },
        }""",
    )
    found = command(file)
    assert found.words == ("node", f"{tmp_path}/server.js", f"{tmp_path.name}{os.sep}{os.sep}", "//x", "a,]")
    assert found.env == {
        "A": "o",
        "B": "b b",
        "C": "c",
        "D": "",
        "E": "e#e",
        "LEVEL": "b",
        "X": "e",
        "PORT": "80",
        "GONE": None,
    }
    assert found.cwd == str(tmp_path / "sub")
    home = {"servers": {"x": {"command": "${userHome}/x"}}}
    assert command(home).words == (f"{tmp_path}/house/x",)
    assert command({"mcp": home}).words == (f"{tmp_path}/house/x",)


def test_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What VS Code would ask for is given by the caller, or by the environment, or it is an error that says so."""
    whole = one(
        {"command": "x", "env": {"KEY": "${input:api-key}"}}, inputs=[{"id": "api-key", "description": "The key"}, 3]
    )
    error = refused(whole)
    assert (error.server, error.field) == ("shop", "env.KEY")
    assert "nobody can be asked here for the input 'api-key' (The key)" in str(error)
    assert "set the variable ANYPORT_INPUT_API_KEY" in str(error)
    monkeypatch.setenv("ANYPORT_INPUT_API_KEY", "from the environment")
    assert command(whole).env == {"KEY": "from the environment"}
    entry = read_servers(whole, inputs={"api-key": "given"})["shop"]
    assert read_target(entry) == Command(words=("x",), env={"KEY": "given"}, label="shop of the configuration")


# --- which server -----------------------------------------------------------------------------------------------------


def test_one_of_several() -> None:
    """The error lists the names, and says how to choose."""
    whole: dict[str, object] = {
        "mcpServers": {"shop": {"command": "a"}, "bank": {"command": "b"}, "off": {"command": "c", "disabled": True}}
    }
    error = str(refused(whole))
    assert (
        "it has several servers (shop, bank): choose one, Client(..., server='shop'), or open all with ClientGroup"
        in error
    )
    assert command(whole, "bank").words == ("b",)
    assert "it has no server 'shpo'; did you mean 'shop'?" in str(refused(whole, "shpo"))
    assert "it has no server 'xyz'; known are shop, bank, off" in str(refused(whole, "xyz"))
    assert "server 'off': it is disabled" in str(refused(whole, "off"))


def test_none_to_choose() -> None:
    assert str(refused({"mcpServers": {}})) == "the configuration: it has no servers"
    assert str(refused(one({"command": "x", "disabled": True}))) == "the configuration: all its servers are disabled"
    found = command({"mcpServers": {"a": {"command": "x", "disabled": True}, "b": {"command": "y"}}})
    assert found.words == ("y",)


async def test_a_mistake_elsewhere_does_not_matter() -> None:
    """A variable that is missing counts for the server that is used, and for no other."""
    program, *args = run_command(f"{EXAMPLE}:server", "--stdio")
    whole = {
        "mcpServers": {
            "broken": {"command": "${NO_SUCH_VARIABLE}", "args": 3},
            "good": {"command": program, "args": args},
        }
    }
    async with Client(whole, server="good") as client:
        assert len(await client.list_tools()) > 1


# --- mistakes ---------------------------------------------------------------------------------------------------------

MISTAKES: tuple[tuple[JsonObject, str | None, str], ...] = (
    ({}, None, 'it needs either "command" or "url"'),
    ({"command": "x", "url": "http://h/"}, None, 'it needs either "command" or "url"'),
    ({"type": "stdio", "url": "http://h/"}, "command", "it is missing"),
    ({"type": "http", "command": "x"}, "url", "it is missing"),
    ({"command": ""}, "command", "it is empty"),
    ({"command": [SECRET]}, "command", "it has to be text, not a list"),
    ({"command": True}, "command", "it has to be text, not a truth value"),
    ({"command": "x", "args": SECRET}, "args", "it is a list of texts, not text"),
    ({"command": "x", "args": ["a", None]}, "args[1]", "it has to be text, not null"),
    ({"command": "x", "env": [SECRET]}, "env", "it maps names to texts, and is a list"),
    ({"command": "x", "env": {"K": {"a": SECRET}}}, "env.K", "it has to be text, not an object"),
    ({"command": "x", "env": {"K": "${NO_SUCH_VARIABLE}" + SECRET}}, "env.K", "no variable NO_SUCH_VARIABLE"),
    ({"command": "x", "env": {"K": "${env:NO_SUCH_VARIABLE}"}}, "env.K", "no variable NO_SUCH_VARIABLE"),
    (
        {"command": "x", "args": ["${config:python}"]},
        "args[0]",
        "${config:python} is none of ${NAME}, ${NAME:-default}",
    ),
    ({"command": "x", "args": ["${}"]}, "args[0]", "${} is none of"),
    ({"command": "x", "cwd": "no/such/directory"}, "cwd", "no such directory"),
    ({"command": "x", "envFile": "no/such/file"}, "envFile", "No such file or directory"),
    ({"url": "ftp://h/"}, "url", "Not an http or https URL with a host"),
    ({"url": f"http://u:{SECRET}@/"}, "url", "Not an http or https URL with a host"),
    ({"url": f"http://h:{SECRET}/"}, "url", "Not a URL"),
    ({"url": "http://h/", "headers": {"A": SECRET + "\n"}}, "headers.A", "characters that HTTP does not allow"),
    ({"url": "http://h/", "type": "ws"}, "type", "unknown transport 'ws'; known are stdio, http, streamable-http, sse"),
    ({"url": "http://h/", "transport": {}}, "transport", "it has to be text, not an object"),
)


@pytest.mark.parametrize(("fields", "field", "reason"), MISTAKES)
def test_mistakes(fields: JsonObject, field: str | None, reason: str, tmp_path: Path) -> None:
    """D01: file, server, field and reason, and none of the values."""
    file = written(tmp_path / "mcp.json", one(fields))
    error = refused(file)
    assert (error.file, error.server, error.field) == (str(file), "shop", field)
    where = f"{file}: server 'shop': " + (f"{field}: " if field else "")
    assert str(error).startswith(where)
    assert reason in str(error).removeprefix(where)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON: Expecting value in line 1, column 1"),
        ('{\n  "mcpServers": {"a": {"command": "x" "y"}}}', " in line 2, column"),
        ('{ // "a"\n /* */ "mcpServers" }', " in line 2, column"),
        ('{"a": /* never ends', "no JSON: Expecting value in line 1, column 20"),
        ("[" * 100_000, "no JSON: nested too deep"),
        ("[]", "it is a list, not an object with servers"),
        ("{}", 'it has neither "mcpServers" nor "servers"'),
        ('{"command": "x"}', 'nor "servers": one server is written as {"mcpServers": {"NAME": {...}}}'),
        ('{"mcpServers": []}', "its servers are a list, not an object"),
        ('{"mcpServers": {"a": "x"}}', "server 'a': it is text"),
        ('{"projects": [], "mcp": 3}', 'it has neither "mcpServers" nor "servers"'),
    ],
)
def test_files_that_are_none(text: str, reason: str, tmp_path: Path) -> None:
    file = written(tmp_path / "mcp.json", text)
    error = refused(file)
    assert error.file == str(file)
    assert str(error).startswith(f"{file}: ")
    assert reason in str(error)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConnectError, match="No such file: "):
        read_servers(tmp_path / "none.json")
    with pytest.raises(ConnectError, match="No such file: "):
        read_servers(tmp_path)
    binary = tmp_path / "binary.json"
    binary.write_bytes(b'{"a": "\xff"}')
    assert str(refused(binary)) == f"{binary}: it is no UTF-8 text"
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert str(refused(large)) == f"{large}: it has more than 64 MiB"
    if os.name == "posix" and os.geteuid() != 0:
        binary.chmod(0)
        with pytest.raises(ConnectError, match="Cannot read"):
            read_servers(binary)


@pytest.mark.parametrize("line", ["=x", "A", "A B=x", "A='x", 'A="x" y'])
def test_environment_files_that_are_none(line: str, tmp_path: Path) -> None:
    """The line is named, and nothing of it shown."""
    written(tmp_path / "my.env", f"FIRST=1\n{line}{SECRET}\n" if line != "A" else f"FIRST=1\n{SECRET}\n")
    error = refused(one({"command": "x", "envFile": str(tmp_path / "my.env")}))
    assert error.field == "envFile"
    assert "line 2" in str(error)


def test_fields_of_no_interest(caplog: pytest.LogCaptureFixture) -> None:
    """They are named at debug level, without what they say."""
    caplog.set_level(logging.DEBUG, "anyport.client")
    assert command(one({"command": "x", "autoApprove": [SECRET], "timeout": 3})).words == ("x",)
    assert [record.getMessage() for record in caplog.records] == [
        "the configuration: server 'shop': ignored autoApprove, timeout"
    ]


def test_a_name_for_errors_without_secrets() -> None:
    found = command(one({"command": "x", "args": [SECRET], "env": {"K": SECRET}}))
    assert found.shown == "shop of the configuration"
    assert endpoint(one({"url": f"http://u:{SECRET}@h/"})).shown == "shop of the configuration"


def test_servers_are_a_mapping() -> None:
    servers = read_servers(one({"command": sys.executable}))
    assert isinstance(servers, Servers)
    assert (len(servers), list(servers), servers["shop"].name) == (1, ["shop"], "shop")
    assert "other" not in servers
