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

from anyport.protocol.errors import LocalProtocolError, RefusedRequest

_NOT_IN_AUTHORITY: Final = frozenset("/?#@\\ \t,")
"""What ends an authority or hides one in another (RFC 3986, 3.2); none of it is part of a host and a port."""


class HostGuard:
    """Checks ``Host`` and ``Origin``.

    Args:
        allowed_hosts: Host names that are served beside the local ones: ``mcp.example.com`` (any port),
            ``mcp.example.com:8443``, ``*.example.com`` (every name below it), ``[2001:db8::1]``; ``*`` switches the
            check of ``Host`` off. A page of an allowed host may call, too.
        allowed_origins: Origins that browsers may call from, such as ``https://app.example.com``; ``*`` switches the
            check of ``Origin`` off.

    Raises:
        LocalProtocolError: An entry could never match: a URL as a host, a host as an origin, a bare string as a list.
    """

    def __init__(self, allowed_hosts: Iterable[str] = (), allowed_origins: Iterable[str] = ()) -> None:
        hosts = _entries("allowed_hosts", allowed_hosts)
        origins = {origin.rstrip("/") for origin in _entries("allowed_origins", allowed_origins)}
        for host in hosts:
            if not host or not _NOT_IN_AUTHORITY.isdisjoint(host):
                raise LocalProtocolError(f"allowed_hosts has names such as 'mcp.example.com', not {host!r}")
        for origin in origins:
            if origin not in ("*", "null") and "://" not in origin:
                raise LocalProtocolError(f"allowed_origins has origins such as 'https://example.com', not {origin!r}")
        self._any_host = "*" in hosts
        self._hosts = frozenset(_without_brackets(host) for host in hosts)
        self._suffixes = tuple(host[1:] for host in hosts if host.startswith("*."))
        self._any_origin = "*" in origins
        self._origins = frozenset(origins)
        self._own_name = socket.gethostname().lower()

    def check(self, headers: Mapping[str, str], local: str | None) -> None:
        """Check a request.

        Args:
            headers: Header fields, names in lower case.
            local: Address that the request came in on; ``None`` when unknown, which counts as loopback.

        Raises:
            RefusedRequest: HTTP 421 for a host, 403 for an origin that is not served.
        """
        host, origin = headers.get("host", ""), headers.get("origin")
        self._check_host(host, local)
        if origin is not None:
            self._check_origin(origin, host, local)

    def _check_host(self, host: str, local: str | None) -> None:
        name = _name_of(host)
        if name and (self._any_host or self._configured(host, name) or self._is_local(name, local)):
            return
        raise RefusedRequest(
            421, f"Host {host[:200]!r} is not served here; name it in the setting allowed_hosts if it should be"
        )

    def _check_origin(self, origin: str, host: str, local: str | None) -> None:
        if self._any_origin or origin.lower() in self._origins:
            return
        scheme, _, authority = origin.lower().partition("://")
        name = _name_of(authority) if scheme in ("http", "https") else ""
        same = authority == host.lower()
        if name and (same or self._configured(authority, name) or (_is_loopback(local) and _is_loopback(name))):
            return
        raise RefusedRequest(
            403, f"Origin {origin[:200]!r} may not call; name it in the setting allowed_origins if it should"
        )

    def _configured(self, host: str, name: str) -> bool:
        if not self._hosts:
            return False
        return name in self._hosts or host.lower() in self._hosts or name.endswith(self._suffixes)

    def _is_local(self, name: str, local: str | None) -> bool:
        if _is_loopback(name):
            return True
        return not _is_loopback(local) and (_is_address(name) or name == self._own_name)


def _entries(setting: str, values: Iterable[str]) -> list[str]:
    if isinstance(values, str):
        raise LocalProtocolError(f"{setting} is a list of strings, not one string")
    return [value.lower() for value in values]


def _name_of(host: str) -> str:
    """Return a ``Host`` value without its port, in lower case and without brackets; empty when it is malformed."""
    host = host.lower()
    if not _NOT_IN_AUTHORITY.isdisjoint(host):
        return ""
    if host.startswith("["):
        name, bracket, port = host[1:].partition("]")
        return name if bracket and ":" in name and (not port or _is_port(port)) else ""
    name, colon, port = host.partition(":")
    return name if not colon or _is_port(f":{port}") else ""


def _without_brackets(host: str) -> str:
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _is_port(text: str) -> bool:
    return text.startswith(":") and text[1:].isascii() and text[1:].isdigit() and int(text[1:7]) < 2**16


def _is_loopback(name: str | None) -> bool:
    if name is None or name == "localhost":
        return True
    address = _address_of(name)
    return address is not None and address.is_loopback


def _is_address(name: str) -> bool:
    address = _address_of(name)
    # The unspecified address reaches every local server, and a page may be sent there without any DNS.
    return address is not None and not address.is_unspecified


def _address_of(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an IP literal, an IPv4 address in IPv6 clothes as what it is; ``None`` for a name, or a zone in it."""
    try:
        address = None if "%" in name else ipaddress.ip_address(name)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if isinstance(mapped, ipaddress.IPv4Address) else address
