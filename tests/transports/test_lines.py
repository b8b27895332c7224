"""The channel of stdio and sockets, a client's side: requests, answers, questions, junk and the end, byte by byte."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyport.protocol.errors import ConnectError, InvalidRequest, LocalProtocolError, RemoteProtocolError, ServerExited
from anyport.protocol.jsonrpc import ErrorResponse, Notification, Request, Response
from anyport.protocol.limits import Limits
from anyport.protocol.revisions import LATEST_LEGACY, LATEST_MODERN
from anyport.protocol.types.json import JsonObject
from tests.drivers.line_server import LineServer, end_of, turn

# --- answers ----------------------------------------------------------------------------------------------------------


async def test_answers_in_any_order() -> None:
    """RPC-03, RPC-04: by id, of either kind, an id's type included."""
    server = LineServer()
    tasks = server.begin(1, 2, "2")
    await turn()
    assert [message["id"] for message in server.written] == [1, 2, "2"]
    server.say({"id": "2", "result": {"n": "text"}}, {"id": 2, "error": {"code": 1, "message": "no"}})
    server.say({"id": 1, "result": {"n": 1}})
    found = [await end_of(task) for task in tasks]
    assert [type(answer) for answer in found] == [Response, ErrorResponse, Response]
    assert found[2] == Response("2", {"n": "text"})
    (open_one,) = server.begin(7)
    await turn()
    with pytest.raises(LocalProtocolError, match="Request id 7 is in use"):
        await server.channel.request(Request(7, "ping", {}))
    server.say({"id": 7, "result": {}})
    await end_of(open_one)


MESSAGES = [
    b'{"jsonrpc":"2.0","method":"notifications/message","params":{"n":1}}\n',
    b"junk \xff\n",
    b'{"jsonrpc":"2.0","id":1,"result":{"n":2}}\r\n',
    b"\n",
    b'{"jsonrpc":"2.0","method":"notifications/message","params":{"n":3}}\n',
    b'[{"jsonrpc":"2.0","id":2,"result":{"n":4}},{"jsonrpc":"2.0","method":"x"}]\n',
]


@given(st.lists(st.integers(0, sum(len(line) for line in MESSAGES))))
def test_however_the_bytes_are_cut(cuts: Sequence[int]) -> None:
    """RPC-01, STDIO-01: the same answers, the same notifications in the same order."""

    async def check() -> None:
        server = LineServer()
        tasks = server.begin(1, 2)
        await turn()
        data = b"".join(MESSAGES)
        places = [0, *sorted(cuts), len(data)]
        for begin, stop in itertools.pairwise(places):
            server.channel.feed(data[begin:stop])
        assert [await end_of(task) for task in tasks] == [Response(1, {"n": 2}), Response(2, {"n": 4})]
        assert [message.params.get("n") for message in server.told] == [1, 3, None]

    asyncio.run(check())


async def test_answers_that_nobody_waits_for_are_told_apart(caplog: pytest.LogCaptureFixture) -> None:
    """RPC-05, CAN-01: to nothing, a second one, a late one, an error of nothing; the first of each is warned of."""
    server = LineServer()
    first, second = server.begin(1, 2)
    await turn()
    second.cancel()
    await turn()
    with caplog.at_level(logging.DEBUG, "anyport.client"):
        for _ in range(2):
            server.say({"id": 1, "result": {}}, {"id": 2, "result": {}}, {"id": 3, "result": {}})
            server.say({"error": {"code": 429, "message": "Busy"}})
    assert await end_of(first) == Response(1, {})
    seen = [(record.levelname, record.message) for record in caplog.records]
    late = ("DEBUG", "Ignored an answer to a request that was given up: id 2")
    nothing = "Ignored an answer to a request that was never sent: id 3"
    twice = "Ignored a second answer to a request: id 1"
    complaint = "The server reported an error and did not say of what: error 429: Busy"
    assert seen == [
        late,
        ("WARNING", nothing),
        ("WARNING", complaint),
        ("WARNING", twice),
        late,
        ("DEBUG", nothing),
        ("DEBUG", complaint),
    ]
    assert server.channel.complaint == "error 429: Busy"


# --- cancellation -----------------------------------------------------------------------------------------------------


