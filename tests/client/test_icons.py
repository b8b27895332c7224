"""Icons: from which places images are taken, how much of them, and what they may be (ICO-01)."""

from __future__ import annotations

import asyncio
import base64
import socket
from pathlib import Path

import pytest

from anyport.client.icons import IconImage, fetch_icon
from anyport.protocol.errors import HttpStatusError, LocalProtocolError, RemoteProtocolError, Timeout
from anyport.protocol.types import Icon
from tests.client.certificates import Certificate
from tests.client.peers import Posted, http_answer, http_peer

PNG = b"\x89PNG\r\n\x1a\nrest"
SVG = b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"


def inline(data: bytes, kind: str = "image/png") -> Icon:
    return Icon(src=f"data:{kind};base64,{base64.b64encode(data).decode()}")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF1234WEBPVP8 ", "image/webp"),
    ],
)
async def test_what_an_image_is_is_seen_from_its_bytes(data: bytes, kind: str) -> None:
    """ICO-01: whatever the server says that it is."""
    assert await fetch_icon(inline(data, "text/html")) == IconImage(data, kind)


@pytest.mark.parametrize("data", [b"", b"<html><svg></svg></html>", b"MZ", b"<?xml version='1.0'?><html/>"])
async def test_anything_else_is_no_image(data: bytes) -> None:
    """ICO-01."""
    with pytest.raises(RemoteProtocolError, match="no PNG"):
        await fetch_icon(inline(data))


async def test_scripts_are_taken_on_demand_only() -> None:
    """ICO-01."""
    with pytest.raises(RemoteProtocolError, match="svg=True"):
        await fetch_icon(inline(SVG))
    assert (await fetch_icon(inline(SVG), svg=True)).mime_type == "image/svg+xml"


@pytest.mark.parametrize("uri", ["data:image/png", "data:;base64,?"])
async def test_a_malformed_data_uri(uri: str) -> None:
    with pytest.raises(RemoteProtocolError, match="The icon is no"):
        await fetch_icon(Icon(src=uri))


@pytest.mark.parametrize(
    "uri", ["http://example.com/i.png", "file:///etc/passwd", "javascript:alert(1)", "ftp://x/y", "ws://x", "i.png"]
)
async def test_other_schemes_are_refused(uri: str) -> None:
    """ICO-01: https and data alone."""
    with pytest.raises(LocalProtocolError, match="https: and data: alone"):
        await fetch_icon(Icon(src=uri), origins=["https://example.com"])


@pytest.mark.parametrize(
    "uri", ["https://other.example/i.png", "https://example.com:444/i.png", "https://u:p@example.com/"]
)
async def test_other_origins_and_credentials_are_refused(uri: str) -> None:
    """ICO-01: nothing is connected to."""
    with pytest.raises(LocalProtocolError, match=r"origins=|credentials"):
        await fetch_icon(Icon(src=uri), origins=["https://example.com"])


async def test_an_image_is_fetched_without_credentials(tmp_path: Path) -> None:
    """ICO-01: no field that says who asks; a redirect is followed within the origin; other statuses are errors."""
    certificate = Certificate(tmp_path)

    answers = {
        "/moved": http_answer(302, location="/icon.png"),
        "/away": http_answer(302, location="http://127.0.0.1:1/icon.png"),
        "/icon.png": http_answer(200, PNG, "text/html"),
    }

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(answers.get(posted.path, http_answer(404)))

    async with http_peer(script, tls=certificate.of_server) as peer:
        origin = peer.url.removesuffix("/mcp")
        for path in ("/icon.png", "/moved"):
            image = await fetch_icon(Icon(src=origin + path), origins=[origin], tls=certificate.trusted)
            assert image == IconImage(PNG, "image/png")
        for path, problem in (("/away", "another origin"), ("/none", "no image")):
            with pytest.raises(HttpStatusError, match=problem):
                await fetch_icon(Icon(src=origin + path), origins=[origin], tls=certificate.trusted)
        assert not {"authorization", "cookie", "mcp-session-id"} & set(peer.requests[0].headers)


async def test_an_image_is_bounded(tmp_path: Path) -> None:
    """ICO-01: at the limit it is taken, beyond it is not; a server that says nothing is left."""
    assert await fetch_icon(inline(PNG), max_bytes=len(PNG))
    with pytest.raises(RemoteProtocolError, match="max_bytes"):
        await fetch_icon(inline(PNG), max_bytes=len(PNG) - 1)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        origin = f"https://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Timeout, match=r"within 0\.2 s"):
            await fetch_icon(Icon(src=f"{origin}/i"), origins=[origin], timeout=0.2)
