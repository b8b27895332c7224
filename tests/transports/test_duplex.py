"""One channel with both eras on it, without a transport around it."""

from __future__ import annotations

import asyncio
import gc
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonValue
from tests.drivers.duplex import Answer, Wire, codes
from tests.drivers.stdio import META, call, cancel, handshake, request

INITIALIZE = handshake()[0]


# --- requests ---------------------------------------------------------------------------------------------------------


async def test_a_request_is_answered_under_its_id() -> None:
    """RPC-04: of the same type."""
    wire = Wire()
    wire.feed(request(1, "a"), request("1", "b"), request("", "c"), request(-0, "d"))
    assert codes(await wire.settle()) == [(1, 0), ("1", 0), ("", 0), (0, 0)]


async def test_the_era_is_the_requests_own() -> None:
    """VER-10, META-06: modern metadata decides for one request; the handshake for the others."""
    wire = Wire()
    wire.feed(
        request(1, "a"), request(2, "a", era="legacy"), INITIALIZE, request(3, "a", era="legacy"), request(4, "a")
    )
    refused, *served = await wire.settle()
    assert codes([refused]) == [(2, -32600)]
    revisions = {answer.id: (answer.result or {})["revision"] for answer in served}
    assert revisions == {1: "2026-07-28", "hello": "2025-11-25", 3: "2025-11-25", 4: "2026-07-28"}


async def test_errors_of_a_service_are_answers() -> None:
    """RPC-17: an error with a wire form as it is, everything else as an internal error, SystemExit included."""
    wire, problems = Wire(), list[str]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(str(context["exception"])))
    wire.feed(request(1, "fail"), request(2, "break"), request(3, "exit"), request(4, "fine"))
    answers = await wire.settle()
    assert codes(answers) == [(1, -32602), (2, -32603), (3, -32603), (4, 0)]
    assert answers[0].error is not None
    assert answers[0].error.data == {"field": "a"}
    wire.feed(request(1, "fine"), request(2, "fine"), request(3, "fine"))
    assert codes(await wire.settle()) == [(1, 0), (2, 0), (3, 0)]
    # What a service should not raise is reported with its traceback when its task is forgotten.
    gc.collect()
    assert problems == ["a service that is no server"]


async def test_only_the_last_answer_is_said_to_be_the_last() -> None:
    """D19: what is answered in one turn of the loop may leave together."""
    wire = Wire()
    wire.feed(*(request(number, "a") for number in range(4)))
    await wire.settle()
    wire.feed(request(4, "a"))
    await wire.settle()
    assert wire.lasts == [False, False, False, True, True]


async def test_answers_of_the_peer_are_ignored() -> None:
    """RPC-13: this side asks nothing on a channel without a back-channel, so no answer belongs anywhere."""
    wire = Wire()
    wire.feed(b'{"jsonrpc":"2.0","id":1,"result":{}}', b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}')
    assert await wire.settle() == []


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 256])
async def test_calls_in_flight(limit: int) -> None:
    """calls_per_connection at the limit and one over: the one over is busy."""
    wire = Wire(Limits(calls_per_connection=limit))
    wire.feed(*(request(number, "wait") for number in range(limit - 1)))
    assert await wire.settle() == []
    wire.feed(request("at", "wait"), request("over", "wait"))
    assert codes(await wire.settle()) == [("over", 429)]
    wire.gate.set()
    assert len(await wire.settle()) == limit
    wire.feed(request("after", "wait"))
    assert codes(await wire.settle()) == [("after", 0)]


async def test_bytes_in_flight() -> None:
    """bytes_in_flight at limit - 1, limit and limit + 1, in sum; what is answered does not count any more."""
    size = len(request(1, "wait"))
    for spare, code in ((1, None), (0, None), (-1, 429)):
        wire = Wire(Limits(bytes_in_flight=2 * size + spare))
        wire.feed(request(1, "wait"), request(2, "wait"))
        assert codes(await wire.settle()) == ([] if code is None else [(2, code)])
        wire.gate.set()
        await wire.settle()
        wire.feed(request(3, "wait"), request(4, "a"))
        assert (3, 0) in codes(await wire.settle())


