"""The hosts that configurations are written for: what each one's file looks like, and where it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Final, Literal

from msgspec import Struct

from anyport.client.entries import Reached, Started
from anyport.client.variables import VARIABLE, UnknownVariable
from anyport.protocol.errors import LocalProtocolError
from anyport.protocol.types.json import JsonObject

_BATCH: Final = (".cmd", ".bat")
_FOLDERS: Final = frozenset({"workspaceFolder", "workspaceFolderBasename", "userHome", "pathSeparator", "/"})


class Host(Struct, frozen=True, kw_only=True):
    """What one host reads.

    Attributes:
        name: Its name on the command line.
        title: Its name for people.
        key: Where the servers are in its file.
        project: Its file in a project, below the project's folder; ``None`` where it has none.
        typed: Each server names its transport.
        urls: It connects to URLs that are in its file.
        env_files: It reads ``envFile`` and ``cwd``, and takes variables away.
        variable: How it writes a variable of the environment; ``None`` where it fills in none.
        defaults: It knows ``${NAME:-default}``.
        folders: It knows ``${workspaceFolder}`` and the like.
    """

    name: str
    title: str
    key: Literal["mcpServers", "servers"]
    project: PurePath | None
    typed: bool
    urls: bool
    env_files: bool
    variable: str | None
    defaults: bool = False
    folders: bool = False

    def reference(self, name: str) -> str:
        """Return how the host writes a variable of its environment.

        Raises:
            LocalProtocolError: It fills in none.
        """
        if self.variable is None:
            raise LocalProtocolError(
                f"{self.title} fills in no variables: {name} needs its value in the file, {name}=VALUE"
            )
        return self.variable.replace("NAME", name)

    def translate(self, text: str) -> str:
        """Return a text of another host's file with its variables as this one writes them.

        Raises:
            UnknownVariable: This host has no notation for one of them.
        """
        return VARIABLE.sub(lambda found: self._notation(found[0], found[1]), text)

    def _notation(self, whole: str, inside: str) -> str:
        name, minus, _ = inside.removeprefix("env:").partition(":-")
        if inside in _FOLDERS and self.folders:
            return whole
        if inside in _FOLDERS or inside.startswith("input:"):
            raise UnknownVariable(f"{self.title} does not know {whole}, or would have to ask for it")
        if minus:
            if self.defaults:
                return whole
            raise UnknownVariable(f"{self.title} knows no defaults of variables, as ${{{name}:-...}} has one")
        if self.variable is None:
            raise UnknownVariable(f"{self.title} fills in no variables, such as {whole}")
        return self.reference(name)

    def entry(self, server: Started | Reached) -> JsonObject:
        """Return a server as this host's file says it.

        Raises:
            LocalProtocolError: The host cannot use it; the message says what can be done.
        """
        return self._reached(server) if isinstance(server, Reached) else self._started(server)

    def _started(self, server: Started) -> JsonObject:
        words = [server.command, *server.args]
        if server.command.lower().endswith(_BATCH):
            # Hosts start programs without a shell, which a batch file is read by.
            words = ["cmd", "/c", *words]
        found: JsonObject = {"type": "stdio"} if self.typed else {}
        found["command"] = words[0]
        if words[1:]:
            found["args"] = list(words[1:])
        if server.env:
            found["env"] = dict(server.env)
        if not self.env_files:
            self._refuse(server)
        if server.env_file is not None:
            found["envFile"] = server.env_file
        if server.cwd is not None:
            found["cwd"] = server.cwd
        return found

    def _refuse(self, server: Started) -> None:
        for field, value in (("envFile", server.env_file), ("cwd", server.cwd)):
            if value is not None:
                raise LocalProtocolError(f"{self.title} has no {field}")
        for name, value in server.env.items():
            if value is None:
                raise LocalProtocolError(f"{self.title} cannot take the variable {name} away")

    def _reached(self, server: Reached) -> JsonObject:
        if not self.urls:
            raise LocalProtocolError(
                f"{self.title} starts programs, and connects to no URL that is in its file: add the URL in its"
                " settings, under Connectors, or write a bridge, such as: -- npx -y mcp-remote URL"
            )
        kind = server.transport or ("http" if self.typed else None)
        found: JsonObject = {"type": kind} if kind is not None else {}
        found["url"] = server.url
        if server.headers:
            found["headers"] = dict(server.headers)
        return found


_CLAUDE_DESKTOP: Final = Host(
    name="claude-desktop",
    title="Claude Desktop",
    key="mcpServers",
    project=None,
    typed=False,
    urls=False,
    env_files=False,
    variable=None,
)
_CLAUDE_CODE: Final = Host(
    name="claude-code",
    title="Claude Code",
    key="mcpServers",
    project=PurePath(".mcp.json"),
    typed=True,
    urls=True,
    env_files=False,
    variable="${NAME}",
    defaults=True,
)
_VSCODE: Final = Host(
    name="vscode",
    title="VS Code",
    key="servers",
    project=PurePath(".vscode", "mcp.json"),
    typed=True,
    urls=True,
    env_files=True,
    variable="${env:NAME}",
    folders=True,
)
_CURSOR: Final = Host(
    name="cursor",
    title="Cursor",
    key="mcpServers",
    project=PurePath(".cursor", "mcp.json"),
    typed=False,
    urls=True,
    env_files=True,
    variable="${env:NAME}",
    folders=True,
)

HOSTS: Final[Mapping[str, Host]] = {host.name: host for host in (_CLAUDE_DESKTOP, _CLAUDE_CODE, _VSCODE, _CURSOR)}


class System(Struct, frozen=True, kw_only=True):
    """Whose files they are.

    Attributes:
        platform: As ``sys.platform`` says it.
        environment: Its variables.
        home: The user's directory.
        folder: The project's.
    """

    platform: str
    environment: Mapping[str, str]
    home: Path
    folder: Path

    def file_of(self, host: Host, *, user: bool = False) -> Path:
        """Return the file in which a host looks for servers.

        Args:
            host: The host.
            user: The one for all of the user's projects; else the project's, where the host has such a file.
        """
        if host.project is not None and not user:
            return self.folder / host.project
        if host is _CLAUDE_CODE:
            return Path(self.environment.get("CLAUDE_CONFIG_DIR") or self.home) / ".claude.json"
        if host is _CURSOR:
            return self.home / ".cursor" / "mcp.json"
        settings = self._settings()
        return (
            settings / "Code" / "User" / "mcp.json"
            if host is _VSCODE
            else settings / "Claude" / "claude_desktop_config.json"
        )

    def _settings(self) -> Path:
        if self.platform == "win32":
            return Path(self.environment.get("APPDATA") or self.home / "AppData" / "Roaming")
        if self.platform == "darwin":
            return self.home / "Library" / "Application Support"
        return Path(self.environment.get("XDG_CONFIG_HOME") or self.home / ".config")
