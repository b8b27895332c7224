"""`anyport call`: call a tool."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from typing import Final

from anyport.cli.calling import TARGETS, Visit, add_client_options, split_command, visit
from anyport.cli.parsing import CommandError, Parser, plain, report
from anyport.cli.schemas import read_value
from anyport.client.client import Client
from anyport.client.results import ToolResult
from anyport.client.targets import Target
from anyport.protocol.jsonrpc import encode_json
from anyport.protocol.types import AudioContent, ContentBlock, ImageContent, ResourceLink, TextContent, Tool
from anyport.protocol.types.json import JsonObject, JsonValue

_TOOL_FAILED: Final = 1

_EPILOG: Final = f"""\
{TARGETS}
  anyport call http://127.0.0.1:8000/mcp price item=pen count=2
  anyport call server.py price item=pen count=2
  anyport call price item=pen count=2 -- npx -y some-server

A value is read as JSON where it is JSON and the tool does not want a string there: count=2, tags='["a", "b"]'.
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Args:
        arguments: What was typed after `anyport call`.

    Returns:
        Exit status: 0, 1 where the tool reports an error, 2 where it could not be called.
    """
    before, command = split_command(arguments)
    parser = Parser("call", "Call a tool of a server.", _EPILOG)
    parser.usage = (
        "anyport call [OPTION ...] TARGET TOOL [KEY=VALUE ...]\n"
        "       anyport call [OPTION ...] TOOL [KEY=VALUE ...] -- COMMAND [ARGUMENT ...]"
    )
    if command is None:
        parser.add_argument("target", metavar="TARGET")
    parser.add_argument("tool", metavar="TOOL")
    parser.add_argument("arguments", metavar="KEY=VALUE", nargs="*", default=[])
    add_client_options(parser)
    given = parser.parse_intermixed_args(before)
    try:
        values = _pairs(given.arguments)
    except CommandError as error:
        return report("call", str(error), as_json=given.json)
    target: Target = given.target if command is None else command
    return visit("call", target, given, _call(given.tool, values))


def _pairs(arguments: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or not name:
            raise CommandError(f"{argument!r} is not KEY=VALUE")
        if name in found:
            raise CommandError(f"{name} is given twice")
        found[name] = value
    return found


def _call(name: str, values: dict[str, str]) -> Visit:
    async def call(client: Client, given: argparse.Namespace) -> int:
        tool = _find(name, await client.list_tools())
        arguments: JsonObject = {key: read_value(text, key, tool.input_schema) for key, text in values.items()}
        result = await client.call_tool(name, arguments, raise_on_error=False)
        if given.json:
            sys.stdout.write(encode_json(result.raw).decode() + "\n")
        elif result.is_error:
            print(plain(f"{name}: {_text(result)}"), file=sys.stderr)
        else:
            _print(_text(result))
        return _TOOL_FAILED if result.is_error else 0

    return call


def _find(name: str, tools: Sequence[Tool]) -> Tool:
    for tool in tools:
        if tool.name == name:
            return tool
    names = [tool.name for tool in tools]
    close = difflib.get_close_matches(name, names, 1)
    known = f"did you mean {close[0]}?" if close else f"known are {', '.join(names) or 'none'}"
    raise CommandError(f"the server has no tool {name!r}; {known}")


def _text(result: ToolResult[JsonValue]) -> str:
    if not result.content and result.structured_content is not None:
        return encode_json(result.structured_content).decode()
    return "\n".join(map(_shown, result.content))


def _shown(block: ContentBlock) -> str:
    if isinstance(block, TextContent):
        return block.text
    if isinstance(block, (ImageContent, AudioContent)):
        return f"[{block.type}: {block.mime_type}, {len(block.data) * 3 // 4} bytes]"
    if isinstance(block, ResourceLink):
        return f"[resource: {block.uri}]"
    contents = block.resource
    return contents.text if contents.text is not None else f"[resource: {contents.uri}]"


def _print(text: str) -> None:
    """Print what a tool said: as it is into a file or a pipe, made harmless on a terminal."""
    print(plain(text) if sys.stdout.isatty() else text)
