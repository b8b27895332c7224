"""What goes wrong at one client hurts that client alone, whatever carries it (D04, D06, D11, D19, S12).

One process serves all transports, so that everybody else is really beside the one who errs.
"""

from __future__ import annotations

import json
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast

import msgspec
import pytest

from anyport.protocol.types.json import JsonObject
from tests.drivers.asgi import call as http_call
from tests.drivers.asgi import initialize, legacy, usual_headers
from tests.drivers.http_server import HttpPeer
from tests.drivers.lines import LinePeer
from tests.drivers.sse_wire import SsePeer
from tests.drivers.stdio import Era, Message, StdioProcess, call, handshake
from tests.faults.test_sigterm import SERVED, orderly
from tests.serving.test_several import given, ports

INVALID: Final = b'{"jsonrpc":"2.0","id":5,"method":"\xff"}'
ANSWERS: Final = 12
SIZE: Final = 2 * 2**20
"""Bytes of an answer; a dozen of them are more than sockets and pipes hold."""
Answer = Callable[[], Message]


class Culprit(ABC):
    """The client that errs.

    Attributes:
        apart: Requests know nothing of each other.
    """

    apart: bool = False
    era: Era = "modern"

    @abstractmethod
    def send(self, message: bytes) -> Answer:
        """Send bytes; what is returned waits for their answer, in the order in which answers come on a channel."""

    @abstractmethod
    def send_unread(self, messages: list[bytes]) -> list[Answer]:
        """Send calls without reading any answer before the waiting begins."""

    @abstractmethod
    def close(self) -> None:
        """Leave."""


class OnStdio(Culprit):
    """The client that started the process."""

    def __init__(self, server: StdioProcess) -> None:
        self._server = server
        self._reading = False

    def send(self, message: bytes) -> Answer:
        self._server.send(message)
        return self._server.receive

    def send_unread(self, messages: list[bytes]) -> list[Answer]:
        self._server.send(*messages)
        return [self._receive_late] * len(messages)

    def _receive_late(self) -> Message:
        self.read()
        return self._server.receive()

    def read(self) -> None:
        """Begin to read."""
        if not self._reading:
            self._reading = True
            self._server.read_output()

    def close(self) -> None:
        """Stay: the process ends by a signal."""


class OnSocket(Culprit):
    """A client of the Unix socket."""

    def __init__(self, path: str) -> None:
        self._peer = LinePeer(path)

    def send(self, message: bytes) -> Answer:
        self._peer.send(message)
        return self._peer.receive

    def send_unread(self, messages: list[bytes]) -> list[Answer]:
        return [self.send(message) for message in messages]

    def close(self) -> None:
        self._peer.close()


class OnSse(Culprit):
    """A client of HTTP+SSE."""

    era: Era = "legacy"

    def __init__(self, port: int) -> None:
        self._port = port
        self._posts: list[HttpPeer] = []
        self._peer = SsePeer(port)
        for message in handshake():
            assert self._peer.post(message).status == 202
        assert self._peer.receive().result is not None

    def send(self, message: bytes) -> Answer:
        answer = self._peer.post(message)
        if answer.status == 202:
            return self._peer.receive
        refusal = msgspec.json.decode(answer.body, type=Message)
        return lambda: refusal

    def send_unread(self, messages: list[bytes]) -> list[Answer]:
        # Each on a connection of its own: a post waits while too much waits on the stream (limit stream_buffer_bytes).
        for message in messages:
            self._posts.append(HttpPeer(self._port))
            self._posts[-1].begin(message, {"content-type": "application/json"}, self._peer.url)
        return [self._peer.receive] * len(messages)

    def close(self) -> None:
        for post in self._posts:
            post.close()
        self._peer.close()


class OnHttp(Culprit):
    """A client of Streamable HTTP, in one of the eras."""

    def __init__(self, port: int, era: Era) -> None:
        self.apart = era == "modern"
        self.era = era
        self._port = port
        self._peers: list[HttpPeer] = []
        self._fields: dict[str, str] = {}
        if era == "legacy":
            opened = self._connect().post(initialize())
            self._fields = {"mcp-session-id": opened.headers["mcp-session-id"]}
            assert (
                self._connect().post(legacy("notifications/initialized", request_id=None), self._fields).status == 202
            )

    def send(self, message: bytes) -> Answer:
        peer = self._connect()
        self._begin(peer, message)
        return lambda: msgspec.json.decode(peer.answer().body, type=Message)

    def send_unread(self, messages: list[bytes]) -> list[Answer]:
        peer = self._connect()
        for message in messages:
            self._begin(peer, message)
        return [lambda: msgspec.json.decode(peer.answer().body, type=Message)] * len(messages)

    def close(self) -> None:
        for peer in self._peers:
            peer.close()

    def _begin(self, peer: HttpPeer, message: bytes) -> None:
        whole = http_call("echo") if message is INVALID else cast("JsonObject", json.loads(message))
        headers = usual_headers(whole) if self.apart else {**usual_headers({}), **self._fields}
        peer.begin(message, {**headers, "accept": "application/json"})

    def _connect(self) -> HttpPeer:
        self._peers.append(HttpPeer(self._port))
        return self._peers[-1]


