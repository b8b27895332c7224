"""A server put into the file of a host: whole or not at all, and nothing else in it changes (S25)."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from anyport.client.config import read_servers
from anyport.deploy import config_files
from anyport.deploy.config_files import write_server
from anyport.deploy.hosts import HOSTS
from anyport.errors import ConfigError, ConnectError
from anyport.protocol.types.json import JsonObject

DESKTOP, VSCODE = HOSTS["claude-desktop"], HOSTS["vscode"]
ENTRY: JsonObject = {"command": "x", "env": {"KEY": "k"}}


def test_a_new_file(tmp_path: Path) -> None:
    """Its folder is made; it may hold secrets, so nobody else reads it."""
    file = tmp_path / "a" / "b" / "config.json"
    assert write_server(file, DESKTOP, "shop", ENTRY)
    assert json.loads(file.read_text()) == {"mcpServers": {"shop": ENTRY}}
    assert list(file.parent.iterdir()) == [file]
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not write_server(file, DESKTOP, "shop", ENTRY)


def test_a_file_that_is_there(tmp_path: Path) -> None:
    """Its mode, its order, its comments and the other servers stay; through a link, what it leads to is written."""
    file, link = tmp_path / "mine.json", tmp_path / "mcp.json"
    before = '{\n    // mine\n    "inputs": [],\n    "servers": {\n        "other": {"url": "http://h/"}\n    }\n}\n'
    file.write_text(before)
    file.chmod(0o640)
    link.symlink_to(file)
    assert write_server(link, VSCODE, "shop", ENTRY)
    text = file.read_text()
    assert link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert text.startswith(before.removesuffix("\n    }\n}\n") + ",\n")
    assert sorted(read_servers(link)) == ["other", "shop"]


def test_another_server_of_that_name(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"mcpServers": {"shop": {"command": "mine"}}}')
    with pytest.raises(ConfigError, match="it has another server 'shop'; choose another name") as caught:
        write_server(file, DESKTOP, "shop", ENTRY)
    assert (caught.value.file, caught.value.server) == (str(file), "shop")
    assert write_server(file, DESKTOP, "shop", ENTRY, replace=True)
    assert json.loads(file.read_text()) == {"mcpServers": {"shop": ENTRY}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"mcpServers": {"a": 1}', "no JSON: "),
        (b"[]", "it is no JSON object"),
        (b'{"mcpServers": []}', '"mcpServers" in it is no object'),
        (b'{"a": "\xff"}', "it is no UTF-8 text"),
    ],
)
def test_a_file_that_is_not_valid_stays_as_it_is(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        write_server(file, DESKTOP, "shop", ENTRY, replace=True)
    assert file.read_bytes() == content
    assert list(tmp_path.iterdir()) == [file]


def test_text_without_a_form_in_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the server has text that has no UTF-8 form"):
        write_server(tmp_path / "config.json", DESKTOP, "shop", {"command": "\udcff"})
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is as it was, and nothing is left beside it."""
    file = tmp_path / "config.json"
    file.write_text("{}")

    def fail(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ConnectError, match=r"Cannot write .*config.json: No space left on device"):
        write_server(file, DESKTOP, "shop", ENTRY)
    assert file.read_text() == "{}"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_somebody_else_changes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts write their files themselves: what they wrote is not lost."""
    file = tmp_path / "config.json"
    file.write_text("{}")
    merge = config_files.set_member

    def change(*arguments: object) -> str:
        file.write_text('{"theirs": 1}')
        return merge(*arguments)  # pyright: ignore[reportArgumentType] - handed through

    monkeypatch.setattr(config_files, "set_member", change)
    with pytest.raises(ConfigError, match="somebody else has just changed it; try again"):
        write_server(file, DESKTOP, "shop", ENTRY)
    assert file.read_text() == '{"theirs": 1}'
    assert list(tmp_path.iterdir()) == [file]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConnectError, match="Cannot write"):
        write_server(tmp_path / "file" / "config.json", DESKTOP, "shop", ENTRY)
    with pytest.raises(ConnectError, match="Cannot write"):
        write_server(tmp_path, DESKTOP, "shop", ENTRY)
