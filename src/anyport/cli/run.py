"""`anyport run`: serve the server that a Python file defines."""

from __future__ import annotations

import argparse
import errno
import os
import socket
from collections.abc import Sequence
from typing import Final, TypeVar, cast

from anyport.cli.loading import ServerFile, own_traceback
from anyport.cli.parsing import CommandError, Parser, report
from anyport.protocol.errors import AnyportError
from anyport.serving.application import Application, RunOptions
from anyport.serving.plan import Plan, make_plan, socket_options
from anyport.serving.run import run_on
from anyport.serving.settings import TRANSPORTS, check_port, check_transports, check_workers, read_settings
from anyport.transports.stdio.stdout_guard import StdoutGuard

T = TypeVar("T")

_EPILOG: Final = """\
The object may be left out if the file has one server, or one called server, mcp or app. A file that calls
server.run() itself is served as this command line says, not as that call says.

Without a transport it is stdio; several are served at once, by one process. Where this command line says nothing, the
environment may: MCP_TRANSPORT, MCP_HOST, MCP_PORT and TRANSPORT, and after these ANYPORT_TRANSPORT, ANYPORT_HOST,
ANYPORT_PORT, ANYPORT_PATH, ANYPORT_SSE_PATH, ANYPORT_MESSAGE_PATH, ANYPORT_MESSAGE_URL, ANYPORT_SOCKET,
ANYPORT_ALLOWED_HOSTS, ANYPORT_ALLOWED_ORIGINS, ANYPORT_WORKERS, ANYPORT_JSON_ONLY and ANYPORT_PLAIN_ASGI (1 or 0); what
can be several is separated by commas. ANYPORT_SECRET is the secret of a server that was given none.

examples:
  anyport run server.py
  anyport run server.py --http 8000
  anyport run server.py --http 8000 --workers 4
  anyport run server.py --stdio --http :8000 --sse :8000 --socket /run/mcp.sock
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
        plan = _choose(given)
        file = ServerFile(given.file)
        if plan.stdio:
            # Before the file is imported: what it prints then must not reach the client.
            StdoutGuard.install()
        file.serve(lambda application: _serve(application, plan))
    except (CommandError, AnyportError) as error:
        return report("run", str(error), as_json=given.json)
    return 0


def _parser() -> Parser:
    parser = Parser("run", "Serve the server that a Python file defines.", _EPILOG)
    add = parser.add_argument
    add("file", metavar="FILE[:OBJECT]", help="the file, and the server in it")
    add(
        "--transport",
        action="append",
        metavar="NAME",
        help="stdio, http, which streamable-http is another word for, sse, or socket; may be repeated",
    )
    add("--stdio", action="store_true", help="the same as --transport stdio")
    add("--http", nargs="?", const="", metavar="[HOST:]PORT", help="the same as --transport http, with its address")
    add("--sse", nargs="?", const="", metavar="[HOST:]PORT", help="the same as --transport sse, with its address")
    add("--socket", metavar="PATH|[HOST:]PORT", help="the same as --transport socket: a Unix or TCP socket")
    add(
        "--socket-remote",
        action="store_true",
        help="let other machines connect to the TCP socket (nothing protects it)",
    )
    add("--host", metavar="HOST", help="address to bind (default: 127.0.0.1, which nobody else can reach)")
    add("--port", metavar="PORT", help="port to bind (default: 8000; 0: any that is free)")
    add("--path", metavar="PATH", help="path of the endpoint (default: /mcp)")
    add("--sse-path", metavar="PATH", help="path of the event stream of HTTP+SSE (default: /sse)")
    add("--message-path", metavar="PATH", help="path that its messages are posted to (default: /messages)")
    add("--message-url", metavar="URL", help="what its clients are told in place of that path")
    add("--allowed-host", action="append", metavar="HOST", help="a Host that is served beside the local ones")
    add("--allowed-origin", action="append", metavar="ORIGIN", help="an Origin that browsers may call from")
    add("--json-only", action="store_true", default=None, help="answer with one JSON body each, without streams")
    add("--plain-asgi", action="store_true", default=None, help="serve HTTP through uvicorn's ASGI alone: slower")
    add("--workers", metavar="N", help="processes that serve Streamable HTTP (default: 1)")
    add("--json", action="store_true", help="report problems as JSON")
    return parser


def _choose(given: argparse.Namespace) -> Plan:
    """Choose the transports and their options: the command line first, then the environment.

    Raises:
        SettingError: One of them is none.
        CommandError: They do not go together.
    """
    settings = read_settings(os.environ)
    named = set(check_transports(given.transport or (), "--transport"))
    flags = {"stdio": given.stdio, "http": given.http is not None, "sse": given.sse is not None}
    named.update(name for name, wanted in flags.items() if wanted)
    if given.socket is not None:
        named.add("socket")
    names = [name for name in TRANSPORTS if name in (named or settings.transports or ("stdio",))]
    options = _options(given, names)
    if names == ["stdio"] and options:
        raise CommandError(f"stdio has no {', '.join(options)}: name the transport, --http")
    return make_plan(names, options, settings)


def _options(given: argparse.Namespace, names: Sequence[str]) -> RunOptions:
    options: RunOptions = {}
    # With one kind of HTTP alone, its address is the address; with both, that of HTTP+SSE may be another.
    first = "--http" if "http" in names else "--sse"
    host, port = _address(given.http if "http" in names else given.sse, first)
    host = _one(first, "host", host, given.host)
    port = _one(first, "port", port, None if given.port is None else check_port(given.port, "--port"))
    if host is not None:
        options["host"] = host
    if port is not None:
        options["port"] = port
    if "http" in names:
        sse_host, sse_port = _address(given.sse, "--sse")
        if sse_host is not None:
            options["sse_host"] = sse_host
        if sse_port is not None:
            options["sse_port"] = sse_port
    if given.socket is not None:
        options.update(socket_options(given.socket, "--socket"))
    plain = {
        "socket_remote": given.socket_remote or None,
        "path": given.path,
        "sse_path": given.sse_path,
        "message_path": given.message_path,
        "message_url": given.message_url,
        "allowed_hosts": given.allowed_host,
        "allowed_origins": given.allowed_origin,
        "json_only": given.json_only,
        "plain_asgi": given.plain_asgi,
        "workers": None if given.workers is None else check_workers(given.workers, "--workers"),
    }
    options.update(cast("RunOptions", {name: value for name, value in plain.items() if value is not None}))
    return options


def _address(text: str | None, origin: str) -> tuple[str | None, int | None]:
    host, _, port = (text or "").rpartition(":")
    return host.removeprefix("[").removesuffix("]") or None, check_port(port, origin) if port else None


def _one(origin: str, name: str, first: T | None, second: T | None) -> T | None:
    if first is not None and second is not None and first != second:
        raise CommandError(f"{origin} and --{name} say different things: {first} and {second}")
    return second if first is None else first


def _serve(application: Application, plan: Plan) -> None:
    for place in plan.http:
        _check_address(place.host, place.port)
    try:
        run_on(application, plan)
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
