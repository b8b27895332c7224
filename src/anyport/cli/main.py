"""The `anyport` command: finds the file of a command and runs it. Nothing else is imported for it."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

_COMMANDS: Final = {
    "run": "serve the server that a Python file defines",
    "list": "list the tools of a server",
    "call": "call a tool of a server",
    "config": "write a server into the configuration of Claude, VS Code or Cursor",
}

_INTERRUPTED: Final = 130
"""What shells report for a program that Ctrl-C ended: 128 + SIGINT."""
_NOT_READ: Final = 141
"""What shells report for a program whose output nobody reads: 128 + SIGPIPE."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: What was typed after `anyport`; default: the arguments of this process.

    Returns:
        Exit status: 0, 1 where a tool reports an error, 2 where something could not be done.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    name = given[0] if given else "--help"
    if name in ("-h", "--help", "help"):
        print(_usage(), file=sys.stdout if given else sys.stderr)
        return 0 if given else 2
    if name in ("-V", "--version"):
        print(f"anyport {importlib.import_module('anyport').__version__}")
        return 0
    if name not in _COMMANDS:
        print(f"anyport: unknown command {name!r}; known are {', '.join(_COMMANDS)}", file=sys.stderr)
        return 2
    try:
        status: int = importlib.import_module(f"anyport.cli.{name}").main(given[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; what is left in the buffer must not fail at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _NOT_READ
    return status


def _usage() -> str:
    lines = [f"  anyport {name:<8}{what}" for name, what in _COMMANDS.items()]
    return "\n".join(
        ["usage: anyport COMMAND ...", "", *lines, "", "anyport COMMAND --help says what a command takes."]
    )
