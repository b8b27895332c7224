"""Event streams: SSE-01, RES-01, RES-02, HTTP-09, D19, D24; regression class "quadratic line or event reader"."""

from __future__ import annotations

import re
import statistics
import time
import tracemalloc
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyport.protocol.sse import (
    MAX_RETRY,
    EventDecoder,
    EventTooLarge,
    ServerSentEvent,
    encode_comment,
    encode_event,
)

Decoded = list[ServerSentEvent | EventTooLarge]

stream_pieces = st.sampled_from(
    [
        *(b"\n", b"\r", b"\r\n", b"\n\n", b":", b" ", b": hi", b"data", b"data:", b"data: ", b"data:  x", b"id: 7"),
        *(
            b"id",
            b"id:a\0b",
            b"id:\xff",
            b"event: e",
            b"event:",
            b"retry: 10",
            b"retry:1x",
            b"retry:",
            b"dat",
            b"Data:x",
        ),
        *(b"\xef\xbb\xbf", b"\xef", b"\xbb\xbf", b"\xe2\x82", b"\xac", b"\0", b"{}", b"other: y"),
    ]
)
streams = st.lists(stream_pieces, max_size=25).map(b"".join)
cuts_anywhere = st.lists(st.integers(min_value=0), max_size=12)


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """The data, cut at these positions (modulo its length); some pieces may be empty."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def singly(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def run(chunks: Sequence[bytes], max_event: int = 2**20) -> tuple[Decoded, str, int | None]:
    decoder = EventDecoder(max_event)
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    decoder.close()
    return events, decoder.last_event_id, decoder.retry


def events_of(data: bytes) -> Decoded:
    """The events, decoded in one go and byte by byte, which has to be the same."""
    whole = run([data])
    assert run(singly(data)) == whole
    return whole[0]


def decode_plainly(stream: bytes) -> tuple[Decoded, str, int | None]:
    """The algorithm of the WHATWG standard as it is written there, on the whole text."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    events: Decoded = []
    last_id, id_buffer, data, event_type = "", "", "", ""
    reconnection: int | None = None
    own_retry: int | None = None
    for line in re.split("\r\n|\r|\n", text)[:-1]:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            last_id = id_buffer
            if data:
                payload = data.removesuffix("\n").encode()
                events.append(ServerSentEvent(payload, event_type or "message", last_id, own_retry))
            data, event_type, own_retry = "", "", None
        elif name == "data":
            data += value + "\n"
        elif name == "event":
            event_type = value
        elif name == "id" and "\0" not in value:
            id_buffer = value
        elif name == "retry" and re.fullmatch("[0-9]+", value):
            reconnection = own_retry = int(value)
    return events, last_id, reconnection


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"", []),
        (b"\n\n\n", []),
        (b"data: x\n\n", [ServerSentEvent(b"x")]),
        (b"data:x\n\n", [ServerSentEvent(b"x")]),
        (b"data:  x\n\n", [ServerSentEvent(b" x")]),
        (b"data:\tx\n\n", [ServerSentEvent(b"\tx")]),
        (b"data: a:b\n\n", [ServerSentEvent(b"a:b")]),
        (b"data: x\r\n\r\n", [ServerSentEvent(b"x")]),
        (b"data: x\r\r", [ServerSentEvent(b"x")]),
        (b"data: x\r\n\n", [ServerSentEvent(b"x")]),
        (b"data: x\n\r", [ServerSentEvent(b"x")]),
        (b"data: x\r\ndata: y\n\n", [ServerSentEvent(b"x\ny")]),
        (b"data: a\ndata: b\rdata: c\n\n", [ServerSentEvent(b"a\nb\nc")]),
        (b"data\n\n", [ServerSentEvent(b"")]),
        (b"data:\n\n", [ServerSentEvent(b"")]),
        (b"data\ndata\n\n", [ServerSentEvent(b"\n")]),
        (b"data:\ndata: x\ndata:\n\n", [ServerSentEvent(b"\nx\n")]),
        (b"event: e\ndata: x\n\ndata: y\n\n", [ServerSentEvent(b"x", "e"), ServerSentEvent(b"y")]),
        (b"event: e\nevent: f\ndata: x\n\n", [ServerSentEvent(b"x", "f")]),
        (b"event: e\nevent\ndata: x\n\n", [ServerSentEvent(b"x")]),
        (b"event: e\n\ndata: x\n\n", [ServerSentEvent(b"x")]),
        (b": c\n\n:\ndata: x\n:data: y\n\n", [ServerSentEvent(b"x")]),
        (b"DATA: y\n data: z\nother: 1\nno colon\ndata: x\n\n", [ServerSentEvent(b"x")]),
        (b"\xef\xbb\xbfdata: x\n\n", [ServerSentEvent(b"x")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: y\ndata: x\n\n", [ServerSentEvent(b"x")]),
        (b"data: x\n\n\xef\xbb\xbfdata: y\n\n", [ServerSentEvent(b"x")]),
        (b"\xef\xbbdata: y\n\ndata: x\n\n", [ServerSentEvent(b"x")]),
        (b"data: x\n", []),
        (b"data: x", []),
        (b"data: x\n\ndata: y\n", [ServerSentEvent(b"x")]),
        (b"data: \xff\xe2\x82\n\n", [ServerSentEvent(b"\xff\xe2\x82")]),
        (b"event: \xff\nid: \xfe\ndata\n\n", [ServerSentEvent(b"", "\ufffd", "\ufffd")]),
        (
            b"data: a\x0bb\x0cc\x1cd\xc2\x85e\xe2\x80\xa8f\n\n",
            [ServerSentEvent(b"a\x0bb\x0cc\x1cd\xc2\x85e\xe2\x80\xa8f")],
        ),
    ],
)
def test_the_rules_of_the_standard(stream: bytes, events: Decoded) -> None:
    assert events_of(stream) == events


