"""The way to a server: TLS, proxies of the environment, the addresses of a host."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import anyport.transports.http11.dialing as dialing
from anyport.protocol.errors import ConnectError, LocalProtocolError
from anyport.protocol.limits import Limits
from anyport.protocol.urls import parse_url
from anyport.transports.http11.pool import Pool
from anyport.transports.http11.routes import find_route, system_context
from tests.client.certificates import Certificate
from tests.client.incoming import WAIT
from tests.client.peers import Posted, http_answer, http_peer


async def ask(pool: Pool, url: str) -> bytes:
    answer = await pool.send("POST", parse_url(url), {}, b"hi")
    try:
        return await answer.read(1000)
    finally:
        answer.leave()


# --- TLS --------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def tls_server(certificate: Certificate) -> AsyncGenerator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(2)
                writer.write(http_answer(200, b"hello", "text/plain"))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=certificate.of_server)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def test_tls(tmp_path: Path) -> None:
    """A connection is kept; the server proves that it is who the URL names."""
    certificate = Certificate(tmp_path)
    async with tls_server(certificate) as port, asyncio.timeout(WAIT):
        url = f"https://127.0.0.1:{port}/"
        pool = Pool(parse_url(url), {}, Limits(), certificate.trusted)
        for _ in range(3):
            assert await ask(pool, url) == b"hello"
        await pool.aclose()


async def test_a_server_that_proves_nothing(tmp_path: Path) -> None:
    """An unknown certificate, one for another name, and none at all."""
    certificate = Certificate(tmp_path)
    async with tls_server(certificate) as port, asyncio.timeout(WAIT):
        pools = [
            (f"https://127.0.0.1:{port}/", None, "certificate verify failed"),
            (f"https://localhost:{port}/", certificate.trusted, "Hostname mismatch"),
        ]
        for url, tls, message in pools:
            pool = Pool(parse_url(url), {}, Limits(), tls)
            with pytest.raises(ConnectError, match=message) as caught:
                await ask(pool, url)
            assert caught.value.unsent
            await pool.aclose()

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None: ...

    async with http_peer(script) as peer, asyncio.timeout(WAIT):
        url = peer.url.replace("http:", "https:")
        pool = Pool(parse_url(url), {}, Limits())
        closing = asyncio.create_task(ask(pool, url))
        await asyncio.wait([closing], timeout=0.1)
        await pool.aclose()
        closing.cancel()
        with pytest.raises((asyncio.CancelledError, ConnectError)):
            await closing


def test_certificates_are_read_once() -> None:
    assert system_context() is system_context()
    assert system_context().verify_mode == ssl.CERT_REQUIRED
    assert system_context().check_hostname


# --- proxies ----------------------------------------------------------------------------------------------------------


@pytest.fixture(name="proxied")
def no_address_is_local(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let servers of the test count as far away."""

    def is_local(_host: str) -> bool:
        return False

    monkeypatch.setattr("anyport.transports.http11.routes._is_local", is_local)
    return monkeypatch


async def test_a_proxy_for_http(proxied: pytest.MonkeyPatch) -> None:
    """It is asked for the whole URL, with its own credentials."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(http_answer(200, b"hello", "text/plain"))

    async with http_peer(script) as proxy, asyncio.timeout(WAIT):
        proxied.setenv("http_proxy", proxy.url.replace("//", "//me:secret@").replace("/mcp", ""))
        url = "http://far.example/mcp?a=b"
        pool = Pool(parse_url(url), {}, Limits())
        for _ in range(2):
            assert await ask(pool, url) == b"hello"
        await pool.aclose()
        for posted in proxy.requests:
            assert (posted.path, posted.connection) == (url, 1)
            assert posted.headers["host"] == "far.example"
            assert posted.headers["proxy-authorization"] == "Basic bWU6c2VjcmV0"


@asynccontextmanager
async def tunnels(answer: bytes) -> AsyncGenerator[tuple[str, list[bytes]]]:
    """A proxy that connects to 127.0.0.1, whatever host it is asked for, and keeps the heads that it got."""
    heads: list[bytes] = []
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        if b" 200 " not in answer:
            writer.close()
        else:
            port = int(heads[-1].split(b" ")[1].rpartition(b":")[2])
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            tasks.update({asyncio.create_task(pump(reader, far_writer)), asyncio.create_task(pump(far_reader, writer))})

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://me:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}", heads
    finally:
        server.close()
        if tasks:
            await asyncio.wait(tasks, timeout=WAIT)


async def test_a_proxy_for_https(proxied: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """RFC 9110, 9.3.6: a tunnel, through which the server proves itself; the proxy sees nothing of it."""
    certificate = Certificate(tmp_path)
    async with (
        tls_server(certificate) as port,
        tunnels(b"HTTP/1.1 200 Connected\r\n\r\n") as (proxy, heads),
        asyncio.timeout(WAIT),
    ):
        proxied.setenv("HTTPS_PROXY", proxy)
        url = f"https://127.0.0.1:{port}/mcp"
        pool = Pool(parse_url(url), {"authorization": "Bearer t"}, Limits(), certificate.trusted)
        for _ in range(2):
            assert await ask(pool, url) == b"hello"
        await pool.aclose()
    assert heads == [
        f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n"
        "proxy-authorization: Basic bWU6c2VjcmV0\r\n\r\n".encode()
    ]


async def test_a_proxy_that_refuses(proxied: pytest.MonkeyPatch) -> None:
    async with tunnels(b"HTTP/1.1 407 X\r\ncontent-length: 0\r\n\r\n") as (proxy, _), asyncio.timeout(WAIT):
        proxied.setenv("https_proxy", proxy)
        pool = Pool(parse_url("https://far.example/"), {}, Limits())
        with pytest.raises(ConnectError, match=r"The proxy http://127\.0\.0\.1:\d+/? refuses with HTTP 407") as caught:
            await ask(pool, "https://far.example/")
        assert caught.value.unsent
        await pool.aclose()


@pytest.mark.parametrize(
    ("url", "environment", "proxied"),
    [
        ("http://far.example/", {}, False),
        ("http://far.example/", {"http_proxy": "proxy:1"}, True),
        ("https://far.example/", {"http_proxy": "proxy:1"}, False),
        ("https://far.example/", {"ALL_PROXY": "http://proxy:1"}, True),
        ("http://far.example/", {"http_proxy": "http://proxy:1", "no_proxy": "example"}, False),
        ("http://far.example:8/", {"http_proxy": "http://proxy:1", "no_proxy": "other, far.example"}, False),
        ("http://far.example/", {"http_proxy": "http://proxy:1", "no_proxy": "*"}, False),
        ("http://localhost:8/", {"http_proxy": "http://proxy:1"}, False),
        ("http://127.0.0.1:8/", {"http_proxy": "http://proxy:1"}, False),
        ("http://[::1]:8/", {"http_proxy": "http://proxy:1"}, False),
    ],
)
def test_when_there_is_a_proxy(
    url: str, environment: dict[str, str], proxied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert find_route(parse_url(url)).is_proxied is proxied


def test_a_proxy_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake of the user's, told where it is made; the value may hold a password."""
    monkeypatch.setenv("http_proxy", "socks5://me:secret@proxy:1")
    with pytest.raises(LocalProtocolError, match="environment variable http_proxy names no HTTP proxy") as caught:
        find_route(parse_url("http://far.example/"))
    assert "secret" not in str(caught.value)


