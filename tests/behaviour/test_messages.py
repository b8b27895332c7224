"""What is said before a result, ids, and what a message may hold: in every cell (S32)."""

from __future__ import annotations

import pytest

from anyport.protocol.types.json import JsonObject, JsonValue
from tests.behaviour.cells import ALL_CELLS, WIRE_CELLS, Cell, Connect
from tests.behaviour.fixture import make_server

EVERY = pytest.mark.parametrize("cell", ALL_CELLS, ids=str)
WIRED = pytest.mark.parametrize("cell", WIRE_CELLS, ids=str)
PROGRESS = "notifications/progress"
LOG = "notifications/message"
LEVEL = "io.modelcontextprotocol/logLevel"
TEXTS = (
    "",
    "👩‍👩‍👧‍👦 🏳️‍🌈",
    "e\u0301 \u0e49\u0e49",
    "שלום \u202eرحب\u202c",
    "a\u2028b\u2029c\u0085d\r\ne\nf\tg\x0bh",
    "\x00\x01\x1b\x7f\ufeff\ufffd",
    'data: x\n\nevent: end\nid: 7\n\n{"a": "\\u00e9"}',
    "\U0010ffff",
)


@EVERY
async def test_progress(connect: Connect, cell: Cell) -> None:
    """PRG-01: in order, rising, before the result, under the token; messages since 2025-03-26."""
    async with connect(make_server, cell) as peer:
        answer = await peer.call("progress", {"steps": 30}, token=True)
        assert answer.text == "done"
        told = answer.of(PROGRESS)
        assert [entry["progress"] for entry in told] == list(range(1, 31))
        assert len({str(entry["progressToken"]) for entry in told}) == 1
        assert [entry.get("message") for entry in told[:2]] == (
            [None, None] if cell.revision.lacks("2025-03-26") else ["step 1", "step 2"]
        )


@EVERY
async def test_progress_of_a_thread(connect: Connect, cell: Cell) -> None:
    """PRG-01."""
    async with connect(make_server, cell) as peer:
        answer = await peer.call("progress_sync", token=True)
        assert [(entry["progress"], entry.get("total")) for entry in answer.of(PROGRESS)] == [(0.5, None), (1, 1)]


@EVERY
async def test_no_progress_unless_asked(connect: Connect, cell: Cell) -> None:
    """PRG-01: nothing is sent for a token that was not given."""
    async with connect(make_server, cell) as peer:
        assert (await peer.call("progress", {"steps": 3})).notifications == []


@EVERY
async def test_progress_of_two_calls_keeps_apart(connect: Connect, cell: Cell) -> None:
    """PRG-01."""
    async with connect(make_server, cell) as peer:
        calls = [peer.begin_call("progress", {"steps": steps}, token=True) for steps in (3, 5)]
        answers = [await pending.answer() for pending in calls]
        assert [len(answer.of(PROGRESS)) for answer in answers] == [3, 5]


@EVERY
async def test_log_levels(connect: Connect, cell: Cell) -> None:
    """LOG-01: of the request in the modern era; of the session in the legacy one, `info` until it is set."""
    async with connect(make_server, cell) as peer:
        if cell.modern:
            assert (await peer.call("logs")).of(LOG) == []
            said = (await peer.call("logs", meta={LEVEL: "warning"})).of(LOG)
            assert [entry["level"] for entry in said] == ["warning", "error"]
            assert (await peer.call("logs")).of(LOG) == []
            return
        assert (await peer.request("logging/setLevel", {"level": "debug"})).result == {}
        said = (await peer.call("logs")).of(LOG)
        assert [(entry["level"], entry["data"]) for entry in said] == [
            ("debug", "d"),
            ("info", {"n": 1}),
            ("warning", "w"),
            ("error", "e"),
        ]
        assert said[1]["logger"] == "shop"
        assert (await peer.request("logging/setLevel", {"level": "error"})).result == {}
        assert [entry["level"] for entry in (await peer.call("logs")).of(LOG)] == ["error"]
        assert (await peer.request("logging/setLevel", {"level": "info"})).result == {}


@EVERY
async def test_unknown_log_levels(connect: Connect, cell: Cell) -> None:
    """LOG-01: -32602."""
    async with connect(make_server, cell) as peer:
        if cell.modern:
            assert (await peer.call("logs", meta={LEVEL: "loud"})).code == -32602
        else:
            assert (await peer.request("logging/setLevel", {"level": "loud"})).code == -32602
            assert (await peer.request("logging/setLevel", {})).code == -32602


IDS: list[JsonValue] = [0, -1, 2**53 - 1, "0", "7", "é 🖊", "a" * 256, '"\\']


