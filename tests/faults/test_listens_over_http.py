"""Many listen streams at a real HTTP server, and one whose client does not read (D11, D19)."""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from anyport.protocol.types.json import JsonObject
from tests.drivers.asgi import call, modern
from tests.drivers.http_server import HttpPeer, HttpProcess
from tests.drivers.stdio import PATIENCE
from tests.requirements import require_linux

SERVER = Path(__file__).parent / "servers" / "listened_to.py"
MEBIBYTE = 2**20
LONG = "note://" + "x" * 8000
"""A URI that makes each notification fill a good part of a packet."""


def serve(**limits: float) -> HttpProcess:
    return HttpProcess(SERVER, json.dumps(limits))


def listen(**wanted: bool | list[str]) -> JsonObject:
    filters: JsonObject = {name: [*value] if isinstance(value, list) else value for name, value in wanted.items()}
    return modern("subscriptions/listen", {"notifications": filters})


def is_accepted(port: int) -> bool:
    """Begin a stream, leave it, and tell whether there was room for it."""
    with HttpPeer(port) as peer:
        peer.begin(listen(toolsListChanged=True))
        return peer.head().status == 200


def resident(server: HttpProcess) -> int:
    pages = Path(f"/proc/{server.process.pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def test_many_streams_are_told_and_ended() -> None:
    """SUB-03, SUB-04: every one of them, while calls go on."""
    count = 300
    with serve() as server, ExitStack() as peers, HttpPeer(server.port) as caller:
        streams = [peers.enter_context(HttpPeer(server.port)) for _ in range(count)]
        for stream in streams:
            stream.begin(listen(toolsListChanged=True))
        for stream in streams:
            assert stream.head().status == 200
            assert b"acknowledged" in stream.chunk()
        assert caller.post(call("change")).status == 200
        for stream in streams:
            assert b"tools/list_changed" in stream.chunk()
        assert caller.post(call("end")).status == 200
        for stream in streams:
            assert b'"resultType":"complete"' in stream.chunk()
            assert stream.chunk() == b""


@pytest.mark.slow
def test_a_client_that_does_not_read_hurts_only_itself() -> None:
    """What waits for it stays small, others are served, and its stream is given up (limit write_s)."""
    require_linux("resident memory is read from /proc")
    with serve(listens=1, write_s=0.5) as server, HttpPeer(server.port) as caller, HttpPeer(server.port) as deaf:
        deaf.begin(listen(resourceSubscriptions=[LONG]))
        assert deaf.head().status == 200
        assert caller.post(listen(toolsListChanged=True)).code == 429
        before = resident(server)
        for _ in range(10):
            assert caller.post(call("touch", {"uri": LONG, "times": 500})).status == 200
        assert resident(server) - before < 8 * MEBIBYTE, "40 MB were published"
        deadline = time.monotonic() + PATIENCE
        while not is_accepted(server.port):
            assert time.monotonic() < deadline, "the stream was not given up"
