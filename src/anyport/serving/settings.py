"""Settings from the environment: defaults below what code or a command line says.

======================================  =======================================================
variable                                stands for
======================================  =======================================================
MCP_TRANSPORT                           the transport, or several; then TRANSPORT, then ANYPORT_TRANSPORT
MCP_HOST, MCP_PORT                      host and port; then ANYPORT_HOST, ANYPORT_PORT
ANYPORT_PATH                            path of the endpoint
ANYPORT_SSE_PATH, ANYPORT_MESSAGE_PATH  paths of HTTP+SSE
ANYPORT_MESSAGE_URL                     what clients of HTTP+SSE are told in place of the latter
ANYPORT_SOCKET                          path of a Unix socket, or [HOST:]PORT
ANYPORT_ALLOWED_HOSTS                   Host values, separated by commas
ANYPORT_ALLOWED_ORIGINS                 Origin values, separated by commas
ANYPORT_SECRET                          the secret of a server that names none; several with commas, the
                                        newest first (`anyport.Server` reads it)
ANYPORT_JSON_ONLY                       1 or true: every answer is one JSON body; 0 or false: not
ANYPORT_PLAIN_ASGI                      1 or true: HTTP without the edge, through uvicorn's ASGI alone
ANYPORT_WORKERS                         processes that serve Streamable HTTP
======================================  =======================================================

An empty variable is as good as none. Several transports are separated by commas, or by plus signs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from anyport.protocol.errors import AnyportError

TRANSPORTS: Final = ("stdio", "http", "streamable-http", "sse", "socket")
"""What a server can be run on; the second and the third are one."""


MAX_WORKERS: Final = 64
"""Most processes of one server: far more than a machine has use for, and fewer than a port that was mistyped."""

_SEPARATORS: Final = re.compile("[,+]")


_FLAGS: Final = {"1": True, "true": True, "0": False, "false": False}


class SettingError(AnyportError, ValueError):
    """A setting has a value that it cannot have; the message names the setting and what it can be."""


class Settings(Struct, frozen=True):
    """What the environment says; ``None`` or empty where it says nothing.

    Attributes:
        transports: Names that `check_transport` returns.
        host: Address to bind.
        port: Port to bind.
        path: Path of the endpoint.
        sse_path: Path of the event stream of HTTP+SSE.
        message_path: Path that its messages are posted to.
        message_url: What its clients are told in place of that.
        socket: Path of a Unix socket, or ``[HOST:]PORT``.
        allowed_hosts: ``Host`` values that are served.
        allowed_origins: ``Origin`` values that may call.
        json_only: Whether every answer is one JSON body.
        plain_asgi: Whether HTTP is served without the edge.
        workers: Processes that serve Streamable HTTP.
    """

    transports: tuple[str, ...] = ()
    host: str | None = None
    port: int | None = None
    path: str | None = None
    sse_path: str | None = None
    message_path: str | None = None
    message_url: str | None = None
    socket: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    json_only: bool | None = None
    plain_asgi: bool | None = None
    workers: int | None = None


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings that an environment has.

    Args:
        environment: Usually ``os.environ``.

    Raises:
        SettingError: One of them has a value that it cannot have; the message names the variable.
    """
    transport_from, transport = _first(environment, "MCP_TRANSPORT", "TRANSPORT", "ANYPORT_TRANSPORT")
    port_from, port = _first(environment, "MCP_PORT", "ANYPORT_PORT")
    workers = _first(environment, "ANYPORT_WORKERS")[1]
    return Settings(
        transports=check_transports(_SEPARATORS.split(transport or ""), transport_from),
        host=_first(environment, "MCP_HOST", "ANYPORT_HOST")[1],
        port=None if port is None else check_port(port, port_from),
        path=_first(environment, "ANYPORT_PATH")[1],
        sse_path=_first(environment, "ANYPORT_SSE_PATH")[1],
        message_path=_first(environment, "ANYPORT_MESSAGE_PATH")[1],
        message_url=_first(environment, "ANYPORT_MESSAGE_URL")[1],
        socket=_first(environment, "ANYPORT_SOCKET")[1],
        allowed_hosts=_list(environment, "ANYPORT_ALLOWED_HOSTS"),
        allowed_origins=_list(environment, "ANYPORT_ALLOWED_ORIGINS"),
        json_only=_flag(environment, "ANYPORT_JSON_ONLY"),
        plain_asgi=_flag(environment, "ANYPORT_PLAIN_ASGI"),
        workers=None if workers is None else check_workers(workers, "ANYPORT_WORKERS"),
    )


def check_transports(names: Iterable[str], origin: str = "transport") -> tuple[str, ...]:
    """Return the names of transports as `check_transport` does, each once; empty ones do not count.

    Args:
        names: As they were given.
        origin: Where they were given, for the message.

    Raises:
        SettingError: One of them is none.
    """
    return tuple(dict.fromkeys(check_transport(name.strip(), origin) for name in names if name.strip()))


def check_transport(name: str, origin: str = "transport") -> str:
    """Return the name of a transport: ``stdio``, ``http``, ``sse`` or ``socket``.

    Args:
        name: As it was given.
        origin: Where it was given, for the message.

    Raises:
        SettingError: There is no such transport; the message lists those that there are.
    """
    if name.lower() in TRANSPORTS:
        return "http" if name.lower() == "streamable-http" else name.lower()
    raise SettingError(f"{origin}: unknown transport {name[:80]!r}; known are {', '.join(TRANSPORTS)}")


def check_port(text: str, origin: str = "port") -> int:
    """Return a port, 0 for any that is free.

    Args:
        text: As it was given.
        origin: Where it was given, for the message.

    Raises:
        SettingError: It is no number from 0 to 65535.
    """
    if text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535:
        return int(text)
    raise SettingError(f"{origin}: a port is a number from 0 to 65535, not {text[:80]!r}")


def check_workers(text: str, origin: str = "workers") -> int:
    """Return a number of processes.

    Args:
        text: As it was given.
        origin: Where it was given, for the message.

    Raises:
        SettingError: It is no number from 1 to `MAX_WORKERS`.
    """
    if text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_WORKERS:
        return int(text)
    raise SettingError(f"{origin}: a number of processes from 1 to {MAX_WORKERS}, not {text[:80]!r}")


def _first(environment: Mapping[str, str], *names: str) -> tuple[str, str | None]:
    """Return the first variable that is set, with its value."""
    for name in names:
        value = environment.get(name, "").strip()
        if value:
            return name, value
    return names[0], None


def _flag(environment: Mapping[str, str], name: str) -> bool | None:
    _, value = _first(environment, name)
    if value is None:
        return None
    if value.lower() in _FLAGS:
        return _FLAGS[value.lower()]
    raise SettingError(f"{name}: it is {' or '.join(_FLAGS)}, not {value[:80]!r}")


def _list(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in environment.get(name, "").split(",") if part.strip())