async def test_refused_and_failed_requests_leave_nothing_behind() -> None:
    """Whatever is wrong with a request, its id and its bytes are free again."""
    wire = Wire(Limits(calls_per_connection=2, bytes_in_flight=1000))
    bad_meta = msgspec.json.encode(
        {
            "jsonrpc": "2.0",
            "id": 7,
            "method": "a",
            "params": {"_meta": {**META, "io.modelcontextprotocol/protocolVersion": 1}},
        }
    )
    for _ in range(20):
        wire.feed(bad_meta, request(7, "a", era="legacy"), request(7, "fail"))
        assert codes(await wire.settle()) == [(7, -32602), (7, -32600), (7, -32602)]


async def test_a_line_over_the_limit() -> None:
    """line_bytes at limit - 1, limit and limit + 1; the next line is served."""
    line = request(1, "a")
    for limit, code in ((len(line) + 1, 0), (len(line), 0), (len(line) - 1, -32600)):
        wire = Wire(Limits(line_bytes=limit))
        wire.feed(line)
        assert codes(await wire.settle()) == [(1 if code == 0 else None, code)]
        wire.feed(b"7")
        assert codes(await wire.settle()) == [(None, -32600)]


# --- cancellation -----------------------------------------------------------------------------------------------------


async def test_nothing_is_said_for_a_cancelled_call() -> None:
    """STDIO-05: no result, no error, no notification; `cancelled` is told; the id is free once it has stopped."""
    wire = Wire()
    wire.feed(request(1, "wait"), request(2, "deaf"))
    await wire.settle()
    wire.feed(cancel(1), cancel(2), cancel(2))
    assert await wire.settle() == []
    assert [reply.cancelled for reply in wire.replies] == [True, True]
    wire.feed(request(1, "a"), request(2, "a"))
    assert codes(await wire.settle()) == [(1, 0), (2, 0)]


async def test_a_call_that_has_not_begun_never_does() -> None:
    """CAN-01: cancelled in the chunk that it came in."""
    wire = Wire(Limits(calls_per_connection=1))
    wire.feed(request(1, "wait"), cancel(1))
    assert await wire.settle() == []
    assert wire.started == []
    wire.feed(request(1, "a"))
    assert codes(await wire.settle()) == [(1, 0)]


async def test_odd_cancellations() -> None:
    """CAN-01: unknown, finished, malformed."""
    wire = Wire()
    wire.feed(request(1, "wait"), request(2, "a"))
    await wire.settle()
    odd: list[JsonValue] = [2, 3, "1", True, 1.0, 1.5, None, [1], {"requestId": 1}, ""]
    wire.feed(*(cancel(value) for value in odd))
    wire.feed(b'{"jsonrpc":"2.0","method":"notifications/cancelled"}')
    wire.gate.set()
    assert codes(await wire.settle()) == [(1, 0)]


async def test_an_id_in_use() -> None:
    """RPC-03: hurts the duplicate alone."""
    wire = Wire()
    wire.feed(request(1, "wait"), request(1, "a"))
    assert codes(await wire.settle()) == [(1, -32600)]
    wire.gate.set()
    assert codes(await wire.settle()) == [(1, 0)]


# --- what is said before the result -----------------------------------------------------------------------------------


async def test_notifications_come_before_the_result() -> None:
    """PRG-01: in the order in which they were sent."""
    wire = Wire()
    wire.feed(request(1, "tell"))
    assert [answer.method for answer in await wire.settle()] == ["notifications/progress"] * 3 + [None]


async def test_who_notifies_waits_for_room() -> None:
    """D11: a full outlet holds up the call that writes, and a cancellation frees it."""
    wire = Wire()
    wire.full = True
    wire.feed(request(1, "tell"), request(2, "tell"))
    assert len(await wire.settle()) == 2
    wire.feed(cancel(2))
    wire.roomy.set()
    assert [answer.method for answer in await wire.settle()] == ["notifications/progress"] * 2 + [None]


# --- batches ----------------------------------------------------------------------------------------------------------


def batch(*entries: bytes) -> bytes:
    return b"[" + b",".join(entries) + b"]"


async def test_a_batch_is_answered_when_all_of_it_is() -> None:
    """RPC-16: in one message; cancelled calls and notifications are left out."""
    wire = Wire()
    wire.feed(handshake(version="2025-03-26")[0])
    await wire.settle()
    entries = [request(1, "wait", era="legacy"), request(2, "a", era="legacy"), request(3, "wait", era="legacy"), b"[]"]
    wire.feed(batch(*entries, cancel(9), request(2, "a", era="legacy")))
    assert await wire.settle() == []
    wire.feed(cancel(3), request(4, "a", era="legacy"))
    assert codes(await wire.settle()) == [(4, 0)]
    wire.gate.set()
    await asyncio.sleep(0)
    for _ in range(5):
        await asyncio.sleep(0)
    (line,) = wire.lines
    answers = msgspec.json.decode(line, type=list[Answer])
    assert sorted(codes(answers), key=str) == sorted([(1, 0), (2, 0), (None, -32600), (2, -32600)], key=str)


