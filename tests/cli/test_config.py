"""`anyport config`: from a target to what a host reads, printed or written (S25, AZ-23)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from anyport import Client
from anyport.client.config import read_servers
from anyport.protocol.types.json import JsonObject
from tests.cli.test_list_call import LIMIT_S
from tests.client.peers import EXAMPLE

HOSTS = ("claude-desktop", "claude-code", "vscode", "cursor")
FILES = {
    "claude-desktop": ".config/Claude/claude_desktop_config.json",
    "claude-code": ".mcp.json",
    "vscode": ".vscode/mcp.json",
    "cursor": ".cursor/mcp.json",
}


class Desk:
    """A directory to work in, which is the user's home too, and the command in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command."""
        command = [sys.executable, "-m", "anyport", "config", *arguments]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "CLAUDE_"))}
        environment = {**kept, "HOME": str(self.folder), "USERPROFILE": str(self.folder)}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT_S, env=environment, cwd=self.folder
        )

    def printed(self, *arguments: str) -> JsonObject:
        """Return the configuration that is printed."""
        done = self.run(*arguments)
        assert done.returncode == 0, done
        return json.loads(done.stdout)

    def told(self, *arguments: str) -> str:
        """Return what is said when something was done."""
        done = self.run(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def refused(self, *arguments: str) -> str:
        """Return what is said when something cannot be done."""
        done = self.run(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), done
        return done.stderr.rstrip("\n")


@pytest.fixture(name="desk")
def set_up_desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def only(whole: JsonObject) -> tuple[str, str, JsonObject]:
    """Return the key, the name and the fields of the one server of a configuration."""
    ((key, servers),) = whole.items()
    ((name, fields),) = cast("dict[str, JsonObject]", servers).items()
    return key, name, fields


@pytest.mark.skipif(sys.platform != "linux", reason="the files of Linux")
@pytest.mark.parametrize("host", HOSTS)
def test_a_file_written_and_used(host: str, desk: Desk, tmp_path: Path) -> None:
    """S25, AZ-23: from the server's file to the host's, with the whole command shown, and back to a client."""
    typed = (f"{EXAMPLE}:server", "--for", host, "--name", "shop", "--env", "SHOP_KEY=s3cr3t", "--write")
    said = desk.told(*typed)
    file = tmp_path / FILES[host]
    assert said == (
        f"shop is in {file}\n  runs: {sys.executable} -m anyport run {EXAMPLE}:server --stdio\n  variables: SHOP_KEY\n"
    )
    fields = read_servers(file)["shop"].fields
    assert fields["command"] == sys.executable
    assert fields["env"] == {"SHOP_KEY": "s3cr3t"}
    assert desk.told(*typed).startswith(f"shop was already in {file}\n")


async def test_a_client_of_what_was_written(desk: Desk, tmp_path: Path) -> None:
    """S25: a configuration that was written starts the server that it was written for."""
    desk.told(f"{EXAMPLE}:server", "--for", "vscode", "--env", "SHOP_KEY=k", "--write", "mcp.json")
    async with Client(tmp_path / "mcp.json") as client:
        assert (await client.call_tool("environment", {"name": "SHOP_KEY"})).data == "k"


def test_names(desk: Desk, tmp_path: Path) -> None:
    """After the file, the package, the host or the program, unless one is given."""
    (tmp_path / "my server.py").touch()

    def name_of(*arguments: str) -> str:
        return only(desk.printed("--for", "cursor", *arguments))[1]

    assert name_of("my server.py") == "my-server"
    assert name_of("npx @scope/server-files@1.2 /data") == "server-files"
    assert name_of("--", "uvx", "--from", "x", "y") == "x"
    assert name_of("--", "/usr/bin/some-server", "-x") == "some-server"
    assert name_of("https://mcp.example.com:1/mcp") == "mcp-example-com"
    assert name_of("https://h/", "--name", "A_1") == "A_1"
    assert desk.refused("https://h/", "--for", "cursor", "--name", "a b") == (
        "anyport config: --name 'a b': a name has 1 to 64 of A-Z a-z 0-9 _ -"
    )


def test_what_is_printed(desk: Desk, tmp_path: Path) -> None:
    """Nothing is touched, and what would be is said."""
    done = desk.run("npx server /data", "--for", "claude-code", "--env", "KEY")
    assert only(json.loads(done.stdout)) == (
        "mcpServers",
        "server",
        {"type": "stdio", "command": "npx", "args": ["-y", "server", "/data"], "env": {"KEY": "${KEY}"}},
    )
    assert done.stderr == f"This goes into {tmp_path / '.mcp.json'}; --write puts it there.\n"
    assert list(tmp_path.iterdir()) == []
    header = ("--header", "Authorization: Bearer ${env:TOKEN}", "--transport", "sse")
    assert only(desk.printed("https://h/sse", "--for", "vscode", *header)) == (
        "servers",
        "h",
        {"type": "sse", "url": "https://h/sse", "headers": {"Authorization": "Bearer ${env:TOKEN}"}},
    )
    relative = only(desk.printed("--for", "claude-desktop", "--", "node", "x.js", "${X}"))[2]
    assert relative == {"command": "node", "args": ["x.js", "${X}"]}


def test_files_are_named_whole(desk: Desk, tmp_path: Path) -> None:
    """A host does not start servers where this was typed."""
    (tmp_path / "server.py").touch()
    (tmp_path / "server.js").touch()
    fields = only(desk.printed("server.py:shop", "--for", "cursor"))[2]
    assert fields["args"] == ["-m", "anyport", "run", f"{tmp_path}/server.py:shop", "--stdio"]
    assert only(desk.printed("server.js", "--for", "cursor"))[2] == {
        "command": "node",
        "args": [f"{tmp_path}/server.js"],
    }


def test_from_one_host_to_another(desk: Desk, tmp_path: Path) -> None:
    """Variables stay variables, in the notation of the other host; none is filled in."""
    entry = {"command": "x", "args": ["${env:HOME}"], "env": {"KEY": "${env:TOKEN}"}}
    (tmp_path / "mcp.json").write_text(json.dumps({"servers": {"my shop": entry, "other": {"command": "y"}}}))
    found = only(desk.printed("mcp.json", "--server", "my shop", "--for", "claude-code", "--env", "MORE=1"))
    assert found[1:] == (
        "my-shop",
        {"type": "stdio", "command": "x", "args": ["${HOME}"], "env": {"KEY": "${TOKEN}", "MORE": "1"}},
    )
    assert desk.refused("mcp.json", "--for", "cursor").startswith("anyport config: mcp.json: it has several servers")
    assert desk.refused("mcp.json", "--server", "my shop", "--for", "claude-desktop") == (
        "anyport config: mcp.json: server 'my shop': args[0]: Claude Desktop fills in no variables, such as ${env:HOME}"
    )


def test_what_is_not_written(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / ".mcp.json"
    file.write_text('{"mcpServers": {"h": {"type": "http", "url": "http://h/other"}}}')
    before = file.read_text()
    assert desk.refused("http://h/", "--for", "claude-code", "--write") == (
        f"anyport config: {file}: it has another server 'h'; choose another name, or replace it (--replace)"
    )
    assert file.read_text() == before
    assert "connects to: http://h/" in desk.told("http://h/?key=s", "--for", "claude-code", "--write", "--replace")
    file.write_text("{")
    assert desk.refused("http://h/", "--for", "claude-code", "--write").startswith(f"anyport config: {file}: no JSON: ")
    assert file.read_text() == "{"


def test_reports_as_json(desk: Desk, tmp_path: Path) -> None:
    said = desk.told("http://u:pw@h/?key=s", "--for", "cursor", "--write", "--json", "--header", "X: y")
    assert json.loads(said) == {
        "file": str(tmp_path / ".cursor" / "mcp.json"),
        "server": "h",
        "written": True,
        "connects to": "http://h/?...",
        "header fields": "X",
    }
    assert json.loads(desk.refused("http://h/", "--for", "claude-desktop", "--json"))["error"].startswith(
        "Claude Desktop starts programs"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("server.py",), "the following arguments are required: --for"),
        (("--for", "cursor"), "the following arguments are required: TARGET"),
        (("x", "--for", "emacs"), "argument --for: invalid choice: 'emacs'"),
        (("nothing", "--for", "cursor"), "Cannot tell what 'nothing' is"),
        (("missing.py", "--for", "cursor"), "No such file: missing.py"),
        (("--for", "cursor", "--"), "A command needs at least the name of a program"),
        (("unix:/x", "--for", "cursor"), "no host connects to unix:/x; it takes a program or a URL"),
        (("http://h/", "--for", "cursor", "--env", "A=b"), "--env goes with a program, not with a URL"),
        (("npx x", "--for", "cursor", "--header", "A: b"), "--header goes with a URL, not with a program"),
        (("npx x", "--for", "cursor", "--transport", "sse"), "--transport goes with a URL, not with a program"),
        (("npx x", "--for", "cursor", "--env", "A B"), "--env 'A B' is no name of a variable"),
        (("http://h/", "--for", "cursor", "--header", "A"), "--header 'A' is not 'NAME: VALUE'"),
        (("npx x", "--for", "claude-desktop", "--env", "A"), "Claude Desktop fills in no variables: A needs its value"),
        (("npx x", "--for", "cursor", "--server", "y"), "server= goes with an mcpServers file"),
    ],
)
def test_what_cannot_be(arguments: tuple[str, ...], message: str, desk: Desk) -> None:
    """D01: one line that names the cause."""
    said = desk.refused(*arguments)
    assert said.startswith(f"anyport config: {message}")
    assert "\n" not in said
