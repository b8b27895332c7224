"""However the bytes of some requests are cut up, the same is answered, in the same order."""

from __future__ import annotations

import asyncio
import itertools
import re
from typing import Final

import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from anyport.protocol.limits import DEFAULT_LIMITS
from anyport.transports.http.edge.edge import Edge
from tests.drivers.asgi import WAIT, call, legacy
from tests.drivers.edge import Wire, request_of
from tests.drivers.http_server import head
from tests.transports.http.test_edge import Recorder, make_server

ADD: Final = request_of(call("add", {"a": 1, "b": 2}))
UPGRADE: Final = {"connection": "upgrade", "upgrade": "h2c"}
REQUESTS: Final = (
    ADD,
    request_of(call("add", {"a": 10, "b": 20}, request_id="other")),
    request_of(call("add", {"a": 1, "b": 2}), UPGRADE),
    request_of(legacy("tools/list")),
    request_of(b"{"),
    head("GET", "/other", [("host", "x")]),
    head("POST", "/other", [("host", "x")], b"body") + b"body",
    head("POST", "/mcp", [("host", "127.0.0.1"), ("transfer-encoding", "chunked")])
    + b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n",
    head("DELETE", "/mcp", [("host", "127.0.0.1")]),
    b"\r\n",
)
LAST: Final = (
    b"",
    request_of(call("add", {"a": 5, "b": 5}), {"connection": "close"}) + ADD,
    b"GET / HTTP/1.1\r\nhost : x\r\n\r\n" + ADD,
    head("POST", "/mcp", [("host", "127.0.0.1"), ("transfer-encoding", "chunked")]) + b"x\r\n" + ADD,
)


async def answers(pieces: list[bytes]) -> tuple[bytes, bool]:
    """Return what a connection answers to bytes that come in pieces, and whether it ended."""
    app, other = make_server().asgi(), Recorder()
    await app.start()
    config = uvicorn.Config(other, log_config=None, lifespan="off")
    config.load()
    loop = asyncio.get_running_loop()
    connection, wire = Edge(app.find, DEFAULT_LIMITS)(config, ServerState(), {}), Wire()
    connection.connection_made(wire)
    for piece in pieces:
        fed = loop.create_future()
        loop.call_soon(lambda piece=piece, fed=fed: fed.set_result(connection.data_received(piece)))
        await fed
    async with asyncio.timeout(WAIT):
        before = -1
        while before != len(wire.written):
            before = len(wire.written)
            for _ in range(20):
                await asyncio.sleep(0)
    connection.connection_lost(None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return wire.written, wire.ended


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from(REQUESTS), max_size=6),
    st.sampled_from(LAST),
    st.lists(st.floats(0, 1), max_size=8),
)
def test_however_it_is_cut(requests: list[bytes], last: bytes, cuts: list[float]) -> None:
    data = b"".join(requests) + last
    places = sorted({int(cut * len(data)) for cut in cuts} | {0, len(data)})
    pieces = [data[start:end] for start, end in itertools.pairwise(places)]
    whole, whole_ended = asyncio.run(answers([data] if data else []))
    cut, cut_ended = asyncio.run(answers(pieces))
    assert (cut, cut_ended) == (whole, whole_ended)
    assert whole_ended == bool(last)
    asked = sum(request != b"\r\n" for request in requests) + bool(last)
    assert len(re.findall(rb"HTTP/1\.1 \d{3} ", whole)) == asked
