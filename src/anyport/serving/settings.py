"""Settings from the environment: defaults below what code or a command line says.

======================================  =======================================================
variable                                stands for
======================================  =======================================================
ANYPORT_TRANSPORT                       the transport; then MCP_TRANSPORT, then TRANSPORT
ANYPORT_HOST, ANYPORT_PORT              host and port; then MCP_HOST, MCP_PORT
ANYPORT_PATH                            path of the endpoint
ANYPORT_ALLOWED_HOSTS                   Host values, separated by commas
ANYPORT_ALLOWED_ORIGINS                 Origin values, separated by commas
======================================  =======================================================

An empty variable is as good as none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from anyport.protocol.errors import AnyportError
from anyport.serving.application import RunOptions

TRANSPORTS: Final = ("stdio", "http", "streamable-http")
"""What a server can be run on; the last two are one."""


class SettingError(AnyportError, ValueError):
    """A setting has a value that it cannot have; the message names the setting and what it can be."""


class Settings(Struct, frozen=True):
    """What the environment says; ``None`` or empty where it says nothing.

    Attributes:
        transport: One of `TRANSPORTS`.
        host: Address to bind.
        port: Port to bind.
        path: Path of the endpoint.
        allowed_hosts: ``Host`` values that are served.
        allowed_origins: ``Origin`` values that may call.
    """

    transport: str | None = None
    host: str | None = None
    port: int | None = None
    path: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings that an environment has.

    Args:
        environment: Usually ``os.environ``.

    Raises:
        SettingError: One of them has a value that it cannot have; the message names the variable.
    """
    transport_from, transport = _first(environment, "ANYPORT_TRANSPORT", "MCP_TRANSPORT", "TRANSPORT")
    port_from, port = _first(environment, "ANYPORT_PORT", "MCP_PORT")
    return Settings(
        transport=None if transport is None else check_transport(transport, transport_from),
        host=_first(environment, "ANYPORT_HOST", "MCP_HOST")[1],
        port=None if port is None else check_port(port, port_from),
        path=_first(environment, "ANYPORT_PATH")[1],
        allowed_hosts=_list(environment, "ANYPORT_ALLOWED_HOSTS"),
        allowed_origins=_list(environment, "ANYPORT_ALLOWED_ORIGINS"),
    )


def complete(options: RunOptions, settings: Settings) -> RunOptions:
    """Return the options of an HTTP transport, with what the environment says where they say nothing."""
    found: RunOptions = {}
    if settings.host is not None:
        found["host"] = settings.host
    if settings.port is not None:
        found["port"] = settings.port
    if settings.path is not None:
        found["path"] = settings.path
    if settings.allowed_hosts:
        found["allowed_hosts"] = settings.allowed_hosts
    if settings.allowed_origins:
        found["allowed_origins"] = settings.allowed_origins
    return {**found, **options}


def check_transport(name: str, origin: str = "transport") -> str:
    """Return the name of a transport in lower case.

    Args:
        name: As it was given.
        origin: Where it was given, for the message.

    Raises:
        SettingError: There is no such transport; the message lists those that there are.
    """
    if name.lower() in TRANSPORTS:
        return name.lower()
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


def _first(environment: Mapping[str, str], *names: str) -> tuple[str, str | None]:
    """Return the first variable that is set, with its value."""
    for name in names:
        value = environment.get(name, "").strip()
        if value:
            return name, value
    return names[0], None


def _list(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in environment.get(name, "").split(",") if part.strip())
