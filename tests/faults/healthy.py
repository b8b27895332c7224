"""A client that calls one after the other and does nothing else, in a process of its own.

Arguments: port, seconds. The request comes on stdin; how long each call took, in seconds, goes to stdout as JSON.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import time


def main() -> None:
    """Call."""
    port, seconds, request = int(sys.argv[1]), float(sys.argv[2]), sys.stdin.buffer.read()
    times: list[float] = []
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            connection.sendall(request)
            answer = b""
            while not (
                found := re.match(rb"HTTP/1.1 200 .*?content-length: (\d+)\r\n(?:.*?\r\n)?\r\n", answer, re.DOTALL)
            ):
                chunk = connection.recv(65536)
                assert chunk, answer
                answer += chunk
            while len(answer) < found.end() + int(found[1]):
                answer += connection.recv(65536)
            times.append(time.perf_counter() - began)
    json.dump(times, sys.stdout)


if __name__ == "__main__":
    main()