async def test_a_request_that_is_given_up_is_cancelled_at_the_server() -> None:
    """STDIO-05, LIFE-08: but not the handshake, nor one that was never sent or is answered."""
    server = LineServer()
    tasks = [*server.begin(1), *server.begin(2, method="initialize"), *server.begin(3, method="server/discover")]
    answered = server.begin(4)
    await turn()
    server.say({"id": 4, "result": {}})
    server.read_nothing()
    unsent = server.begin(5)
    await turn()
    for task in (*tasks, *answered, *unsent):
        task.cancel()
    await turn()
    assert all(task.cancelled() for task in tasks)
    server.read_on()
    await turn()
    assert [message["id"] for message in server.written[:4]] == [1, 2, 3, 4]
    assert [(message["method"], message["params"]) for message in server.written[4:]] == [
        ("notifications/cancelled", {"requestId": 1, "reason": "The client gave the request up"})
    ]


async def test_requests_wait_for_a_server_that_does_not_read() -> None:
    """D01: they are not piled up in the channel; each is written when there is room for it."""
    server = LineServer()
    server.read_nothing()
    tasks = server.begin(1, 2)
    note = asyncio.create_task(server.channel.notify(Notification("notifications/x", {})))
    await turn()
    assert server.written == []
    server.read_on()
    await turn()
    assert sorted(str(message.get("id")) for message in server.written) == ["1", "2", "None"]
    server.say({"id": 1, "result": {}}, {"id": 2, "result": {}})
    await asyncio.gather(*tasks)
    await note


async def test_what_is_said_in_one_turn_leaves_together() -> None:
    """D19: one system call for several requests, none of them later than the turn that it was made in; in order."""
    server = LineServer()
    tasks = server.begin(*range(50))
    await turn()
    assert server.chunks == [1, 49]
    assert [message["id"] for message in server.written] == list(range(50))
    for number in range(50):
        server.say({"id": number, "result": {}})
    (alone,) = server.begin(99)
    await asyncio.sleep(0)
    assert server.chunks == [1, 49, 1]
    server.say({"id": 99, "result": {}})
    await asyncio.gather(*tasks, alone)
    large = [asyncio.create_task(server.channel.request(Request(n, "x", {"text": "x" * 2_500}))) for n in range(9)]
    await turn()
    # So much that the server need not wait for the rest to begin.
    assert server.chunks[3:] == [1, 2, 2, 2, 2]
    for task in large[:2]:
        task.cancel()
    await asyncio.sleep(0)
    await server.channel.aclose()
    cancelled = [message["params"] for message in server.written if message["method"] == "notifications/cancelled"]
    assert len(cancelled) == 9
    assert await asyncio.gather(*large[2:], return_exceptions=True)


# --- what is no answer ------------------------------------------------------------------------------------------------


async def test_a_batch_with_a_broken_answer_fails_that_request_alone() -> None:
    """RPC-16, D01."""
    server = LineServer()
    good, bad, other = server.begin(1, 2, 3)
    await turn()
    server.say([{"jsonrpc": "2.0", "id": 2, "result": 7}, {"jsonrpc": "2.0", "id": 1, "result": {"n": 1}}])
    assert await end_of(good) == Response(1, {"n": 1})
    with pytest.raises(RemoteProtocolError, match='no valid message: "result" must be an object'):
        await end_of(bad)
    server.say({"id": 3, "result": {}})
    assert await end_of(other) == Response(3, {})


