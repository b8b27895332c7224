"""`anyport run`: serve the server that a Python file defines."""

from __future__ import annotations

import argparse
import errno
import os
import socket
from collections.abc import Sequence
from typing import Final, TypeVar

from anyport.cli.loading import ServerFile, own_traceback
from anyport.cli.parsing import CommandError, Parser, report
from anyport.protocol.errors import AnyportError
from anyport.serving.application import Application, RunOptions
from anyport.serving.run import run_on
from anyport.serving.settings import check_port, check_transport, complete, read_settings
from anyport.transports.stdio.stdout_guard import StdoutGuard

T = TypeVar("T")

_EPILOG: Final = """\
The object may be left out if the file has one server, or one called server, mcp or app. A file that calls
server.run() itself is served as this command line says, not as that call says.

Without a transport it is stdio. Where this command line says nothing, the environment may: ANYPORT_TRANSPORT,
ANYPORT_HOST, ANYPORT_PORT, ANYPORT_PATH, ANYPORT_ALLOWED_HOSTS and ANYPORT_ALLOWED_ORIGINS (separated by commas), and
MCP_TRANSPORT, MCP_HOST, MCP_PORT, TRANSPORT.

examples:
  anyport run server.py
  anyport run server.py --http 8000
  anyport run tools.py:search --http 0.0.0.0:8000 --allowed-host mcp.example.com
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Args:
        arguments: What was typed after `anyport run`.

    Returns:
        Exit status: 0 when the server is served out, 2 when it cannot be served.
    """
    given = _parser().parse_args(arguments)
    try:
        name, options = _choose(given)
        file = ServerFile(given.file)
        if name == "stdio":
            # Before the file is imported: what it prints then must not reach the client.
            StdoutGuard.install()
        file.serve(lambda application: _serve(application, name, options))
    except (CommandError, AnyportError) as error:
        return report("run", str(error), as_json=given.json)
    return 0


def _parser() -> Parser:
    parser = Parser("run", "Serve the server that a Python file defines.", _EPILOG)
    add = parser.add_argument
    add("file", metavar="FILE[:OBJECT]", help="the file, and the server in it")
    add(
        "--transport", action="append", metavar="NAME", help="stdio, or http, which streamable-http is another word for"
    )
    add("--stdio", action="store_true", help="the same as --transport stdio")
    add("--http", nargs="?", const="", metavar="[HOST:]PORT", help="the same as --transport http, with its address")
    add("--host", metavar="HOST", help="address to bind (default: 127.0.0.1, which nobody else can reach)")
    add("--port", metavar="PORT", help="port to bind (default: 8000; 0: any that is free)")
    add("--path", metavar="PATH", help="path of the endpoint (default: /mcp)")
    add("--allowed-host", action="append", metavar="HOST", help="a Host that is served beside the local ones")
    add("--allowed-origin", action="append", metavar="ORIGIN", help="an Origin that browsers may call from")
    add("--json", action="store_true", help="report problems as JSON")
    return parser


def _choose(given: argparse.Namespace) -> tuple[str, RunOptions]:
    """Choose the transport and its options: the command line first, then the environment.

    Raises:
        SettingError: One of them is none.
        CommandError: They do not go together.
    """
    settings = read_settings(os.environ)
    named = {_plain_name(check_transport(name, "--transport")) for name in given.transport or ()}
    if given.stdio:
        named.add("stdio")
    if given.http is not None:
        named.add("http")
    if len(named) > 1:
        raise CommandError("several transports at once are not served yet: name one of stdio and http")
    name = named.pop() if named else _plain_name(settings.transport or "stdio")
    options = _http_options(given)
    if name != "stdio":
        return name, complete(options, settings)
    if options:
        raise CommandError(f"stdio has no {', '.join(options)}: name the transport, --http")
    return name, {}


def _plain_name(transport: str) -> str:
    return "http" if transport == "streamable-http" else transport


def _http_options(given: argparse.Namespace) -> RunOptions:
    options: RunOptions = {}
    host, port = _address(given.http or "")
    host = _one("host", host, given.host)
    port = _one("port", port, None if given.port is None else check_port(given.port, "--port"))
    if host is not None:
        options["host"] = host
    if port is not None:
        options["port"] = port
    if given.path is not None:
        options["path"] = given.path
    if given.allowed_host:
        options["allowed_hosts"] = given.allowed_host
    if given.allowed_origin:
        options["allowed_origins"] = given.allowed_origin
    return options


def _address(text: str) -> tuple[str | None, int | None]:
    host, _, port = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]") or None, check_port(port, "--http") if port else None


def _one(name: str, first: T | None, second: T | None) -> T | None:
    if first is not None and second is not None and first != second:
        raise CommandError(f"--http and --{name} say different things: {first} and {second}")
    return second if first is None else first


def _serve(application: Application, name: str, options: RunOptions) -> None:
    if name == "http":
        _check_address(options.get("host", "127.0.0.1"), options.get("port", 8000))
    try:
        run_on(application, name, options)
    except (AnyportError, CommandError):
        raise
    except Exception as error:
        raise CommandError(f"the server failed\n{own_traceback(error)}") from error


def _check_address(host: str, port: int) -> None:
    """See that the address can be bound: the reason is clearer here than in the log of the HTTP server.

    Raises:
        CommandError: It cannot be bound.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise CommandError(f"cannot bind {host}: {error.strerror}") from None
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise CommandError(
                        f"port {port} of {host} is in use; choose another, or 0 for any that is free"
                    ) from None
                raise CommandError(f"cannot bind {host}:{port}: {error.strerror}") from None
