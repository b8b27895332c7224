"""What a child says on stderr: handed on line by line, and its end kept for errors."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, Protocol, cast, runtime_checkable

from anyport.protocol.errors import LocalProtocolError
from anyport.protocol.framing import LineDecoder, LineTooLong

logger = logging.getLogger("anyport.client.stderr")

_TAIL_LINES: Final = 40
_LINE_BYTES: Final = 8 * 1024
_NAME: Final = r"(?P<name>[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)"
_NAMED: Final = (
    # KeyError of os.environ; set -u of a shell.
    re.compile(rf"\bKeyError: ['\"]{_NAME}['\"]"),
    re.compile(rf"\b{_NAME}: (?:unbound variable|parameter not set|parameter null or not set)"),
    # X is not set; X environment variable is required; "X" must be defined; X not found in the environment.
    re.compile(
        rf"['\"`$]?\b{_NAME}\b['\"`]? (?:(?:environment|env) (?:variable|var) )?"
        r"(?:(?:is|was) )?(?:not (?:set|defined|found|provided|configured)|missing|undefined|unset|required"
        r"|(?:must|needs to|has to) be (?:set|defined|provided))",
    ),
    # Missing environment variable: X; please set X; the environment variable X.
    re.compile(
        r"(?i:missing|please set|please provide|you must set|set the|(?:environment|env) (?:variable|var))"
        r"(?: (?i:required|the|value for|environment|env|variable|var|variables))*:? ['\"`$]?" + _NAME + r"\b"
    ),
)


@runtime_checkable
class Written(Protocol):
    """A file, or what else takes text."""

    def write(self, text: str, /) -> object:
        """Take a line, its end included."""
        ...


OnStderr = Callable[[str], object] | logging.Logger | Written | None
"""Who takes each line that a child writes to stderr: a function, a logger (at INFO), a file; default: the logger
``anyport.client.stderr``."""


class LastWords:
    """Takes what a child writes to stderr, as it comes; what is kept is bounded.

    Args:
        sink: Who takes each line. A function is called by the event loop, which logs what it raises.
    """

    def __init__(self, sink: OnStderr = None) -> None:
        self._lines = LineDecoder(_LINE_BYTES)
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._pass_on = _passing_on(sink)

    @property
    def tail(self) -> str:
        """The last lines."""
        return "\n".join(self._tail)

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._take(self._lines.feed(data))

    def close(self) -> None:
        """Take the end."""
        self._take(self._lines.close())

    def _take(self, lines: list[bytes | LineTooLong]) -> None:
        for line in lines:
            # Not more than the beginning of a line that is endless.
            text = (line.prefix + b" [...]" if isinstance(line, LineTooLong) else line).decode("utf-8", "replace")
            self._tail.append(text)
            self._pass_on(text)


def checked_sink(sink: object) -> OnStderr:
    """Return the sink.

    Raises:
        LocalProtocolError: It is none; a path, for example.
    """
    if sink is None or callable(sink) or isinstance(sink, (logging.Logger, Written)):
        return cast("OnStderr", sink)
    raise LocalProtocolError(f"on_stderr takes a function, a logger or an open file, not a {type(sink).__name__}")


def missing_variable(tail: str, environment: Mapping[str, str]) -> str | None:
    """Return the environment variable that a program died of, as well as that can be told from what it said.

    Args:
        tail: What it said last.
        environment: What it was given; what is in there is not missing.
    """
    for line in reversed(tail.splitlines()):
        for pattern in _NAMED:
            for found in pattern.finditer(line):
                # One short word in capitals is more likely an acronym: "JSON is not defined".
                if found["name"] not in environment and ("_" in found["name"] or pattern is _NAMED[0]):
                    return found["name"]
    return None


def hint(tail: str, environment: Mapping[str, str]) -> str:
    """Return what to do about the environment variable that a program died of; ``""`` where it was no such thing.

    Args:
        tail: What it said last.
        environment: What it was given.
    """
    name = missing_variable(tail, environment)
    if name is None:
        return ""
    if name in os.environ:
        return (
            f'{name} is set in this process but was not passed on: say env={{"{name}": ...}}, or env="inherit" for all'
        )
    return f'{name} is not in the environment that the server was given: say env={{"{name}": ...}}'


def _passing_on(sink: OnStderr) -> Callable[[str], object]:
    if sink is None:
        return _LogPass(logger)
    if isinstance(sink, logging.Logger):
        return _LogPass(sink)
    if isinstance(sink, Written):
        return _FilePass(sink)
    return _CallPass(sink)


class _LogPass:
    def __init__(self, target: logging.Logger) -> None:
        self._target = target

    def __call__(self, line: str) -> None:
        self._target.info("%s", line)


class _CallPass:
    """Calls a function from the loop, in order: what it raises must not end the reading."""

    def __init__(self, target: Callable[[str], object]) -> None:
        self._target = target
        self._loop = asyncio.get_running_loop()

    def __call__(self, line: str) -> None:
        self._loop.call_soon(self._target, line)


class _FilePass:
    """Writes to a file for as long as that works."""

    def __init__(self, target: Written) -> None:
        self._target: Written | None = target

    def __call__(self, line: str) -> None:
        if self._target is None:
            return
        try:
            self._target.write(f"{line}\n")
        except (OSError, ValueError, TypeError) as error:
            # The disk is full, the file is closed or binary: the child must be drained all the same.
            logger.warning("Cannot write what the server says on stderr any more: %s", error)
            self._target = None
