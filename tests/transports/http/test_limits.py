"""Limits of the endpoint at limit - 1, limit and limit + 1: a typed refusal that names the limit, and work goes on.

RPC-04, HDR-15, D11, D19; limits body_bytes, header_bytes, bytes_in_flight, calls_per_address, calls_per_connection,
body_s.
"""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import Sequence

import pytest

from anyport import Server
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject
from anyport.serving.asgi import AsgiApp
from tests.drivers.asgi import WAIT, Exchange, call, legacy, open_session, post, start, usual_headers

OFFSETS = (-1, 0, 1)


class Shop:
    """A server with a tool that waits.

    Attributes:
        waiting: How many calls wait.
        go: What they wait for.
    """

    def __init__(self, limits: Limits) -> None:
        server = Server("limits", limits=limits)
        self.waiting = 0
        self.go = asyncio.Event()
        self.changed = asyncio.Event()

        @server.tool
        async def echo(text: str) -> int:
            return len(text)

        @server.tool
        async def wait(text: str = "") -> str:
            self.waiting += 1
            self.changed.set()
            await self.go.wait()
            return "done"

        self.app: AsgiApp = server.asgi()

    async def until(self, count: int) -> None:
        """Wait until so many calls wait."""
        async with asyncio.timeout(WAIT):
            while self.waiting < count:
                self.changed.clear()
                await self.changed.wait()


def of_size(size: int) -> bytes:
    """Return a call of so many bytes."""
    shortest = json.dumps(call("echo", {"text": ""})).encode()
    return json.dumps(call("echo", {"text": "x" * (size - len(shortest))})).encode()


def refusal(answer: Exchange) -> tuple[int, object, object]:
    """Return status, code and id of a refusal."""
    return answer.status, answer.error_code, answer.json.get("id")


ECHO = usual_headers(call("echo"))


