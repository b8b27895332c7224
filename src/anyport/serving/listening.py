"""Sockets that listen, bound before anything else starts: a port that is taken is one line, not a traceback."""

from __future__ import annotations

import errno
import os
import socket
import sys
from typing import Final

from anyport.protocol.errors import LocalProtocolError

_BACKLOG: Final = 2048

_Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]


def listen(host: str, port: int) -> list[socket.socket]:
    """Bind and listen, on every address that a name stands for (``localhost`` may have two).

    Args:
        host: Address or name; brackets around an IPv6 address are allowed. Empty for every address.
        port: TCP port; 0 for any that is free, the same for all addresses.

    Returns:
        The sockets. Connections wait in them until somebody accepts.

    Raises:
        LocalProtocolError: The port is no port.
        OSError: An address is taken, not ours or not allowed, or the name is unknown.
    """
    if not 0 <= port < 2**16:
        raise LocalProtocolError(f"port must be between 0 and 65535; it is {port}")
    bound: list[socket.socket] = []
    refused: OSError | None = None
    try:
        for family, address in _addresses(host.strip("[]"), port):
            try:
                bound.append(_listen_on(family, (address[0], port, *address[2:])))
            except OSError as error:
                # A machine may know the name of an address that it does not have (localhost, without IPv6).
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                refused = error
            else:
                port = bound[0].getsockname()[1]
    except BaseException:
        for each in bound:
            each.close()
        raise
    if not bound:
        raise refused or OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    return bound


def _addresses(host: str, port: int) -> list[_Address]:
    found: dict[_Address, None] = {}
    for family, _, _, _, address in socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        if family in (socket.AF_INET, socket.AF_INET6):
            found[family, address] = None  # pyright: ignore[reportArgumentType] - what these two families have
    return list(found)


def _listen_on(family: socket.AddressFamily, address: tuple[object, ...]) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            # A port in TIME_WAIT is free; on Windows the same option would share one that is not.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        # Now, not when the server starts: with SO_REUSEADDR two may bind, but only one can listen.
        listening.listen(_BACKLOG)
        listening.setblocking(False)  # noqa: FBT003 - the name of the method says what is switched
    except BaseException:
        listening.close()
        raise
    return listening


def url_of(listening: socket.socket, path: str) -> str:
    """Return the URL at which a socket is reached."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"


def say(line: str) -> None:
    """Write a line to stderr, where there is one."""
    if sys.stderr is not None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
