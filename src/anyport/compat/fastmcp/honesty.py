"""What is said about the parts of `fastmcp` and `mcp` that an anyport server has no part for (adr/0044)."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NoReturn

from anyport.errors import LocalProtocolError

_OWN: Final = str(Path(__file__).parents[2])


class NotHonoured(LocalProtocolError, AttributeError):
    """Something of the other library that is not here; the message names it, and what takes its place."""


class CompatWarning(UserWarning):
    """Something of the other library that is accepted and makes no difference here, or another one."""


class Missing:
    """An attribute of the other library's class that is not here: looking it up says so.

    Args:
        instead: What takes its place.
    """

    def __init__(self, instead: str) -> None:
        self._instead = instead
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"{owner.__name__}.{name}"

    def __get__(self, instance: object, owner: type) -> NoReturn:
        raise NotHonoured(f"{self._name} is not here: {self._instead}")


def refuse(owner: str, given: Mapping[str, object], known: Mapping[str, str]) -> None:
    """Refuse options that something depends on and that are not here.

    Args:
        owner: What they were given to.
        given: The options.
        known: What takes the place of each that is known of; another one is a mistake.

    Raises:
        NotHonoured: One of them says something.
        TypeError: The other library has no such option either.
    """
    for name, value in given.items():
        if name not in known:
            raise TypeError(f"{owner} has no option {name!r}")
        if value and value is not ...:
            raise NotHonoured(f"{owner}: {name} is not here: {known[name]}")


def warn(text: str) -> None:
    """Warn at the line of whoever's code calls the shim."""
    depth, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(_OWN):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(text, CompatWarning, stacklevel=depth)
