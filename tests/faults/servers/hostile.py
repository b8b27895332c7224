"""A stdio server that does, in each call, the harm that the call names; `good` is answered as it should be.

The era is its argument. Standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable

LINE = 2**20
Message = dict[str, object]
INFO: Message = {"name": "hostile", "version": "1"}
DISCOVERED: Message = {"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
INITIALIZED: Message = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": INFO}


def raw(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def send(message: Message) -> None:
    raw(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")


def result(number: object, text: str = "fine") -> Message:
    return {"id": number, "result": {"content": [{"type": "text", "text": text}]}}


def stay() -> None:
    threading.Event().wait()


def junk(number: object) -> None:
    raw(b"Loading...\n\n\r\n[]\n7\nnull\n" + b'{"level": "info"}\n' * 20_000)
    raw(b"\x00\xff\xfe\n" + b"[" * 100_000 + b"\n")
    send(result(number))


def invalid_utf_8(number: object) -> None:
    raw(b'{"jsonrpc": "2.0", "id": %d, "result": {"text": "\xff\xfe"}}\n' % number)


def long_line(number: object) -> None:
    """64 MiB, of which the client's limit allows 16."""
    raw(b'{"jsonrpc": "2.0", "id": %d, "result": {"text": "' % number)
    for _ in range(64):
        raw(b"x" * LINE)
    raw(b'"}}\n')


def endless_line(number: object) -> None:
    raw(b'{"jsonrpc": "2.0", "id": %d, "result": {"text": "' % number)
    threading.Thread(target=lambda: [raw(b"x" * LINE) for _ in range(10**9)], daemon=True).start()


def endless_progress(number: object) -> None:
    def flood() -> None:
        steps = 0
        while True:
            steps += 1
            send({"method": "notifications/progress", "params": {"progressToken": number, "progress": steps}})

    threading.Thread(target=flood, daemon=True).start()


def endless_questions(number: object) -> None:
    def flood() -> None:
        asked = 0
        while True:
            asked += 1
            send({"id": asked, "method": "roots/list"})

    threading.Thread(target=flood, daemon=True).start()


def answers_twice(number: object) -> None:
    send(result(number))
    for _ in range(1000):
        send(result(number, "again"))


def answers_to_nothing(number: object) -> None:
    for other in range(1000):
        send(result(10**6 + other, "foreign"))
        send(result(f"x{other}", "foreign"))
        send({"error": {"code": -32603, "message": "of nothing"}})
    send(result(number))


def dies_mid_answer(number: object) -> None:
    raw(b'{"jsonrpc": "2.0", "id": %d, "result": {"text": "the first ha' % number)
    os._exit(3)


def closes_stdout(number: object) -> None:
    os.close(1)
    stay()


def closes_everything(number: object) -> None:
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    stay()


def never_reads(number: object) -> None:
    stay()


def never_ends(number: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    send(result(number))
    threading.Thread(target=stay).start()


HARMS: dict[str, Callable[[object], None]] = {
    harm.__name__: harm
    for harm in (
        junk,
        invalid_utf_8,
        long_line,
        endless_line,
        endless_progress,
        endless_questions,
        answers_twice,
        answers_to_nothing,
        dies_mid_answer,
        closes_stdout,
        closes_everything,
        never_reads,
        never_ends,
    )
}


def serve(era: str) -> None:
    for line in sys.stdin:
        message = json.loads(line)
        method = message.get("method")
        if method == "server/discover" and era == "modern":
            send({"id": message["id"], "result": DISCOVERED})
        elif method == "initialize":
            send({"id": message["id"], "result": INITIALIZED})
        elif method == "tools/call":
            name = message["params"]["name"]
            HARMS.get(name, lambda number: send(result(number)))(message["id"])
        elif "id" in message and method:
            send({"id": message["id"], "error": {"code": -32601, "message": "no"}})


serve(sys.argv[1])
