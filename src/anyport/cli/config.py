"""`anyport config`: what the host of a server has to be told about it, printed or written into its file."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from msgspec import structs

from anyport.cli.calling import TARGETS, read_header, split_command
from anyport.cli.parsing import CommandError, Parser, plain, report
from anyport.client.config import read_servers
from anyport.client.destinations import Command, Destination, Endpoint
from anyport.client.entries import Reached, ServerEntry, Started
from anyport.client.targets import Target, UnknownTarget, is_config, read_target
from anyport.deploy.config_files import write_server
from anyport.deploy.hosts import HOSTS, Host, System
from anyport.protocol.errors import AnyportError
from anyport.protocol.types.json import JsonObject
from anyport.protocol.urls import shown_url

_EPILOG: Final = f"""\
{TARGETS}
  anyport config server.py --for claude-desktop --write
  anyport config https://host/mcp --for vscode --name shop --header 'Authorization: Bearer ${{env:TOKEN}}'
  anyport config --for cursor --env API_KEY -- npx -y some-server
  anyport config .mcp.json --server shop --for cursor --write

Without --write the configuration is printed, and nothing is touched. --write alone finds the file by itself: the
project's in this directory (.mcp.json, .vscode/mcp.json, .cursor/mcp.json), or with --user the one for all projects,
which is the only one that Claude Desktop has. What else is in the file stays as it is.

--env NAME without a value writes a reference, which the host fills in from its own environment.
"""

_NAME: Final = re.compile(r"[A-Za-z0-9_\-]{1,64}\Z")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Args:
        arguments: What was typed after `anyport config`.

    Returns:
        Exit status: 0, or 2 where it could not be done.
    """
    before, command = split_command(arguments)
    given = _parser(with_target=command is None).parse_args(before)
    host = HOSTS[given.host]
    try:
        name, server = _read(given.target if command is None else command, given.server)
        name = given.name or re.sub(r"[^A-Za-z0-9_\-]+", "-", name).strip("-")[:64]
        if not _NAME.match(name):
            raise CommandError(f"--name {name!r}: a name has 1 to 64 of A-Z a-z 0-9 _ -")
        server = _translated(server, host)
        entry = host.entry(_with_options(server, host, given))
        system = System(platform=sys.platform, environment=os.environ, home=Path.home(), folder=Path.cwd())
        file = Path(given.write) if given.write else system.file_of(host, user=given.user)
        if given.write is None:
            _show(host, name, entry, file)
        else:
            written = write_server(file, host, name, entry, replace=given.replace)
            _tell(file, name, entry, given, written=written)
    except (AnyportError, CommandError) as error:
        hint = "; on the command line, a command goes after --" if isinstance(error, UnknownTarget) else ""
        return report("config", f"{error}{hint}", as_json=given.json)
    return 0


def _parser(*, with_target: bool) -> Parser:
    parser = Parser("config", "Tell the host of a server about it.", _EPILOG)
    parser.usage = (
        "anyport config [OPTION ...] TARGET --for HOST\n       anyport config [OPTION ...] --for HOST -- COMMAND ..."
    )
    add = parser.add_argument
    if with_target:
        add("target", metavar="TARGET")
    add("--for", dest="host", choices=tuple(HOSTS), required=True, metavar="HOST", help=", ".join(HOSTS))
    add("--name", metavar="NAME", help="what the host calls the server (default: after the target)")
    add("--server", metavar="NAME", help="which server of an mcpServers file")
    add("--env", action="append", default=[], metavar="NAME[=VALUE]", help="a variable for the server that is started")
    add("--header", action="append", default=[], metavar="'NAME: VALUE'", help="a header of each HTTP request")
    add("--transport", choices=("http", "sse"), help="what a URL is for, where the host has to be told (default: http)")
    add("--write", nargs="?", const="", metavar="PATH", help="write it into the host's file, or into PATH")
    add("--user", action="store_true", help="the file for all projects, not the one of this directory")
    add("--replace", action="store_true", help="replace another server of the same name")
    add("--json", action="store_true", help="report as JSON what was written, and problems")
    return parser


# --- what the server is -----------------------------------------------------------------------------------------------


def _read(target: Target, server: str | None) -> tuple[str, Started | Reached | ServerEntry]:
    """Return the name that a server may have, and what it is."""
    if is_config(target):
        entry = read_servers(target).choose(server)
        return entry.name, entry
    found = read_target(target, server)
    return _name_of(found), _server_of(found)


def _server_of(destination: Destination) -> Started | Reached:
    if isinstance(destination, Endpoint):
        return Reached(url=destination.url, transport=destination.transport, headers=destination.headers)
    if isinstance(destination, Command):
        return Started(command=destination.words[0], args=destination.words[1:])
    raise CommandError(f"no host connects to {destination.shown}; it takes a program or a URL")


def _name_of(destination: Destination) -> str:
    """Return a name after a file, a package, a host or a program."""
    if isinstance(destination, Endpoint):
        return urlsplit(destination.url).hostname or ""
    if not isinstance(destination, Command):
        return destination.shown
    program, *words = destination.words
    packages = [word for word in words if not word.startswith("-")]
    if destination.label:
        return Path(destination.label).stem
    if Path(program).stem in ("npx", "uvx") and packages:
        return re.sub(r"(?<=.)@.*", "", packages[0]).rpartition("/")[2]
    return Path(program).stem


def _translated(server: Started | Reached | ServerEntry, host: Host) -> Started | Reached:
    """Return a server of another host's file in the words of this one: variables stay variables."""
    return server.read(host.translate) if isinstance(server, ServerEntry) else server


def _with_options(server: Started | Reached, host: Host, given: argparse.Namespace) -> Started | Reached:
    if isinstance(server, Started):
        for option, value in (("--header", given.header), ("--transport", given.transport)):
            if value:
                raise CommandError(f"{option} goes with a URL, not with a program")
        return structs.replace(server, env={**server.env, **dict(_variable(text, host) for text in given.env)})
    if given.env:
        raise CommandError("--env goes with a program, not with a URL")
    headers = {**server.headers, **dict(map(read_header, given.header))}
    return structs.replace(server, headers=headers, transport=given.transport or server.transport)


def _variable(text: str, host: Host) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not _VARIABLE.match(name):
        raise CommandError(f"--env {name[:80]!r} is no name of a variable")
    return name, value if equals else host.reference(name)


# --- what is said about it --------------------------------------------------------------------------------------------


def _show(host: Host, name: str, entry: JsonObject, file: Path) -> None:
    document: JsonObject = {host.key: {name: entry}}
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
    print(plain(f"This goes into {file}; --write puts it there."), file=sys.stderr)


def _tell(file: Path, name: str, entry: JsonObject, given: argparse.Namespace, *, written: bool) -> None:
    """Say what was written, the whole command first of all: it will be run without another question (AZ-23)."""
    does = _does(entry)
    if given.json:
        print(json.dumps({"file": str(file), "server": name, "written": written, **does}))
        return
    print(plain(f"{name} {'is in' if written else 'was already in'} {file}"))
    for key, value in does.items():
        print(plain(f"  {key}: {value}"))


def _does(entry: JsonObject) -> dict[str, str]:
    if "url" in entry:
        names = entry.get("headers")
        found = {"connects to": shown_url(str(entry["url"]))}
        kind = "header fields"
    else:
        args, names = entry.get("args"), entry.get("env")
        found = {"runs": shlex.join([str(entry["command"]), *map(str, args if isinstance(args, list) else [])])}
        kind = "variables"
    return {**found, kind: ", ".join(names)} if isinstance(names, dict) and names else found