def test_text_replaces_bad_utf8() -> None:
    assert ServerSentEvent(b"a\xff\xe2\x82b \xe2\x82\xac").text == "a\ufffd\ufffdb \u20ac"


@given(streams, cuts_anywhere)
@settings(max_examples=500, deadline=None)
def test_any_chunking_follows_the_standard(stream: bytes, cuts: list[int]) -> None:
    events, last_id, retry = run([stream])
    # Bad UTF-8 in data is left to the caller; `text` is what the standard's decoder makes of it.
    as_text: Decoded = [
        ServerSentEvent(each.text.encode(), each.event, each.id, each.retry)
        if isinstance(each, ServerSentEvent)
        else each
        for each in events
    ]
    assert (as_text, last_id, retry) == decode_plainly(stream)
    assert run(pieces(stream, cuts)) == (events, last_id, retry)
    assert run(singly(stream)) == (events, last_id, retry)


@given(streams, cuts_anywhere, st.integers(min_value=1, max_value=20))
@settings(max_examples=300, deadline=None)
def test_any_chunking_refuses_the_same_events(stream: bytes, cuts: list[int], limit: int) -> None:
    whole = run([stream], limit)
    assert run(pieces(stream, cuts), limit) == whole
    assert run(singly(stream), limit) == whole


single_lines = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=8)
sent_events = st.builds(
    ServerSentEvent,
    data=st.lists(st.sampled_from([b"", b"\n", b" ", b":", b"data", b"{}", b"\xff", b"x"]), max_size=6).map(b"".join),
    event=single_lines.map(lambda name: name or "message"),
    id=single_lines,
    retry=st.none() | st.integers(min_value=0, max_value=MAX_RETRY),
)


@given(st.lists(sent_events, max_size=5), cuts_anywhere)
@settings(max_examples=200, deadline=None)
def test_what_is_encoded_is_decoded(sent: list[ServerSentEvent], cuts: list[int]) -> None:
    stream = b"".join(encode_comment("x") + encode_event(e.data, event=e.event, id=e.id, retry=e.retry) for e in sent)
    assert run(pieces(stream, cuts))[0] == sent


@pytest.mark.parametrize("data", [b"a\nb", b"a\r\nb", b"a\rb"])
def test_every_line_end_in_data_arrives_as_a_newline(data: bytes) -> None:
    assert events_of(encode_event(data)) == [ServerSentEvent(b"a\nb")]


def test_line_ends_at_the_edges_of_data_are_kept() -> None:
    assert events_of(encode_event(b"\n\r\n a\r")) == [ServerSentEvent(b"\n\n a\n")]


def test_what_an_event_looks_like() -> None:
    assert encode_event(b"{}") == b"data: {}\n\n"
    assert encode_event(b"{}", event="message", id="7", retry=500) == b"id: 7\nevent: message\nretry: 500\ndata: {}\n\n"
    assert encode_event(b"/messages?s=1", event="endpoint") == b"event: endpoint\ndata: /messages?s=1\n\n"


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_field_cannot_be_injected(end: str) -> None:
    for value in (f"a{end}data: evil", end, f"a{end}"):
        with pytest.raises(ValueError, match="line end"):
            encode_event(b"", id=value)
        with pytest.raises(ValueError, match="line end"):
            encode_event(b"", event=value)
        assert events_of(encode_comment(f"{value}{end}{end}data: evil{end}{end}")) == []


