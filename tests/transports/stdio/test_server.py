"""The stdio server as a child process, driven line by line (S01, S02, STDIO-01..05, STDIO-08)."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from anyport.protocol.types.json import JsonObject, JsonValue
from tests.drivers.stdio import (
    Era,
    StdioProcess,
    asyncio_only,
    call,
    cancel,
    environment,
    handshake,
    request,
)

WORKING = Path(__file__).parent / "servers" / "working.py"
LOOPS = pytest.mark.parametrize(
    "command", [[sys.executable, str(WORKING)], asyncio_only(WORKING)], ids=["uvloop", "asyncio"]
)
KINDS = ("SystemExit", "KeyboardInterrupt", "CancelledError", "GeneratorExit", "StopIteration", "Odd")
MEBIBYTE = 2**20


def numbers(a: int, b: int) -> JsonObject:
    return {"a": a, "b": b}


def filled(request_id: int, length: int) -> bytes:
    """Encode a call of `length` whose line has exactly so many bytes."""
    bare = len(call(request_id, "length", {"text": ""}))
    return call(request_id, "length", {"text": "x" * (length - bare)})


# --- framing ----------------------------------------------------------------------------------------------------------


@LOOPS
def test_both_eras_share_the_channel(command: list[str]) -> None:
    """S01, VER-10, STDIO-04: modern requests before, in and after the handshake; nothing but answers comes back."""
    with StdioProcess(command) as server:
        server.send(call(1, "add", numbers(1, 2)))
        assert server.answer(1).text == "3"
        server.send(call("too early", "add", numbers(1, 2), "legacy"))
        refusal = server.answer("too early")
        assert refusal.code == -32600
        assert refusal.error is not None
        assert "initialize" in refusal.error.message
        server.send(*handshake())
        opened = server.answer("hello").result
        assert opened is not None
        assert opened.protocol_version == "2025-11-25"
        server.send(*(call(n, "add_sync", numbers(n, n), "legacy" if n % 2 else "modern") for n in range(10, 60)))
        answers = [server.receive() for _ in range(10, 60)]
        for n, answer in zip(range(10, 60), sorted(answers, key=lambda answer: int(answer.id or 0)), strict=True):
            assert (answer.id, answer.method, answer.text) == (n, None, str(2 * n))
            assert answer.result is not None
            assert answer.result.result_type == (None if n % 2 else "complete")
        ended = server.end()
    assert (ended.status, ended.messages) == (0, [])


@LOOPS
def test_bytes_one_by_one(command: list[str]) -> None:
    """STDIO-01: a message is a line, however it is cut."""
    with StdioProcess(command) as server:
        for byte in call(1, "add", numbers(20, 22)) + b"\r\n" + call(2, "length", {"text": "zwölf"}) + b"\n":
            server.write(bytes([byte]))
        assert server.answer(1).text == "42"
        assert server.answer(2).text == "5"


@LOOPS
def test_a_result_of_50_megabytes(command: list[str]) -> None:
    """STDIO-01, D19: one line, whole, and in a time that is linear in it."""
    with StdioProcess(command) as server:
        server.send(call(1, "big", {"size": 50 * MEBIBYTE}), call(2, "add", numbers(1, 1)))
        assert len(server.answer(1).text) == 50 * MEBIBYTE
        assert server.answer(2).text == "2"


def test_the_longest_line() -> None:
    """The limit line_bytes at its default of 16 MiB: one under, the limit, one over; the connection is usable after."""
    limit = 16 * MEBIBYTE
    with StdioProcess(WORKING) as server:
        for request_id, length in ((1, limit - 1), (2, limit)):
            server.send(filled(request_id, length))
            assert int(server.answer(request_id).text) > limit - 400
        server.send(filled(3, limit + 1), call(4, "add", numbers(1, 1)))
        refusal = server.receive()
        assert (refusal.id, refusal.code) == (None, -32600)
        assert refusal.error is not None
        assert "line_bytes" in refusal.error.message
        assert server.answer(4).text == "2"
        assert server.end().messages == []


@pytest.mark.parametrize("rest", [b"", b" ", b"\r"])
def test_a_last_line_without_its_end_counts(rest: bytes) -> None:
    """STDIO-08: what is a message is served, though the input ended before its newline."""
    with StdioProcess(WORKING) as server:
        server.write(call(1, "add", numbers(1, 1)) + rest)
        server.close_input()
        assert server.answer(1).text == "2"
        assert server.end().status == 0


def test_half_a_line_at_the_end() -> None:
    """STDIO-08: what is none is an error without an id."""
    with StdioProcess(WORKING) as server:
        server.write(call(1, "add", numbers(1, 1)) + b"\n" + call(2, "add", numbers(1, 1))[:-20])
        server.close_input()
        assert server.answer(1).text == "2"
        refusal = server.receive()
        assert (refusal.id, refusal.code) == (None, -32700)
        ended = server.end()
    assert (ended.status, ended.messages) == (0, [])


def test_the_answers_to_a_batch_are_one_line() -> None:
    """RPC-16: with an error for each entry that is none, and nothing for notifications."""
    entries = [call(1, "add", numbers(1, 1), "legacy"), b"7", cancel(99), call(2, "nothing", {}, "legacy")]
    with StdioProcess(WORKING) as server:
        server.send(*handshake(version="2025-03-26"))
        server.answer("hello")
        server.send(b" [" + b",".join(entries) + b"]")
        answers = server.receive_batch()
        assert sorted((str(m.id), m.error.code if m.error else 0) for m in answers) == [
            ("1", 0),
            ("2", -32602),
            ("None", -32600),
        ]
        server.send(b"[" + cancel(98) + b"]", b"[]", call(3, "add", numbers(1, 2), "legacy"))
        assert server.receive().code == -32600
        assert server.answer(3).text == "3"
        assert server.end().messages == []


@pytest.mark.parametrize("version", [None, "2024-11-05", "2025-06-18", "2025-11-25"])
def test_batches_belong_to_one_revision(version: str | None) -> None:
    """RPC-16: refused before the handshake, and in the sessions of every other revision."""
    with StdioProcess(WORKING) as server:
        if version is not None:
            server.send(*handshake(version=version))
            server.answer("hello")
        server.send(b"[" + call(1, "add", numbers(1, 1), "legacy") + b"]", call(2, "add", numbers(1, 2)))
        refusal = server.receive()
        assert (refusal.id, refusal.code) == (None, -32600)
        assert server.answer(2).text == "3"
        assert server.end().messages == []


# --- odd streams ------------------------------------------------------------------------------------------------------


@LOOPS
def test_input_from_a_file(command: list[str], tmp_path: Path) -> None:
    """S01: a redirected file is read to its end, every request in it answered."""
    path = tmp_path / "requests"
    path.write_bytes(b"".join(call(n, "add", numbers(n, 1)) + b"\n" for n in range(200)))
    with path.open("rb") as given, StdioProcess(command, stdin=given) as server:
        for n in range(200):
            assert server.answer(n).text == str(n + 1)
        ended = server.end()
    assert (ended.status, ended.messages) == (0, [])


@LOOPS
def test_no_input(command: list[str]) -> None:
    """STDIO-08: the null device as input is its end."""
    with StdioProcess(command, stdin=subprocess.DEVNULL) as server:
        ended = server.end()
    assert (ended.status, ended.messages, ended.stderr) == (0, [], "[lifespan closed]\n[run returned]\n")


@LOOPS
def test_a_pipe_that_does_not_block(command: list[str]) -> None:
    """S01: a client may have set O_NONBLOCK on what becomes our stdin; a message in pieces is still one message."""
    given, wire = os.pipe()
    os.set_blocking(given, False)
    with os.fdopen(wire, "wb", buffering=0) as to, StdioProcess(command, stdin=given) as server:
        os.close(given)
        whole = call(1, "length", {"text": "x" * 300_000}) + b"\n"
        for start in range(0, len(whole), 7_000):
            to.write(whole[start : start + 7_000])
        assert server.answer(1).text == "300000"
        to.close()
        assert server.end().status == 0


@LOOPS
def test_sockets_for_pipes(command: list[str]) -> None:
    """S01: clients on Node give socket pairs as standard streams."""
    ours, given = socket.socketpair()
    back, taken = socket.socketpair()
    with (
        ours,
        back,
        subprocess.Popen(
            command, stdin=given.fileno(), stdout=taken.fileno(), stderr=subprocess.PIPE, env=environment()
        ) as server,
    ):
        given.close()
        taken.close()
        ours.settimeout(15)
        back.settimeout(15)
        ours.sendall(call(1, "big", {"size": 3 * MEBIBYTE}) + b"\n")
        with back.makefile("rb") as lines:
            assert len(lines.readline()) > 3 * MEBIBYTE
            ours.shutdown(socket.SHUT_WR)
            assert lines.read() == b""
        assert server.wait(15) == 0


def test_the_clients_pipe_is_left_as_it_was() -> None:
    """The non-blocking flag belongs to everybody who writes to the pipe, not to us alone."""
    taken, given = os.pipe()
    server = subprocess.Popen(
        [sys.executable, str(WORKING)], stdin=subprocess.PIPE, stdout=given, stderr=subprocess.PIPE, env=environment()
    )
    with server, os.fdopen(taken, "rb") as output, os.fdopen(given, "wb"):
        assert server.stdin is not None
        server.stdin.write(call(1, "add", numbers(1, 1)) + b"\n")
        server.stdin.flush()
        assert b'"id":1' in output.readline()
        assert not os.get_blocking(given)
        server.stdin.close()
        assert server.wait(15) == 0
        assert os.get_blocking(given)


@LOOPS
def test_a_socket_that_the_client_closes(command: list[str]) -> None:
    """D07: both ends of it at once, while a call is in flight."""
    ours, given = socket.socketpair()
    with subprocess.Popen(
        command, stdin=given.fileno(), stdout=given.fileno(), stderr=subprocess.PIPE, env=environment()
    ) as server:
        given.close()
        ours.sendall(call(1, "wait") + b"\n" + call(2, "add", numbers(1, 1)) + b"\n")
        ours.settimeout(15)
        assert b'"id":2' in ours.recv(4096)
        ours.close()
        assert server.wait(1) == 0
        assert server.stderr is not None
        assert server.stderr.read() == b"[waiting ]\n[cancelled ]\n[lifespan closed]\n[run returned]\n"


# --- calls ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_a_cancelled_call_stops_and_stays_silent(era: Era) -> None:
    """STDIO-05, CAN-01: async tools are interrupted, plain ones see `ctx.cancelled`, and no message follows."""
    with StdioProcess(WORKING) as server:
        server.send(*handshake())
        server.answer("hello")
        server.send(call(1, "wait", {"name": "one"}, era), call("2", "wait_sync", {}, era), call(3, "swallow", {}, era))
        server.says("waiting", times=3)
        server.send(cancel(1), cancel("2"), cancel(3))
        for said in ("cancelled one", "[cancelled]", "swallowed"):
            server.says(said)
        server.send(call(1, "add", numbers(1, 1), era), call("2", "add", numbers(2, 2), era))
        assert server.answer(1).text == "2"
        assert server.answer("2").text == "4"
        assert server.end().messages == []


def test_a_call_may_be_cancelled_before_it_began() -> None:
    """CAN-01: request and cancellation in one chunk of input; the place in flight is free again."""
    with StdioProcess(WORKING, "calls_per_connection=1") as server:
        for _ in range(3):
            server.send(call(1, "wait", {"name": "never"}), cancel(1))
            server.send(request(2, "server/discover"))
            while server.receive().error is not None:  # until the cancelled call has left its place
                server.send(request(2, "server/discover"))
        ended = server.end()
    assert ended.messages == []
    assert "waiting never" not in ended.stderr


def test_odd_cancellations_are_ignored() -> None:
    """CAN-01: unknown and malformed ids, of another type than the request's, or none at all."""
    odd: list[JsonValue] = [7, "1", 1.0, 1.5, True, None, [1], {"id": 1}, "", -1, 2**70]
    with StdioProcess(WORKING) as server:
        server.send(call(1, "wait_sync"))
        server.says("waiting")
        server.send(*map(cancel, odd))
        server.send(b'{"jsonrpc":"2.0","method":"notifications/cancelled"}')
        server.send(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{}}')
        server.send(call(2, "add", numbers(1, 1)))
        answer = server.receive()
        assert (answer.id, answer.text) == (2, "2")
        assert "cancelled" not in server.stderr
        server.send(cancel(1))
        server.says("cancelled")
        assert server.end().messages == []


