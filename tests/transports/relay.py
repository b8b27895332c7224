"""Joins its standard streams with a Unix socket; standard library only, so that it starts at once.

python -S relay.py PATH
"""

from __future__ import annotations

import os
import socket
import sys
import threading


def pump(source: int, target: int) -> None:
    while data := os.read(source, 65536):
        while data:
            data = data[os.write(target, data) :]


def main() -> None:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(sys.argv[1])
    threading.Thread(target=pump, args=(connection.fileno(), 1), daemon=True).start()
    pump(0, connection.fileno())
    # Without the interpreter's own end, which may wait for ever for a thread that is in a system call.
    os._exit(0)


main()