def test_values_that_no_receiver_would_take_are_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        encode_event(b"", id="a\0")
    with pytest.raises(ValueError, match="negative"):
        encode_event(b"", retry=-1)
    with pytest.raises(ValueError, match="surrogates"):
        encode_event(b"", id="\ud800")


def test_comments() -> None:
    """HTTP-09, D24: a keep-alive is ignored."""
    assert encode_comment() == b":\n\n"
    assert encode_comment("ping") == b": ping\n\n"
    assert encode_comment("a\nb") == b": a\n: b\n\n"
    decoder = EventDecoder()
    assert decoder.feed(b"id: 1\ndata: x\n\n" + encode_comment("keep-alive \ud800")) == [ServerSentEvent(b"x", id="1")]
    assert decoder.last_event_id == "1"


def test_the_priming_event_sets_the_last_event_id() -> None:
    """RES-01: an id and empty data."""
    decoder = EventDecoder()
    assert decoder.feed(encode_event(b"", id="s1-0")) == [ServerSentEvent(b"", id="s1-0")]
    assert decoder.last_event_id == "s1-0"


def test_an_id_without_data_counts_though_nothing_is_dispatched() -> None:
    """RES-01, written without a data line."""
    decoder = EventDecoder()
    assert decoder.feed(b"id: 5\n") == []
    assert decoder.last_event_id == "", "it counts when the event ends"
    assert decoder.feed(b"\n") == []
    assert decoder.last_event_id == "5"


def test_the_last_event_id_persists_until_another_is_set() -> None:
    decoder = EventDecoder()
    stream = b"data: 1\n\nid: a\ndata: 2\n\ndata: 3\n\nid: b\0\ndata: 4\n\nid\ndata: 5\n\nid: c\ndata: 6"
    events = decoder.feed(stream)
    assert [event.id for event in events if isinstance(event, ServerSentEvent)] == ["", "a", "a", "a", ""]
    decoder.close()
    assert decoder.last_event_id == ""


# fmt: off
RETRIES: list[tuple[bytes, int | None]] = [
    (b"0", 0), (b"500", 500), (b"007", 7), (b"", None), (b"-1", None), (b"+1", None), (b"1.5", None), (b"1e3", None),
    (b"1 ", None), (b" 1", None), (b"1_0", None), ("\u0661".encode(), None), ("\u00b2".encode(), None),
    (b"9" * 15, 10**15 - 1), (b"1" + b"0" * 15, MAX_RETRY), (b"9" * 5000, MAX_RETRY), (b"0" * 5000 + b"3", 3),
]
# fmt: on


@pytest.mark.parametrize(("value", "retry"), RETRIES)
def test_retry_is_digits_only(value: bytes, retry: int | None) -> None:
    """RES-02: a client obeys it."""
    stream = b"retry: %s\n\n" % value
    assert run([stream]) == run(singly(stream)) == ([], "", retry)


def test_retry_counts_at_once_and_is_told_with_its_own_event_only() -> None:
    """RES-02."""
    decoder = EventDecoder()
    assert decoder.feed(b"retry: 500\n") == []
    assert decoder.retry == 500
    events = decoder.feed(b"data: a\n\ndata: b\n\nretry: x\ndata: c\n\n")
    assert [event.retry for event in events if isinstance(event, ServerSentEvent)] == [500, None, None]
    assert decoder.retry == 500


def test_an_event_comes_out_when_its_blank_line_comes() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b"data: x\r") == []
    assert decoder.feed(b"\r") == [ServerSentEvent(b"x")]
    assert decoder.feed(b"\ndata: y\n") == []
    assert decoder.feed(b"") == []
    assert decoder.feed(b"\ndata: z\n\n") == [ServerSentEvent(b"y"), ServerSentEvent(b"z")]


def test_a_closed_decoder_reads_the_stream_that_resumes() -> None:
    """RES-04: what was unfinished is dropped; the last event id and the reconnection time are kept."""
    decoder = EventDecoder()
    decoder.feed(b"\xef\xbb\xbfid: 1\nretry: 9\ndata: a\n\nid: 2\ndata: lost\r")
    decoder.close()
    assert (decoder.last_event_id, decoder.retry) == ("1", 9)
    assert decoder.feed(b"\xef\xbb\xbf\ndata: b\n\n") == [ServerSentEvent(b"b", id="1")]