async def test_a_batch_without_requests_has_no_answer() -> None:
    """RPC-05, RPC-16: notifications alone, and calls that were all cancelled."""
    wire = Wire()
    wire.feed(handshake(version="2025-03-26")[0])
    await wire.settle()
    wire.feed(batch(cancel(1), handshake()[1]))
    wire.feed(batch(request(1, "wait", era="legacy"), cancel(1)))
    assert await wire.settle() == []
    wire.feed(request(1, "a", era="legacy"))
    assert codes(await wire.settle()) == [(1, 0)]


async def test_the_bytes_of_a_batch_count_once() -> None:
    """bytes_in_flight: a batch is not as many times its length as it has entries."""
    entries = [request(number, "wait", era="legacy") for number in range(50)]
    wire = Wire(Limits(bytes_in_flight=len(batch(*entries))))
    wire.feed(handshake(version="2025-03-26")[0])
    await wire.settle()
    wire.feed(batch(*entries))
    await wire.settle()
    assert len(wire.started) == 51
    await wire.duplex.aclose(1)


# --- the end ----------------------------------------------------------------------------------------------------------


async def test_draining_lets_calls_finish() -> None:
    """D07: those in flight are answered; the time is bounded."""
    wire = Wire()
    wire.feed(request(1, "wait"))
    await wire.settle()
    await wire.duplex.drain(0.01)
    assert await wire.settle() == []
    draining = asyncio.create_task(wire.duplex.drain(10))
    await asyncio.sleep(0)
    wire.gate.set()
    await draining
    assert codes(await wire.settle()) == [(1, 0)]


async def test_closing_gives_calls_up_in_silence() -> None:
    """D07: they are cancelled, clean up and are not answered; later requests of the session are refused."""
    wire = Wire()
    wire.feed(INITIALIZE, request(1, "wait"), request(2, "deaf"), request(3, "wait", era="legacy"))
    await wire.settle()
    await wire.duplex.aclose(1)
    assert await wire.settle() == []
    wire.feed(request(4, "a", era="legacy"))
    assert codes(await wire.settle()) == [(4, -32600)]


# --- anything at all --------------------------------------------------------------------------------------------------

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
odd_meta = st.fixed_dictionaries(
    {},
    optional={
        "io.modelcontextprotocol/protocolVersion": values | st.sampled_from(["2026-07-28", "2025-11-25", "\ud800"]),
        "io.modelcontextprotocol/clientCapabilities": values,
        "io.modelcontextprotocol/clientInfo": values,
        "io.modelcontextprotocol/logLevel": values,
        "progressToken": values,
    },
)
odd_params = st.fixed_dictionaries(
    {}, optional={"_meta": values | odd_meta, "requestId": values, "level": values, "protocolVersion": values}
)
odd_messages = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.sampled_from(["2.0", "1.0", 2.0]) | values,
        "id": values,
        "method": values
        | st.sampled_from(["initialize", "notifications/cancelled", "logging/setLevel", "ping", "a", "fail"]),
        "params": values | odd_params,
        "result": values,
        "error": values,
    },
)


@settings(max_examples=150, deadline=None)
@given(
    messages=st.lists(odd_messages.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40), max_size=4),
    cuts=st.lists(st.integers(0, 300), max_size=4),
    batches=st.booleans(),
)
def test_the_channel_survives_anything(messages: list[bytes], cuts: list[int], batches: bool) -> None:
    """RPC-01..05: whatever comes, however it is cut, nothing is raised, and the next request is served."""

    async def run() -> None:
        wire = Wire()
        if batches:
            wire.feed(handshake(version="2025-03-26")[0])
        data = b"\n".join(messages) + b"\n"
        for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(data)], strict=True):
            wire.duplex.feed(data[start:end])
        for _ in range(10):
            await asyncio.sleep(0)
        wire.lines.clear()
        wire.feed(call("after", "anything"))
        assert [(answer.id, answer.error) for answer in await wire.settle()] == [("after", None)]
        await wire.duplex.aclose(1)

    asyncio.run(run())