def pieces(body: bytes, count: int) -> list[bytes]:
    """Cut a body into pieces."""
    size = -(-len(body) // count)
    return [body[index : index + size] for index in range(0, len(body), size)]


@pytest.mark.parametrize("count", [1, 2, 97])
@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("offset", OFFSETS)
async def test_body_bytes(offset: int, announced: bool, count: int) -> None:
    limit = 2000
    shop = Shop(Limits(body_bytes=limit))
    body = of_size(limit + offset)
    fields = ECHO | ({"content-length": str(len(body))} if announced else {})
    answer = await start(shop.app, b"", fields, chunks=pieces(body, count)).done()
    if offset <= 0:
        assert answer.status == 200
    else:
        assert refusal(answer) == (413, -32600, None)
        assert "body_bytes" in answer.error_text
        # The server reads the rest and throws it away: a reset would take the answer with it.
        assert "connection" not in answer.headers
    assert (await post(shop.app, call("echo", {"text": "x"}))).status == 200


async def test_a_body_that_is_announced_too_large_is_not_read() -> None:
    shop = Shop(Limits(body_bytes=10))
    answer = await start(shop.app, b"", ECHO | {"content-length": "11", "expect": "100-continue"}, chunks=[]).done()
    assert refusal(answer) == (413, -32600, None)
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("length", ["", "-1", "x", "\xb2", "9" * 5000, "1e3", "+5"])
async def test_lengths_that_are_none(length: str) -> None:
    """What a server lets through is no reason to fail: the body decides."""
    shop = Shop(Limits(header_bytes=10_000))
    answer = await start(shop.app, call("echo", {"text": "x"}), {"content-length": length}).done()
    assert answer.status == (413 if length.startswith("999") else 200)


async def test_an_endless_body_takes_no_memory() -> None:
    """D11: bytes beyond the limit are not kept."""
    limit = 2**20
    shop = Shop(Limits(body_bytes=limit))
    answer = start(shop.app, b"", ECHO, chunks=[])
    piece = b"x" * 65536
    tracemalloc.start()
    try:
        for _ in range(64):
            answer.give(piece, more=True)
        await answer.done()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refusal(answer) == (413, -32600, None)
    assert peak < 4 * limit


@pytest.mark.parametrize("offset", OFFSETS)
async def test_header_bytes(offset: int) -> None:
    limit = 16 * 1024
    shop = Shop(Limits(header_bytes=limit))
    message = call("echo", {"text": "x"})
    size = sum(len(name) + len(value) for name, value in usual_headers(message).items())
    answer = await post(shop.app, message, {"x-fill": "y" * (limit + offset - size - len("x-fill"))})
    if offset <= 0:
        assert answer.status == 200
    else:
        assert refusal(answer) == (431, -32600, None)
        assert "header_bytes" in answer.error_text


async def test_many_small_header_fields_count() -> None:
    shop = Shop(Limits())
    message = call("echo", {"text": "x"})
    raw = [(name.encode(), value.encode()) for name, value in usual_headers(message).items()]
    raw += [(b"a", b"")] * (16 * 1024)
    assert refusal(await start(shop.app, message, scope={"headers": raw}).done()) == (431, -32600, None)


@pytest.mark.parametrize("offset", OFFSETS)
async def test_calls_per_address(offset: int) -> None:
    """Unnamed callers share one allowance per address."""
    limit = 5
    shop = Shop(Limits(calls_per_address=limit))
    held = [start(shop.app, call("wait", request_id=n)) for n in range(limit - 1 + offset)]
    await shop.until(min(limit, len(held)))
    refused = offset > 0
    answer = start(shop.app, call("wait", request_id="last"))
    if refused:
        await answer.done()
        assert refusal(answer) == (429, 429, "last")
        assert answer.headers["retry-after"] == "1"
        assert "calls_per_address" in answer.error_text
        other = start(shop.app, call("wait"), scope={"client": ("192.0.2.1", 1)})
        await shop.until(limit + 1)
        shop.go.set()
        assert (await other.done()).text == "done"
    else:
        await shop.until(len(held) + 1)
        shop.go.set()
        assert (await answer.done()).text == "done"
    for each in held:
        assert (await each.done()).text == "done"
    assert (await post(shop.app, call("wait"))).text == "done"


TWICE = b'{"jsonrpc":"2.0","id":"last","method":"tools/call","params":{"name":"echo","name":"echo"}}'


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(TWICE, (429, 429, "last"), id="what it says besides is not looked at"),
        pytest.param(TWICE.replace(b'"last"', b"[1]"), (400, -32700, None), id="an id that is none"),
        pytest.param(TWICE[:-1], (400, -32700, None), id="no JSON"),
        pytest.param(b"[" * 100_000, (400, -32700, None), id="nesting without end"),
        pytest.param(b'{"id":"last","method":"x","params":' + b"[" * 100_000, (400, -32700, None), id="in a request"),
        pytest.param(b'{"jsonrpc":"2.0","id":"last"}', (400, -32600, "last"), id="no request"),
    ],
)
async def test_who_has_no_room_is_refused_at_a_glance(body: bytes, expected: tuple[int, int, object]) -> None:
    """Before the whole is decoded, which costs many times as much; what is no request gets the error that it has."""
    shop = Shop(Limits(calls_per_address=1))
    assert refusal(await post(shop.app, TWICE, ECHO)) == (400, -32700, None)
    held = start(shop.app, call("wait"))
    await shop.until(1)
    assert refusal(await post(shop.app, body, ECHO)) == expected
    shop.go.set()
    assert (await held.done()).text == "done"


async def test_legacy_calls_count_for_their_caller_too() -> None:
    shop = Shop(Limits(calls_per_address=1))
    session = await open_session(shop.app)
    held = start(shop.app, legacy("tools/call", {"name": "wait"}, request_id=5), session)
    await shop.until(1)
    assert refusal(await post(shop.app, legacy("ping", request_id=6), session)) == (429, 429, 6)
    shop.go.set()
    await held.done()
    assert (await post(shop.app, legacy("ping"), session)).status == 200


