"""Limits that hold on every transport, at limit - 1, limit and limit + 1 (D11), and the table of all limits."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

import anyport
from anyport import Context, Server
from anyport.protocol.calls import Carrier
from anyport.protocol.errors import Busy, RefusedRequest
from anyport.protocol.jsonrpc import Notification, Request
from anyport.protocol.legacy import LegacySession
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject
from tests.behaviour.cells import CELLS, Cell, Connect, mirrors
from tests.behaviour.peers.peer import CLIENT, WAIT, Peer, Pending

SOURCE: Final = Path(anyport.__file__).parent
TESTS: Final = Path(__file__).parent.parent
HERE: Final = "behaviour/test_limits.py"
PRINCIPALS: Final = "transports/http/test_principals.py"
EDGE: Final = "transports/http/test_edge_limits.py"
STREAMS: Final = "transports/http/test_stream_limits.py"

HELD: Final[dict[str, list[str]]] = {
    "body_bytes": ["transports/http/test_limits.py::test_body_bytes", "faults/test_http_connections.py::"],
    "line_bytes": ["transports/test_duplex.py::", "transports/stdio/test_server.py::"],
    "header_bytes": ["transports/http/test_limits.py::test_header_bytes"],
    "header_fields": [f"{EDGE}::test_header_fields"],
    "url_bytes": [f"{EDGE}::test_url_bytes"],
    "json_depth": [f"{HERE}::test_json_depth", "protocol/test_jsonrpc_strictness.py::test_depth_is_bounded"],
    "id_chars": [f"{HERE}::test_id_chars", "protocol/test_jsonrpc.py::"],
    "batch_messages": [f"{HERE}::test_batch_messages", "transports/http/test_batches.py::"],
    "bytes_in_flight": ["transports/http/test_limits.py::test_bytes_in_flight", "transports/test_duplex.py::"],
    "calls_per_connection": [f"{HERE}::test_calls_per_connection", "transports/stdio/test_server.py::"],
    "calls_per_address": ["transports/http/test_limits.py::test_calls_per_address"],
    "subscriptions_per_session": [f"{HERE}::test_subscriptions_per_session"],
    "http_connections": [f"{EDGE}::test_http_connections"],
    "pipelined": [f"{EDGE}::test_pipelined"],
    "connections": ["transports/sockets/test_server.py::"],
    "calls_per_principal": [f"{PRINCIPALS}::test_calls_per_principal"],
    "event_bytes": ["transports/http/test_client.py::test_event_bytes"],
    "listens": ["server/test_listeners.py::"],
    "listens_per_principal": ["server/test_listeners.py::", f"{PRINCIPALS}::test_listens_per_principal"],
    "parked": ["server/test_parking_ends.py::"],
    "parked_per_principal": ["server/test_parking_ends.py::", f"{PRINCIPALS}::test_parked_per_principal"],
    "parked_bytes": ["server/test_parking_ends.py::test_what_parked_calls_hold_is_limited"],
    "answer_s": [
        "server/test_ask.py::",
        "server/test_parking_ends.py::",
        "transports/test_duplex_asking.py::",
        "transports/http/test_back_channel.py::",
    ],
    "state_bytes": ["server/test_resumable.py::", "server/test_ask.py::"],
    "progress_per_s": ["server/test_progress.py::"],
    "logs_per_s": ["server/test_progress.py::"],
    "stream_buffer_bytes": [
        "transports/sse/test_bounds.py::test_stream_buffer_bytes",
        "transports/sockets/test_server.py::",
        "faults/test_sse_connections.py::",
    ],
    "stream_buffers_bytes": ["transports/sse/test_bounds.py::test_stream_buffers_bytes"],
    "stream_events": ["stores/test_limits.py::test_the_events_of_a_stream", f"{STREAMS}::test_stream_events"],
    "stream_bytes": ["stores/test_limits.py::test_the_bytes_of_a_stream", f"{STREAMS}::test_stream_bytes"],
    "log_bytes": ["stores/test_limits.py::test_the_bytes_of_the_log", f"{STREAMS}::test_log_bytes"],
    "stream_idle_s": ["stores/test_limits.py::test_the_idle_time_of_a_stream", f"{STREAMS}::test_stream_idle_s"],
    "sync_threads": [f"{HERE}::test_sync_threads", "server/test_threads.py::test_busy_at_the_limit_exactly"],
    "sync_queue": [f"{HERE}::test_sync_threads", "server/test_threads.py::test_busy_at_the_limit_exactly"],
    "sessions": [
        "stores/test_limits.py::test_sessions",
        f"{STREAMS}::test_sessions",
        "transports/sse/test_bounds.py::",
    ],
    "sessions_per_principal": ["stores/test_limits.py::test_sessions", f"{PRINCIPALS}::test_sessions_per_principal"],
    "session_idle_s": ["stores/test_limits.py::test_the_idle_time_of_a_session", f"{STREAMS}::test_session_idle_s"],
    "session_bytes": [f"{HERE}::test_session_bytes"],
    "first_byte_s": ["transports/http/test_reply.py::"],
    "header_s": ["transports/http/test_edge.py::test_header_s"],
    "body_s": ["transports/http/test_limits.py::test_a_body_that_does_not_come", f"{EDGE}::test_body_s"],
    "body_bytes_per_s": [f"{EDGE}::test_body_bytes_per_s"],
    "write_s": [f"{EDGE}::test_write_s", "transports/http/test_reply.py::", "faults/test_stdio_slow_reader.py::"],
    "keep_alive_s": ["faults/test_http_connections.py::test_keep_alive_s"],
    "drain_s": ["faults/test_http_ends.py::", "faults/test_stdio_ends.py::"],
}
"""Field of `Limits` to the tests that prove it; without a name, whichever of the file name it."""

OPEN: Final[dict[str, str]] = {}
"""Field of `Limits` to what it waits for: nothing reads it yet."""


# --- the table --------------------------------------------------------------------------------------------------------


def _readers(field: str) -> list[str]:
    """Return the modules that read a field of the limits; stores have limits of their own."""
    reads = re.compile(rf"limits\.{field}\b")
    files = (path for path in SOURCE.rglob("*.py") if "stores" not in path.parts)
    return sorted(str(path.relative_to(SOURCE)) for path in files if reads.search(path.read_text("utf-8")))


@pytest.mark.parametrize("field", Limits.__struct_fields__)
def test_every_limit_has_its_test(field: str) -> None:
    """A field is read and proved by tests that exist and name it, or nothing reads it yet."""
    assert (field in HELD) != (field in OPEN), f"{field}: name its tests in HELD, or what it waits for in OPEN"
    if field in OPEN:
        assert _readers(field) == [], f"{field} is read: it needs tests at limit - 1, limit and limit + 1"
        return
    assert _readers(field) != []
    for place in HELD[field]:
        file, _, name = place.partition("::")
        text = (TESTS / file).read_text("utf-8")
        assert name or field in text, place
        assert not name or f"def {name}(" in text, place


def test_the_table_names_no_other() -> None:
    assert {*HELD, *OPEN} == {*Limits.__struct_fields__}


MIB: Final = 2**20
SHIPPED: Final[dict[str, dict[str, float]]] = {
    "HTTP body / stdio line / SSE event / headers": {
        "body_bytes": 4 * MIB,
        "line_bytes": 16 * MIB,
        "event_bytes": MIB,
        "header_bytes": 16 * 2**10,
    },
    "JSON depth; id length": {"json_depth": 64, "id_chars": 256},
    "bytes in flight per process": {"bytes_in_flight": 64 * MIB},
    "calls in flight per connection / per principal": {"calls_per_connection": 256, "calls_per_principal": 64},
    "sync tool threads": {"sync_threads": 32},
    "listen streams per principal / in all": {"listens_per_principal": 64, "listens": 10_000},
    "legacy sessions per principal / in all; idle": {
        "sessions_per_principal": 100,
        "sessions": 10_000,
        "session_idle_s": 1800,
    },
    "header, body, keep-alive idle, write deadlines": {"header_s": 10, "body_s": 30, "keep_alive_s": 75, "write_s": 30},
    "stream buffer before a slow reader is dropped": {"stream_buffer_bytes": 256 * 2**10},
    "event log per stream": {"stream_events": 1_000, "stream_bytes": 4 * MIB, "stream_idle_s": 600},
    "keep-alive comment; drain": {"first_byte_s": 15, "drain_s": 10},
}
"""What the defaults were to be, row by row."""

ELSEWHERE: Final[dict[str, str]] = {
    "client call; absolute maximum": "no limit of a server: `Client(timeout=)` and the rest of the client's times",
    "validation time budget for foreign schemas": "a requirement on JSON Schemas of its own, which is open",
    "`requestState` secret": "`Server(secret=)`; required with the option for several workers, which there is not yet",
}
"""Rows that are no field of `Limits`, and why."""


@pytest.mark.parametrize("row", SHIPPED)
def test_the_defaults(row: str) -> None:
    """D11: what a server ships with, until its author says otherwise."""
    limits = Limits()
    assert {name: getattr(limits, name) for name in SHIPPED[row]} == SHIPPED[row]


def test_the_other_rows_say_why() -> None:
    assert all(reason.strip() for reason in ELSEWHERE.values())
    assert not {*ELSEWHERE} & {*SHIPPED}


# --- on every transport -----------------------------------------------------------------------------------------------

WIRED = pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.transport != "memory"], ids=str)
OFFSET = pytest.mark.parametrize("offset", [-1, 0, 1])


def _maker(limits: Limits) -> Callable[[], Server]:
    """Return what makes a server that can wait, async and on threads, until its `release` is called."""

    def make() -> Server:
        server = Server("limits", limits=limits)
        gate, thread_gate = asyncio.Event(), threading.Event()

        @server.tool
        async def wait(ctx: Context) -> str:
            await ctx.report_progress(1)
            async with asyncio.timeout(WAIT):
                await gate.wait()
            return "done"

        @server.tool
        def wait_sync(ctx: Context) -> str:
            thread_gate.wait(WAIT)
            return "done"

        @server.tool
        async def release() -> str:
            gate.set()
            thread_gate.set()
            return "ok"

        return server

    return make


async def _settle(peer: Peer, calls: list[Pending]) -> None:
    assert (await peer.call("release")).text == "ok"
    for pending in calls:
        assert (await pending.answer()).text == "done"


@WIRED
@OFFSET
async def test_json_depth(connect: Connect, cell: Cell, offset: int) -> None:
    """Of a whole message: the envelope is a level of it."""
    limit = 12
    async with connect(_maker(Limits(json_depth=limit)), cell) as peer:
        deep: JsonObject = {}
        for _ in range(limit + offset - 3):
            deep = {"a": deep}
        answer = await peer.raw(json.dumps({**peer.message("tools/list", {"x": deep}), "id": "deep"}).encode())
        assert answer.message is not None
        if offset <= 0:
            assert "result" in answer.message
        else:
            assert answer.code == -32700
            assert "limit json_depth" in str(answer.message)


@WIRED
@OFFSET
async def test_id_chars(connect: Connect, cell: Cell, offset: int) -> None:
    limit = 20
    async with connect(_maker(Limits(id_chars=limit)), cell) as peer:
        message = {**peer.message("tools/list"), "id": "é" * (limit + offset)}
        answer = await peer.raw(json.dumps(message, ensure_ascii=False).encode())
        assert isinstance(answer.message, dict)
        if offset <= 0:
            assert answer.message["id"] == "é" * (limit + offset)
        else:
            assert answer.code == -32600
            assert "limit id_chars" in str(answer.message)


@pytest.mark.parametrize(
    "cell", [cell for cell in CELLS if cell.revision.batches and cell.transport != "memory"], ids=str
)
@OFFSET
async def test_batch_messages(connect: Connect, cell: Cell, offset: int) -> None:
    """RPC-16: answered together, or refused as a whole."""
    limit = 4
    async with connect(_maker(Limits(batch_messages=limit)), cell) as peer:
        entries = [{**peer.message("ping"), "id": f"entry {number}"} for number in range(limit + offset)]
        answer = await peer.raw(json.dumps(entries).encode())
        if offset <= 0:
            assert isinstance(answer.message, list)
            assert len(answer.message) == len(entries)
        else:
            assert answer.code == -32600
            assert "limit batch_messages" in str(answer.message)


@pytest.mark.parametrize(
    "cell",
    [cell for cell in CELLS if cell.transport != "memory" and not mirrors(cell)],
    ids=str,
)
@OFFSET
async def test_calls_per_connection(connect: Connect, cell: Cell, offset: int) -> None:
    """A channel is a connection, and so is a session; a modern HTTP request belongs to neither."""
    limit = 4
    async with connect(_maker(Limits(calls_per_connection=limit)), cell) as peer:
        calls = [peer.begin_call("wait", token=True) for _ in range(limit - 1)]
        for pending in calls:
            await pending.heard()
        if offset >= 0:
            # The answer to it is the last call that is admitted.
            assert "tools" in (await peer.request("tools/list")).result
        if offset > 0:
            calls.append(peer.begin_call("wait", token=True))
            await calls[-1].heard()
            refused = await peer.request("tools/list")
            assert refused.code == 429
            assert "limit calls_per_connection" in refused.reason
            # Nothing is admitted until one has ended; to cancel one needs no place.
            await peer.notify("notifications/cancelled", {"requestId": calls.pop().id})
            async with asyncio.timeout(WAIT):
                while "error" in (await peer.request("tools/list")).message:  # noqa: ASYNC110 - nobody tells when
                    await asyncio.sleep(0)
        await _settle(peer, calls)


@pytest.mark.parametrize("cell", CELLS, ids=str)
@OFFSET
async def test_sync_threads(connect: Connect, cell: Cell, offset: int) -> None:
    """Threads and places in the queue (sync_threads, sync_queue): one call more is busy; all else goes on."""
    threads, queue = 2, 2
    async with connect(_maker(Limits(sync_threads=threads, sync_queue=queue)), cell) as peer:
        calls = [peer.begin_call("wait_sync") for _ in range(threads + queue + offset)]
        if offset > 0:
            refused = await calls.pop().answer()
            assert refused.code == 429
            assert "limits sync_threads, sync_queue" in refused.reason
            assert refused.status in (None, 429)
        assert "tools" in (await peer.request("tools/list")).result
        await _settle(peer, calls)


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_session_bytes(more: int) -> None:
    """What an idle channel makes the server keep is bounded, also where no store counts it (sockets, HTTP+SSE)."""
    opening: JsonObject = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": CLIENT}
    size = len(json.dumps([{}, CLIENT], separators=(",", ":")))
    carrier = Carrier(transport="socket")
    session = LegacySession(Limits(session_bytes=size - more))
    if more > 0:
        with pytest.raises(
            RefusedRequest, match=rf"handshake would take more than {size - 1} bytes \(limit session_bytes\)"
        ):
            session.receive_request(Request(0, "initialize", opening), carrier)
        assert session.state == "new"
        return
    session.receive_request(Request(0, "initialize", opening), carrier)
    session.receive_notification(Notification("notifications/initialized", {}))
    for uri in ("a:1", "a:" + "x" * (size - 5 - more)):
        session.granted(session.receive_request(Request(1, "resources/subscribe", {"uri": uri}), carrier))
    with pytest.raises(RefusedRequest, match=r"URIs of the subscriptions would .* \(limit session_bytes\)"):
        session.receive_request(Request(1, "resources/subscribe", {"uri": "a"}), carrier)
    assert len(session.subscriptions) == 2


def test_subscriptions_per_session() -> None:
    """One more is refused; the ones that are there can be asked for again and given up."""
    session = LegacySession(Limits(subscriptions_per_session=2))
    carrier = Carrier(transport="stdio")

    def ask(method: str, uri: str) -> None:
        session.granted(session.receive_request(Request(1, method, {"uri": uri}), carrier))

    opening: JsonObject = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": CLIENT}
    session.receive_request(Request(0, "initialize", opening), carrier)
    session.receive_notification(Notification("notifications/initialized", {}))
    ask("resources/subscribe", "test://1")
    ask("resources/subscribe", "test://2")
    ask("resources/subscribe", "test://2")
    with pytest.raises(Busy, match="limit subscriptions_per_session"):
        ask("resources/subscribe", "test://3")
    ask("resources/unsubscribe", "test://1")
    ask("resources/subscribe", "test://3")
    assert session.subscriptions == {"test://2", "test://3"}
