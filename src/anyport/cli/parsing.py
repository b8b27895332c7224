"""What the commands have in common in reading arguments and reporting what went wrong."""

from __future__ import annotations

import argparse
import json
import re
import sys
from typing import Final, NoReturn

CANNOT: Final = 2
"""Exit status: something could not be done."""

_CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class CommandError(Exception):
    """Something could not be done; the message says what, in one line, or shows a traceback of the user's own code."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def __init__(self, command: str, description: str, epilog: str = "") -> None:
        super().__init__(
            prog=f"anyport {command}",
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """End with status 2 and one line on stderr."""
        self.exit(CANNOT, f"{self.prog}: {message} (see {self.prog} --help)\n")


def report(command: str, message: str, *, as_json: bool) -> int:
    """Say on stderr what went wrong.

    Args:
        command: Name of the command.
        message: What went wrong.
        as_json: Say it as one JSON object, ``{"error": message}``.

    Returns:
        The exit status.
    """
    print(json.dumps({"error": message}) if as_json else f"anyport {command}: {plain(message)}", file=sys.stderr)
    return CANNOT


def plain(text: str) -> str:
    """Return text without the control characters that could make a terminal do things."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)
