"""The ``mcpServers`` configurations of hosts: Claude Desktop, Claude Code, VS Code, Cursor, and dictionaries like them.

A file is read as it stands; its variables are filled in when a server of it is used, and for that server alone.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias, cast

from anyport.client.entries import ServerEntry, kind_of
from anyport.client.jsonc import NotJson, read_json
from anyport.client.variables import Variables
from anyport.protocol.errors import ConfigError, ConnectError
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.protocol.urls import one_line

Source: TypeAlias = Mapping[str, object] | str | os.PathLike[str]

MAX_BYTES: Final = 64 * 2**20
"""Largest file that is read; Claude Code keeps much else beside its servers."""

_DICTIONARY: Final = "the configuration"
_PROJECT_FOLDERS: Final = frozenset({".vscode", ".cursor"})


class Servers(Mapping[str, ServerEntry]):
    """The servers of a configuration, by name, in its order.

    Args:
        entries: The servers.
        file: Where they stand, for messages.
    """

    def __init__(self, entries: Mapping[str, ServerEntry], file: str) -> None:
        self._entries = entries
        self.file = file

    def __getitem__(self, name: str) -> ServerEntry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def choose(self, name: str | None = None) -> ServerEntry:
        """Return one server.

        Args:
            name: Its name; ``None`` for the only one that is not disabled.

        Raises:
            ConfigError: There is no such server, it is disabled, or there are several to choose from.
        """
        if name is not None:
            return self._named(name)
        enabled = [entry for entry in self._entries.values() if not entry.disabled]
        if len(enabled) == 1:
            return enabled[0]
        if enabled:
            names = ", ".join(entry.name for entry in enabled)
            raise self._error(
                f"it has several servers ({names}): choose one, Client(..., server={enabled[0].name!r}), or open all"
                " with ClientGroup"
            )
        raise self._error("all its servers are disabled" if self._entries else "it has no servers")

    def _named(self, name: str) -> ServerEntry:
        entry = self._entries.get(name)
        if entry is None:
            close = difflib.get_close_matches(name, self._entries, 1)
            known = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(self._entries) or 'none'}"
            raise self._error(f"it has no server {name!r}; {known}", name)
        if entry.disabled:
            raise self._error(f"server {name!r}: it is disabled", name)
        return entry

    def _error(self, reason: str, server: str | None = None) -> ConfigError:
        return ConfigError(f"{self.file}: {reason}", file=self.file, server=server)


def read_servers(
    source: Source, *, workspace: str | os.PathLike[str] | None = None, inputs: Mapping[str, str] | None = None
) -> Servers:
    """Read the servers of a configuration.

    It may be what Claude Desktop, Claude Code (its ``.mcp.json``, or ``~/.claude.json`` with projects), VS Code or
    Cursor read, or a dictionary of the same form. Comments and trailing commas are allowed.

    Args:
        source: The file, or the dictionary.
        workspace: The folder that ``${workspaceFolder}`` stands for, which relative paths are relative to, and whose
            project in ``~/.claude.json`` counts. Default: that of the file, if it is a project's, else the current one.
        inputs: Values of ``${input:ID}``, which VS Code would ask the user for. Else ``ANYPORT_INPUT_ID`` counts, then
            the default that the file has.

    Returns:
        The servers by name. Each may be the target of a `Client`.

    Raises:
        ConfigError: It is no configuration.
        ConnectError: There is no such file.
    """
    if isinstance(source, Mapping):
        file, whole, project = _DICTIONARY, cast("JsonValue", dict(source)), None
    else:
        path = Path(source)
        file, whole, project = one_line(str(path)), _read(path), _project_of(path)
    folder = Path(workspace) if workspace is not None else project or Path()
    folder = folder.absolute()
    if not isinstance(whole, dict):
        raise ConfigError(f"{file}: it is {kind_of(whole)}, not an object with servers", file=file)
    variables = Variables(
        environment=os.environ, workspace=folder, inputs=inputs or {}, asked=_inputs_of(whole.get("inputs"))
    )
    cwd = str(folder) if project is not None or workspace is not None else None
    entries: dict[str, ServerEntry] = {}
    for name, fields in _servers_of(whole, folder, file).items():
        if not isinstance(fields, dict):
            raise ConfigError(f"{file}: server {name!r}: it is {kind_of(fields)}", file=file, server=name)
        entries[name] = ServerEntry(name=name, file=file, fields=fields, variables=variables, cwd=cwd)
    return Servers(entries, file)


def _read(path: Path) -> JsonValue:
    shown = one_line(str(path))
    try:
        if not path.is_file():
            raise ConnectError(f"No such file: {shown}")
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{shown}: it has more than {MAX_BYTES >> 20} MiB", file=str(path))
        return read_json(path.read_text("utf-8"))
    except OSError as error:
        raise ConnectError(f"Cannot read {shown}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{shown}: it is no UTF-8 text", file=str(path)) from None
    except NotJson as error:
        raise ConfigError(f"{shown}: {error}", file=str(path)) from None


def _project_of(path: Path) -> Path | None:
    """Return the folder that a file is the project configuration of, where its place says so."""
    folder = path.absolute().parent
    if folder.name in _PROJECT_FOLDERS:
        return folder.parent
    return folder if path.name == ".mcp.json" else None


def _servers_of(whole: JsonObject, workspace: Path, file: str) -> JsonObject:
    """Return the servers of each form: ``mcpServers``, VS Code's ``servers``, also in its settings, and projects."""
    settings, projects = whole.get("mcp"), whole.get("projects")
    found = whole.get("mcpServers", whole.get("servers"))
    if found is None and isinstance(settings, dict):
        found = settings.get("servers")
    own = projects.get(str(workspace)) if isinstance(projects, dict) else None
    nearer = own.get("mcpServers") if isinstance(own, dict) else None
    if found is None and not isinstance(projects, dict):
        hint = ""
        if "command" in whole or "url" in whole:
            hint = ': one server is written as {"mcpServers": {"NAME": {...}}}'
        raise ConfigError(f'{file}: it has neither "mcpServers" nor "servers"{hint}', file=file)
    merged: JsonObject = {}
    for servers in (found, nearer):
        if servers is not None and not isinstance(servers, dict):
            raise ConfigError(f"{file}: its servers are {kind_of(servers)}, not an object", file=file)
        merged.update(servers or {})
    return merged


def _inputs_of(given: JsonValue) -> dict[str, JsonObject]:
    found: dict[str, JsonObject] = {}
    for each in given if isinstance(given, list) else []:
        if isinstance(each, dict) and isinstance(name := each.get("id"), str):
            found[name] = each
    return found
