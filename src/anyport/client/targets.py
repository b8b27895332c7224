"""From a target to a destination: what a user may point a client at, and what is wrong with what cannot be one."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias, TypeGuard, cast
from urllib.parse import urlsplit

from anyport.client.commands import is_package_line, read_command, read_package_line, startable
from anyport.client.config import Source, read_servers
from anyport.client.destinations import (
    Command,
    Custom,
    Destination,
    Endpoint,
    InMemory,
    SocketAddress,
    shown_words,
)
from anyport.client.entries import ServerEntry
from anyport.client.in_memory import InProcess
from anyport.protocol.errors import ConnectError, LocalProtocolError
from anyport.protocol.urls import one_line, shown_url, url_problem
from anyport.transports.calling import ClientTransport

Target: TypeAlias = (
    InProcess
    | str
    | os.PathLike[str]
    | Sequence[str]
    | Mapping[str, object]
    | ServerEntry
    | Command
    | Endpoint
    | SocketAddress
    | ClientTransport
)
"""A `Server` object; an http or https URL; a ``.py`` file, with ``:OBJECT`` if it has several servers; a ``.js`` file;
``npx PACKAGE ...`` or ``uvx PACKAGE ...``; a command as a list; ``unix:PATH`` or ``tcp://HOST:PORT``; an ``mcpServers``
file or dictionary; a transport; or what such a target is understood as."""

KINDS: Final = (
    'a target is an http(s) URL, a .py or .js file, "npx PACKAGE" or "uvx PACKAGE", a command as a list, "unix:PATH" or'
    ' "tcp://HOST:PORT", an mcpServers file or dictionary, or a Server'
)

_PYTHON: Final = re.compile(r"(?P<path>.+\.py)(?::(?P<object>[A-Za-z_][\w.]*))?\Z", re.DOTALL)
_SCHEME: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://")
_BARE_URL: Final = re.compile(
    r"""(?:localhost|\[[0-9A-Fa-f:]+\]|[\w\-]+(?:\.[\w\-]+)+)(?::\d+)?/.*\Z  # a host with a dot, and a path
    |   (?:\[[0-9A-Fa-f:]+\]|[\w\-]+(?:\.[\w\-]+)*):\d+(?:/.*)?\Z          # a host and a port""",
    re.VERBOSE,
)
_PACKAGE_NAME: Final = re.compile(r"(?:@[\w.\-]+/)?[\w.\-]+(?:@[\w.\-]+)?\Z")
_PACKAGE_LETTERS: Final = 214
"""What npm allows for a name."""
_NODE: Final = (".js", ".mjs", ".cjs")
_CONFIGS: Final = (".json", ".jsonc")


class UnknownTarget(LocalProtocolError):
    """Nothing tells what a target is; the message says what it may have been meant to be."""


def read_target(target: Target, server: str | None = None) -> Destination:
    """Return where a target leads; nothing is opened or started.

    Args:
        target: What the user pointed at.
        server: Which server of an ``mcpServers`` configuration; needed only where it has several.

    Raises:
        LocalProtocolError: The target is of no known kind (`UnknownTarget`), or cannot be what it says.
        ConfigError: The configuration has a mistake in what it says about the server.
        ConnectError: There is no such file.
    """
    if is_config(target):
        return read_servers(target).choose(server).resolve()
    if server is not None:
        raise LocalProtocolError("server= goes with an mcpServers file or dictionary, not with this target")
    if isinstance(target, ServerEntry):
        return target.resolve()
    if isinstance(target, (Command, Endpoint, SocketAddress)):
        return target
    if isinstance(target, InProcess):
        return InMemory(target)
    if isinstance(target, str):
        return _read_text(target)
    if isinstance(target, os.PathLike):
        return _read_path(os.fspath(target))
    return _read_object(target)


def is_config(target: Target) -> TypeGuard[Source]:
    """Whether a target is an ``mcpServers`` configuration: a dictionary, or the path of a JSON file."""
    if not isinstance(target, (str, os.PathLike)):
        return isinstance(target, Mapping)
    path = os.fspath(target)
    # A package may be called so, and a URL or a socket may end so.
    is_other = path.startswith("unix:") or _SCHEME.match(path) is not None or is_package_line(path)
    return path.lower().endswith(_CONFIGS) and not is_other


