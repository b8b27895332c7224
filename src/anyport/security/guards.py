"""Host and Origin: the two header fields that tell a browser page from a program (DNS rebinding; HTTP-02, S59).

A page that an attacker serves can make a browser send requests to a local server, under a name that the attacker's
DNS points at it. The browser still tells the truth in ``Host`` and ``Origin``, so both are checked on every request,
by default and on every bind address:

- ``Host`` must be a loopback name or address when the request came in on a loopback address. On any other address it
  may also be an IP literal, which no DNS entry can forge, or this machine's own name.
- ``Origin``, where there is one, must be of a host that would pass the first rule on a loopback address; elsewhere it
  must be the very host that was asked.

``allowed_hosts`` and ``allowed_origins`` add to both.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from anyport.protocol.errors import RefusedRequest

_KEPT: Final = 256


class HostGuard:
    """Checks ``Host`` and ``Origin``.

    Args:
        allowed_hosts: Host names that are served beside the local ones: ``mcp.example.com`` (any port),
            ``mcp.example.com:8443``, ``*.example.com``; ``*`` switches the check of ``Host`` off.
        allowed_origins: Origins that browsers may call from, such as ``https://app.example.com``; ``*`` switches the
            check of ``Origin`` off.
    """

    def __init__(self, allowed_hosts: Iterable[str] = (), allowed_origins: Iterable[str] = ()) -> None:
        self._hosts = frozenset(host.lower() for host in allowed_hosts)
        self._suffixes = tuple(host[1:] for host in self._hosts if host.startswith("*."))
        self._origins = frozenset(origin.lower().rstrip("/") for origin in allowed_origins)
        self._own_name = socket.gethostname().lower()
        self._good: set[tuple[str | None, str | None, str | None]] = set()

    def check(self, headers: Mapping[str, str], local: str | None) -> None:
        """Check a request.

        Args:
            headers: Header fields, names in lower case.
            local: Address that the request came in on; ``None`` when unknown, which counts as loopback.

        Raises:
            RefusedRequest: HTTP 421 for a host, 403 for an origin that is not served.
        """
        host, origin = headers.get("host"), headers.get("origin")
        key = (host, origin, local)
        if key in self._good:
            return
        self._check_host(host, local)
        if origin is not None:
            self._check_origin(origin, host or "", local)
        if len(self._good) >= _KEPT:
            self._good.clear()
        self._good.add(key)

    def _check_host(self, host: str | None, local: str | None) -> None:
        name = _name_of(host or "")
        if name and (self._configured(host or "", name) or self._is_local(name, local)):
            return
        raise RefusedRequest(
            421, f"Host {(host or '')[:200]!r} is not served here; name it in the setting allowed_hosts if it should be"
        )

    def _check_origin(self, origin: str, host: str, local: str | None) -> None:
        if "*" in self._origins or origin.lower() in self._origins:
            return
        try:
            parts = urlsplit(origin)
        except ValueError:
            parts = urlsplit("")
        name = _name_of(parts.netloc) if parts.scheme in ("http", "https") else ""
        same = parts.netloc.lower() == host.lower()
        if name and (same or self._configured(parts.netloc, name) or (_is_loopback(local) and _is_loopback(name))):
            return
        raise RefusedRequest(
            403, f"Origin {origin[:200]!r} may not call; name it in the setting allowed_origins if it should"
        )

    def _configured(self, host: str, name: str) -> bool:
        if "*" in self._hosts and host:
            return True
        return name in self._hosts or host.lower() in self._hosts or (bool(self._suffixes) and name.endswith(self._suffixes))

    def _is_local(self, name: str, local: str | None) -> bool:
        if _is_loopback(local):
            return _is_loopback(name)
        return _is_loopback(name) or _is_address(name) or name == self._own_name


def _name_of(host: str) -> str:
    """Return a ``Host`` value without its port, in lower case and without brackets; empty when it is malformed."""
    host = host.lower()
    if host.startswith("["):
        name, bracket, port = host[1:].partition("]")
        return name if bracket and (not port or _is_port(port)) else ""
    name, colon, port = host.partition(":")
    return name if not colon or _is_port(f":{port}") else ""


def _is_port(text: str) -> bool:
    return text.startswith(":") and text[1:].isascii() and text[1:].isdigit() and len(text) <= 6


def _is_loopback(name: str | None) -> bool:
    if name is None or name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_address(name: str) -> bool:
    try:
        return not ipaddress.ip_address(name).is_unspecified
    except ValueError:
        return False
