"""What is written for each host: its shape, its notation, its files, and that it is read back as it was (S25)."""

from __future__ import annotations

from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from anyport.client.config import read_servers
from anyport.client.entries import Reached, ServerEntry, Started
from anyport.client.variables import UnknownVariable
from anyport.deploy.hosts import HOSTS, Host, System
from anyport.errors import ConfigError, LocalProtocolError
from anyport.protocol.types.json import JsonObject

DESKTOP, CODE, VSCODE, CURSOR = (HOSTS[name] for name in ("claude-desktop", "claude-code", "vscode", "cursor"))
PROGRAM = Started(command="npx", args=("-y", "shop"), env={"KEY": "k"})
URL = Reached(url="https://h/mcp", headers={"X-Key": "k"})


def entry_of(host: Host, written: JsonObject) -> ServerEntry:
    """Return a server as it is read from the file of a host."""
    return read_servers({host.key: {"shop": written}})["shop"]


def read_back(host: Host, server: Started | Reached) -> Started | Reached:
    """Write a server for a host and read what was written, variables as they stand."""
    return entry_of(host, host.entry(server)).read(lambda text: text)


@pytest.mark.parametrize(
    ("host", "written"),
    [
        (DESKTOP, {"command": "npx", "args": ["-y", "shop"], "env": {"KEY": "k"}}),
        (CODE, {"type": "stdio", "command": "npx", "args": ["-y", "shop"], "env": {"KEY": "k"}}),
        (VSCODE, {"type": "stdio", "command": "npx", "args": ["-y", "shop"], "env": {"KEY": "k"}}),
        (CURSOR, {"command": "npx", "args": ["-y", "shop"], "env": {"KEY": "k"}}),
    ],
)
def test_a_program(host: Host, written: JsonObject) -> None:
    """S25."""
    assert host.entry(PROGRAM) == written
    assert read_back(host, PROGRAM) == PROGRAM
    assert host.entry(Started(command="x")).keys() <= {"type", "command"}


@pytest.mark.parametrize("pin", [None, "http", "sse"])
@pytest.mark.parametrize("host", [CODE, VSCODE, CURSOR], ids=lambda host: host.name)
def test_a_url(host: Host, pin: str | None) -> None:
    """S25: hosts that want a transport named get one."""
    server = structs.replace(URL, transport=pin)
    written = host.entry(server)
    kind = pin or ("http" if host is not CURSOR else None)
    assert written == {**({"type": kind} if kind else {}), "url": "https://h/mcp", "headers": {"X-Key": "k"}}
    assert read_back(host, server) == structs.replace(server, transport=kind)


def test_what_a_host_cannot_use() -> None:
    with pytest.raises(LocalProtocolError, match=r"Claude Desktop starts programs, .* under Connectors"):
        DESKTOP.entry(URL)
    for host in (DESKTOP, CODE):
        for server, what in (
            (structs.replace(PROGRAM, cwd="/x"), "has no cwd"),
            (structs.replace(PROGRAM, env_file="/x"), "has no envFile"),
            (structs.replace(PROGRAM, env={"A": None}), "cannot take the variable A away"),
        ):
            with pytest.raises(LocalProtocolError, match=f"{host.title} {what}"):
                host.entry(server)
    with pytest.raises(LocalProtocolError, match="KEY needs its value in the file, KEY=VALUE"):
        DESKTOP.reference("KEY")


def test_a_batch_file_is_run_by_its_shell() -> None:
    """Hosts on Windows start programs without one."""
    written = CURSOR.entry(Started(command="C:\\Node\\npx.CMD", args=("-y", "shop")))
    assert written == {"command": "cmd", "args": ["/c", "C:\\Node\\npx.CMD", "-y", "shop"]}


@pytest.mark.parametrize(
    ("host", "text", "translated"),
    [
        (CODE, "a${env:A}${B}${C:-d}", "a${A}${B}${C:-d}"),
        (VSCODE, "a${env:A}${B}${workspaceFolder}${/}", "a${env:A}${env:B}${workspaceFolder}${/}"),
        (CURSOR, "${A}$", "${env:A}$"),
        (DESKTOP, "$A {}", "$A {}"),
    ],
)
def test_variables_in_the_notation_of_another_host(host: Host, text: str, translated: str) -> None:
    assert host.translate(text) == translated


