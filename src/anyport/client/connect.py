"""From a target to a transport: what the user points a client at, and what carries the messages there."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from anyport.client.conversation import Answer, ClientTransport
from anyport.client.in_memory import InProcess, MemoryClient
from anyport.protocol.errors import ConnectError, LocalProtocolError
from anyport.protocol.jsonrpc import Notification, Request
from anyport.protocol.limits import Limits
from anyport.transports.stdio.child import Environment, child_environment
from anyport.transports.stdio.client import StdioClient

Target: TypeAlias = InProcess | str | os.PathLike[str] | Sequence[str]
"""A `Server` object; an http or https URL; a Python file, with ``:OBJECT`` if it has several servers; a command."""

_FILE = re.compile(r"(?P<path>.+\.py)(?::(?P<object>[A-Za-z_][\w.]*))?\Z", re.DOTALL)
_USERINFO = re.compile(r"(?<=:)//[^/@\s]*@")
_SHOWN = 100
_FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")


class Options(Struct, frozen=True):
    """What a user may say about the way to a target.

    Attributes:
        headers: Header fields of every HTTP request.
        environment: Environment of a child process.
        limits: Bounds on what the server may send.
    """

    headers: Mapping[str, str]
    environment: Environment
    limits: Limits


def make_transport(
    target: Target,
    options: Options,
    notified: Callable[[Notification], None],
    asked: Callable[[Request], Awaitable[Answer]],
) -> ClientTransport:
    """Make the transport for a target; nothing is opened yet.

    Args:
        target: What the user pointed at.
        options: What else was said.
        notified: Takes each notification of the server.
        asked: Answers its requests.

    Raises:
        LocalProtocolError: The target is of no known kind, or an option does not go with it.
        ConnectError: The file does not exist.
    """
    if isinstance(target, str) and target.lower().startswith(("http://", "https://")):
        _refuse(options.environment != "minimal", "env", "a server that anyport starts")
        _check_headers(options.headers)
        # aiohttp is loaded here and nowhere else: a client of stdio servers never needs it.
        module = importlib.import_module("anyport.transports.http.client")
        return module.HttpClient(target, options.headers, options.limits, notified, asked)
    _refuse(bool(options.headers), "headers", "an http or https URL")
    if isinstance(target, InProcess):
        _refuse(options.environment != "minimal", "env", "a server that anyport starts")
        return MemoryClient(target, notified)
    environment = child_environment(options.environment)
    if isinstance(target, (str, os.PathLike)):
        command = _file_command(os.fspath(target))
        # The same interpreter finds the same packages.
        if "PYTHONPATH" in os.environ:
            environment.setdefault("PYTHONPATH", os.environ["PYTHONPATH"])
    else:
        command = _checked_command(target)
    return StdioClient(command, environment, options.limits, notified, asked)


def show(target: Target) -> str:
    """Return a target as an error names it: in one short line, and without a password."""
    if isinstance(target, InProcess):
        return f"the server {getattr(target, 'name', '')}".rstrip()
    words = [os.fspath(target)] if isinstance(target, (str, os.PathLike)) else target
    line = _USERINFO.sub("//", " ".join(" ".join(words).split()))
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."


def _file_command(target: str) -> list[str]:
    found = _FILE.match(target)
    if found is None:
        raise LocalProtocolError(
            f"Cannot tell what {target!r} is: a target is an http(s) URL, a .py file, a command as a list, or a Server"
        )
    path = Path(found["path"])
    if not path.is_file():
        raise ConnectError(f"No such file: {path}")
    # `anyport run` takes stdout for the protocol before the file is imported, whatever the file does with it.
    return [sys.executable, "-m", "anyport", "run", target, "--stdio"]


def _checked_command(target: Sequence[str]) -> list[str]:
    command = [os.fspath(part) for part in target]
    if not command or not command[0]:
        raise LocalProtocolError("A command needs at least the name of a program")
    return command


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _FIELD_NAME.match(name) or not _FIELD_VALUE.match(value):
            raise LocalProtocolError(f"The header {name[:80]!r} has characters that HTTP does not allow")


def _refuse(given: bool, option: str, kind: str) -> None:
    if given:
        raise LocalProtocolError(f"{option}= goes with {kind}, not with this target")
