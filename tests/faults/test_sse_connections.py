"""HTTP+SSE over real connections: clients that die, stall or flood hurt themselves alone (S04, S05, D24, D10)."""

from __future__ import annotations

import json
import signal
import socket
import struct
from pathlib import Path

from anyport.protocol.types.json import JsonValue
from tests.drivers.http_server import HttpPeer, HttpProcess
from tests.drivers.sse_wire import SsePeer
from tests.drivers.stdio import call, handshake

SERVED = Path(__file__).parent.parent / "serving" / "served.py"


def serve(**limits: JsonValue) -> HttpProcess:
    return HttpProcess(SERVED, json.dumps({"on": "sse", "run": {"port": 0}, "limits": limits}))


def end(server: HttpProcess) -> None:
    ended = server.ended(server.signal(signal.SIGTERM))
    assert ended.status == 0
    for sign in ("ERROR", "Traceback", "ASGI callable"):
        assert sign not in ended.stderr, ended.stderr


def test_clients_that_die() -> None:
    """By a reset, with a call in flight: its place is free again, and the next one is served."""
    with serve(sessions=1) as server:
        for number in range(20):
            peer = SsePeer(server.port)
            while peer.opened.status == 429:
                # The server has not heard of the last one's end yet.
                peer.close()
                peer = SsePeer(server.port)
            assert peer.opened.status == 200
            assert peer.post(call(number, "last", {"seconds": 60})).status == 202
            peer.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
        end(server)


def test_a_client_that_stops_reading() -> None:
    """Limits stream_buffer_bytes and write_s: its connection is reset, the others notice nothing."""
    with serve(stream_buffer_bytes=10_000, write_s=0.5) as server, SsePeer(server.port) as other:
        deaf = SsePeer(server.port)
        status = 202
        for number in range(4000):
            status = deaf.post(call(number, "echo", {"text": "x" * 20_000})).status
            if status != 202:
                break
        assert status in (404, 429)
        assert other.post(call(1, "echo", {"text": "still here"})).status == 202
        assert other.receive().text == "still here"
        deaf.close()
        other.close()
        end(server)


def test_a_silent_stream_is_kept_alive() -> None:
    """D24: a comment every first_byte_s."""
    with serve(first_byte_s=0.1) as server, SsePeer(server.port) as peer:
        assert [peer.stream.chunk() for _ in range(3)] == [b":\n\n"] * 3
        for message in handshake():
            assert peer.post(message).status == 202
        assert peer.receive().result is not None
        peer.close()
        end(server)


def test_many_conversations() -> None:
    """Equal ids, one answer each, nobody's to anybody else."""
    with serve() as server:
        peers = [SsePeer(server.port) for _ in range(100)]
        for number, peer in enumerate(peers):
            assert peer.post(call(1, "echo", {"text": str(number)})).status == 202
        assert [peer.receive().text for peer in peers] == [str(number) for number in range(100)]
        for peer in peers:
            peer.close()
        end(server)


def test_an_unknown_client() -> None:
    """S05: 404 with a JSON error, over the wire as well."""
    with serve() as server, HttpPeer(server.port) as peer:
        answer = peer.post(call(1, "where"), {"content-type": "application/json"}, "/messages?session_id=unknown")
        assert (answer.status, answer.code) == (404, -32600)
        assert answer.headers["content-type"] == "application/json"
        end(server)
