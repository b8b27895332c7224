"""The error of a declaration that cannot work, with the place where it stands."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

from anyport.protocol.errors import LocalProtocolError


class DeclarationError(LocalProtocolError):
    """A tool, resource or prompt is declared in a way that cannot work; raised by the decorator.

    Args:
        function: What was decorated.
        reason: Why it cannot work.
    """

    def __init__(self, function: Callable[..., object], reason: str) -> None:
        super().__init__(f"{place_of(function)}: {name_of(function)}: {reason}")


def name_of(function: Callable[..., object]) -> str:
    """Return the name of a function (the one behind a partial), or of the class of a callable object."""
    function = getattr(function, "func", function)
    return getattr(function, "__name__", type(function).__name__)


def place_of(function: Callable[..., object]) -> str:
    """Return ``file:line`` of a function, or ``unknown place`` where it has no source."""
    function = getattr(function, "func", function)
    if isinstance(function, type):
        function = function.__init__
    code = getattr(inspect.unwrap(function), "__code__", None) or getattr(type(function).__call__, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else "unknown place"


def names_of_caller() -> Mapping[str, object]:
    """Return the local names where a decorator stands: what is declared inside a function may use them.

    To be called by the decorator itself.
    """
    frame = inspect.currentframe()
    for _ in range(2):
        frame = frame.f_back if frame is not None else None
    return frame.f_locals if frame is not None else {}