def refused_or_not(stream: bytes, limit: int, size: int) -> Decoded:
    decoder = EventDecoder(limit)
    return [event for i in range(0, len(stream), size) for event in decoder.feed(stream[i : i + size])]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1, 5, 10_000])
def test_the_limit_is_exact(size: int, end: bytes) -> None:
    """Limit - 1, limit and limit + 1 bytes of lines; line ends and comments are not counted."""
    limit = 1000
    comment = b":" + b"c" * 3 * limit + end
    for length in (limit - 1, limit, limit + 1):
        payload = b"x" * (length - len(b"id: 1event: edata: data:"))
        event = (
            comment + b"id: 1" + end + b"event: e" + end + comment + b"data: " + payload + end + b"data:" + end + end
        )
        stream = event + b"data: next" + end + end
        first = EventTooLarge(limit) if length > limit else ServerSentEvent(payload + b"\n", "e", "1")
        assert refused_or_not(stream, limit, size) == [first, ServerSentEvent(b"next", id="1")]


def test_the_default_limit_is_1_mib() -> None:
    payload = b"x" * (2**20 - len(b"data: "))
    decoder = EventDecoder()
    assert decoder.feed(encode_event(payload)) == [ServerSentEvent(payload)]
    assert decoder.feed(encode_event(payload + b"x")) == [EventTooLarge(2**20)]


@pytest.mark.parametrize("max_event", [0, -1])
def test_a_limit_that_lets_nothing_through_is_refused(max_event: int) -> None:
    with pytest.raises(ValueError, match="max_event"):
        EventDecoder(max_event)


def test_a_large_event_is_reported_before_it_ends_and_only_once() -> None:
    decoder = EventDecoder(10)
    assert decoder.feed(b"id: 1\ndata:") == []
    assert decoder.feed(b"x") == [EventTooLarge(10)]
    assert decoder.feed(b"x" * 100 + b"\nid: 2\ndata: y") == []
    assert decoder.feed(b"z\n") == []
    assert decoder.last_event_id == ""
    assert decoder.feed(b"\n") == []
    assert decoder.last_event_id == "1", "a client must not resume in front of an event that it refuses"
    assert decoder.feed(b"data: ok\n\n") == [ServerSentEvent(b"ok", id="1")]


@pytest.mark.parametrize("line", [b"data: 12345\n", b"id: 12345\n", b"event: 12345\n", b"retry: 12345\n", b"unknown\n"])
def test_an_event_of_many_lines_is_bounded_too(line: bytes) -> None:
    """D11."""
    assert refused_or_not(line * 100 + b"\n", 500, 7) == [EventTooLarge(500)]


def test_comments_never_add_up() -> None:
    """A stream that is idle for long keeps itself alive without a blank line."""
    decoder = EventDecoder(10)
    assert decoder.feed(b": keep-alive\n" * 1000 + b"data: x\n\n") == [ServerSentEvent(b"x")]


def peak_memory(chunk: bytes, count: int, max_event: int) -> int:
    """The most bytes allocated at a time while the chunks come in."""
    decoder = EventDecoder(max_event)
    tracemalloc.start()
    try:
        for _ in range(count):
            decoder.feed(chunk)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("chunk", [b"x" * 2**16, b":" * 2**16, b"data:x\n" * 9362, b"\r" * 2**16, b":\n" * 2**15])
def test_no_stream_makes_the_decoder_grow(chunk: bytes) -> None:
    """D11: 3 MiB without an end of the event, under a limit of 64 KiB; a chunk's own lines are all there is."""
    assert peak_memory(chunk, 48, 2**16) < 2**20


def seconds_to_decode(piece: bytes, size: int) -> float:
    """The processor time, as the median of three runs, over one event in chunks of 64 bytes."""
    chunks = [piece * (64 // len(piece))] * (size // 64) + [b"\n\n"]
    runs: list[float] = []
    for _ in range(3):
        decoder = EventDecoder(2 * size)
        start = time.thread_time()
        for chunk in chunks:
            decoder.feed(chunk)
        runs.append(time.thread_time() - start)
    return statistics.median(runs)


@pytest.mark.parametrize("piece", [b"data:xxx", b"data:xx\n"])
def test_the_time_is_linear_in_the_bytes(piece: bytes) -> None:
    """D19: a quadratic reader takes 16 times as long for 4 times the bytes; one long line, and many short ones."""
    assert seconds_to_decode(piece, 4 * 2**20) / seconds_to_decode(piece, 2**20) < 8
