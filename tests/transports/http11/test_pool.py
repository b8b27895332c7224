"""Connections of the HTTP client: kept while good, never used half-read, and an exact word on what was sent."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

import anyport.transports.http11.pool as pool_module
from anyport.protocol.errors import ConnectError, LocalProtocolError
from anyport.protocol.limits import Limits
from anyport.protocol.urls import Url, parse_url
from anyport.transports.http11.pool import Pool
from tests.client.incoming import WAIT
from tests.client.peers import HttpPeer, Posted, Script, http_answer, http_peer


async def hello(posted: Posted, writer: asyncio.StreamWriter) -> None:
    writer.write(http_answer(200, posted.body or b"hello", "text/plain"))


@asynccontextmanager
async def pooled(script: Script) -> AsyncGenerator[tuple[Pool, Url, HttpPeer]]:
    async with http_peer(script) as peer:
        url = parse_url(peer.url)
        pool = Pool(url, {"x-one": "1"}, Limits())
        try:
            async with asyncio.timeout(WAIT):
                yield pool, url, peer
        finally:
            await pool.aclose()


async def ask(pool: Pool, url: Url, body: bytes = b"hi", method: str = "POST") -> bytes:
    answer = await pool.send(method, url, {}, body)
    try:
        return await answer.read(10**6)
    finally:
        answer.leave()


async def test_a_request_as_it_is_sent() -> None:
    """No `Expect`, a length for every POST, and the fields of a request before those of all."""
    async with pooled(hello) as (pool, url, peer):
        answer = await pool.send("POST", url, {"x-one": "2", "x-two": "ü"}, b"")
        answer.leave()
        assert await ask(pool, url, b"", "GET") == b"hello"
        first, second = peer.requests
    host = f"127.0.0.1:{url.port}"
    assert first.headers == {"host": host, "x-one": "2", "x-two": "ü", "content-length": "0"}
    assert second.headers == {"host": host, "x-one": "1"}


async def test_connections_are_used_again() -> None:
    """One for calls after each other; as many as there are calls at once, and none of them twice."""
    async with pooled(hello) as (pool, url, peer):
        for _ in range(3):
            assert await ask(pool, url) == b"hi"
        assert {posted.connection for posted in peer.requests} == {1}
        bodies = [b"%d" % number for number in range(20)]
        assert await asyncio.gather(*(ask(pool, url, body) for body in bodies)) == bodies
        assert await asyncio.gather(*(ask(pool, url, body) for body in bodies)) == bodies
        assert max(posted.connection for posted in peer.requests) == 20


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 X\r\nconnection: close\r\n", b"HTTP/1.0 200 X\r\n"])
async def test_a_connection_that_the_server_does_not_keep(head: bytes) -> None:
    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(head + b"content-length: 2\r\n\r\nhi")

    async with pooled(script) as (pool, url, peer):
        for _ in range(2):
            assert await ask(pool, url) == b"hi"
        assert [posted.connection for posted in peer.requests] == [1, 2]


async def test_an_answer_that_ends_with_its_connection() -> None:
    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\n\r\nhello")
        writer.close()

    async with pooled(script) as (pool, url, _):
        assert await ask(pool, url) == b"hello"


async def test_a_connection_that_the_server_closes_while_it_is_free() -> None:
    """Its end is seen before it is used, also where the loop had no time to see it."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        await hello(posted, writer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with pooled(script) as (pool, url, peer):
        for number in range(1, 6):
            answer = await pool.send("POST", url, {}, b"hi")
            await answer.read(10)
            await peer.left.wait()
            peer.left.clear()
            # From here to the next request the loop does not run.
            answer.leave()
            assert len(peer.requests) == number


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
async def test_a_connection_that_ends_unanswered(method: str) -> None:
    """A request that may be sent twice is; of another one nobody knows whether it was begun with."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        if len(peer.requests) == 2:
            writer.close()
        else:
            await hello(posted, writer)

    async with pooled(script) as (pool, url, peer):
        await ask(pool, url)
        if method == "POST":
            with pytest.raises(ConnectError, match="broke: the server closed it") as caught:
                await ask(pool, url)
            assert not caught.value.unsent
        else:
            assert await ask(pool, url, b"", method) == b"hello"
            assert len(peer.requests) == 3
        assert await ask(pool, url) == b"hi"


async def test_a_fresh_connection_that_ends_unanswered() -> None:
    """Nothing is sent a second time that failed on a fresh connection."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with pooled(script) as (pool, url, peer):
        with pytest.raises(ConnectError, match="broke") as caught:
            await ask(pool, url, b"", "GET")
        assert not caught.value.unsent
        assert len(peer.requests) == 1


@pytest.mark.parametrize("when", ["head", "body"])
async def test_giving_up_leaves_no_half_used_connection(when: str) -> None:
    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        if posted.body == b"stall":
            writer.write(b"HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\nhal" if when == "body" else b"")
        else:
            await hello(posted, writer)

    async with pooled(script) as (pool, url, peer):
        await ask(pool, url)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await ask(pool, url, b"stall")
        await peer.left.wait()
        assert await ask(pool, url) == b"hi"
        assert [posted.connection for posted in peer.requests] == [1, 1, 2]


async def test_an_answer_that_is_left_unread() -> None:
    """Its connection is closed; it is left a second time without harm to whoever has a connection by then."""
    async with pooled(hello) as (pool, url, peer):
        answer = await pool.send("POST", url, {}, b"hi")
        answer.leave()
        await peer.left.wait()
        whole = await pool.send("POST", url, {}, b"hi")
        await whole.read(10)
        whole.leave()
        other = await pool.send("POST", url, {}, b"other")
        whole.leave()
        answer.leave()
        assert await other.read(10) == b"other"
        other.leave()
        assert [posted.connection for posted in peer.requests] == [1, 2, 2]


