"""Changes on stdio: a real child process, both eras on its one channel, and how streams end with it."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from anyport.protocol.types.json import JsonObject
from tests.drivers.stdio import Message, StdioProcess, asyncio_only, call, handshake, request
from tests.requirements import require_linux

CHANGING = Path(__file__).parent / "servers" / "changing.py"
LOOPS = pytest.mark.parametrize(
    "command", [[sys.executable, str(CHANGING)], asyncio_only(CHANGING)], ids=["uvloop", "asyncio"]
)
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
TOOLS = "notifications/tools/list_changed"
UPDATED = "notifications/resources/updated"
CANCELLED = "notifications/cancelled"
SUBSCRIPTION_ID = "io.modelcontextprotocol/subscriptionId"


def listen(request_id: int | str) -> bytes:
    wanted: JsonObject = {"toolsListChanged": True, "resourceSubscriptions": ["test://a"]}
    return request(request_id, "subscriptions/listen", {"notifications": wanted})


def told(message: Message) -> tuple[str | None, object]:
    """The method of a notification, and the stream that it belongs to."""
    meta = message.params.get("_meta")
    return message.method, meta.get(SUBSCRIPTION_ID) if isinstance(meta, dict) else None


@LOOPS
def test_streams_of_both_eras(command: list[str]) -> None:
    """S30, S31, SUB-02, SUB-03, TOOL-01: a change is told to each in its own way, from a thread too."""
    with StdioProcess(command) as server:
        server.send(listen("one"), listen(2))
        assert {told(server.receive()) for _ in range(2)} == {(ACKNOWLEDGED, "one"), (ACKNOWLEDGED, 2)}
        server.send(*handshake())
        server.answer("hello")
        server.send(request(5, "resources/subscribe", {"uri": "test://b"}, "legacy"))
        server.answer(5)
        server.send(call(6, "add_tool", {"name": "late"}, "legacy"))
        assert server.answer(6).text == "added"
        assert {told(server.receive()) for _ in range(3)} == {(TOOLS, "one"), (TOOLS, 2), (TOOLS, None)}
        server.send(call(7, "touch", {"uri": "test://a"}), call(8, "touch", {"uri": "test://b"}))
        assert {server.answer(7).text, server.answer(8).text} == {"touched"}
        assert {told(server.receive()) for _ in range(3)} == {(UPDATED, "one"), (UPDATED, 2), (UPDATED, None)}
        server.send(call(9, "late", {"name": "later"}))
        assert server.answer(9).text == "added"
        ended = server.end()
        assert ended.status == 0


@LOOPS
def test_streams_end_with_the_input(command: list[str]) -> None:
    """STDIO-08, SUB-04, SUB-05: at once, each with its result."""
    with StdioProcess(command) as server:
        server.send(listen(1), listen(2))
        assert {told(server.receive()) for _ in range(2)} == {(ACKNOWLEDGED, 1), (ACKNOWLEDGED, 2)}
        ended = server.end()
        assert ended.status == 0
        assert ended.seconds < 5, "the streams held the end"
        assert sorted(message.id for message in ended.messages if isinstance(message.id, int)) == [1, 2]
        assert sorted(told(message) for message in ended.messages if message.method) == [(CANCELLED, 1), (CANCELLED, 2)]
        results = [message.result for message in ended.messages if message.result]
        assert [result.result_type for result in results] == ["complete", "complete"]


@LOOPS
def test_streams_end_when_the_server_is_told_to_stop(command: list[str]) -> None:
    """SUB-04: SIGTERM."""
    require_linux("signals")
    with StdioProcess(command) as server:
        server.send(listen(1))
        assert told(server.receive()) == (ACKNOWLEDGED, 1)
        ended = server.signal(signal.SIGTERM)
        assert [message.id or told(message) for message in ended.messages] == [1, (CANCELLED, 1)]


@LOOPS
def test_what_a_pipe_sends_in_one_go(command: list[str]) -> None:
    """As ``printf ... | server``: the input has ended before the stream begins."""
    with StdioProcess(command) as server:
        server.send(listen(1), call(2, "touch", {"uri": "test://a"}))
        ended = server.end()
        assert ended.status == 0
        assert next(message.method or message.id for message in ended.messages if message.id != 2) == ACKNOWLEDGED
        assert {message.id for message in ended.messages if message.id} == {1, 2}