# --- addresses --------------------------------------------------------------------------------------------------------


def infos(*addresses: tuple[int, str]) -> list[dialing.Info]:
    return [(socket.AddressFamily(family), socket.SOCK_STREAM, 6, "", (address, 1)) for family, address in addresses]


async def test_families_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 8305, 4 and 5: an address that hangs is not waited for, and one that fails even less."""
    four, six = socket.AF_INET, socket.AF_INET6
    found = infos((six, "six-1"), (six, "six-2"), (four, "four-1"), (four, "four-2"))
    tried: list[str] = []
    near, far = socket.socketpair()

    async def attempt(info: dialing.Info) -> socket.socket:
        address = str(info[4][0])
        tried.append(address)
        if address == "six-1":
            await asyncio.Event().wait()
        if address == "six-2":
            return near
        raise OSError(f"{address} refuses")

    monkeypatch.setattr(dialing, "_attempt", attempt)
    monkeypatch.setattr(dialing, "_ATTEMPT_S", 0.02)
    resolve_to(monkeypatch, found)
    async with asyncio.timeout(WAIT):
        assert await dialing.dial("far.example", 1) is near
    assert tried == ["six-1", "four-1", "six-2"]
    near.close()
    far.close()


def resolve_to(monkeypatch: pytest.MonkeyPatch, found: list[dialing.Info]) -> None:
    async def getaddrinfo(*_: object, **__: object) -> list[dialing.Info]:
        return found

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)


async def test_a_host_that_takes_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    found = infos((socket.AF_INET6, "six"), (socket.AF_INET, "four"))

    async def attempt(info: dialing.Info) -> socket.socket:
        raise OSError(f"{info[4][0]} refuses")

    monkeypatch.setattr(dialing, "_attempt", attempt)
    resolve_to(monkeypatch, found)
    with pytest.raises(OSError, match="six refuses; four refuses"):
        await dialing.dial("far.example", 1)


async def test_attempts_that_come_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket that nobody waits for any more is closed."""
    sockets = [socket.socket(), socket.socket()]
    found = infos((socket.AF_INET, "1"), (socket.AF_INET, "2"))

    async def attempt(info: dialing.Info) -> socket.socket:
        return sockets[int(str(info[4][0])) - 1]

    async def race(infos: object, tasks: list[asyncio.Task[socket.socket]]) -> asyncio.Task[socket.socket]:
        tasks += [asyncio.create_task(attempt(info)) for info in found]
        await asyncio.wait(tasks)
        return tasks[1]

    monkeypatch.setattr(dialing, "_race", race)
    resolve_to(monkeypatch, found)
    assert await dialing.dial("far.example", 1) is sockets[1]
    await asyncio.sleep(0)
    assert [one.fileno() == -1 for one in sockets] == [True, False]
    sockets[1].close()


async def test_a_name_without_an_address() -> None:
    pool = Pool(parse_url("http://nothing.invalid/"), {}, Limits())
    with pytest.raises(ConnectError, match=r"Cannot connect to http://nothing\.invalid/: ") as caught:
        await ask(pool, "http://nothing.invalid/")
    assert caught.value.unsent
    await pool.aclose()


async def test_version_six() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(http_answer(200, head, "text/plain"))
        writer.close()

    try:
        server = await asyncio.start_server(serve, "::1", 0)
    except OSError:
        pytest.skip("this machine has no IPv6")
    url = f"http://[::1]:{server.sockets[0].getsockname()[1]}/"
    pool = Pool(parse_url(url), {}, Limits())
    assert f"host: {url[7:-1]}\r\n".encode() in await ask(pool, url)
    await pool.aclose()
    server.close()