@pytest.mark.parametrize(
    ("host", "text", "message"),
    [
        (VSCODE, "${A:-secret}", "VS Code knows no defaults of variables, as ${A:-...} has one"),
        (CODE, "${workspaceFolder}", "Claude Code does not know ${workspaceFolder}"),
        (VSCODE, "${input:key}", "VS Code does not know ${input:key}, or would have to ask for it"),
        (DESKTOP, "${A}", "Claude Desktop fills in no variables, such as ${A}"),
        (DESKTOP, "${A:-b}", "Claude Desktop knows no defaults"),
    ],
)
def test_variables_that_a_host_does_not_know(host: Host, text: str, message: str) -> None:
    with pytest.raises(UnknownVariable) as caught:
        host.translate(text)
    assert str(caught.value).startswith(message)
    entry = entry_of(CODE, {"command": "x", "env": {"K": text}})
    with pytest.raises(ConfigError, match=r"server 'shop': env\.K: "):
        entry.read(host.translate)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.text("ABCdef_", min_size=1, max_size=8)
PROGRAMS = st.builds(
    Started,
    command=TEXTS.filter(lambda text: bool(text) and not text.lower().endswith((".cmd", ".bat"))),
    args=st.lists(TEXTS, max_size=4).map(tuple),
    env=st.dictionaries(NAMES, TEXTS, max_size=3),
)
PROGRAMS_IN_FOLDERS = st.builds(
    structs.replace,
    PROGRAMS,
    env=st.dictionaries(NAMES, TEXTS | st.none(), max_size=3),
    cwd=TEXTS | st.none(),
    env_file=TEXTS | st.none(),
)
URLS = st.builds(
    Reached,
    url=TEXTS.map("https://h/{}".format),
    transport=st.sampled_from(["http", "sse"]),
    headers=st.dictionaries(NAMES, TEXTS, max_size=3),
)


@given(PROGRAMS)
def test_a_program_comes_back_from_every_host(server: Started) -> None:
    """S25: what is written is what is read."""
    for host in HOSTS.values():
        assert read_back(host, server) == server


@given(URLS | PROGRAMS_IN_FOLDERS)
def test_what_some_hosts_have_comes_back_from_them(server: Started | Reached) -> None:
    """S25: URLs, and directories and environment files of programs."""
    for host in (VSCODE, CURSOR):
        assert read_back(host, server) == server
    if isinstance(server, Reached):
        assert read_back(CODE, server) == server


@given(st.lists(st.sampled_from(["${A}", "${env:B_2}", "text", "$", "}"]), max_size=6).map("".join))
def test_a_translation_means_the_same(text: str) -> None:
    """There and back: what the variables stand for does not change."""
    variables = read_servers({"mcpServers": {"x": {}}})["x"].variables
    variables = structs.replace(variables, environment={"A": "1", "B_2": "${A}"})
    for host in (CODE, VSCODE, CURSOR):
        assert variables.expand(host.translate(text)) == variables.expand(text)


# --- files ------------------------------------------------------------------------------------------------------------

HOME, FOLDER = Path("/house"), Path("/project")


def file_of(host: Host, platform: str, *, user: bool = False, **environment: str) -> str:
    system = System(platform=platform, environment=environment, home=HOME, folder=FOLDER)
    return system.file_of(host, user=user).as_posix()


@pytest.mark.parametrize(
    ("platform", "settings"),
    [
        ("linux", "/house/.config"),
        ("freebsd14", "/house/.config"),
        ("darwin", "/house/Library/Application Support"),
        ("win32", "/house/AppData/Roaming"),
    ],
)
def test_where_the_files_are(platform: str, settings: str) -> None:
    """On each system, from the home that it is told of."""
    for user in (False, True):
        assert file_of(DESKTOP, platform, user=user) == f"{settings}/Claude/claude_desktop_config.json"
    assert file_of(CODE, platform) == "/project/.mcp.json"
    assert file_of(CODE, platform, user=True) == "/house/.claude.json"
    assert file_of(VSCODE, platform) == "/project/.vscode/mcp.json"
    assert file_of(VSCODE, platform, user=True) == f"{settings}/Code/User/mcp.json"
    assert file_of(CURSOR, platform) == "/project/.cursor/mcp.json"
    assert file_of(CURSOR, platform, user=True) == "/house/.cursor/mcp.json"


def test_where_the_environment_says_they_are() -> None:
    assert file_of(DESKTOP, "linux", XDG_CONFIG_HOME="/xdg") == "/xdg/Claude/claude_desktop_config.json"
    assert file_of(VSCODE, "win32", user=True, APPDATA="/data") == "/data/Code/User/mcp.json"
    assert file_of(CODE, "linux", user=True, CLAUDE_CONFIG_DIR="/claude") == "/claude/.claude.json"


def test_a_project_file_is_found_as_one() -> None:
    """The reading side knows the same files: programs of a project start in it."""
    assert {host.project for host in HOSTS.values()} == {
        None,
        PurePath(".mcp.json"),
        PurePath(".vscode/mcp.json"),
        PurePath(".cursor/mcp.json"),
    }
