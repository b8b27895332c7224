"""Requests of which two readers could see different ends, or different hosts: refused, and nothing after them is read.

RFC 9112, 2.2, 3.2, 5, 6 and 7.1; the faults "request smuggling" and "malformed request crashes the server".
"""

from __future__ import annotations

import pytest

from anyport import Server
from anyport.protocol.limits import Limits
from tests.drivers.asgi import call
from tests.drivers.edge import request_of, serving_edge
from tests.transports.http.test_edge import Recorder

HIDDEN = request_of(call("hidden"))
FINE = b"GET /other HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
LINE = b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
CHUNKED = LINE + b"Transfer-Encoding: chunked\r\n\r\n"

CASES: dict[str, bytes] = {
    "length and chunks": LINE + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": LINE + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": LINE + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
    "the same length twice": LINE + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n12345",
    "a list of lengths": LINE + b"Content-Length: 5, 5\r\n\r\n12345",
    "a signed length": LINE + b"Content-Length: +5\r\n\r\n12345",
    "a negative length": LINE + b"Content-Length: -5\r\n\r\n12345",
    "a hexadecimal length": LINE + b"Content-Length: 0x5\r\n\r\n12345",
    "a length that is too long": LINE + b"Content-Length: 18446744073709551621\r\n\r\n12345",
    "no length": LINE + b"Content-Length: \r\n\r\n",
    "a coding that is none": LINE + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "identity": LINE + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "chunked, identity": LINE + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "gzip, chunked": LINE + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked, chunked": LINE + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": LINE + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and identity": LINE + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "a space before the colon": LINE + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a tab in the coding": LINE + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": CHUNKED.replace(b"1.1", b"1.0") + b"0\r\n\r\n",
    "a folded field": LINE + b"X: a\r\n b\r\n\r\n",
    "a folded coding": LINE + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a space before the first field": b"POST %b HTTP/1.1\r\n Host: 127.0.0.1\r\n\r\n",
    "bare LF in the head": LINE.replace(b"\r\n", b"\n") + b"\n",
    "bare LF after the head": LINE + b"X: a\n\r\n",
    "bare CR in a field": LINE + b"X: a\rContent-Length: 5\r\n\r\n",
    "bare CR in the line": b"POST %b\r HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "NUL in a value": LINE + b"X: a\x00b\r\n\r\n",
    "NUL in a name": LINE + b"X\x00: a\r\n\r\n",
    "NUL in the target": b"POST %b\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a name with a space": LINE + b"X Y: a\r\n\r\n",
    "a line without a colon": LINE + b"X\r\n\r\n",
    "a chunk size with junk": CHUNKED + b"5;\n12345\r\n0\r\n\r\n",
    "a chunk size with a space": CHUNKED + b"5 \r\n12345\r\n0\r\n\r\n",
    "a signed chunk size": CHUNKED + b"+5\r\n12345\r\n0\r\n\r\n",
    "0x in a chunk size": CHUNKED + b"0x5\r\n12345\r\n0\r\n\r\n",
    "a chunk size that is too long": CHUNKED + b"fffffffffffffffff\r\n12345\r\n0\r\n\r\n",
    "a chunk size with bare LF": CHUNKED + b"5\n12345\r\n0\r\n\r\n",
    "a chunk that is too long": CHUNKED + b"5\r\n123456\r\n0\r\n\r\n",
    "a chunk that is too short": CHUNKED + b"5\r\n1234\r\n0\r\n\r\n",
    "a chunk without its end": CHUNKED + b"5\r\n123450\r\n\r\n",
    "a length in the trailer": CHUNKED + b"5\r\n12345\r\n0\r\nContent-Length: 9\r\n\r\n",
    "two hosts in one line": b"POST http://evil.example%b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a user in the target": b"POST http://evil.example@127.0.0.1%b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "HTTP/2.0": LINE.replace(b"1.1\r", b"2.0\r") + b"\r\n",
    "HTTP/0.9": b"GET %b\r\n\r\n",
    "CONNECT": b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1\r\nX: %b\r\n\r\n",
    "a preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n%b",
}


@pytest.mark.parametrize("path", [b"/mcp", b"/other"])
async def test_it_is_refused(path: bytes) -> None:
    """Alone, and what is hidden behind it is no request either; behind a request that is fine, in its turn."""
    called: list[str] = []
    server = Server("smuggling")

    @server.tool
    async def hidden() -> str:
        called.append("hidden")
        return "found"

    app = Recorder()
    async with serving_edge(server.asgi(), Limits(), app) as edge:
        for case, text in CASES.items():
            for before in (b"", FINE):
                async with edge.peer() as peer:
                    peer.send(before + text % path + HIDDEN)
                    if before:
                        assert (await peer.answer()).body == b"ok", case
                    answer = await peer.answer()
                    assert answer.status in (400, 405, 501, 505), case
                    assert answer.headers["connection"] == "close", case
                    assert await peer.closed() == b"", case
    assert called == []
    assert set(app.bodies) == {b""}


def test_the_case_is_understood() -> None:
    """What the cases are made of is a request, where nothing is wrong with it."""
    assert HIDDEN.startswith(b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1")


async def test_what_is_right_is_answered() -> None:
    """Without this a server that refuses everything would pass."""
    async with serving_edge(Server("smuggling").asgi(), Limits(), Recorder()) as edge, edge.peer() as peer:
        for text in (
            LINE % b"/other" + b"Content-Length: 5\r\n\r\n12345",
            CHUNKED % b"/other" + b"5\r\n12345\r\n0\r\n\r\n",
        ):
            peer.send(text)
            assert (await peer.answer()).status == 200
