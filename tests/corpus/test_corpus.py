"""The malformed-input corpus: status, code and id of every answer, and the connection works after it.

The error map of the specification on every transport and in both eras (RPC-01, RPC-02, RPC-04, RPC-05, RPC-17, HTTP-06,
STDIO-01, STDIO-10, SSE-01); the faults "malformed request crashes the server" and "one bad peer message kills or
hangs". Over HTTP all cases share one connection and one session of a real server; over stdio two processes, over
HTTP+SSE and over a socket two conversations, one of each with a session open.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path

import msgspec
import pytest

from anyport.protocol.types.json import JsonObject
from tests.corpus import cases_envelope, cases_http, cases_json, cases_legacy, cases_modern
from tests.corpus.case import LEGACY, MODERN, RESULT, SILENCE, Case, request, tool
from tests.drivers.asgi import Headers
from tests.drivers.http_server import HttpAnswer, HttpPeer, HttpProcess
from tests.drivers.lines import LinePeer
from tests.drivers.sse_wire import SsePeer
from tests.drivers.stdio import Message, StdioProcess, handshake

SERVER = Path(__file__).parent / "server.py"
CASES = (
    *cases_json.CASES,
    *cases_envelope.CASES,
    *cases_modern.CASES,
    *cases_legacy.CASES,
    *cases_http.CASES,
)
OVER_HTTP = [case for case in CASES if "http" in case.on]
OVER_STDIO = [case for case in CASES if "stdio" in case.on]
# What is wrong with a message is wrong on every transport that carries it; what only a header says is not there.
OVER_SSE = [case for case in OVER_STDIO if not case.is_about_lines]
GOOD = tool("add", {"a": 2, "b": 3})
PING = request("ping")


def test_the_corpus_is_as_large_as_it_says() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names), sorted({name for name in names if names.count(name) > 1})
    assert len(names) >= 400
    over = {"http": len(OVER_HTTP), "stdio": len(OVER_STDIO), "socket": len(OVER_STDIO), "sse": len(OVER_SSE)}
    # What only header fields say is wrong over HTTP alone.
    assert all(count >= 300 for count in over.values()), over
    assert over["http"] >= 400
    print(f"{len(names)} cases: {over}")


# --- HTTP -------------------------------------------------------------------------------------------------------------


class Http:
    """One connection to a server, with one session open on it."""

    def __init__(self, peer: HttpPeer) -> None:
        self.peer = peer
        opened = peer.post(
            request(
                "initialize",
                {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}},
            )
        )
        self.session = {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": LEGACY}

    def fields_of(self, case: Case) -> Headers:
        """Return what a case changes in the header fields of a well-behaved client, who can mirror no raw bytes."""
        if case.place == "session":
            return {**self.session, **case.headers}
        mirror = {"mcp-protocol-version": MODERN, "mcp-method": "tools/list"}
        return {**(mirror if isinstance(case.body, bytes) and case.place == "modern" else {}), **case.headers}


@pytest.fixture(scope="module")
def network() -> Generator[HttpProcess]:
    """The server on everything but stdio."""
    with HttpProcess(SERVER, "network") as process:
        process.says("tcp://")
        yield process
        assert "Traceback" not in process.stderr


@pytest.fixture(scope="module")
def http(network: HttpProcess) -> Generator[Http]:
    with HttpPeer(network.port) as peer:
        yield Http(peer)


def outcome(answer: HttpAnswer) -> tuple[int, object, object]:
    """Return status, code and id of an answer."""
    if not answer.body:
        return answer.status, SILENCE, None
    message = answer.json
    return answer.status, code_of(message), message.get("id")


def code_of(message: JsonObject) -> object:
    """Return the code of an answer; `RESULT` for a result."""
    error = message.get("error")
    return error["code"] if isinstance(error, dict) else RESULT


@pytest.mark.parametrize("case", OVER_HTTP, ids=lambda case: case.name)
def test_over_http(http: Http, case: Case) -> None:
    body = case.body if not isinstance(case.body, bytes) else case.data
    answer = http.peer.post(body, http.fields_of(case))
    assert outcome(answer) == (case.status, case.code, case.id), answer.body[:500]
    assert case.contains in answer.body.decode()
    if answer.body:
        assert answer.headers["content-type"] == "application/json"
        assert "\n" not in answer.body.decode()
    assert outcome(http.peer.post(GOOD)) == (200, RESULT, 7)
    assert outcome(http.peer.post(PING, http.session)) == (200, RESULT, 7)


# --- stdio ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def opened() -> Generator[StdioProcess]:
    """A server with a session."""
    with StdioProcess(SERVER) as process:
        process.send(*handshake("hello"))
        assert process.answer("hello").result is not None
        yield process
        assert process.end().status == 0
        assert "Traceback" not in process.stderr


@pytest.fixture(scope="module")
def unopened() -> Generator[StdioProcess]:
    """A server without one."""
    with StdioProcess(SERVER) as process:
        yield process
        assert process.end().status == 0


@pytest.mark.parametrize("case", OVER_STDIO, ids=lambda case: case.name)
def test_over_stdio(opened: StdioProcess, unopened: StdioProcess, case: Case) -> None:
    process = unopened if case.place == "fresh" else opened
    code, answered = case.expected_on_stdio()
    process.send(case.data)
    if code is not SILENCE:
        message = process.receive()
        assert (stdio_code(message), message.id) == (code, answered), message
        said = message.error.message if message.error is not None else msgspec.json.encode(message).decode()
        assert case.contains in said + msgspec.json.encode(message).decode()
    process.send(msgspec.json.encode({**GOOD, "id": "after"}))
    message = process.receive()
    assert (message.id, message.text) == ("after", "5"), message
    if process is opened:
        process.send(msgspec.json.encode({**PING, "id": "ping"}))
        assert process.receive().id == "ping"


def stdio_code(message: Message) -> int:
    """Return the code of an answer; `RESULT` for a result."""
    return RESULT if message.error is None else message.error.code


# --- sockets ----------------------------------------------------------------------------------------------------------


class Lines:
    """Two connections to a server, the second with a session."""

    def __init__(self, fresh: LinePeer, opened: LinePeer) -> None:
        self.fresh, self.opened = fresh, opened
        opened.send(*handshake("hello"))
        assert opened.receive().result is not None


@pytest.fixture(scope="module")
def lines(network: HttpProcess) -> Generator[Lines]:
    found = re.search(r"tcp://127.0.0.1:(\d+)", network.stderr)
    assert found is not None
    address = ("127.0.0.1", int(found[1]))
    with LinePeer(address) as fresh, LinePeer(address) as opened:
        # The first bytes of a connection have a rule of their own.
        fresh.send(msgspec.json.encode(GOOD))
        assert fresh.receive().text == "5"
        yield Lines(fresh, opened)


@pytest.mark.parametrize("case", OVER_STDIO, ids=lambda case: case.name)
def test_over_a_socket(lines: Lines, case: Case) -> None:
    peer = lines.fresh if case.place == "fresh" else lines.opened
    code, answered = case.expected_on_stdio()
    peer.send(case.data)
    if code is not SILENCE:
        message = peer.receive()
        assert (stdio_code(message), message.id) == (code, answered), message
    peer.send(msgspec.json.encode({**GOOD, "id": "after"}))
    message = peer.receive()
    assert (message.id, message.text) == ("after", "5"), message


# --- HTTP+SSE ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def conversations(network: HttpProcess) -> Generator[tuple[SsePeer, SsePeer]]:
    """One without a session and one with."""
    with SsePeer(network.port) as fresh, SsePeer(network.port) as opened:
        for message in handshake("hello"):
            assert opened.post(message).status == 202
        assert opened.receive().result is not None
        yield fresh, opened


@pytest.mark.parametrize("case", OVER_SSE, ids=lambda case: case.name)
def test_over_sse(conversations: tuple[SsePeer, SsePeer], case: Case) -> None:
    """Refused at once where it is no message, on the stream where it is one; never in silence, and never twice."""
    peer = conversations[0] if case.place == "fresh" else conversations[1]
    code, answered = case.expected_on_stdio()
    answer = peer.post(case.data)
    if answer.status == 202:
        assert answer.body == b""
        if code is not SILENCE:
            message = peer.receive()
            assert (stdio_code(message), message.id) == (code, answered), message
    else:
        assert (code_of(answer.json), answer.json.get("id")) == (code, answered), answer.body
        assert answer.status in {400, 413}
    assert peer.post(msgspec.json.encode({**GOOD, "id": "after"})).status == 202
    message = peer.receive()
    assert (message.id, message.text) == ("after", "5"), message