def test_a_second_request_with_an_open_id() -> None:
    """RPC-03: is refused by itself; the first is answered."""
    with StdioProcess(WORKING) as server:
        server.send(call(1, "wait_sync"), call(1, "add", numbers(1, 1)), call("1", "add", numbers(1, 1)))
        refusal = server.answer(1)
        assert refusal.code == -32600
        assert server.answer("1").text == "2"
        server.says("waiting")
        server.send(cancel(1))
        server.says("cancelled")
        assert server.end().messages == []


def test_calls_in_flight() -> None:
    """The limit calls_per_connection at its default of 256: one over is busy, and only that one."""
    with StdioProcess(WORKING) as server:
        server.send(*(call(n, "wait", {"name": f"{n}."}) for n in range(255)))
        server.says("waiting", times=255)
        server.send(call(255, "wait", {"name": "255."}))
        server.says("waiting 255.")
        server.send(call(256, "add", numbers(1, 1)), request(257, "server/discover"))
        for request_id in (256, 257):
            refusal = server.receive()
            assert (refusal.id, refusal.code) == (request_id, 429)
            assert refusal.error is not None
            assert "calls_per_connection" in refusal.error.message
        server.send(cancel(17))
        server.says("cancelled 17.")
        server.send(call(17, "add", numbers(1, 1)))
        assert server.receive().text == "2"
        server.send(*(cancel(n) for n in range(256)))
        server.says("cancelled", times=256)
        assert server.end().messages == []


@LOOPS
def test_whatever_a_tool_raises(command: list[str]) -> None:
    """S02: the call has an error for an answer, and the server lives on."""
    with StdioProcess(command) as server:
        for tool in ("fail", "fail_sync"):
            for kind in KINDS:
                server.send(call(kind, tool, {"kind": kind}))
                answer = server.answer(kind)
                assert answer.error is not None or (answer.result is not None and answer.result.is_error), kind
        server.send(call(1, "add", numbers(1, 1)))
        assert server.answer(1).text == "2"
        ended = server.end()
    assert (ended.status, ended.messages) == (0, [])
