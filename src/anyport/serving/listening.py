"""Sockets that listen, bound before anything else starts: a port that is taken is one line, not a traceback."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
import stat
import sys
from pathlib import Path
from typing import Final

from anyport.protocol.errors import LocalProtocolError

_BACKLOG: Final = 2048
_UNSENT: Final = 128 * 1024
"""Bytes that the system takes for a peer beyond what the peer has room for; its own measure is megabytes."""

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


def listen_each(host: str, port: int, count: int) -> list[list[socket.socket]]:
    """Bind and listen as `listen` does, for several processes on the same addresses.

    On Linux each has sockets of its own, among which the system spreads connections (``SO_REUSEPORT``); elsewhere the
    same option spreads nothing, and all share one socket for each address. The first is bound as if it were alone, so
    that no port of somebody else's is shared, another server of ours and of the same user included.

    Args:
        host: As for `listen`.
        port: As for `listen`.
        count: Processes.

    Returns:
        The sockets of each.

    Raises:
        LocalProtocolError: As `listen`.
        OSError: As `listen`.
    """
    first = listen(host, port)
    found = [first]
    while len(found) < count:
        found.append(_beside(first) or first)
    return found


def _beside(first: list[socket.socket]) -> list[socket.socket] | None:
    """Listen once more on the addresses of some sockets; ``None`` where connections would not be spread."""
    if sys.platform != "linux":
        return None
    made: list[socket.socket] = []
    try:
        for each in first:
            # After it was bound: from here on others of the same user may join it, if they insist as we do.
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            made.append(_listen_on(each.family, each.getsockname(), shared=True))
    except OSError:
        # Not every kernel that calls itself Linux lets a socket that listens be joined.
        for each in made:
            each.close()
        return None
    return made


def _addresses(host: str, port: int) -> list[_Address]:
    found: dict[_Address, None] = {}
    for family, _, _, _, address in socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        if family in (socket.AF_INET, socket.AF_INET6):
            found[family, address] = None  # pyright: ignore[reportArgumentType] - what these two families have
    return list(found)


def _listen_on(family: int, address: tuple[object, ...], *, shared: bool = False) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if shared:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if os.name == "posix":
            # A port in TIME_WAIT is free; on Windows the same option would share one that is not.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            # Connections inherit it. Without it a peer that stops reading costs megabytes of the system's memory, and
            # nobody here notices before they are full.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
        listening.bind(address)
        # Now, not when the server starts: with SO_REUSEADDR two may bind, but only one can listen.
        listening.listen(_BACKLOG)
        listening.setblocking(False)  # noqa: FBT003 - the name of the method says what is switched
    except BaseException:
        listening.close()
        raise
    return listening


def listen_locally(host: str, port: int, *, remote: bool) -> list[socket.socket]:
    """Bind and listen as `listen` does, but on loopback addresses alone unless somebody insists.

    Args:
        host: Address or name.
        port: TCP port.
        remote: Other machines may connect.

    Raises:
        LocalProtocolError: Others could connect, and may not; or the port is no port.
        OSError: See `listen`.
    """
    if not remote:
        for _, address in _addresses(host.strip("[]"), port):
            if not ipaddress.ip_address(address[0].partition("%")[0]).is_loopback:
                raise LocalProtocolError(
                    f"the socket transport has no authentication, and others can reach {host or 'every address'}:"
                    " bind 127.0.0.1 or a Unix socket, or say socket_remote=True (--socket-remote)"
                )
    return listen(host, port)


class UnixSocket:
    """A Unix socket that listens, and its file.

    Only its owner may connect (mode 0600). A file that is left of a server that is gone is replaced.

    Args:
        path: Where the file is made.

    Attributes:
        socket: What listens.

    Raises:
        OSError: Somebody listens there already, or the file is no socket, or it cannot be made.
        LocalProtocolError: The system has no Unix sockets.
    """

    def __init__(self, path: Path) -> None:
        if not hasattr(socket, "AF_UNIX"):
            raise LocalProtocolError("This system has no Unix sockets; name a socket_port")
        self._path = path
        _remove_stale(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Not after the bind: for a moment others could connect.
            before = os.umask(0o177)
            try:
                self.socket.bind(str(path))
            finally:
                os.umask(before)
            self._file = path.stat()
            self.socket.listen(_BACKLOG)
            self.socket.setblocking(False)  # noqa: FBT003 - the name of the method says what is switched
        except BaseException:
            self.socket.close()
            raise

    def close(self) -> None:
        """Stop listening and remove the file, if it is still this one."""
        self.socket.close()
        with contextlib.suppress(OSError):
            if os.path.samestat(self._path.stat(), self._file):
                self._path.unlink()


def _remove_stale(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise FileExistsError(errno.EEXIST, "there is a file that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except TimeoutError:
            pass
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def url_of(listening: socket.socket, path: str) -> str:
    """Return the URL at which a socket is reached."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"


def address_of(listening: socket.socket) -> str:
    """Return where a socket that carries lines is reached: ``unix:PATH`` or ``tcp://HOST:PORT``."""
    if listening.family == getattr(socket, "AF_UNIX", None):
        return f"unix:{listening.getsockname()}"
    return url_of(listening, "").replace("http:", "tcp:", 1)


def say(line: str) -> None:
    """Write a line to stderr, where there is one."""
    if sys.stderr is not None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
