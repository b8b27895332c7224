"""Trace context: what is read, what is left out, and what may be sent (RPC-15)."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyport.protocol.trace_context import TraceContext, check_trace_context, read_baggage, read_trace_context
from anyport.protocol.types.json import JsonObject, JsonValue

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


def test_a_trace_is_read() -> None:
    assert read_trace_context({"traceparent": PARENT, "tracestate": "a=1, t@b=2"}) == TraceContext(
        TRACE, SPAN, True, PARENT, "a=1, t@b=2"
    )
    unsampled = read_trace_context({"traceparent": f"00-{TRACE}-{SPAN}-02"})
    assert unsampled is not None
    assert not unsampled.sampled
    assert read_trace_context({}) is None


def test_a_later_version_may_have_more_parts() -> None:
    found = read_trace_context({"traceparent": f"01-{TRACE}-{SPAN}-01-more"})
    assert found is not None
    assert found.trace_id == TRACE


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "garbage",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"{PARENT}\n",
        7,
        None,
    ],
)
def test_a_malformed_parent_is_none_and_is_not_sent(parent: JsonValue) -> None:
    """RPC-15."""
    meta: JsonObject = {"traceparent": parent, "tracestate": "a=1"}
    assert read_trace_context(meta) is None
    with pytest.raises(ValueError, match="'traceparent' is not in the format of the W3C"):
        check_trace_context(meta)


@pytest.mark.parametrize(
    "state", ["a", "a=", "A=1", "a=1,a=2", "a=\x00", ",".join(f"k{n}=1" for n in range(33)), f"a={'x' * 257}", 7]
)
def test_a_malformed_state_is_left_out_and_is_not_sent(state: JsonValue) -> None:
    """RPC-15."""
    found = read_trace_context({"traceparent": PARENT, "tracestate": state})
    assert found is not None
    assert found.tracestate is None
    with pytest.raises(ValueError, match="'tracestate' is not"):
        check_trace_context({"traceparent": PARENT, "tracestate": state})


@pytest.mark.parametrize("baggage", ["k=v", "k=", "a=1,b=2;p;q=3", " a = 1 ; p "])
def test_baggage(baggage: str) -> None:
    assert read_baggage({"baggage": baggage}) == baggage
    check_trace_context({"baggage": baggage})


@pytest.mark.parametrize(
    "baggage", ["", "k", "=v", "k=a b", 'k="v"', "k=1,", "k=" + "v" * 8192, ",".join(["a=1"] * 181)]
)
def test_malformed_baggage_is_left_out_and_is_not_sent(baggage: str) -> None:
    """RPC-15."""
    assert read_baggage({"baggage": baggage}) is None
    with pytest.raises(ValueError, match="'baggage' is not"):
        check_trace_context({"baggage": baggage})


def test_a_state_means_nothing_alone() -> None:
    with pytest.raises(ValueError, match="without 'traceparent'"):
        check_trace_context({"tracestate": "a=1"})


_HEX = st.text(st.sampled_from("0123456789abcdef"), min_size=1, max_size=40)


@given(st.text(st.sampled_from(string.printable), max_size=80) | st.builds("00-{}-{}-{}".format, _HEX, _HEX, _HEX))
def test_whatever_is_read_may_be_sent(text: str) -> None:
    for name in ("traceparent", "tracestate", "baggage"):
        meta: JsonObject = {"traceparent": PARENT, name: text}
        context, baggage = read_trace_context(meta), read_baggage(meta)
        kept = baggage if name == "baggage" else context and getattr(context, name)
        if kept is not None:
            check_trace_context(meta)
        else:
            with pytest.raises(ValueError, match=name):
                check_trace_context(meta)
