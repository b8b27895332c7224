"""Commands that start servers: lists of words, lines of ``npx`` and ``uvx``, and what Windows makes of them."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import sys
from collections.abc import Sequence
from typing import Final, cast

from anyport.client.destinations import Command
from anyport.protocol.errors import LocalProtocolError

_PACKAGE_LINE: Final = re.compile(r"(?:npx|uvx)(?:\s|\Z)")
_SHELL: Final = re.compile(r"""["'|&;<>`$*()]|(?:\A|\s)~""")
_BATCH_SPECIAL: Final = re.compile(r"""["%!&|<>^\n]""")
_ASKS_NOTHING: Final = frozenset({"-y", "--yes", "--no", "--no-install"})


def read_command(words: Sequence[object]) -> Command:
    """Return a command that was given as a list.

    Raises:
        LocalProtocolError: It is none.
    """
    if not words or not words[0]:
        raise LocalProtocolError("A command needs at least the name of a program")
    for place, word in enumerate(words):
        if not isinstance(word, (str, os.PathLike)):
            raise LocalProtocolError(f"A command is a list of texts; number {place} is a {type(word).__name__}")
    return Command(words=startable([os.fspath(word) for word in cast("Sequence[str]", words)]))


def startable(words: Sequence[str]) -> tuple[str, ...]:
    """Return a command as the system can start it: on Windows, ``npx`` and the like are batch files.

    Those are read by ``cmd.exe`` whatever is done, so arguments that mean something to it are refused.

    Raises:
        LocalProtocolError: An argument of a batch file has a character that ``cmd.exe`` would act upon.
    """
    if sys.platform != "win32":
        return tuple(words)
    program = shutil.which(words[0]) or words[0]
    if program.lower().endswith((".cmd", ".bat")):
        for word in words[1:]:
            if _BATCH_SPECIAL.search(word):
                raise LocalProtocolError(
                    f"{words[0]} is a batch file, whose arguments cmd.exe reads: they cannot have any of"
                    ' " % ! & | < > ^ or a line break in them; start the program behind it instead'
                )
    return (program, *words[1:])


def is_package_line(text: str) -> bool:
    """Whether a text begins as `read_package_line` takes it."""
    return _PACKAGE_LINE.match(text) is not None


def read_package_line(line: str) -> Command:
    """Return the command of ``npx PACKAGE ARGUMENT ...`` or ``uvx PACKAGE ARGUMENT ...``.

    Words are separated by blanks and nothing else is read into them. ``npx`` is told not to ask before it installs: it
    would wait for an answer on the stream that carries messages.

    Raises:
        LocalProtocolError: It names no package, or has what only a shell would understand.
    """
    if not is_package_line(line):
        raise LocalProtocolError('it does not begin with "npx" or "uvx"')
    runner, *rest = line.split()
    if _SHELL.search(line) or ("\\" in line and sys.platform != "win32"):
        raise LocalProtocolError(
            f'no shell reads it: give its words as a list, ["{runner}", "PACKAGE", "ARGUMENT", ...]'
        )
    if all(map(_is_option, rest)):
        raise LocalProtocolError(f'{runner} needs the name of a package: "{runner} PACKAGE ARGUMENT ..."')
    # What comes after the package is the package's own.
    if runner == "npx" and _ASKS_NOTHING.isdisjoint(itertools.takewhile(_is_option, rest)):
        rest = ["-y", *rest]
    return Command(words=startable([runner, *rest]))


def _is_option(word: str) -> bool:
    return word.startswith("-")
