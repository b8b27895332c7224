"""Which answer belongs to which request: duplicates, limits, cancellation, late answers (RPC-03, CAN-01, PRG-01)."""

from __future__ import annotations

import pytest

from anyport.protocol.correlation import Received, Sent
from anyport.protocol.errors import Busy, ErrorObject, InvalidRequest, LocalProtocolError
from anyport.protocol.jsonrpc import ErrorResponse, Response
from anyport.protocol.types.json import JsonObject, JsonValue


def holding(*ids: int | str, limit: int = 256) -> Received[str]:
    """Open requests, each kept with its id as text."""
    received: Received[str] = Received(limit)
    for request_id in ids:
        received.admit(request_id)
        received.open(request_id, f"{request_id!r}")
    return received


def failed(request_id: int | str | None) -> ErrorResponse:
    return ErrorResponse(request_id, ErrorObject(-1, "no"))


# --- what the peer asked ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_id", [1, 0, -1, "a", ""])
def test_an_open_id_is_refused_until_it_is_answered(request_id: int | str) -> None:
    """RPC-03."""
    received = holding(request_id)
    with pytest.raises(InvalidRequest, match="not answered yet"):
        received.admit(request_id)
    assert received.close(request_id) == f"{request_id!r}"
    received.admit(request_id)
    assert len(received) == 0


def test_the_type_belongs_to_the_id() -> None:
    """1 and "1" are two requests (RPC-04)."""
    received = holding(1, "1")
    assert len(received) == 2
    assert received.close("1") == "'1'"
    assert received.cancelled({"requestId": 1}) == "1"
    assert received.cancelled({"requestId": "1"}) is None


@pytest.mark.parametrize(("opened", "fits"), [(2, True), (3, False), (4, False)])
def test_the_limit(opened: int, fits: bool) -> None:
    """limit - 1, limit, limit + 1 requests that are open already."""
    received = holding(*range(min(opened, 3)), limit=3)
    if opened == 4:
        received.open(3, "admitted by somebody else")
    if fits:
        received.admit(99)
        received.open(99, "x")
        assert len(received) == 3
    else:
        with pytest.raises(Busy, match=r"^3 calls .*limit calls_per_connection"):
            received.admit(99)


def test_room_comes_back() -> None:
    received = holding(1, 2, limit=2)
    received.close(1)
    received.admit(3)


def test_a_duplicate_is_told_even_when_there_is_no_room() -> None:
    received = holding(1, limit=1)
    with pytest.raises(InvalidRequest):
        received.admit(1)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"requestId": None},
        {"requestId": True},
        {"requestId": 1.0},
        {"requestId": "1"},
        {"requestId": [1]},
        {"requestId": {"id": 1}},
        {"requestId": 2},
        {"id": 1},
        {"requestId": 2**60},
    ],
)
def test_a_cancellation_that_fits_nothing_is_ignored(params: JsonObject) -> None:
    """CAN-01: unknown, finished, malformed."""
    received = holding(1)
    assert received.cancelled(params) is None
    assert received.values() == ["1"]


def test_a_cancellation_does_not_answer() -> None:
    received = holding(1, "b")
    assert received.cancelled({"requestId": "b", "reason": "bored"}) == "'b'"
    assert len(received) == 2
    received.close("b")
    assert received.cancelled({"requestId": "b"}) is None
    assert received.close("b") is None


# --- what this side asked ---------------------------------------------------------------------------------------------


def test_ids_are_never_used_twice() -> None:
    """RPC-03, legacy included: not even after the answer."""
    sent: Sent[str] = Sent()
    seen: list[int] = []
    for _ in range(5):
        request_id = sent.next_id()
        seen.append(request_id)
        sent.open(request_id, "x")
        sent.forget(request_id)
    assert seen == [1, 2, 3, 4, 5]


def test_an_id_in_use_cannot_be_sent() -> None:
    sent: Sent[str] = Sent()
    sent.open(1, "x")
    with pytest.raises(LocalProtocolError, match="in use"):
        sent.open(1, "y")
    assert sent.match(Response(1, {})) == "x"


@pytest.mark.parametrize("answer", [Response(1, {}), failed(1)])
def test_an_answer_is_taken_once(answer: Response | ErrorResponse) -> None:
    sent: Sent[str] = Sent()
    sent.open(1, "x")
    assert sent.match(answer) == "x"
    assert sent.match(answer) is None


@pytest.mark.parametrize(
    "answer", [Response(2, {}), Response("1", {}), Response(-1, {}), failed(2), failed("1"), failed(None)]
)
def test_late_and_foreign_answers_are_ignored(answer: Response | ErrorResponse) -> None:
    """CAN-01; an error without id belongs to nobody."""
    sent: Sent[str] = Sent()
    sent.open(1, "x")
    sent.open(2, "y")
    sent.forget(2)
    assert sent.match(answer) is None
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("token", "found"),
    [(1, "x"), ("b", "y"), ("1", None), (True, None), (1.0, None), (None, None), ([1], None), ({}, None), (9, None)],
)
def test_progress_finds_the_open_request_alone(token: JsonValue, found: str | None) -> None:
    """PRG-01: the token is the id; nothing after the answer."""
    sent: Sent[str] = Sent()
    sent.open(1, "x")
    sent.open("b", "y")
    assert sent.progress({"progressToken": token, "progress": 1}) == found
    sent.drain()
    assert sent.progress({"progressToken": token}) is None


def test_progress_without_a_token() -> None:
    sent: Sent[str] = Sent()
    assert sent.progress({}) is None


def test_the_end_of_the_peer_gives_everything_back() -> None:
    sent: Sent[str] = Sent()
    for text in "abc":
        sent.open(sent.next_id(), text)
    assert sent.drain() == ["a", "b", "c"]
    assert sent.drain() == []
    assert sent.match(Response(1, {})) is None
    assert sent.next_id() == 4
