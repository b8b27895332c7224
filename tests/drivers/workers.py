"""A server of several processes, and connections to each of them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final, cast

from anyport.protocol.sse import EventDecoder, ServerSentEvent
from anyport.protocol.types.json import JsonObject, JsonValue
from tests.drivers.asgi import LEGACY, call, initialize, legacy, text_of
from tests.drivers.http_server import HttpPeer, HttpProcess, head

SERVED: Final = Path(__file__).parent.parent / "serving" / "served.py"
TRIES: Final = 200
"""Connections that are opened in search of a worker: each reaches any of two as likely as the other."""


def given(*, drain_s: float = 10, fails: bool = False, workers: int = 2, **run: JsonValue) -> str:
    """Return the argument of the server."""
    options: JsonObject = {"port": 0, "workers": workers, **run}
    return json.dumps({"on": "http", "run": options, "limits": {"drain_s": drain_s}, "fails": fails})


def pid_of(peer: HttpPeer) -> int:
    """Return which process a connection leads to."""
    found = cast("list[JsonValue]", json.loads(text_of(peer.post(call("where")).json)))
    return cast("int", found[1])


@contextlib.contextmanager
def peers(port: int, count: int = 2, *, without: tuple[int, ...] = ()) -> Generator[dict[int, HttpPeer]]:
    """Connect to so many workers of a server, each once; yields the connections by process.

    Args:
        port: The port.
        count: How many.
        without: Processes that do not count.
    """
    found: dict[int, HttpPeer] = {}
    with contextlib.ExitStack() as stack:
        for _ in range(TRIES):
            peer = stack.enter_context(HttpPeer(port))
            found.setdefault(pid_of(peer), peer)
            if len(found.keys() - set(without)) == count:
                break
        wanted = {pid: peer for pid, peer in found.items() if pid not in without}
        assert len(wanted) == count, found
        yield wanted


@contextlib.contextmanager
def serving(*arguments: str, workers: int = 2) -> Generator[tuple[HttpProcess, list[tuple[int, HttpPeer]]]]:
    """Run a server of several workers; yields it, and each worker's process with a connection to it."""
    with HttpProcess(SERVED, *(arguments or (given(workers=workers),))) as server, peers(server.port, workers) as found:
        yield server, list(found.items())


def open_session(peer: HttpPeer) -> dict[str, str]:
    """Open a legacy session of a client that can be asked; return its header fields."""
    message = initialize()
    cast("JsonObject", message["params"])["capabilities"] = {"elicitation": {}}
    answer = peer.post(message)
    assert answer.status == 200, answer
    fields = {"mcp-session-id": answer.headers["mcp-session-id"], "mcp-protocol-version": LEGACY}
    assert peer.post(legacy("notifications/initialized", request_id=None), fields).status == 202
    return fields


def listen(peer: HttpPeer, session: dict[str, str]) -> None:
    """Open the standing stream of a session."""
    fields = {"host": "127.0.0.1", "accept": "text/event-stream", **session}
    peer.send(head("GET", "/mcp", fields.items()))
    assert peer.head().status == 200


def events(peer: HttpPeer) -> Iterator[JsonObject]:
    """Return the messages of an event stream whose head was read, as they come."""
    decoder = EventDecoder()
    while chunk := peer.chunk():
        for event in decoder.feed(chunk):
            if isinstance(event, ServerSentEvent) and event.data:
                yield cast("JsonObject", json.loads(event.data))