def _read_object(target: object) -> Destination:
    kind = type(target)
    if isinstance(target, ClientTransport) and not isinstance(target, type):
        return Custom(target)
    if isinstance(target, Sequence) and not isinstance(target, (bytes, bytearray, memoryview)):
        return read_command(cast("Sequence[object]", target))
    shown = "None" if target is None else f"a {kind.__name__}"
    raise UnknownTarget(f"A client cannot be pointed at {shown}: {KINDS}")


# --- texts ------------------------------------------------------------------------------------------------------------


def _read_text(target: str) -> Destination:
    scheme = _SCHEME.match(target)
    if scheme is not None and scheme["scheme"].lower() in ("http", "https"):
        return _read_url(target)
    if target.startswith("unix:") or (scheme is not None and scheme["scheme"].lower() == "tcp"):
        return _read_socket(target)
    if is_package_line(target):
        try:
            return read_package_line(target)
        except LocalProtocolError as error:
            raise _unknown(target, str(error)) from None
    if scheme is not None:
        raise _unknown(target, f"{scheme['scheme']}:// is no scheme that carries MCP")
    return _read_path(target)


def _read_url(target: str) -> Endpoint:
    problem = url_problem(target)
    if problem is not None:
        raise LocalProtocolError(f"{problem}: {_quoted(target)}")
    return Endpoint(url=target)


def _read_socket(target: str) -> SocketAddress:
    if target.startswith("unix:"):
        path = target.removeprefix("unix:")
        path = path.removeprefix("//") if path.startswith("///") else path
        if not path or path.startswith("//"):
            raise _unknown(target, "unix: is followed by the path of a socket, such as unix:/run/mcp.sock")
        return SocketAddress(path=path)
    try:
        parts = urlsplit(target)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if not host or not port or parts.path or parts.query or parts.username is not None:
        raise _unknown(target, "tcp:// is followed by a host and a port, such as tcp://127.0.0.1:9000")
    return SocketAddress(host=host, port=port)


def _read_path(target: str) -> Command:
    found = _PYTHON.match(target)
    if found is not None:
        path = _existing(found["path"])
        # `anyport run` takes stdout for the protocol before the file is imported, whatever the file does with it.
        name = f"{path.absolute()}:{found['object']}" if found["object"] else str(path.absolute())
        words = (sys.executable, "-m", "anyport", "run", name, "--stdio")
        return Command(words=words, same_python=True, label=str(path))
    if target.endswith(_NODE):
        path = _existing(target)
        return Command(words=startable(["node", str(path.absolute())]), label=str(path))
    raise _explained(target)


def _existing(name: str) -> Path:
    path = Path(name)
    if _is(path.is_dir):
        raise LocalProtocolError(f"{one_line(name)} is a directory; name the file in it that has the server")
    if not _is(path.is_file):
        raise ConnectError(f"No such file: {one_line(str(path))}{_package_hint(name)}")
    return path


def _is(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except OSError:  # too long a name, for one
        return False


def _package_hint(name: str) -> str:
    """Return what to say about the name of a missing file that may be a package's, such as ``chart.js``."""
    if name.endswith(".py") or not _may_be_package(name):
        return ""
    return f'; a package called so is started by "npx {name}"'


def _may_be_package(name: str) -> bool:
    return len(name) <= _PACKAGE_LETTERS and _PACKAGE_NAME.match(name) is not None


def _explained(target: str) -> UnknownTarget:
    """Return the error for a text of no known kind, with what was probably meant."""
    path = Path(target)
    if not target.strip():
        return _unknown(target, "it is empty")
    if target.lstrip().startswith("{"):
        return _unknown(target, "it looks like JSON: pass the dictionary, or the path of the file")
    if _is(path.is_dir):
        return _unknown(target, "it is a directory; name the file in it that has the server")
    if _is(path.is_file):
        return _unknown(target, "it is a file of another kind; a program is given as a list, [PATH]")
    if _BARE_URL.match(target):
        return _unknown(target, f'a URL begins with its scheme: "{shown_url(f"http://{target}")}"')
    if _may_be_package(target):
        return _unknown(target, f'a package is started by "npx {target}" or "uvx {target}"')
    if " " in target.strip():
        return _unknown(target, f"a command is given as a list: {target.split()[:1]!r} and its arguments")
    return _unknown(target, "there is no such file")


def _unknown(target: str, reason: str) -> UnknownTarget:
    return UnknownTarget(f"Cannot tell what {_quoted(target)} is: {reason}; {KINDS}")


def _quoted(text: str) -> str:
    """Return what was typed as an error shows it: one short line, without what looks like a secret."""
    return repr(shown_words(text.split()))