async def test_broken_answers_among_several_requests() -> None:
    """D01, D19: too long, or cut by another one: the request is known by what the line begins with, or ends with."""
    server = LineServer(Limits(line_bytes=100))
    small, long = server.begin(1, 2)
    await turn()
    server.channel.feed(b'{"jsonrpc":"2.0","id":2,"method":"' + b"x" * 200 + b'"}\n')
    assert not long.done()
    server.channel.feed(b'{"jsonrpc":"2.0","id":2,"result":{"text":"' + b"x" * 200)
    with pytest.raises(RemoteProtocolError, match=r"more than 100 bytes \(limit line_bytes\)"):
        await end_of(long)
    server.channel.feed(b'"}}\n')
    cut, last = server.begin(3, 4)
    await turn()
    for head, tail in (("method", "4}"), ("result", "4}}")):
        server.channel.feed(f'{{"{head}":{{"text":"'.encode() + b"x" * 200)
        server.channel.feed(b'"},"jsonrpc":"2.0","id":' + tail.encode() + b"\n")
        assert not last.done()
    server.channel.feed(b'{"result":{"text":"' + b"x" * 200)
    server.channel.feed(b'xx"},"jsonrpc":"2.0","i')
    server.channel.feed(b'd":4}\r\n')
    with pytest.raises(RemoteProtocolError, match=r"more than 100 bytes \(limit line_bytes\)"):
        await end_of(last)
    server.channel.feed(b'{"jsonrpc":"2.0", "id":3, "result":{"text":"half {"jsonrpc":"2.0","id":1,"result":{}}\n')
    with pytest.raises(RemoteProtocolError, match="no valid message"):
        await end_of(cut)
    server.say({"id": 1, "result": {}})
    assert await end_of(small) == Response(1, {})


async def test_junk_is_shown_once(caplog: pytest.LogCaptureFixture) -> None:
    """D08, STDIO-02: a million lines are one warning, and none of them answers anything."""
    server = LineServer()
    tasks = server.begin(1, 2)
    await turn()
    for line in (b"Loading", b"\xff\xfe", b'{"a": 1}', b"[]", b"null", b'{"jsonrpc":"2.0","id":', b"[" * 50_000):
        server.channel.feed(line + b"\n")
    warned = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(warned) == 1
    assert warned[0].startswith("Skipped output of the server that is no message")
    assert warned[0].endswith("b'Loading'")
    assert not any(task.done() for task in tasks)
    server.say({"id": 1, "result": {}}, {"id": 2, "result": {}})
    await asyncio.gather(*tasks)


# --- what the server asks ---------------------------------------------------------------------------------------------


async def test_questions_are_answered_as_the_answers_come() -> None:
    """LIFE-07, RPC-04: out of order, results and errors, the id as it came."""
    server = LineServer()
    server.channel.settle(LATEST_LEGACY)
    server.say({"id": 1, "method": "ping"}, {"id": "a", "method": "roots/list", "params": {"x": 1}})
    await turn()
    assert server.questions == [Request(1, "ping", {}), Request("a", "roots/list", {"x": 1})]
    server.answers["a"].set_result(ErrorResponse("a", InvalidRequest("no").to_wire()))
    await turn()
    server.answers[1].set_result(Response(1, {}))
    await turn()
    assert server.written == [
        {"jsonrpc": "2.0", "id": "a", "error": {"code": -32600, "message": "no"}},
        {"jsonrpc": "2.0", "id": 1, "result": {}},
    ]


async def test_questions_are_bounded_in_number(caplog: pytest.LogCaptureFixture) -> None:
    """RPC-03: the limit, and an id that is in use, are refused; nothing is piled up for who reads nothing."""
    server = LineServer(Limits(calls_per_connection=2))
    server.channel.settle(LATEST_LEGACY)
    for number in (1, 2, 3):
        server.say({"id": number, "method": "ping"})
    server.say({"id": 1, "method": "ping"})
    await turn()
    codes = [(message["id"], message["error"]) for message in server.written]
    assert len(server.questions) == 2
    assert [(number, error["code"]) for number, error in codes if isinstance(error, dict)] == [(3, 429), (1, -32600)]
    server.read_nothing()
    for number in range(1000):
        server.say({"id": 100 + number, "method": "ping"})
    assert len(server.written) == 2
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
    await server.channel.aclose()


async def test_a_question_that_the_server_gives_up() -> None:
    """CAN-01: it is not answered any more; a cancellation of nothing is the user's to ignore."""
    server = LineServer()
    server.channel.settle(LATEST_LEGACY)
    server.say({"id": 1, "method": "ping"})
    await turn()
    server.say({"method": "notifications/cancelled", "params": {"requestId": 1, "reason": "too slow"}})
    server.say({"method": "notifications/cancelled", "params": {"requestId": 9}})
    await turn()
    assert server.answers[1].cancelled()
    assert server.written == []
    assert [message.params for message in server.told] == [{"requestId": 9}]