async def test_a_reader_that_is_slow() -> None:
    """The server has to wait once a quarter of a megabyte waits here."""
    written = 0

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        writer.write(b"HTTP/1.1 200 X\r\n\r\n")
        try:
            async with asyncio.timeout(0.3):
                while True:
                    writer.write(b"x" * 65536)
                    await writer.drain()
                    written += 65536
        except TimeoutError:
            writer.write(b"end")
            stopped.set()

    stopped = asyncio.Event()
    async with pooled(script) as (pool, url, _):
        answer = await pool.send("GET", url, {})
        await stopped.wait()
        assert written < 32 * 2**20
        size = 0
        while size < written:
            size += len(await answer.piece())
        answer.leave()


async def test_free_connections_do_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "_IDLE_S", 0.05)
    async with pooled(hello) as (pool, url, peer):
        await asyncio.gather(*(ask(pool, url) for _ in range(3)))
        await peer.left.wait()
        assert await ask(pool, url) == b"hi"


async def test_free_connections_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "_IDLE", 2)
    async with pooled(hello) as (pool, url, peer):
        await asyncio.gather(*(ask(pool, url) for _ in range(5)))
        await peer.left.wait()
        peer.requests.clear()
        await asyncio.gather(*(ask(pool, url) for _ in range(2)))
        assert max(posted.connection for posted in peer.requests) <= 5


async def test_nothing_is_sent_after_the_end() -> None:
    """What waits fails, and what comes later was not sent."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        arrived.set()

    arrived = asyncio.Event()
    async with pooled(script) as (pool, url, _):
        waiting = asyncio.create_task(ask(pool, url))
        await arrived.wait()
        await pool.aclose()
        with pytest.raises(ConnectError, match="The client was closed"):
            await waiting
        with pytest.raises(ConnectError, match="The client was closed") as caught:
            await ask(pool, url)
        assert caught.value.unsent
        await pool.aclose()


async def test_a_server_that_takes_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connecting has a bound of its own."""
    monkeypatch.setattr(pool_module, "CONNECT_S", 0.1)

    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("anyport.transports.http11.routes.dial", never)
    pool = Pool(parse_url("http://host.invalid/"), {}, Limits())
    with pytest.raises(
        ConnectError, match=r"Cannot connect to http://host\.invalid/: no connection within 0\.1 s"
    ) as caught:
        await ask(pool, parse_url("http://host.invalid/"))
    assert caught.value.unsent
    await pool.aclose()


@pytest.mark.parametrize("fields", [{"a": "b\nc"}, {"a": "\0"}, {"a": "€"}, {"ä": "b"}, {"a:": "b"}, {"": "b"}])
async def test_header_fields_that_cannot_be_sent(fields: dict[str, str]) -> None:
    async with pooled(hello) as (pool, url, peer):
        with pytest.raises(LocalProtocolError, match="has characters that HTTP does not allow"):
            await pool.send("POST", url, fields, b"")
        assert peer.requests == []


async def test_large_bodies_both_ways() -> None:
    body = bytes(range(256)) * 20_000
    async with pooled(hello) as (pool, url, peer):
        answer = await pool.send("POST", url, {}, body)
        assert await answer.read(10**8) == body
        answer.leave()
        assert await ask(pool, url) == b"hi"
        assert {posted.connection for posted in peer.requests} == {1}


async def test_an_interim_answer() -> None:
    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
        await hello(posted, writer)

    async with pooled(script) as (pool, url, _):
        answer = await pool.send("POST", url, {}, b"hi")
        assert "link" not in answer.fields
        assert await answer.read(10) == b"hi"
        answer.leave()


async def test_an_error_and_a_cancellation_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is told of an error that nobody waits for any more."""
    caplog.set_level(logging.ERROR)

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        arrived.set()

    arrived = asyncio.Event()
    async with pooled(script) as (pool, url, _):
        waiting = asyncio.create_task(ask(pool, url))
        await arrived.wait()
        pool.interrupt()
        waiting.cancel()
        with pytest.raises((asyncio.CancelledError, ConnectError)):
            await waiting
    assert caplog.records == []


async def test_fields_that_come_twice() -> None:
    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\nA: 1\r\na: 2\r\nContent-Type: Text/HTML; x=y\r\ncontent-length: 0\r\n\r\n")

    async with pooled(script) as (pool, url, _):
        answer = await pool.send("GET", url, {})
        assert (answer.fields["a"], answer.content_type) == ("1, 2", "text/html")
        assert await answer.read(10) == b""
        answer.leave()


async def test_a_body_where_none_may_be() -> None:
    """204 has none, whatever follows it."""

    async def script(posted: Posted, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 204 X\r\n\r\nbody")

    async with pooled(script) as (pool, url, peer):
        for _ in range(2):
            assert await ask(pool, url) == b""
        assert [posted.connection for posted in peer.requests] == [1, 2]


def test_another_event_loop() -> None:
    """uvloop: requests, a body that is read slowly, an end that is seen in time, and a cancellation."""
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test_connections_are_used_again())
        runner.run(test_a_connection_that_the_server_closes_while_it_is_free())
        runner.run(test_giving_up_leaves_no_half_used_connection("body"))
        runner.run(test_a_reader_that_is_slow())
        runner.run(test_nothing_is_sent_after_the_end())
