"""A stdio server that goes where its client sends it, says on stderr that it is there, and stays.

Standard library only, and as little of it as can be, so that it starts at once.
"""

from __future__ import annotations

import json
import signal
import sys
from typing import NoReturn


def send(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def stay() -> NoReturn:
    sys.stderr.write("there\n")
    sys.stderr.flush()
    while True:
        signal.pause()


def progress_without_end(token: int) -> NoReturn:
    number = 0
    while True:
        number += 1
        params = {"progressToken": token, "progress": number}
        send(json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}) + "\n")


def serve() -> None:
    stubborn = False
    for line in sys.stdin:
        message = json.loads(line)
        point = message["method"]
        if point in ("handshake", "call"):
            stay()
        elif point == "mid-answer":
            send(f'{{"jsonrpc":"2.0","id":{message["id"]},"result":{{"text":"half')
            stay()
        elif point == "question":
            send('{"jsonrpc":"2.0","id":1,"method":"roots/list"}\n')
        elif point == "progress":
            progress_without_end(message["id"])
        else:
            stubborn = point == "closing"
            send(f'{{"jsonrpc":"2.0","id":{message["id"]},"result":{{}}}}\n')
    if stubborn:
        # The end of its input is nothing to it.
        stay()


serve()
