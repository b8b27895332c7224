"""Every bound that a peer can run into, as data.

A limit is a setting: ``Server(limits=Limits(body_bytes=...))``. Each refusal names the field below that
caused it, so that whoever reads the error knows what to change.
"""

from __future__ import annotations

from msgspec import Struct

MAX_SAFE_INTEGER = 2**53 - 1
"""The largest integer that every JSON peer represents exactly (IEEE 754 double precision)."""


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds on what a peer may send and hold.

    Attributes:
        body_bytes: Largest HTTP request body, in bytes.
        line_bytes: Largest message on a newline-framed transport (stdio, sockets), in bytes, terminator excluded.
        event_bytes: Largest event of an event stream that a client reads, in bytes.
        header_bytes: Largest sum of HTTP header names and values, in bytes.
        json_depth: Deepest nesting of objects and arrays in a message.
        id_chars: Longest string request id, in characters.
        batch_messages: Messages in one JSON-RPC batch (2025-03-26 only).
        bytes_in_flight: Sum of the request bytes that one process works on at a time.
        calls_per_connection: Requests that one connection or session may have in flight.
        calls_per_address: Requests that callers without a name may have in flight over HTTP from one address; all
            those behind a proxy share the proxy's.
        sync_threads: Threads for tools written as plain ``def`` functions.
        sync_queue: Calls that may wait for one of those threads before a call is refused as busy.
        sessions: Legacy sessions in all.
        sessions_per_principal: Legacy sessions of one principal.
        session_idle_s: Seconds after which an unused legacy session ends.
        first_byte_s: Seconds after which a silent answer becomes an event stream, and between its keep-alives.
        body_s: Seconds that the body of an HTTP request may take to come.
        write_s: Seconds that a peer may take to accept bytes before its connection is given up.
        drain_s: Seconds that calls in flight get at shutdown.
    """

    body_bytes: int = 4 * 2**20
    line_bytes: int = 16 * 2**20
    event_bytes: int = 2**20
    header_bytes: int = 16 * 2**10
    json_depth: int = 64
    id_chars: int = 256
    batch_messages: int = 256
    bytes_in_flight: int = 64 * 2**20
    calls_per_connection: int = 256
    calls_per_address: int = 1024
    sync_threads: int = 32
    sync_queue: int = 128
    sessions: int = 10_000
    sessions_per_principal: int = 100
    session_idle_s: float = 1800.0
    first_byte_s: float = 15.0
    body_s: float = 30.0
    write_s: float = 30.0
    drain_s: float = 10.0


DEFAULT_LIMITS = Limits()
