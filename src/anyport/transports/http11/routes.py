"""The way to an origin: to the server itself, or through the proxy that the environment names."""

from __future__ import annotations

import asyncio
import functools
import importlib
import ipaddress
import os
import ssl
from collections.abc import Callable

from anyport.protocol.errors import ConnectError, LocalProtocolError
from anyport.protocol.urls import Url, parse_url
from anyport.transports.http11.connection import Connection
from anyport.transports.http11.dialing import dial

Make = Callable[[], Connection]


class Route:
    """How requests to an origin travel.

    Args:
        url: A URL of the origin.
        proxy: The proxy that they go through; ``None`` for none.
    """

    def __init__(self, url: Url, proxy: Url | None = None) -> None:
        self._url = url
        self._proxy = proxy

    @property
    def is_proxied(self) -> bool:
        """Whether there is a proxy."""
        return self._proxy is not None

    def target(self, url: Url) -> str:
        """Return what the first line of a request names: a proxy that reads it needs the whole URL (RFC 9112, 3.2)."""
        forwarded = self._proxy is not None and url.scheme == "http"
        return f"http://{url.authority}{url.target}" if forwarded else url.target

    @property
    def fields(self) -> dict[str, str]:
        """Header fields that a proxy wants to see on each request."""
        if self._proxy is None or self._proxy.credentials is None or self._url.scheme != "http":
            return {}
        return {"proxy-authorization": self._proxy.credentials}

    async def open(self, make: Make, tls: ssl.SSLContext | None) -> Connection:
        """Open a connection.

        Args:
            make: Makes the protocol.
            tls: How the server proves who it is; ``None`` for a plain connection.

        Raises:
            OSError: It cannot be reached, or does not prove who it is.
            ConnectError: The proxy refuses.
        """
        if self._proxy is None:
            return await _open(make, self._url, tls)
        connection = await _open(make, self._proxy, system_context() if self._proxy.scheme == "https" else None)
        if tls is None:
            return connection
        try:
            return await self._tunnel(connection, self._proxy, make, tls)
        except BaseException:
            connection.close()
            raise

    async def _tunnel(self, connection: Connection, proxy: Url, make: Make, tls: ssl.SSLContext) -> Connection:
        """Have the proxy connect to the server, and speak TLS with the server through it (RFC 9110, 9.3.6)."""
        host = f"[{self._url.host}]" if ":" in self._url.host else self._url.host
        place = f"{host}:{self._url.port}"
        credentials = f"proxy-authorization: {proxy.credentials}\r\n" if proxy.credentials else ""
        head = f"CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n{credentials}\r\n"
        answer = await connection.send(head.encode("latin-1"), b"")
        if answer.status // 100 != 2:
            raise ConnectError(f"The proxy {proxy.shown} refuses with HTTP {answer.status}")
        inner = make()
        loop = asyncio.get_running_loop()
        transport = await loop.start_tls(connection.detach(), inner, tls, server_hostname=self._url.host)
        if transport is None:
            raise ConnectError(f"The connection through the proxy {proxy.shown} broke")
        inner.connection_made(transport)
        return inner


def find_route(url: Url) -> Route:
    """Find out whether the environment names a proxy for a URL; what is on this machine needs none.

    Raises:
        LocalProtocolError: The environment names what is no URL of an HTTP proxy.
    """
    if not any(name.lower().endswith("_proxy") for name in os.environ) or _is_local(url.host):
        return Route(url)
    # The standard library knows the variables; it is large, and few have one set.
    request = importlib.import_module("urllib.request")
    proxies: dict[str, str] = request.getproxies_environment()
    named = proxies.get(url.scheme) or proxies.get("all")
    if not named or request.proxy_bypass_environment(f"{url.host}:{url.port}", proxies):
        return Route(url)
    try:
        return Route(url, parse_url(named if "://" in named else f"http://{named}"))
    except ValueError as error:
        variable = f"{url.scheme if proxies.get(url.scheme) else 'all'}_proxy"
        raise LocalProtocolError(f"The environment variable {variable} names no HTTP proxy: {error}") from None


@functools.cache
def system_context() -> ssl.SSLContext:
    """Return the context that trusts what the system trusts; certificates are read once."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


async def _open(make: Make, url: Url, tls: ssl.SSLContext | None) -> Connection:
    connected = await dial(url.host, url.port)
    try:
        _, connection = await asyncio.get_running_loop().create_connection(
            make, sock=connected, ssl=tls, server_hostname=None if tls is None else url.host
        )
    except BaseException:
        connected.close()
        raise
    return connection


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
