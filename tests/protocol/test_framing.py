"""Newline framing: STDIO-01, STDIO-10, D19; regression class "quadratic line or event reader"."""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyport.protocol.framing import PREFIX_LIMIT, SUFFIX_LIMIT, LineDecoder, LineTooLong, encode_line

SMALL_LIMIT = 6

stream_bytes = st.lists(
    st.sampled_from([b"\n", b"\r", b"\r\n", b" ", b"\t", b"{}", b"a", b"bc", b"\xff", b"\0", b"123456", b"1234567"]),
    max_size=30,
).map(b"".join)
messages = st.binary(min_size=1, max_size=40).filter(lambda m: not m.isspace() and b"\n" not in m and b"\r" not in m)


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """The data, cut at these positions (modulo its length); some pieces may be empty."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def decode(chunks: Sequence[bytes | memoryview], max_line: int = 2**20) -> list[bytes | LineTooLong]:
    decoder = LineDecoder(max_line)
    return [line for chunk in chunks for line in decoder.feed(chunk)] + decoder.close()


def decode_plainly(data: bytes, max_line: int) -> list[bytes | LineTooLong]:
    """What the decoder must give, written without any regard to chunks or cost."""
    lines = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    return [
        line if len(line) <= max_line else LineTooLong(max_line, line[: min(max_line, PREFIX_LIMIT)])
        for line in lines
        if len(line) > max_line or line.strip(b" \t\n\r\x0b\x0c")
    ]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n\r\n \t\n\n", []),
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\r\nb\r\n", [b"a", b"b"]),
        (b"a\r\r\n", [b"a\r"]),
        (b"a\rb\n", [b"a\rb"]),
        (b"\ra\n", [b"\ra"]),
        (b" a \n", [b" a "]),
        (b"a\n\n\nb\n", [b"a", b"b"]),
        (b"a\nb", [b"a", b"b"]),
        (b"a\nb\r", [b"a", b"b"]),
        (b"a\n  ", [b"a"]),
        (b"\xff\xfe\0\n", [b"\xff\xfe\0"]),
        ("é\u2028\x85".encode() + b"\x0b\x0c\x1c\n", ["é\u2028\x85".encode() + b"\x0b\x0c\x1c"]),
    ],
)
def test_lines_end_with_newlines_only_and_blank_ones_are_skipped(data: bytes, lines: list[bytes]) -> None:
    assert decode([data]) == lines
    assert decode([data[i : i + 1] for i in range(len(data))]) == lines


def test_a_line_is_delivered_when_its_newline_comes() -> None:
    decoder = LineDecoder()
    assert decoder.feed(b'{"a":') == []
    assert decoder.feed(b"1}") == []
    assert decoder.feed(b'\n{"b":2}\n{"c"') == [b'{"a":1}', b'{"b":2}']
    assert decoder.feed(b"") == []
    assert decoder.feed(b":3}\r") == []
    assert decoder.feed(b"\n") == [b'{"c":3}']
    assert decoder.close() == []


def test_the_buffer_fed_may_be_reused() -> None:
    buffer = bytearray(b"one\ntwo")
    decoder = LineDecoder()
    lines = decoder.feed(memoryview(buffer))
    buffer[:] = b"xxxxxxx"
    assert lines == [b"one"]
    assert decoder.close() == [b"two"]


def test_a_closed_decoder_is_as_new() -> None:
    decoder = LineDecoder(3)
    assert decoder.feed(b"ab") == []
    assert decoder.close() == [b"ab"]
    assert decoder.feed(b"12345") == [LineTooLong(3, b"123")]
    assert decoder.close() == []
    assert decoder.feed(b"cd\n") == [b"cd"]


@given(stream_bytes, st.lists(st.integers(min_value=0), max_size=12))
@settings(max_examples=300, deadline=None)
def test_any_chunking_gives_the_same_lines(data: bytes, cuts: list[int]) -> None:
    """STDIO-01: where reads happen to end means nothing."""
    expected = decode_plainly(data, SMALL_LIMIT)
    assert decode([data], SMALL_LIMIT) == expected
    assert decode(pieces(data, cuts), SMALL_LIMIT) == expected
    assert decode([data[i : i + 1] for i in range(len(data))], SMALL_LIMIT) == expected


@given(st.lists(messages, max_size=8), st.lists(st.integers(min_value=0), max_size=12))
@settings(max_examples=150, deadline=None)
def test_what_is_encoded_is_decoded(sent: list[bytes], cuts: list[int]) -> None:
    """STDIO-01."""
    assert decode(pieces(b"".join(map(encode_line, sent)), cuts)) == sent


@pytest.mark.parametrize("message", [b"\n", b"{\n}", b"{}\n", b"\r", b"{}\r\n", b"{\r}"])
def test_a_message_with_a_raw_line_end_is_refused(message: bytes) -> None:
    """STDIO-01: no embedded newline."""
    with pytest.raises(ValueError, match="line end"):
        encode_line(message)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("limit", [1, 100, 5000])
def test_the_limit_is_exact(limit: int, size: int, end: bytes) -> None:
    """Limit - 1, limit and limit + 1 bytes without the terminator, and the lines after are whole."""
    for length in (limit - 1, limit, limit + 1):
        line = b"x" * length
        data = b"b\n" + line + end + (b"a\n" if end else b"")
        expected: list[bytes | LineTooLong] = [b"b", line, b"a"] if end else [b"b", line]
        if length > limit:
            expected[1] = LineTooLong(limit, line[: min(limit, PREFIX_LIMIT)])
        elif not line:
            del expected[1]
        assert decode([data[i : i + size] for i in range(0, len(data), size)], limit) == expected
        assert decode([data], limit) == expected


@pytest.mark.parametrize("max_line", [0, -1])
def test_a_limit_that_lets_nothing_through_is_refused(max_line: int) -> None:
    with pytest.raises(ValueError, match="max_line"):
        LineDecoder(max_line)


def test_the_default_limit_is_16_mib() -> None:
    limit = 16 * 2**20
    line = b"x" * limit
    decoder = LineDecoder()
    assert decoder.feed(line) == []
    assert decoder.feed(b"\n") == [line]
    assert decoder.feed(line + b"y\nz\n") == [LineTooLong(limit, b"x" * PREFIX_LIMIT), b"z"]


def test_an_over_long_line_is_reported_before_it_ends_and_only_once() -> None:
    decoder = LineDecoder(4)
    assert decoder.feed(b"1234") == []
    assert decoder.feed(b"5") == [LineTooLong(4, b"1234")]
    assert decoder.feed(b"6" * 100) == []
    assert decoder.feed(b"7\nok\n") == [b"ok"]


@given(stream_bytes, st.lists(st.integers(min_value=0), max_size=12), st.sampled_from([SMALL_LIMIT, 300]))
@settings(deadline=None)
def test_the_end_of_an_over_long_line_is_known_when_it_has_come(data: bytes, cuts: list[int], limit: int) -> None:
    """However it is cut, also where it is longer than what is kept."""
    data = data.replace(b"a", b"0123456789" * 35)
    decoder, fed = LineDecoder(limit), b""
    for piece in pieces(data, cuts):
        decoder.feed(piece)
        fed += piece
        *ended, last = [line.removesuffix(b"\r") for line in fed.split(b"\n")]
        known = [b""] + [line for line in ended if len(line) > limit]
        if len(last) <= limit:
            assert known[-1].endswith(decoder.dropped)
            # The carriage return of its end is not among them.
            assert len(decoder.dropped) >= min(len(known[-1]), SUFFIX_LIMIT - 1)
        else:
            assert decoder.dropped == b""


def test_the_prefix_is_at_most_one_kib() -> None:
    line = b"0123456789abcdef" * 1000
    kept = line[:1024]
    assert decode([line], 2000) == [LineTooLong(2000, kept)]
    assert decode([line], 1025) == [LineTooLong(1025, kept)]
    assert decode([line], 1000) == [LineTooLong(1000, line[:1000])]


def peak_memory(chunk: bytes, count: int, max_line: int) -> int:
    """The most bytes allocated at a time while the chunks come in."""
    decoder = LineDecoder(max_line)
    tracemalloc.start()
    try:
        for _ in range(count):
            decoder.feed(chunk)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_an_over_long_line_is_not_stored() -> None:
    """D11: 64 MiB of one line under a limit of 64 KiB."""
    assert peak_memory(b"x" * 2**16, 1024, 2**16) < 2**18


def test_tiny_chunks_cost_no_more_memory_than_their_bytes() -> None:
    """D11: no object per chunk."""
    assert peak_memory(b"ab", 2**16, 2**20) < 2 * 2**17


def seconds_to_decode(size: int) -> float:
    """The processor time, as the median of three runs, over one line in chunks of 64 bytes."""
    chunks = [b"x" * 64] * (size // 64) + [b"\n"]
    runs: list[float] = []
    for _ in range(3):
        decoder = LineDecoder(size)
        start = time.thread_time()
        for chunk in chunks:
            decoder.feed(chunk)
        runs.append(time.thread_time() - start)
    return statistics.median(runs)


def test_the_time_is_linear_in_the_bytes() -> None:
    """D19: a quadratic reader takes 16 times as long for 4 times the bytes."""
    assert seconds_to_decode(4 * 2**20) / seconds_to_decode(2**20) < 8