@EVERY
async def test_the_id_comes_back_as_it_was(connect: Connect, cell: Cell) -> None:
    """RPC-02, RPC-04: integers as integers, strings as strings, with results and with errors."""
    async with connect(make_server, cell) as peer:
        for request_id in IDS:
            good = await peer.request("tools/call", {"name": "nothing", "arguments": {}}, request_id=request_id)
            bad = await peer.request("tools/call", {"name": "unknown"}, request_id=request_id)
            for answer in (good, bad):
                assert (type(answer.message["id"]), answer.message["id"]) == (type(request_id), request_id)
            assert (good.message["jsonrpc"], set(bad.message)) == ("2.0", {"jsonrpc", "id", "error"})


@EVERY
async def test_texts_come_back_as_they_were(connect: Connect, cell: Cell) -> None:
    """RPC-01, STDIO-01."""
    async with connect(make_server, cell) as peer:
        for text in TEXTS:
            assert (await peer.call("echo", {"text": text})).text == text


@EVERY
async def test_large_messages(connect: Connect, cell: Cell) -> None:
    """A megabyte each way, once of ASCII and once of longer characters."""
    async with connect(make_server, cell) as peer:
        for text in ("0123456789" * 100_000, "é€🖊" * 100_000):
            assert (await peer.call("echo", {"text": text})).text == text


@EVERY
async def test_meta_of_others_is_left_alone(connect: Connect, cell: Cell) -> None:
    """RPC-14: keys that nobody here knows disturb nothing."""
    meta: JsonObject = {"example.org/x": {"deep": [1]}, "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}
    async with connect(make_server, cell) as peer:
        assert (await peer.call("add", {"a": 1, "b": 1}, meta=meta)).text == "2"
        assert "tools" in (await peer.request("tools/list", meta=meta)).result


@EVERY
async def test_notifications_get_no_answer(connect: Connect, cell: Cell) -> None:
    """RPC-05: known, unknown, and of the other era."""
    async with connect(make_server, cell) as peer:
        for method in ("notifications/roots/list_changed", "notifications/unknown", "notifications/cancelled"):
            await peer.notify(method)
        assert (await peer.call("add", {"a": 1, "b": 1})).text == "2"


@EVERY
async def test_unknown_methods(connect: Connect, cell: Cell) -> None:
    """RPC-17, HTTP-11: -32601, with HTTP 404 in the modern era."""
    async with connect(make_server, cell) as peer:
        for method in ("tools/unknown", "x", "rpc.discover", "notifications/initialized"):
            answer = await peer.request(method)
            assert answer.code in ({-32601} if method != "notifications/initialized" else {-32601, -32600}), method
            assert answer.status in (None, 404 if cell.modern else 200) or answer.code == -32600


NO_JSON = [b"{", b"nonsense", b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', b'{"a":' * 70 + b"7" + b"}" * 70]
NO_MESSAGE = [
    b"{}",
    b"7",
    b'{"jsonrpc":"1.0","id":1,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":null,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1,"method":7}',
]


@WIRED
async def test_what_is_no_message(connect: Connect, cell: Cell) -> None:
    """RPC-02, RPC-17, D04: -32700 for what is not JSON, -32600 for what is no message, both with HTTP 400."""
    async with connect(make_server, cell) as peer:
        for data, code in (*((data, -32700) for data in NO_JSON), *((data, -32600) for data in NO_MESSAGE)):
            answer = await peer.raw(data)
            assert (answer.code, answer.status) == (code, answer.status and 400), data
        assert (await peer.call("add", {"a": 1, "b": 1})).text == "2"


MODERN = pytest.mark.parametrize("cell", [cell for cell in ALL_CELLS if cell.modern], ids=str)


@MODERN
async def test_versions_that_are_not_spoken(connect: Connect, cell: Cell) -> None:
    """VER-01: -32022 names what is, with HTTP 400; the next request is served (META-06)."""
    async with connect(make_server, cell) as peer:
        for version in ("2099-01-01", "2025-11-25", ""):
            answer = await peer.request("tools/list", meta={"io.modelcontextprotocol/protocolVersion": version})
            assert (answer.code, answer.status) == (-32022, answer.status and 400)
            data = answer.error["data"]
            assert isinstance(data, dict)
            assert (data["requested"], cell.revision.name in str(data["supported"])) == (version, True)
        assert "tools" in (await peer.request("tools/list")).result


@MODERN
async def test_metadata_that_is_wrong(connect: Connect, cell: Cell) -> None:
    """META-02: -32602, with HTTP 400."""
    wrong: list[JsonObject] = [
        {"io.modelcontextprotocol/clientCapabilities": None},
        {"io.modelcontextprotocol/clientCapabilities": []},
        {"io.modelcontextprotocol/clientInfo": "me"},
    ]
    async with connect(make_server, cell) as peer:
        for meta in wrong:
            answer = await peer.request("tools/list", meta=meta)
            assert (answer.code, answer.status) == (-32602, answer.status and 400), meta