async def test_a_question_whose_answer_fails(caplog: pytest.LogCaptureFixture) -> None:
    """D01: the server is told in any case, and the log has what happened."""
    server = LineServer()
    server.channel.settle(LATEST_LEGACY)
    for number in (1, 2, 3):
        server.say({"id": number, "method": "roots/list"})
    await turn()
    server.answers[1].set_exception(ValueError("a secret"))
    server.answers[2].set_exception(InvalidRequest("known"))
    impossible: JsonObject = {"a": object()}  # pyright: ignore[reportAssignmentType] - that is the test
    server.answers[3].set_result(Response(3, impossible))
    await turn()
    errors = {message["id"]: message["error"] for message in server.written}
    assert errors[1] == {"code": -32603, "message": "The client failed to answer"}
    assert errors[2] == {"code": -32600, "message": "known"}
    assert "has no JSON form" in str(errors[3])
    assert "a secret" in caplog.text


async def test_questions_of_a_modern_server_are_not_answered(caplog: pytest.LogCaptureFixture) -> None:
    """STDIO-04, RPC-13."""
    server = LineServer()
    server.channel.settle(LATEST_MODERN)
    server.say({"id": 1, "method": "ping"})
    await turn()
    assert server.questions == server.written == []
    assert "which the modern era does not have: ping" in caplog.text


# --- the end ----------------------------------------------------------------------------------------------------------


async def test_the_end_fails_what_waits_and_what_comes() -> None:
    """D01: each with an error of its own, which says whether the server can have begun."""
    server = LineServer()
    server.channel.settle(LATEST_LEGACY)
    sent = server.begin(1, 2)
    server.say({"id": 1, "method": "ping"})
    await turn()
    server.read_nothing()
    held = server.begin(3)
    await turn()
    server.channel.feed(b'{"jsonrpc":"2.0","id":1,"result":{}}')
    reason = ServerExited(3, "last words")
    server.channel.end(reason)
    server.channel.end(ConnectError("again"))
    server.read_on()
    assert await end_of(sent[0]) == Response(1, {})
    found = await asyncio.gather(sent[1], *held, *server.begin(4), return_exceptions=True)
    errors = [error for error in found if isinstance(error, ServerExited)]
    assert [(error.code, error.stderr_tail, error.unsent) for error in errors] == [
        (3, "last words", False),
        (3, "last words", True),
        (3, "last words", True),
    ]
    assert len({id(error) for error in (*errors, reason)}) == 4
    assert server.lost == [reason]
    with pytest.raises(ServerExited):
        await server.channel.notify(Notification("x", {}))
    await turn()
    assert server.answers[1].cancelled()


async def test_a_death_in_the_middle_of_an_answer() -> None:
    """D01: the error is that the server is gone, not that its answer is no message."""
    server = LineServer()
    (task,) = server.begin(1)
    await turn()
    server.channel.feed(b'{"jsonrpc":"2.0","id":1,"result":{"a":')
    server.channel.end(ServerExited(-9))
    with pytest.raises(ServerExited):
        await end_of(task)


async def test_closing_fails_what_waits_and_tells_nobody() -> None:
    """D09, STDIO-05, LIFE-08: requests are cancelled at the server, too; what comes afterwards is not handed over."""
    server = LineServer()
    server.channel.settle(LATEST_LEGACY)
    (task,) = server.begin(1)
    opening = server.begin(5, method="initialize")
    server.say({"id": 1, "method": "ping"})
    await turn()
    await server.channel.aclose()
    await server.channel.aclose()
    await asyncio.gather(*opening, return_exceptions=True)
    assert [message.get("params") for message in server.written[2:]] == [
        {"requestId": 1, "reason": "The client was closed"}
    ]
    before = len(server.written)
    with pytest.raises(ConnectError, match="The client was closed") as caught:
        await end_of(task)
    assert not caught.value.unsent
    server.say({"id": 2, "method": "ping"}, {"method": "notifications/x"}, {"id": 1, "result": {}})
    server.channel.end(ServerExited(0))
    await turn()
    assert (server.told, server.lost, len(server.written), len(server.questions)) == ([], [], before, 1)
    with pytest.raises(ConnectError) as caught:
        await server.channel.request(Request(2, "x", {}))
    assert caught.value.unsent
