"""What the commands that call a server have in common: the target, the options of the client, the errors."""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TextIO

from anyport.cli.parsing import CommandError, Parser, report
from anyport.client.client import Client
from anyport.client.connect import PINS
from anyport.client.targets import Target, UnknownTarget
from anyport.protocol.errors import AnyportError

TARGETS: Final = """\
TARGET is an http or https URL; a Python file that defines a server (FILE or FILE:OBJECT) or a .js file; 'npx PACKAGE'
or 'uvx PACKAGE' in quotes; an mcpServers file, of which --server chooses; or, after --, a command that starts one:
"""

Visit = Callable[[Client, argparse.Namespace], Awaitable[int]]


def add_client_options(parser: Parser) -> None:
    """Add the options that say how a server is reached."""
    add = parser.add_argument
    add("--era", choices=("legacy", "modern"), help="speak only this era (default: whichever the server speaks)")
    add(
        "--transport",
        choices=tuple(PINS),
        help="speak only over this transport (default: whatever leads to the target)",
    )
    add("--server", metavar="NAME", help="which server of an mcpServers file")
    add("--header", action="append", default=[], metavar="'NAME: VALUE'", help="a header of each HTTP request")
    add("--env", action="append", default=[], metavar="NAME[=VALUE]", help="a variable for the server that is started")
    add("--timeout", type=float, default=60.0, metavar="SECONDS", help="for opening, and for each call (default: 60)")
    add("--json", action="store_true", help="print the result as JSON")


def split_command(arguments: Sequence[str]) -> tuple[list[str], list[str] | None]:
    """Split arguments at the first ``--``: what is before it, and the command after it, if there is one."""
    given = list(arguments)
    if "--" not in given:
        return given, None
    place = given.index("--")
    return given[:place], given[place + 1 :]


def visit(name: str, target: Target, given: argparse.Namespace, do: Visit) -> int:
    """Open a client, do something with it, and report what goes wrong.

    Args:
        name: Name of the command.
        target: What the user pointed at.
        given: The options of `add_client_options`.
        do: What is done; returns the exit status.

    Returns:
        The exit status.
    """

    async def run() -> int:
        client = Client(
            target,
            server=given.server,
            transport=given.transport,
            era=given.era,
            headers=dict(map(read_header, given.header)),
            env=dict(map(_variable, given.env)) or "minimal",
            timeout=given.timeout,
        )
        async with client:
            return await do(client, given)

    output: TextIO = sys.stdout
    if isinstance(output, io.TextIOWrapper):
        # A server may say what the encoding of the terminal cannot.
        output.reconfigure(errors="backslashreplace")
    try:
        return asyncio.run(run())
    except (AnyportError, CommandError) as error:
        return report(name, _told(error), as_json=given.json)


def read_header(text: str) -> tuple[str, str]:
    """Read ``NAME: VALUE``.

    Raises:
        CommandError: It is none.
    """
    name, colon, value = text.partition(":")
    if not colon:
        raise CommandError(f"--header {text!r} is not 'NAME: VALUE'")
    return name.strip(), value.strip()


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals and name not in os.environ:
        raise CommandError(f"--env {name}: there is no such variable to pass on")
    return name, value if equals else os.environ[name]


def _told(error: AnyportError | CommandError) -> str:
    told = [str(error) or type(error).__name__, *getattr(error, "__notes__", ())]
    if isinstance(error, UnknownTarget):
        told.append("on the command line, a command goes after --")
    return "; ".join(told)
