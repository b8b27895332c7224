"""A raw driver for a server on a Unix or TCP socket: lines out, lines in."""

from __future__ import annotations

import socket
from typing import Self

import msgspec

from tests.drivers.stdio import PATIENCE, Message


class LinePeer:
    """One connection.

    Args:
        address: Path of a Unix socket, or host and port.
    """

    def __init__(self, address: str | tuple[str, int]) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(address)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave."""
        self._file.close()
        self.socket.close()

    def send(self, *messages: bytes) -> None:
        """Write messages, each with a newline."""
        self.write(b"".join(message + b"\n" for message in messages))

    def write(self, data: bytes) -> None:
        """Write bytes as they are."""
        self.socket.sendall(data)

    def end(self) -> None:
        """Close our direction."""
        self.socket.shutdown(socket.SHUT_WR)

    def line(self) -> bytes:
        """Wait for a line; empty at the end of the connection."""
        return self._file.readline()

    def receive(self) -> Message:
        """Wait for a message."""
        line = self.line()
        assert line.endswith(b"\n"), f"the connection ended: {line!r}"
        return msgspec.json.decode(line, type=Message)

    def answer(self, request_id: int | str) -> Message:
        """Wait for the answer to a request; what else comes is dropped."""
        while (message := self.receive()).id != request_id:
            continue
        return message

    def is_closed(self) -> bool:
        """Wait for the next byte and tell whether it is the end."""
        try:
            return not self._file.read(1)
        except ConnectionError:
            return True
