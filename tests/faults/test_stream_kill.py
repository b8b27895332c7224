"""kill -9 of a server in the middle of a stream: the next one serves its sessions and replays its streams.

D06, S10, S11, RES-04, LEG-06.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from anyport.protocol.sse import EventDecoder, ServerSentEvent
from anyport.protocol.types.json import JsonObject
from tests.drivers.asgi import LEGACY, initialize, legacy
from tests.drivers.http_server import HttpPeer, HttpProcess, head

SERVER = Path(__file__).with_name("servers") / "with_store.py"
STEPS = 40


def open_session(port: int) -> dict[str, str]:
    """Open a session and confirm it."""
    with HttpPeer(port) as peer:
        opened = peer.post(initialize())
        session = {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": LEGACY}
        assert peer.post(legacy("notifications/initialized", request_id=None), session).status == 202
    return session


def call(tool: str, request_id: int) -> JsonObject:
    """Return a call that wants progress."""
    params: JsonObject = {"name": tool, "arguments": {"to": STEPS}, "_meta": {"progressToken": request_id}}
    return legacy("tools/call", params, request_id=request_id)


def decode(body: bytes) -> list[ServerSentEvent]:
    """Return the events of a body, as far as they are whole."""
    return [event for event in EventDecoder().feed(body) if isinstance(event, ServerSentEvent)]


def resume(peer: HttpPeer, session: dict[str, str], last: str) -> None:
    """Come back for the rest of a stream."""
    fields = {"host": "127.0.0.1", "accept": "text/event-stream", "last-event-id": last, **session}
    peer.send(head("GET", "/mcp", fields.items()))


@pytest.mark.slow
def test_the_next_server_goes_on_where_one_was_killed(tmp_path: Path) -> None:
    """Whatever was sent, and what was kept and not sent, is there; the call that died with its process is answered."""
    path = str(tmp_path / "a.db")
    with HttpProcess(SERVER, path, "0") as first:
        session = open_session(first.port)
        with HttpPeer(first.port) as peer:
            finished = decode(peer.post(call("quick", 1), session).body)
        with HttpPeer(first.port) as peer:
            peer.begin(call("count", 2), session)
            assert peer.head().headers["content-type"] == "text/event-stream"
            seen = decode(peer.chunk() + peer.chunk() + peer.chunk())
            # All of it is in the log; the client has read a part.
            first.says("[counted]")
            first.signal(signal.SIGKILL)
            first.ended()
    with HttpProcess(SERVER, path, "0") as second:
        with HttpPeer(second.port) as peer:
            assert peer.post(legacy("ping", request_id=9), session).status == 200
        with HttpPeer(second.port) as peer:
            resume(peer, session, finished[4].id)
            rest = decode(peer.answer().body)
            assert [event.id for event in rest] == [event.id for event in finished[5:]]
            assert [event.data for event in rest] == [event.data for event in finished[5:]]
        with HttpPeer(second.port) as peer:
            resume(peer, session, seen[-1].id)
            rest = decode(peer.answer().body)
    progress = [event.data for event in [*seen, *rest] if b"progress" in event.data]
    assert len(progress) == STEPS
    assert all(b'"progress":%d' % number in event for number, event in enumerate(progress))
    assert b'"id":2' in rest[-1].data
    assert b"has ended before it had a result" in rest[-1].data


def test_a_signal_ends_the_streams_that_clients_opened(tmp_path: Path) -> None:
    """D07, D10: a standing stream does not hold the server up, and its client is told to come back."""
    with HttpProcess(SERVER, str(tmp_path / "a.db"), "0") as server:
        session = open_session(server.port)
        with HttpPeer(server.port) as peer:
            fields = {"host": "127.0.0.1", "accept": "text/event-stream", **session}
            peer.send(head("GET", "/mcp", fields.items()))
            assert peer.head().headers["content-type"] == "text/event-stream"
            assert b"id: s" in peer.chunk()
            since = server.signal(signal.SIGTERM)
            assert peer.chunk() == b"retry: 1000\n\n"
            ended = server.ended(since)
    assert ended.status == 0
    assert ended.seconds < 3
    assert "Traceback" not in ended.stderr


def test_a_connection_that_the_server_lets_go_of(tmp_path: Path) -> None:
    """SEP-1699 over a real server: the response ends whole, the connection stays, the call goes on."""
    with HttpProcess(SERVER, str(tmp_path / "a.db"), "0") as server:
        session = open_session(server.port)
        with HttpPeer(server.port) as peer:
            answer = peer.post(legacy("tools/call", {"name": "let_go"}, request_id=1), session)
            (primer,) = decode(answer.body)
            assert answer.body.endswith(b"retry: 100\n\n")
            resume(peer, session, primer.id)
            rest = decode(peer.answer().body)
        assert b'"id":1' in rest[-1].data
        assert b"went on" in rest[-1].data
        assert "Traceback" not in server.stderr