@pytest.mark.parametrize("offset", OFFSETS)
async def test_calls_per_connection(offset: int) -> None:
    """A session is a connection."""
    limit = 4
    shop = Shop(Limits(calls_per_connection=limit))
    session = await open_session(shop.app)
    held = [start(shop.app, _legacy_wait(n), session) for n in range(limit - 1 + offset)]
    await shop.until(len(held))
    answer = await post(shop.app, legacy("ping", request_id="last"), session)
    if offset <= 0:
        assert answer.status == 200
    else:
        assert refusal(answer) == (429, 429, "last")
        assert "calls_per_connection" in answer.error_text
    shop.go.set()
    for each in held:
        await each.done()
    assert (await post(shop.app, legacy("ping"), session)).status == 200


def _legacy_wait(request_id: int) -> JsonObject:
    return legacy("tools/call", {"name": "wait"}, request_id=request_id)


@pytest.mark.parametrize("offset", OFFSETS)
async def test_bytes_in_flight(offset: int) -> None:
    """Of calls that are served, whatever their number."""
    body = json.dumps(call("wait", {"text": "x" * 1000})).encode()
    shop = Shop(Limits(bytes_in_flight=2 * len(body) - offset))
    fields = usual_headers(call("wait"))
    held = start(shop.app, body, fields)
    await shop.until(1)
    answer = start(shop.app, body, fields)
    if offset <= 0:
        await shop.until(2)
    else:
        assert refusal(await answer.done()) == (429, 429, None)
        assert "bytes_in_flight" in answer.error_text
    shop.go.set()
    assert (await held.done()).text == "done"
    await answer.done()
    assert (await post(shop.app, call("wait"))).text == "done"


@pytest.mark.parametrize("end", ["complete", "disconnect", "too much"])
async def test_bytes_in_flight_of_bodies_that_are_still_coming(end: str) -> None:
    """Half a request counts as well, and no longer than it lasts."""
    shop = Shop(Limits(bytes_in_flight=3000, body_bytes=2500))
    body = of_size(2000)
    slow = start(shop.app, b"", ECHO, chunks=[])
    slow.give(body[:-1], more=True)
    await asyncio.sleep(0)
    refused = await start(shop.app, body, ECHO).done()
    assert refusal(refused) == (429, 429, None)
    if end == "complete":
        slow.give(body[-1:])
    elif end == "disconnect":
        slow.disconnect()
    else:
        slow.give(b"x" * 2000, more=True)
    await slow.done()
    assert slow.status == {"complete": 200, "disconnect": 0, "too much": 413}[end]
    assert (await start(shop.app, body, ECHO).done()).status == 200


async def test_a_body_that_does_not_come() -> None:
    """Limit body_s: a client that stops halfway holds nothing for ever."""
    shop = Shop(Limits(body_s=0.02))
    answer = start(shop.app, b"", ECHO, chunks=[])
    answer.give(b'{"jsonrpc"', more=True)
    await answer.done()
    assert refusal(answer) == (408, -32600, None)
    assert answer.headers["connection"] == "close"
    assert "body_s" in answer.error_text


@pytest.mark.parametrize("cuts", [[b""], [b"", b""], [b"", b"x"]])
async def test_empty_pieces(cuts: Sequence[bytes]) -> None:
    shop = Shop(Limits())
    answer = await start(shop.app, b"", ECHO, chunks=cuts).done()
    assert refusal(answer) == (400, -32700, None)


async def test_a_body_in_as_many_pieces_as_bytes() -> None:
    shop = Shop(Limits())
    body = of_size(3000)
    answer = await start(shop.app, b"", ECHO, chunks=[bytes([byte]) for byte in body]).done()
    assert answer.status == 200


async def test_calls_at_the_same_time() -> None:
    shop = Shop(Limits(calls_per_address=200))
    calls = [start(shop.app, call("wait" if n % 2 else "echo", {"text": "x" * n}, request_id=n)) for n in range(200)]
    await shop.until(100)
    shop.go.set()
    for number, each in enumerate(calls):
        await each.done()
        assert each.json["id"] == number
        assert each.text == ("done" if number % 2 else str(number))
