"""Variables in the texts of host configuration files: ``${HOME}``, ``${PORT:-8000}``, ``${env:KEY}``, ``${input:key}``.

Each host has its own notation (Claude Code the first two, VS Code and Cursor the others); all are read everywhere. What
a variable holds is not looked through again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from anyport.protocol.types.json import JsonObject

VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")
_NAME: Final = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)
_INPUT_PREFIX: Final = "ANYPORT_INPUT_"


class UnknownVariable(ValueError):
    """A variable has no value; the message names it and says how it gets one."""


class Variables(Struct, frozen=True, kw_only=True):
    """What variables stand for.

    Attributes:
        environment: Variables of the environment.
        workspace: The folder that the file is for.
        inputs: Values of ``${input:ID}``.
        asked: What the file says about its inputs, by id.
    """

    environment: Mapping[str, str]
    workspace: Path
    inputs: Mapping[str, str] = {}
    asked: Mapping[str, JsonObject] = {}

    def expand(self, text: str) -> str:
        """Return a text with its variables filled in.

        Raises:
            UnknownVariable: One of them has no value.
        """
        return VARIABLE.sub(lambda found: self._value(found[1]), text)

    def _value(self, inside: str) -> str:
        if inside in _KNOWN:
            return _KNOWN[inside](self.workspace)
        kind, colon, name = inside.partition(":")
        if kind == "input" and colon:
            return self._input(name)
        if kind == "env" and colon:
            return self._variable(name)
        name, minus, default = inside.partition(":-")
        if not _NAME.match(name):
            known = ", ".join(f"${{{each}}}" for each in ("NAME", "NAME:-default", "env:NAME", "input:ID", *_KNOWN))
            raise UnknownVariable(f"${{{inside[:80]}}} is none of {known}")
        return self.environment.get(name, default) if minus else self._variable(name)

    def _variable(self, name: str) -> str:
        if name not in self.environment:
            raise UnknownVariable(f"the environment has no variable {name}")
        return self.environment[name]

    def _input(self, name: str) -> str:
        variable = _INPUT_PREFIX + re.sub(r"\W", "_", name, flags=re.ASCII).upper()
        about = self.asked.get(name, {})
        default, purpose = about.get("default"), about.get("description")
        for value in (self.inputs.get(name), self.environment.get(variable), default):
            if isinstance(value, str):
                return value
        reason = f" ({purpose[:200]})" if isinstance(purpose, str) else ""
        raise UnknownVariable(
            f"nobody can be asked here for the input {name!r}{reason}: set the variable {variable}, or give"
            " inputs= to read_servers"
        )


_KNOWN: Final[Mapping[str, Callable[[Path], str]]] = {
    "workspaceFolder": str,
    "workspaceFolderBasename": lambda workspace: workspace.name,
    "userHome": lambda _: str(Path.home()),
    "pathSeparator": lambda _: os.sep,
    "/": lambda _: os.sep,
}


def read_env_file(text: str) -> dict[str, str]:
    """Read the variables of an environment file: ``NAME=value`` lines, comments, quotes, an optional ``export``.

    Args:
        text: What stands in it.

    Raises:
        ValueError: A line is none of these; the message has its number, and nothing of what it says.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.removeprefix("export ").partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not _NAME.match(name):
            raise ValueError(f"line {number} is not NAME=value")
        if value[:1] in ("'", '"'):
            end = value.find(value[0], 1)
            if end < 0 or value[end + 1 :].strip()[:1] not in ("", "#"):
                raise ValueError(f"line {number} has a quote that does not end")
            value = value[1:end]
        else:
            value = re.split(r"\s#", value, maxsplit=1)[0].rstrip()
        found[name] = value
    return found
