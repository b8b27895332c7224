"""An HTTP server begins and ends as it should: where it listens, what stops it, what calls in flight get.

D07, D10, D18, S06, S17.
"""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import pytest

from anyport.protocol.types.json import JsonValue
from tests.drivers.asgi import call, initialize
from tests.drivers.http_server import HttpPeer, HttpProcess

SERVER = Path(__file__).parent / "servers" / "over_http.py"
SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
ENDING = "[lifespan closed]\n[run returned]\n"


def serve(*, drain_s: float = 10, **options: JsonValue) -> HttpProcess:
    """Start the server with options of `run`."""
    return HttpProcess(SERVER, json.dumps({"run": options, "limits": {"drain_s": drain_s}}))


def fail_to_serve(*, fails: bool = False, **options: JsonValue) -> tuple[int, list[str]]:
    """Start a server that does not come up; return its status and what it said."""
    with HttpProcess(SERVER, json.dumps({"run": options, "fails": fails}), listens=False) as server:
        ended = server.ended()
    return ended.status, ended.stderr.splitlines()


# --- where it listens -------------------------------------------------------------------------------------------------


def test_it_says_where_it_listens() -> None:
    """S17: one line on stderr, with the port that was found for port 0; localhost is the default."""
    with serve(path="/v1") as server, socket.create_connection(("127.0.0.1", server.port), 5):
        assert (server.host, server.path) == ("127.0.0.1", "/v1")
        assert server.stderr == f"anyport: over-http serves MCP at http://127.0.0.1:{server.port}/v1\n"


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_ipv6(host: str) -> None:
    if not has_ipv6():
        pytest.skip("no IPv6 on this machine")
    with serve(host=host) as server, HttpPeer(server.port, "::1") as peer:
        assert server.host == "::1"
        assert peer.post(call("add", {"a": 1, "b": 2}), {"host": f"[::1]:{server.port}"}).status == 200


def test_a_name_with_several_addresses() -> None:
    """All of them, on one port."""
    with serve(host="localhost") as server:
        addresses = {each[4][0] for each in socket.getaddrinfo("localhost", server.port, type=socket.SOCK_STREAM)}
        for address in sorted(str(each) for each in addresses):
            if ":" in address and not has_ipv6():
                continue
            with HttpPeer(server.port, address) as peer:
                assert peer.post(call("add", {"a": 1, "b": 2})).status == 200


def test_every_address() -> None:
    """S17: 0.0.0.0 works at once, and stays strict about who asks."""
    with serve(host="0.0.0.0") as server, HttpPeer(server.port) as peer:
        assert peer.post(call("add", {"a": 1, "b": 2})).status == 200
        assert peer.post(call("add"), {"host": "evil.example"}).status == 421
        assert peer.post(call("add"), {"origin": "http://evil.example"}).status == 403


def has_ipv6() -> bool:
    """Tell whether this machine has an IPv6 loopback address."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_a_port_that_is_taken() -> None:
    """One line and status 1; the lifespan is not even begun."""
    with serve() as first:
        status, said = fail_to_serve(port=first.port)
    assert status == 1
    assert said == [f"anyport: cannot listen on 127.0.0.1:{first.port}: Address already in use"]


@pytest.mark.parametrize("host", ["bad host", "1.2.3.4.5"])
def test_an_address_that_is_not_ours(host: str) -> None:
    status, said = fail_to_serve(host=host)
    assert status == 1
    assert len(said) == 1
    assert said[0].startswith(f"anyport: cannot listen on {host}:0: ")


def test_a_port_that_is_none() -> None:
    status, said = fail_to_serve(port=70000)
    assert status == 1
    assert said[-1].endswith("LocalProtocolError: port must be between 0 and 65535; it is 70000")


def test_a_lifespan_that_fails() -> None:
    status, said = fail_to_serve(fails=True)
    assert status == 3
    assert any("the database is away" in line for line in said)
    assert "[run returned]" not in said


# --- how it ends ------------------------------------------------------------------------------------------------------


@SIGNALS
@pytest.mark.parametrize("connections", [0, 1, 20])
def test_a_signal_ends_an_idle_server(number: int, connections: int) -> None:
    """D07: within a second, with status 0, no traceback and the lifespan closed, whatever connections are kept."""
    with serve() as server:
        peers = [HttpPeer(server.port) for _ in range(connections)]
        for index, peer in enumerate(peers):
            if index % 2:
                assert peer.post(initialize()).status == 200
        ended = server.ended(server.signal(number))
        assert all(peer.is_closed() for peer in peers)
        for peer in peers:
            peer.close()
    assert (ended.status, ended.stderr.split("\n", 1)[1]) == (0, ENDING)
    assert ended.seconds < 1


@SIGNALS
def test_a_call_in_flight_gets_its_time(number: int) -> None:
    """D10: the answer is whole, the connection closes after it, and new ones are refused."""
    with serve() as server, HttpPeer(server.port) as peer:
        peer.begin(call("last", {"seconds": 0.4}))
        server.says("[began]")
        since = server.signal(number)
        answer = peer.answer()
        ended = server.ended(since)
    assert (answer.status, answer.json["id"]) == (200, 1)
    assert "result" in answer.json
    assert (ended.status, ended.stderr.split("\n", 1)[1]) == (0, f"[began]\n{ENDING}")
    assert ended.seconds < 2


def test_a_call_that_outlasts_the_drain_is_told() -> None:
    """D10: limit drain_s, then an error instead of a broken connection."""
    with serve(drain_s=1) as server, HttpPeer(server.port) as plain, HttpPeer(server.port) as streaming:
        plain.begin(call("last", {"seconds": 60}))
        streaming.begin(call("last", {"seconds": 60}, _meta={"progressToken": 1}))
        assert streaming.head().headers["content-type"] == "text/event-stream"
        assert b"notifications/progress" in streaming.chunk()
        server.says("[began]\n[began]")
        since = server.signal(signal.SIGTERM)
        answer, event = plain.answer(), streaming.chunk()
        ended = server.ended(since)
    assert (answer.status, answer.code, answer.json["id"]) == (200, -32603, 1)
    assert b"-32603" in event
    assert ended.status == 0
    assert "[lifespan closed]" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.seconds < 2.5


def test_a_second_signal_does_not_wait() -> None:
    with serve() as server, HttpPeer(server.port) as peer:
        peer.begin(call("last", {"seconds": 60}))
        server.says("[began]")
        server.signal(signal.SIGTERM)
        ended = server.ended(server.signal(signal.SIGINT))
    assert ended.seconds < 1.5
    assert "Traceback" not in ended.stderr


def test_a_port_is_free_again_at_once() -> None:
    with serve() as first, HttpPeer(first.port) as peer:
        assert peer.post(call("add", {"a": 1, "b": 2})).status == 200
        first.ended(first.signal(signal.SIGTERM))
        port = first.port
    with serve(port=port) as second, HttpPeer(port) as peer:
        assert second.port == port
        assert peer.post(call("add", {"a": 1, "b": 2})).status == 200
