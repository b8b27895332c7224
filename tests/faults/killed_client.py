"""A client of a stdio server that is about to be killed: standard library only, so that it starts at once.

python killed_client.py STATE COMMAND ARGUMENT...

Starts the server, brings it into the state, prints the ids of the server and of what it says it started, and waits.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import IO

HANDSHAKE: list[dict[str, object]] = [
    {
        "id": 0,
        "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}},
    },
    {"method": "notifications/initialized"},
]
LARGE = 8 * 2**20


def send(server: subprocess.Popen[bytes], *messages: dict[str, object]) -> None:
    assert server.stdin is not None
    for message in messages:
        server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
    server.stdin.flush()


def call(tool: str, **arguments: object) -> dict[str, object]:
    return {"id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


def until(stream: IO[bytes], text: bytes) -> None:
    while text not in stream.readline():
        pass


def bring(server: subprocess.Popen[bytes], state: str) -> list[str]:
    """Bring the server into a state; return ids of processes that it told."""
    assert server.stdout is not None
    assert server.stderr is not None
    if state == "before the handshake":
        # The one thing that may be said by then, and its answer shows that the server is up.
        send(server, {"id": 0, "method": "ping", "params": {}})
        server.stdout.readline()
        return []
    send(server, *HANDSHAKE)
    server.stdout.readline()
    if state == "async call":
        send(server, call("wait"))
        until(server.stderr, b"waiting")
    elif state == "sync call":
        send(server, call("block_thread"))
        until(server.stderr, b"blocked")
    elif state == "child process":
        send(server, call("stubborn_child"))
        answer = json.loads(server.stdout.readline())
        return str(answer["result"]["content"][0]["text"]).split()
    elif state == "large result":
        send(server, call("big", size=LARGE))
        server.stdout.read(100)
    return []


def main() -> None:
    state, *command = sys.argv[1:]
    # Unbuffered, so that what is not read stays in the pipe and the server stays in its write.
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
    told = bring(server, state)
    print(server.pid, *told, flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
