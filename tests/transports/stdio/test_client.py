"""The stdio client against servers that misbehave: a typed error in time, and the connection works (D01, D08)."""

from __future__ import annotations

import asyncio
import logging
import signal

import pytest

from anyport import Client, Limits
from anyport.errors import RemoteProtocolError, ServerExited, Timeout
from anyport.transports.stdio import child
from tests.client.peers import EXAMPLE, Reports, run_command, scripted


async def test_output_that_is_no_message_is_skipped(caplog: pytest.LogCaptureFixture) -> None:
    """D08, STDIO-02: stray prints, JSON that is no message, bad UTF-8; the first is warned of, the rest is quiet."""
    body = r"""
for message in modern():
    print("Loading...")
    print('{"level": "info", "text": "a log line"}')
    print("[]")
    print("7")
    sys.stdout.flush()
    sys.stdout.buffer.write(b'\xff\xfe\n\n\n')
    sys.stdout.flush()
    answer(message, text("fine"))
"""
    with caplog.at_level(logging.WARNING, "anyport.client"):
        async with Client(scripted(body)) as client:
            for _ in range(2):
                assert (await client.call_tool("any")).data == "fine"
    assert [record.message.partition(" (")[0] for record in caplog.records] == [
        "Skipped output of the server that is no message"
    ]
    assert "b'Loading...'" in caplog.text


async def test_messages_that_belong_to_nothing_are_ignored() -> None:
    """RPC-05, CAN-01: answers to nothing, an answer twice, unknown notifications, progress of no call."""
    body = """
for message in modern():
    send({"id": 999, "result": {}})
    send({"id": "x", "error": {"code": 1, "message": "m"}})
    send({"error": {"code": 1, "message": "m"}})
    send({"method": "notifications/unheard/of", "params": {"a": 1}})
    send({"method": "notifications/progress", "params": {"progressToken": 999, "progress": 1}})
    send({"method": "notifications/progress", "params": {"progressToken": message["id"], "progress": "much"}})
    send({"method": "notifications/progress", "params": {}})
    answer(message, text("fine"))
    answer(message, text("again"))
"""
    reports = Reports()
    async with Client(scripted(body)) as client:
        for _ in range(2):
            result = await client.call_tool("any", on_progress=reports)
            assert result.data == "fine"
    assert reports.told == []


async def test_answers_in_a_batch() -> None:
    """RPC-16: 2025-03-26 has batches, so a client reads them."""
    body = """
waiting = []
for message in legacy("2025-03-26"):
    waiting.append({"jsonrpc": "2.0", "id": message["id"], "result": text(str(message["params"]["arguments"]["n"]))})
    if len(waiting) == 2:
        print(json.dumps(waiting), flush=True)
"""
    async with Client(scripted(body)) as client:
        found = await asyncio.gather(*(client.call_tool("any", {"n": number}, timeout=5) for number in (1, 2)))
    assert [result.data for result in found] == ["1", "2"]


@pytest.mark.parametrize(
    "answer",
    [
        '{"jsonrpc": "2.0", "id": %d, "result": {}, "error": {"code": 1, "message": "both"}}',
        '{"jsonrpc": "2.0", "id": %d, "result": 7}',
        '{"jsonrpc": "2.0", "id": %d, "error": "no object"}',
        '{"jsonrpc": "1.0", "id": %d, "result": {}}',
        '{"jsonrpc": "2.0", "id": %d}',
        '{"jsonrpc": "2.0", "id": %d, "result": {"a": "\\ud800"}}',
        '{"jsonrpc": "2.0", "id": %d, "result": {"a": NaN}}',
        '{"jsonrpc": "2.0", "id": %d, "result": {"a": 1, "a": 2}}',
        '{"jsonrpc": "2.0", "id": %d, "result": {"a": ' + "[" * 70 + "]" * 70 + "}}",
        '{"jsonrpc": "2.0", "id": %d, "result": {"a": ' + "[" * 30_000 + "]" * 30_000 + "}}",
        '{"jsonrpc": "2.0", "id": %d, "result": {',
    ],
)
async def test_an_answer_that_is_no_message(answer: str) -> None:
    """D01: it has an id, so the call that it was meant for fails, and no other."""
    body = f"""
for message in modern():
    if message["params"]["name"] == "bad":
        print({answer!r} % message["id"], flush=True)
    else:
        answer(message, text("fine"))
"""
    async with Client(scripted(body)) as client:
        with pytest.raises(RemoteProtocolError, match="The server's answer is no valid message"):
            await client.call_tool("bad")
        assert (await client.call_tool("good")).data == "fine"


async def test_an_answer_that_is_not_utf_8() -> None:
    """RPC-01, D01."""
    body = r"""
for message in modern():
    sys.stdout.buffer.write(b'{"jsonrpc": "2.0", "result": {"a": "\xff"}, "id": %d}\n' % message["id"])
    sys.stdout.flush()
"""
    async with Client(scripted(body)) as client:
        with pytest.raises(RemoteProtocolError, match="The server's answer is no valid message: Invalid JSON"):
            await client.call_tool("any")


