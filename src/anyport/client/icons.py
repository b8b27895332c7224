"""Images of icons, fetched with care: an icon is a text of the server's, which a host is about to load and show.

2026-07-28, basic protocol, "Icons".
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ssl
from collections.abc import Collection
from typing import Final
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from anyport.protocol.errors import HttpStatusError, LocalProtocolError, RemoteProtocolError, Timeout
from anyport.protocol.limits import DEFAULT_LIMITS
from anyport.protocol.types import Icon
from anyport.protocol.urls import cut, parse_url
from anyport.transports.http11.site import Site

MAX_BYTES: Final = 256 * 1024
TIMEOUT_S: Final = 10.0

_SVG: Final = "image/svg+xml"
_SIGNS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
_HEAD: Final = 1024
"""Bytes in which the root of an SVG has to begin."""


class IconImage(Struct, frozen=True):
    """The image of an icon.

    Attributes:
        data: The image.
        mime_type: What its first bytes say that it is, whatever the server said.
    """

    data: bytes
    mime_type: str


async def fetch_icon(
    icon: Icon,
    *,
    origins: Collection[str] = (),
    svg: bool = False,
    max_bytes: int = MAX_BYTES,
    timeout: float = TIMEOUT_S,
    tls: ssl.SSLContext | None = None,
) -> IconImage:
    """Return the image of an icon: from its ``data:`` URI, or over https from an origin that is trusted (ICO-01).

    No header field of the client goes along, no credentials, no cookies. Redirects are followed within the origin.

    Args:
        icon: The icon.
        origins: Origins, such as ``https://example.com``, that may be asked: the server's own, above all.
        svg: Take SVG too. It may hold scripts: show it where they cannot run.
        max_bytes: Largest image.
        timeout: Seconds for all of it.
        tls: How the server proves who it is; default: the certificates that the system trusts.

    Raises:
        LocalProtocolError: The URI is neither ``data:`` nor https, has credentials, or leads to another origin.
        RemoteProtocolError: What came is too large, or no image of a known kind.
        HttpStatusError: The server has no such image, or redirects elsewhere.
        ConnectError: The server cannot be reached.
        Timeout: The time was up.
    """
    scheme = icon.src.partition(":")[0].lower()
    if scheme == "data":
        data = _decoded(icon.src)
    elif scheme == "https":
        data = await _fetched(_trusted_site(icon.src, origins, tls), max_bytes, timeout)
    else:
        raise LocalProtocolError(f"An icon is fetched from https: and data: alone, not from {cut(icon.src)!r}")
    if len(data) > max_bytes:
        raise RemoteProtocolError(f"The icon has more than {max_bytes} bytes (max_bytes)")
    kind = _sniffed(data)
    if kind is None:
        raise RemoteProtocolError("The icon is no PNG, JPEG, WebP, GIF or SVG")
    if kind == _SVG and not svg:
        raise RemoteProtocolError("The icon is an SVG, which may hold scripts: svg=True takes it")
    return IconImage(data, kind)


def _decoded(uri: str) -> bytes:
    """Return the bytes of a ``data:`` URI (RFC 2397)."""
    head, comma, body = uri.partition(",")
    if not comma:
        raise RemoteProtocolError("The icon is no data: URI: it has no comma")
    raw = unquote_to_bytes(body)
    if not head.lower().endswith(";base64"):
        return raw
    try:
        return base64.b64decode(raw, validate=True)
    except binascii.Error as error:
        raise RemoteProtocolError(f"The icon is no base64: {error}") from None


def _trusted_site(uri: str, origins: Collection[str], tls: ssl.SSLContext | None) -> Site:
    try:
        url = parse_url(uri)
        trusted = {parse_url(origin).origin for origin in origins}
    except ValueError as error:
        raise LocalProtocolError(f"An icon or an origin: {error}") from None
    if url.credentials is not None:
        raise LocalProtocolError(f"The icon {url.shown} has credentials in its URL")
    if url.origin not in trusted:
        raise LocalProtocolError(f"The icon {url.shown} lies at an origin that was not named (origins=)")
    return Site(uri, {"accept": "image/*"}, DEFAULT_LIMITS, tls)


async def _fetched(site: Site, max_bytes: int, timeout: float) -> bytes:
    timer = asyncio.timeout(timeout)
    try:
        async with timer:
            answer = await site.send("GET", {})
            try:
                if answer.status != 200:
                    raise HttpStatusError(answer.status, "no image", site.url.shown)
                return await answer.read(max_bytes + 1)
            finally:
                answer.leave()
    except TimeoutError:
        if timer.expired():
            raise Timeout(f"No icon from {site.url.shown} within {timeout:g} s") from None
        raise
    finally:
        await site.aclose()


def _sniffed(data: bytes) -> str | None:
    """Return the type that the first bytes of an image tell; what its server says of it is not asked."""
    for sign, kind in _SIGNS:
        if data.startswith(sign):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    head = data[:_HEAD].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return _SVG if head.startswith((b"<svg", b"<?xml", b"<!doctype svg", b"<!--")) and b"<svg" in head else None
