"""Cookies of the HTTP client: back to where they came from, as long as they last, and no more than a few."""

from __future__ import annotations

import asyncio

import pytest

import anyport.transports.http11.cookies as cookies
from anyport.protocol.limits import Limits
from anyport.protocol.urls import parse_url
from anyport.transports.http11.cookies import Cookies
from anyport.transports.http11.pool import Pool
from tests.client.incoming import WAIT
from tests.client.peers import Posted, http_answer, http_peer


@pytest.mark.parametrize(
    ("field", "sent"),
    [
        ("a=1", "a=1"),
        (" a = 1 ; Path=/; HttpOnly; SameSite=Lax", "a=1"),
        ("a=", "a="),
        ('a="x y=z"', 'a="x y=z"'),
        ("AWSALB=x+/==; Expires=Wed, 01 Jan 2120 00:00:00 GMT; Path=/", "AWSALB=x+/=="),
        ("a=1; Max-Age=60", "a=1"),
        ("a=1; Max-Age=0", ""),
        ("a=1; Max-Age=-1; Expires=Wed, 01 Jan 2120 00:00:00 GMT", ""),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", ""),
        ("a=1; Expires=nonsense; Max-Age=soon", "a=1"),
        ("a=1; Secure", ""),
        ("a=1; Path=/other", ""),
        ("a=1; Path=/m", ""),
        ("a=1; Path=/mcp/", ""),
        ("a=1; Path=relative", "a=1"),
        ("a", ""),
        ("=1", ""),
        ("a b=1", ""),
        ("a=\x01", ""),
        ("a=" + "x" * 5000, ""),
    ],
)
def test_what_is_sent_back(field: str, sent: str) -> None:
    jar = Cookies(secure=False)
    jar.take(field, "/mcp?x=/other")
    assert jar.of("/mcp") == sent


def test_several_cookies() -> None:
    jar = Cookies(secure=True)
    jar.take("a=1; Secure\nb=2; Path=/mcp/deep\na=3; Path=/x", "/mcp")
    assert jar.of("/mcp") == "a=1"
    assert jar.of("/mcp/deep/er") == "a=1; b=2"
    assert jar.of("/x") == "a=1; a=3"
    jar.take("a=4\nb=; Max-Age=0; Path=/mcp/deep", "/mcp")
    assert jar.of("/mcp/deep") == "a=4"


def test_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    jar = Cookies(secure=False)
    jar.take("a=1; Max-Age=10", "/")
    now = cookies.time.time()
    monkeypatch.setattr(cookies.time, "time", lambda: now + 11)
    assert jar.of("/") == ""
    assert not jar


def test_they_are_few() -> None:
    jar = Cookies(secure=False)
    jar.take("\n".join(f"a{number}=1" for number in range(60)), "/")
    assert jar.of("/").split("; ") == [f"a{number}=1" for number in range(10, 60)]


async def test_a_balancer_finds_its_session_again() -> None:
    """Over requests and connections; a cookie of the user's own goes before them."""

    set_cookies = b"\r\nSet-Cookie: node=1; Path=/\r\nset-cookie: b=2; Expires=Wed, 01 Jan 2120 00:00:00 GMT\r\n\r\n"

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        said = http_answer(200, posted.headers.get("cookie", "none").encode(), "text/plain")
        writer.write(said.replace(b"\r\n\r\n", set_cookies))

    async with http_peer(script) as peer, asyncio.timeout(WAIT):
        url = parse_url(peer.url)
        for own, expected in (({}, ["none", "node=1; b=2"]), ({"cookie": "c=3"}, ["c=3", "c=3; node=1; b=2"])):
            pool = Pool(url, own, Limits())
            found: list[str] = []
            for _ in range(2):
                answer = await pool.send("POST", url, {}, b"")
                found.append((await answer.read(100)).decode())
                answer.leave()
            await pool.aclose()
            assert found == expected
