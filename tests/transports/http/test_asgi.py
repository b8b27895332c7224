"""The exchange over ASGI: header fields, a client that is gone, servers that raise (HTTP-10, HDR-05, D03)."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyport import Context, Server
from anyport.errors import McpError
from anyport.protocol.limits import Limits
from anyport.transports.http.asgi import AsgiExchange
from anyport.transports.http.fields import KnownFields, read_headers
from tests.drivers.asgi import Event, Receive, Send, call, start, usual_headers

_NAMES = st.sampled_from([b"x-a", b"x-b", b"accept", b"cookie", b"via", b"x-\xe9"])
_VALUES = st.binary(max_size=20)


@given(st.lists(st.tuples(_NAMES, _VALUES), max_size=8))
def test_every_field_is_there_once(fields: list[tuple[bytes, bytes]]) -> None:
    found = read_headers(fields, 1000)
    assert set(found) == {name.decode("latin-1") for name, _ in fields}
    for name, text in found.items():
        values = [value.decode("latin-1") for raw, value in fields if raw.decode("latin-1") == name]
        # A list is joined; of anything else that decides nothing the first counts.
        assert text == (", ".join(values) if name in ("accept", "cookie", "via") else values[0])


@given(st.lists(st.tuples(_NAMES, _VALUES), max_size=8), st.integers(0, 200))
def test_the_sum_of_all_fields_is_bounded(fields: list[tuple[bytes, bytes]], limit: int) -> None:
    size = sum(len(name) + len(value) for name, value in fields)
    if size <= limit:
        read_headers(fields, limit)
        return
    with pytest.raises(McpError) as caught:
        read_headers(fields, limit)
    assert caught.value.http_status == 431


@pytest.mark.parametrize(
    ("client", "server", "peer", "local"),
    [
        (("192.0.2.1", 5), ("127.0.0.1", 80), "192.0.2.1", "127.0.0.1"),
        (None, None, None, None),
        (None, ("/run/mcp.sock", None), None, None),
    ],
)
def test_where_a_request_comes_from(
    client: tuple[str, int] | None, server: tuple[str, int | None] | None, peer: str | None, local: str | None
) -> None:
    async def receive() -> MutableMapping[str, object]:
        raise AssertionError

    async def send(event: MutableMapping[str, object]) -> None:
        raise AssertionError

    scope: dict[str, object] = {"method": "POST", "path": "/", "headers": [], "client": client, "server": server}
    exchange = AsgiExchange(scope, receive, send, Limits(), KnownFields(65_536))
    assert (exchange.peer, exchange.local) == (peer, local)


async def test_a_server_that_raises_once_the_client_is_gone() -> None:
    """ASGI 2.4: send() raises OSError. The tool is not told in the middle of its work."""
    server = Server("gone")
    steps: list[int] = []

    @server.tool
    async def walk(ctx: Context) -> str:
        for step in range(3):
            await ctx.report_progress(step)
            steps.append(step)
        return "done"

    app = server.asgi()

    async def closed(scope: MutableMapping[str, object], receive: Receive, send: Send) -> None:
        async def refuse(event: Event) -> None:
            raise OSError("the client is gone")

        await app(scope, receive, refuse)

    for message in (call("walk", _meta={"progressToken": 1}), call("walk"), call("nobody")):
        assert (await start(closed, message).done()).status == 0
    assert steps == [0, 1, 2] * 2


async def test_a_client_that_never_was() -> None:
    """The first event may be its end."""
    app = Server("none").asgi()
    answer = start(app, b"", usual_headers(call("x")), chunks=[])
    answer.disconnect()
    await answer.done()
    assert answer.status == 0


async def test_watching_ends_with_the_call() -> None:
    """A watcher that is left over would take the next event of the connection; conftest.py looks for it."""
    server = Server("watch", limits=Limits(first_byte_s=0.01))
    go = asyncio.Event()

    @server.tool
    async def wait() -> str:
        await go.wait()
        return "done"

    answer = start(server.asgi(), call("wait"))
    await answer.until(lambda: answer.status == 200)
    go.set()
    assert (await answer.done()).complete
