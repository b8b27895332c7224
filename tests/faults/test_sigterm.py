"""SIGTERM with calls in flight on every transport: each gets an answer, and the process exits in time (D10, D07)."""

from __future__ import annotations

import itertools
import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import pytest

from anyport.protocol.types.json import JsonObject, JsonValue
from tests.drivers.asgi import call as http_call
from tests.drivers.http_server import HttpPeer
from tests.drivers.lines import LinePeer
from tests.drivers.sse_wire import SsePeer
from tests.drivers.stdio import PATIENCE, StdioProcess, call
from tests.serving.test_several import given, ports

SERVED = Path(__file__).parent.parent / "serving" / "served.py"
T = TypeVar("T")
Tool = tuple[str, JsonObject]
FINISHES: Tool = ("last", {"seconds": 0.5})
STUCK: Tool = ("last", {"seconds": 60})
STUCK_SYNC: Tool = ("last_sync", {"seconds": 8})
STUBBORN: Tool = ("stubborn", {})
MIX = [FINISHES, STUCK, STUCK_SYNC, FINISHES, STUBBORN]


def code_of(message: JsonObject) -> JsonValue:
    """Return the code of an answer; 0 for a result."""
    return cast("JsonObject", message["error"])["code"] if "error" in message else 0


def began(server: StdioProcess, count: int) -> None:
    server.says("[began]", times=count)


def orderly(stderr: str) -> None:
    for sign in ("ERROR", "Traceback", "Cancel ", "exceeded", "Exception in ASGI"):
        assert sign not in stderr, stderr


@pytest.mark.slow
@pytest.mark.parametrize("streams", [False, True])
def test_a_hundred_calls_over_http(streams: bool) -> None:
    """Finished, stuck, on threads, and deaf to cancellation: all are answered, in drain_s and a little more."""
    expected = [0, -32603, -32603, 0, -32603]
    with StdioProcess(SERVED, given("http", drain_s=1.5, port=0)) as server:
        server.says("/mcp\n")
        port = ports(server.stderr)["/mcp"]
        peers = [HttpPeer(port) for _ in range(100)]
        accept = {"accept": "text/event-stream"} if streams else None
        for number, peer in enumerate(peers):
            tool, arguments = MIX[number % len(MIX)]
            peer.begin(http_call(tool, arguments, request_id=number), accept)
        # Twenty sync calls fit on the threads at once.
        began(server, 100)
        codes: list[JsonValue] = []
        ended = run_beside(lambda: server.signal(signal.SIGTERM))
        for number, peer in enumerate(peers):
            answer = peer.answer()
            body = answer.body.partition(b"data: ")[2].strip() if streams else answer.body
            message = json.loads(body)
            assert message["id"] == number
            codes.append(code_of(message))
            peer.close()
        end = ended()
    assert codes == expected * 20
    assert end.status == 0
    assert end.seconds < 1.5 + 2.5
    orderly(end.stderr)


@pytest.mark.slow
def test_calls_on_every_transport(tmp_path: Path) -> None:
    """The same, whatever carries them: stdio, HTTP, HTTP+SSE, a socket."""
    path = str(tmp_path / "s")
    options = given(["stdio", "http", "sse", "socket"], drain_s=1.5, port=0, socket_path=path)
    with StdioProcess(SERVED, options) as server:
        server.says("unix:")
        port = ports(server.stderr)["/mcp"]
        https = [HttpPeer(port) for _ in MIX]
        sse, line = SsePeer(port), LinePeer(path)
        for number, (tool, arguments) in enumerate(MIX):
            https[number].begin(http_call(tool, arguments, request_id=number))
            assert sse.post(call(number, tool, arguments)).status == 202
            line.send(call(number, tool, arguments))
            server.send(call(number, tool, arguments))
        began(server, 4 * len(MIX))
        ended = run_beside(lambda: server.signal(signal.SIGTERM))
        expected = dict(enumerate([0, -32603, -32603, 0, -32603]))
        assert {number: code_of(peer.answer().json) for number, peer in enumerate(https)} == expected
        for receive in (sse.receive, line.receive, server.receive):
            found = [receive() for _ in MIX]
            assert {message.id: 0 if message.error is None else message.code for message in found} == expected
        assert sse.event() is None
        assert line.is_closed()
        end = ended()
        for peer in (*https, sse, line):
            peer.close()
    assert (end.status, end.messages) == (0, [])
    assert end.seconds < 1.5 + 2.5
    orderly(end.stderr)


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with StdioProcess(SERVED, given(["http", "sse", "socket"], port=0, socket_path=path)) as server:
        server.says("unix:")
        port = ports(server.stderr)["/mcp"]
        with HttpPeer(port) as http, SsePeer(port) as sse, LinePeer(path) as line:
            http.begin(http_call(*STUCK))
            sse.post(call(1, *STUCK))
            line.send(call(1, *STUCK))
            began(server, 3)
            server.process.send_signal(signal.SIGTERM)
            for number in itertools.count(2):
                line.send(call(number, "where"))
                if line.answer(number).error is not None:
                    break
            end = server.signal(signal.SIGTERM)
            assert line.receive().code == -32603
    assert end.status == 0
    assert end.seconds < 1.5
    orderly(end.stderr)


def run_beside(work: Callable[[], T]) -> Callable[[], T]:
    """Run something on a thread; what is returned waits for what it returns."""
    found: list[T] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()

    def wait() -> T:
        thread.join(PATIENCE)
        return found[0]

    return wait