class Scene:
    """A server with a client that errs, and others beside it, on a socket and on HTTP."""

    def __init__(self, server: StdioProcess, culprit: Culprit, port: int, path: str) -> None:
        self.server = server
        self.culprit = culprit
        self._http = HttpPeer(port)
        self._line = LinePeer(path)

    def call(self, request_id: int, tool: str, **arguments: int | float | str) -> bytes:
        """Encode a call of the culprit."""
        return call(request_id, tool, dict(arguments), self.culprit.era)

    def check_others(self) -> None:
        """See that everybody else is served, also under ids that the culprit uses."""
        assert self._http.post(http_call("echo", {"text": "http"})).status == 200
        self._line.send(call(1, "echo", {"text": "line"}))
        assert self._line.receive().text == "line"

    def close(self) -> None:
        for peer in (self._http, self._line, self.culprit):
            peer.close()


CELLS = ("stdio", "socket", "sse", "http modern", "http legacy")


@contextmanager
def scene(cell: str, tmp_path: Path, *, reading: bool = True) -> Generator[Scene]:
    """Start the server; at the end it must have nothing to complain about."""
    path = str(tmp_path / "s")
    options = given(["stdio", "http", "sse", "socket"], drain_s=5, port=0, socket_path=path)
    with StdioProcess(SERVED, options, reading=reading) as server:
        server.says("unix:")
        port = ports(server.stderr)["/mcp"]
        culprit: Culprit
        if cell == "stdio":
            culprit = OnStdio(server)
        elif cell == "socket":
            culprit = OnSocket(path)
        elif cell == "sse":
            culprit = OnSse(port)
        else:
            culprit = OnHttp(port, "modern" if cell.endswith("modern") else "legacy")
        found = Scene(server, culprit, port, path)
        try:
            yield found
        finally:
            found.close()
        if not reading and isinstance(culprit, OnStdio):
            culprit.read()
        end = server.signal(signal.SIGTERM)
    assert (end.status, end.messages) == (0, [])
    orderly(end.stderr)


@pytest.mark.parametrize("cell", CELLS)
def test_an_id_that_is_in_flight(cell: str, tmp_path: Path) -> None:
    """D06: the second is refused, the first goes on; where requests stand for themselves both are served."""
    with scene(cell, tmp_path) as play:
        first = play.culprit.send(play.call(1, "last", seconds=0.5))
        play.server.says("[began]")
        second = play.culprit.send(play.call(1, "echo", text="again"))
        answer = second()
        assert answer.id == 1
        assert answer.text == "again" if play.culprit.apart else answer.code == -32600
        play.check_others()
        assert (first().text, play.culprit.send(play.call(1, "echo", text="later"))().text) == ("done", "later")


@pytest.mark.parametrize("cell", CELLS)
def test_an_invalid_byte(cell: str, tmp_path: Path) -> None:
    """D04: -32700 for that message; calls in flight and calls to come of the same client are served."""
    with scene(cell, tmp_path) as play:
        first = play.culprit.send(play.call(1, "last", seconds=0.5))
        play.server.says("[began]")
        wrong = play.culprit.send(INVALID)()
        assert (wrong.id, wrong.code) == (None, -32700)
        play.check_others()
        assert (first().text, play.culprit.send(play.call(2, "echo", text="later"))().text) == ("done", "later")


@pytest.mark.parametrize("cell", CELLS)
def test_a_slow_reader(cell: str, tmp_path: Path) -> None:
    """D11, D19: others are served while its answers wait; it loses none that was not refused, once it reads."""
    with scene(cell, tmp_path, reading=cell != "stdio") as play:
        answers = play.culprit.send_unread([play.call(number, "big", size=SIZE) for number in range(ANSWERS)])
        play.server.says("[big]")
        for _ in range(10):
            play.check_others()
        found = [answer() for answer in answers]
        assert {message.id for message in found} == set(range(ANSWERS))
        assert {len(message.text) for message in found if message.error is None} == {SIZE}
        assert {message.code for message in found if message.error is not None} <= {429}
        assert play.culprit.send(play.call(1, "echo", text="later"))().text == "later"
