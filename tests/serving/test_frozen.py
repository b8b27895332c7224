"""What a process holds once it has started is no business of the garbage collector any more (ADR 0053)."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.drivers.asgi import call as http_call
from tests.drivers.asgi import text_of
from tests.drivers.http_server import HttpPeer, HttpProcess
from tests.drivers.stdio import StdioProcess, call, handshake

SERVED = Path(__file__).with_name("served.py")
WAITING = Path(__file__).with_name("waiting_server.py")


@contextmanager
def on_stdio(script: Path, argument: str) -> Generator[int]:
    with StdioProcess(script, argument) as process:
        for message in handshake():
            process.send(message)
        process.send(call(1, "frozen"))
        yield int(process.answer(1).text)


@contextmanager
def over_http(script: Path, argument: str) -> Generator[int]:
    with HttpProcess(script, argument) as process, HttpPeer(process.port) as peer:
        yield int(text_of(peer.post(http_call("frozen")).json))


def test_a_process_of_its_own_is_frozen_on_stdio() -> None:
    with on_stdio(SERVED, "{}") as objects:
        assert objects > 5000


def test_a_process_of_its_own_is_frozen_over_http() -> None:
    with over_http(SERVED, json.dumps({"on": "http", "run": {"port": 0}})) as objects:
        assert objects > 5000


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_a_loop_that_runs_already_is_somebody_elses(transport: str) -> None:
    """Also the process: what is in it is not for a library to decide on."""
    with (on_stdio if transport == "stdio" else over_http)(WAITING, transport) as objects:
        assert objects == 0