async def test_a_line_over_the_limit() -> None:
    """D19: the error names the limit, the rest of the line is dropped, and the next call works."""
    body = """
for message in modern():
    answer(message, text("x" * message["params"]["arguments"]["size"]))
"""
    async with Client(scripted(body), limits=Limits(line_bytes=1000)) as client:
        for size in (10_000, 1_000_000):
            with pytest.raises(RemoteProtocolError, match=r"more than 1000 bytes \(limit line_bytes\)"):
                await client.call_tool("any", {"size": size})
            assert (await client.call_tool("any", {"size": 10})).data == "x" * 10


@pytest.mark.parametrize(("status", "code"), [(0, 0), (3, 3), (-signal.SIGKILL, -9), (-signal.SIGSEGV, -11)])
async def test_a_server_that_dies_in_a_call(status: int, code: int) -> None:
    """D01: every call in flight is told, with exit status and last words, and so is the next one."""
    async with Client(run_command(f"{EXAMPLE}:server"), env="inherit") as client:
        reports = Reports()
        other = asyncio.create_task(client.call_tool("hang", {"key": "x"}, on_progress=reports))
        async with asyncio.timeout(10):
            await reports.first.wait()
            with pytest.raises(ServerExited) as caught:
                await client.call_tool("die", {"status": status})
            with pytest.raises(ServerExited):
                await other
            with pytest.raises(ServerExited):
                await client.call_tool("add", {"a": 1, "b": 1})
    assert caught.value.code == code
    assert "the last words" in caught.value.stderr_tail


async def test_what_a_dying_server_said_still_counts() -> None:
    """An answer that was written before the end is an answer, also without its newline."""
    body = """
for message in modern():
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": text("made it")}))
    sys.stdout.flush()
    os._exit(0)
"""
    async with Client(scripted(body)) as client:
        assert (await client.call_tool("any")).data == "made it"


async def test_a_server_that_closes_its_output_and_lives_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """D01: nothing can come any more, so nobody waits for it."""
    monkeypatch.setattr(child, "_SILENT_EXIT_S", 0.1)
    body = """
for message in modern():
    os.close(1)
    time.sleep(60)
"""
    async with Client(scripted(body)) as client:
        with pytest.raises(ServerExited) as caught:
            await client.call_tool("any", timeout=10)
    assert caught.value.code == -9


async def test_a_server_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """D01: what it does not take waits for no longer than the call, and closing is bounded too."""
    monkeypatch.setattr(child, "_EOF_S", 0.1)
    body = """
for message in modern():
    time.sleep(60)
"""
    async with Client(scripted(body)) as client:
        calls = [client.call_tool("any", {"text": "x" * 300_000}, timeout=0.5) for _ in range(5)]
        assert all(isinstance(error, Timeout) for error in await asyncio.gather(*calls, return_exceptions=True))


async def test_a_server_that_says_much_on_stderr() -> None:
    """D23: it is drained, so that it cannot block, and the tail that is kept is bounded."""
    body = """
for message in modern():
    sys.stderr.write("x" * 3_000_000 + "\\n")
    for number in range(20_000):
        say(f"line {number}")
    answer(message, text("fine"))
    for message in messages():
        os._exit(5)
"""
    async with Client(scripted(body)) as client:
        assert (await client.call_tool("any", timeout=10)).data == "fine"
        with pytest.raises(ServerExited) as caught:
            await client.call_tool("any")
    lines = caught.value.stderr_tail.splitlines()
    assert (len(lines), lines[-1]) == (40, "line 19999")


async def test_stderr_goes_to_a_logger(caplog: pytest.LogCaptureFixture) -> None:
    """D23: on a logger of its own, quiet unless it is asked for; STDIO-03: it is not an error."""
    body = """
for message in modern():
    say("working")
    say("caf\\u00e9")
    answer(message, text("fine"))
"""
    with caplog.at_level(logging.INFO, "anyport.client.stderr"):
        async with Client(scripted(body)) as client:
            await client.call_tool("any")
    assert [record.message for record in caplog.records if record.name == "anyport.client.stderr"] == [
        "working",
        "café",
    ]


async def test_progress_without_end_does_not_outlast_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """D16: the time limit wins, and memory stays bounded meanwhile."""
    monkeypatch.setattr(child, "_EOF_S", 0.1)
    body = """
import threading
def flood(token):
    number = 0
    while True:
        number += 1
        send({"method": "notifications/progress", "params": {"progressToken": token, "progress": number}})
for message in modern():
    threading.Thread(target=flood, args=(message["params"]["_meta"]["progressToken"],), daemon=True).start()
"""
    async with Client(scripted(body)) as client:
        with pytest.raises(Timeout):
            await client.call_tool("any", timeout=0.5, on_progress=Reports())
