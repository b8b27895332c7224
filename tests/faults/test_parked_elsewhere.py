"""Two processes on one SQLite file, over HTTP: a call waits in the one, and its retry comes to the other (D06).

META-07, MRTR-05, CAN-01, D07.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from anyport.protocol.calls import META_CLIENT_CAPABILITIES
from anyport.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS
from anyport.protocol.sse import EventDecoder, ServerSentEvent
from anyport.protocol.types.json import JsonObject
from tests.drivers.asgi import modern
from tests.drivers.http_server import HttpAnswer, HttpPeer, HttpProcess

SERVER = Path(__file__).with_name("servers") / "asking_with_store.py"


class Pair:
    """Two processes, and what their bodies wrote down."""

    def __init__(self, one: HttpProcess, two: HttpProcess, log: Path) -> None:
        self.one = one
        self.two = two
        self._log = log

    @property
    def notes(self) -> list[str]:
        """What happened, and in which process."""
        return self._log.read_text("utf-8").splitlines()


@contextmanager
def pair(folder: Path) -> Generator[Pair]:
    path, log = str(folder / "a.db"), folder / "log"
    log.touch()
    with (
        HttpProcess(SERVER, path, "0", str(log), "one") as one,
        HttpProcess(SERVER, path, "0", str(log), "two") as two,
    ):
        yield Pair(one, two, log)


def call(
    tool: str, arguments: JsonObject, before: JsonObject | None = None, token: int | None = None, **answers: object
) -> JsonObject:
    """Return a call of a client that can be asked, or its retry with answers."""
    params: JsonObject = {"name": tool, "arguments": arguments}
    if before is not None:
        params["requestState"] = before["requestState"]
        params["inputResponses"] = {
            key: {"action": "accept", "content": {"value": cast("str", value)}} for key, value in answers.items()
        }
    message = modern("tools/call", params)
    meta = cast("JsonObject", cast("JsonObject", message["params"])["_meta"])
    meta[META_CLIENT_CAPABILITIES] = {"elicitation": {"form": {}}}
    if token is not None:
        meta["progressToken"] = token
    return message


def post(to: HttpProcess, message: JsonObject) -> HttpAnswer:
    with HttpPeer(to.port) as peer:
        return peer.post(message)


def result(answer: HttpAnswer) -> JsonObject:
    """Return the result in an answer, streamed or not."""
    if answer.headers["content-type"] == "application/json":
        return cast("JsonObject", answer.json["result"])
    return cast("JsonObject", events(answer)[-1]["result"])


def events(answer: HttpAnswer) -> list[JsonObject]:
    found = [event.data for event in EventDecoder().feed(answer.body) if isinstance(event, ServerSentEvent)]
    return [cast("JsonObject", json.loads(data)) for data in found]


def error_of(answer: HttpAnswer) -> tuple[object, str]:
    message = answer.json if answer.headers["content-type"] == "application/json" else events(answer)[-1]
    error = cast("JsonObject", message["error"])
    return error["code"], cast("str", error["message"])


def ask(to: HttpProcess, tool: str, arguments: JsonObject) -> JsonObject:
    """Call a tool and return what it asks."""
    asked = result(post(to, call(tool, arguments)))
    assert asked["resultType"] == "input_required"
    return asked


@pytest.mark.slow
def test_rounds_at_either_process(tmp_path: Path) -> None:
    """Asked in one, answered in two with progress, again in one; the body ran once; a replay is refused in both."""
    with pair(tmp_path) as processes:
        first = ask(processes.one, "order", {"item": "pen"})
        answer = post(processes.two, call("order", {"item": "pen"}, first, 7, color="red"))
        progress = [cast("JsonObject", event["params"]) for event in events(answer) if event.get("method") is not None]
        assert [each["progress"] for each in progress] == list(range(20))
        assert {cast("int", each["progressToken"]) for each in progress} == {7}
        second = result(answer)
        assert list(cast("JsonObject", second["inputRequests"])) == ["size"]
        for process in (processes.two, processes.one):
            code, text = error_of(post(process, call("order", {"item": "pen"}, first, color="red")))
            assert (code, "without requestState" in text) == (INVALID_PARAMS, True)
        code, text = error_of(post(processes.two, call("order", {"item": "cup"}, second, size="big")))
        assert (code, "not valid" in text) == (INVALID_PARAMS, True)
        done = result(post(processes.one, call("order", {"item": "pen"}, second, size="big")))
        assert cast("list[JsonObject]", done["content"])[0]["text"] == "pen red big"
        assert processes.notes == ["begun one", "done one"]
        # And the other way round, to the end in the other process.
        first = ask(processes.two, "order", {"item": "cup"})
        second = result(post(processes.one, call("order", {"item": "cup"}, first, color="blue")))
        done = result(post(processes.one, call("order", {"item": "cup"}, second, size="big")))
        assert cast("list[JsonObject]", done["content"])[0]["text"] == "cup blue big"
        assert processes.notes[2:] == ["begun two", "done two"]
        assert "Traceback" not in processes.one.stderr + processes.two.stderr


@pytest.mark.slow
def test_a_holder_that_was_killed(tmp_path: Path) -> None:
    """kill -9 while the call waits, and while its body works: a clear error in bounded time."""
    with pair(tmp_path) as processes:
        waiting = ask(processes.one, "order", {"item": "pen"})
        working = ask(processes.one, "work", {"seconds": 60})
        with HttpPeer(processes.two.port) as peer:
            peer.begin(call("work", {"seconds": 60}, working, go=True))
            processes.one.says("[working]")
            processes.one.signal(signal.SIGKILL)
            processes.one.ended()
            began = time.monotonic()
            code, text = error_of(post(processes.two, call("order", {"item": "pen"}, waiting, color="red")))
            assert (code, "without requestState" in text) == (INVALID_PARAMS, True)
            assert time.monotonic() - began < 4
            code, text = error_of(peer.answer())
            assert (code, "was lost" in text) == (INTERNAL_ERROR, True)
            assert time.monotonic() - began < 15
        assert "Traceback" not in processes.two.stderr


@pytest.mark.slow
def test_a_client_that_leaves_the_other_process(tmp_path: Path) -> None:
    """CAN-01: the body is cancelled where it runs."""
    with pair(tmp_path) as processes:
        asked = ask(processes.one, "work", {"seconds": 60})
        with HttpPeer(processes.two.port) as peer:
            peer.begin(call("work", {"seconds": 60}, asked, go=True))
            processes.one.says("[working]")
        processes.one.says("[cancelled]")
        assert processes.notes == ["working one", "cancelled one"]


@pytest.mark.slow
def test_a_process_that_got_the_retry_is_killed(tmp_path: Path) -> None:
    """Nobody hears the body any more: it is cancelled."""
    with pair(tmp_path) as processes:
        asked = ask(processes.one, "work", {"seconds": 60})
        with HttpPeer(processes.two.port) as peer:
            peer.begin(call("work", {"seconds": 60}, asked, go=True))
            processes.one.says("[working]")
            processes.two.signal(signal.SIGKILL)
            processes.two.ended()
        processes.one.says("[cancelled]")


@pytest.mark.slow
def test_a_holder_that_drains(tmp_path: Path) -> None:
    """D07: what it took it finishes; what waits there is refused in bounded time."""
    with pair(tmp_path) as processes:
        waiting = ask(processes.one, "order", {"item": "pen"})
        working = ask(processes.one, "work", {"seconds": 1})
        with HttpPeer(processes.two.port) as peer:
            peer.begin(call("work", {"seconds": 1}, working, go=True))
            processes.one.says("[working]")
            ended = processes.one.ended(processes.one.signal(signal.SIGTERM))
            assert cast("list[JsonObject]", result(peer.answer())["content"])[0]["text"] == "worked"
        assert (ended.status, ended.seconds < 5) == (0, True)
        code, _ = error_of(post(processes.two, call("order", {"item": "pen"}, waiting, color="red")))
        assert code == INVALID_PARAMS
        assert "Traceback" not in ended.stderr
