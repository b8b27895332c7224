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
        line_bytes: Largest message on a newline-framed transport (stdio, sockets), in bytes, terminator excluded, and
            largest JSON body that a client takes over HTTP.
        event_bytes: Largest event of an event stream that a client reads, in bytes.
        header_bytes: Largest sum of HTTP header names and values, in bytes, of a request and of an answer.
        header_fields: Header fields of a request.
        url_bytes: Longest request target, in bytes.
        json_depth: Deepest nesting of objects and arrays in a message.
        id_chars: Longest string request id, in characters.
        batch_messages: Messages in one JSON-RPC batch (2025-03-26 only).
        bytes_in_flight: Sum of the request bytes that one process works on at a time.
        connections: Connections to a Unix or TCP socket.
        http_connections: Connections over HTTP; where the process may open fewer files, that many less a reserve.
        pipelined: Requests that one HTTP connection may have waiting behind the one that is being answered.
        calls_per_connection: Requests that one connection or session may have in flight; for a client, what its server
            may ask at a time.
        calls_per_address: Requests that callers without a name may have in flight over HTTP from one address; all
            those behind a proxy share the proxy's.
        calls_per_principal: Requests that one principal may have in flight over HTTP and HTTP+SSE, from wherever.
        listens: Listen streams in all.
        listens_per_principal: Listen streams of one principal.
        subscriptions_per_session: Resources that one legacy session or one listen stream may subscribe to.
        parked: Calls in all that may wait for an answer of their user, in the modern era.
        parked_per_principal: The same for one principal.
        parked_bytes: Bytes of the parameters of the calls that wait so.
        answer_s: Seconds that a user may take to answer a question.
        state_bytes: Bytes of answers and side effects that may travel with a call that is replayed.
        sync_threads: Threads for tools written as plain ``def`` functions.
        sync_queue: Calls that may wait for one of those threads before a call is refused as busy.
        progress_per_s: Progress notifications of one call in a second, and at once; of faster ones the last is sent.
        logs_per_s: Log notifications of one call in a second, and at once; it ends with the number of those left out.
        sessions: Legacy sessions in all.
        sessions_per_principal: Legacy sessions of one principal.
        session_bytes: Bytes of the handshake that a legacy session keeps, and of the URIs that it subscribes to.
        session_idle_s: Seconds after which an unused legacy session ends.
        stream_buffer_bytes: Bytes that may wait for a slow reader of a stream before it is dropped.
        stream_buffers_bytes: Bytes that may wait for all readers of HTTP+SSE together; above, the slowest is dropped.
        stream_events: Events kept of one stream for a client that comes back; the final response is always kept.
        stream_bytes: Bytes kept of one stream.
        log_bytes: Bytes kept of all streams, by a server that was given no store.
        stream_idle_s: Seconds after its last event for which a stream is kept.
        first_byte_s: Seconds after which a silent answer becomes an event stream, and between its keep-alives.
        header_s: Seconds that the head of an HTTP request may take to come, from its first byte on.
        body_s: Seconds that the body of an HTTP request may take to come; again as many for each
            ``body_bytes_per_s * body_s`` bytes of it that came.
        body_bytes_per_s: Slowest that a body may come over a longer time.
        keep_alive_s: Seconds for which an HTTP connection stays open without a request.
        write_s: Seconds that a peer may take to accept bytes before its connection is given up.
        drain_s: Seconds that calls in flight get at shutdown.
    """

    body_bytes: int = 4 * 2**20
    line_bytes: int = 16 * 2**20
    event_bytes: int = 2**20
    header_bytes: int = 16 * 2**10
    header_fields: int = 100
    url_bytes: int = 8 * 2**10
    json_depth: int = 64
    id_chars: int = 256
    batch_messages: int = 256
    bytes_in_flight: int = 64 * 2**20
    connections: int = 256
    http_connections: int = 16_384
    pipelined: int = 128
    calls_per_connection: int = 256
    calls_per_address: int = 1024
    calls_per_principal: int = 64
    listens: int = 10_000
    listens_per_principal: int = 64
    subscriptions_per_session: int = 1_000
    parked: int = 1_000
    parked_per_principal: int = 64
    parked_bytes: int = 64 * 2**20
    answer_s: float = 600.0
    state_bytes: int = 256 * 2**10
    sync_threads: int = 32
    sync_queue: int = 128
    progress_per_s: int = 1_000
    logs_per_s: int = 1_000
    sessions: int = 10_000
    sessions_per_principal: int = 100
    session_bytes: int = 256 * 2**10
    session_idle_s: float = 1800.0
    stream_buffer_bytes: int = 256 * 2**10
    stream_buffers_bytes: int = 64 * 2**20
    stream_events: int = 1_000
    stream_bytes: int = 4 * 2**20
    log_bytes: int = 64 * 2**20
    stream_idle_s: float = 600.0
    first_byte_s: float = 15.0
    header_s: float = 10.0
    body_s: float = 30.0
    body_bytes_per_s: int = 8 * 2**10
    keep_alive_s: float = 75.0
    write_s: float = 30.0
    drain_s: float = 10.0


DEFAULT_LIMITS = Limits()
