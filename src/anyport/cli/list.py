"""`anyport list`: what a server offers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from anyport.cli.calling import TARGETS, add_client_options, split_command, visit
from anyport.cli.parsing import Parser, plain
from anyport.cli.schemas import Parameter, parameters
from anyport.client.client import Client
from anyport.protocol.jsonrpc import encode_json
from anyport.protocol.types import Tool

_EPILOG: Final = f"""\
{TARGETS}
  anyport list http://127.0.0.1:8000/mcp
  anyport list server.py
  anyport list .mcp.json --server shop
  anyport list -- npx -y some-server
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Args:
        arguments: What was typed after `anyport list`.

    Returns:
        Exit status: 0, or 2 where the server cannot be reached.
    """
    before, command = split_command(arguments)
    parser = Parser("list", "List the tools of a server.", _EPILOG)
    parser.usage = "anyport list [OPTION ...] TARGET\n       anyport list [OPTION ...] -- COMMAND [ARGUMENT ...]"
    if command is None:
        parser.add_argument("target", metavar="TARGET")
    add_client_options(parser)
    given = parser.parse_args(before)
    return visit("list", given.target if command is None else command, given, _list)


async def _list(client: Client, given: argparse.Namespace) -> int:
    tools = await client.list_tools()
    if given.json:
        sys.stdout.write(encode_json({"tools": tools}).decode() + "\n")
        return 0
    info = client.server_info
    name = f"{info.name} {info.version}" if info is not None else "A server without a name"
    print(plain(f"{name}, MCP {client.revision}: {len(tools)} tool{'' if len(tools) == 1 else 's'}"))
    for tool in tools:
        print(plain("\n" + "\n".join(_lines(tool))))
    return 0


def _lines(tool: Tool) -> list[str]:
    about = (tool.description or tool.title or "").strip().split("\n", 1)[0]
    rows = [_row(parameter) for parameter in parameters(tool.input_schema)]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    lines = ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, (*widths, 0), strict=True)) for row in rows]
    return [f"{tool.name}  {about}".rstrip(), *(line.rstrip() for line in lines)]


def _row(parameter: Parameter) -> tuple[str, str, str, str]:
    if parameter.required:
        need = "required"
    elif parameter.default is not None:
        need = f"= {parameter.default}"
    else:
        need = ""
    return parameter.name, parameter.type, need, parameter.description
