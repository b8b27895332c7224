"""Newline framing: one message per line, for stdio and for sockets that reuse it.

MCP, section stdio of the transports page: messages are delimited by newlines and contain none. The decoder
works on bytes alone; whether a line is UTF-8 and JSON is the next layer's question.
"""

from __future__ import annotations

import msgspec

PREFIX_LIMIT = 1024
"""Bytes of an over-long line that are kept, so that a reader of the error can tell what it was."""

SUFFIX_LIMIT = 256
"""Bytes of an over-long line that are kept of its end: some peers write the id of an answer last."""

_CR = 0x0D


class LineTooLong(msgspec.Struct, frozen=True):
    """Stands in the decoder's output for a line over the limit, which was thrown away.

    Attributes:
        limit: The limit that the line broke, in bytes.
        prefix: The line's first bytes: `PREFIX_LIMIT` of them, or `limit` where that is less.
    """

    limit: int
    prefix: bytes


class LineDecoder:
    r"""Cuts a byte stream into lines; bounded, and linear in the bytes received however they are cut.

    Lines end with `\n` or `\r\n`. Lines of nothing but ASCII whitespace are skipped. An over-long line is
    reported as soon as it is known to be one, and its remaining bytes are dropped as they come.

    Args:
        max_line: Longest line in bytes, without its terminator. Default 16 MiB.

    Raises:
        ValueError: `max_line` is less than 1.
    """

    __slots__ = ("_dropping", "_max_line", "_pending", "_tail")

    def __init__(self, max_line: int = 16 * 2**20) -> None:
        if max_line < 1:
            raise ValueError(f"max_line must be at least 1, not {max_line}")
        self._max_line = max_line
        # A bytearray grows in amortised constant time, and costs one byte per byte even when bytes arrive singly.
        self._pending = bytearray()
        self._dropping = False
        self._tail = b""

    @property
    def held(self) -> int:
        """Bytes of the unfinished line."""
        return len(self._pending)

    @property
    def dropped(self) -> bytes:
        """The last `SUFFIX_LIMIT` bytes of the over-long line that came last; nothing while it goes on."""
        return b"" if self._dropping else self._tail.removesuffix(b"\r")

    def feed(self, data: bytes | memoryview) -> list[bytes | LineTooLong]:
        """Takes the next bytes of the stream.

        Args:
            data: Any number of bytes, cut anywhere. Not kept after the call.

        Returns:
            The lines that these bytes completed, in order and without terminators.
        """
        lines = bytes(data).split(b"\n")
        rest = lines.pop()
        if not (rest or self._pending or self._dropping or len(data) > self._max_line or _CR in data):
            # Whole lines that nothing is wrong with.
            return [line for line in lines if line and not line.isspace()]
        out: list[bytes | LineTooLong] = []
        whole = iter(lines)
        if lines and (self._pending or self._dropping):
            self._hold(next(whole), out)
            self._release(out)
        for line in whole:
            self._deliver(line, out)
        if rest:
            self._hold(rest, out)
        return out

    def close(self) -> list[bytes | LineTooLong]:
        """Ends the stream.

        Returns:
            The last line, if it had no newline and was not blank. The decoder is then as new.
        """
        out: list[bytes | LineTooLong] = []
        self._release(out)
        return out

    def _hold(self, piece: bytes, out: list[bytes | LineTooLong]) -> None:
        """Keeps part of an unfinished line, or finds that the line is over the limit."""
        if self._dropping:
            self._tail = (self._tail + piece[-SUFFIX_LIMIT:])[-SUFFIX_LIMIT:]
            return
        # Two bytes over the limit decide: one of them may be the \r of a terminator, not both.
        room = self._max_line + 2 - len(self._pending)
        self._pending += piece if len(piece) <= room else piece[:room]
        excess = len(self._pending) - self._max_line
        if excess > 1 or (excess == 1 and self._pending[-1] != _CR):
            out.append(self._too_long(self._pending))
            self._tail = (bytes(self._pending[-SUFFIX_LIMIT:]) + piece[room:])[-SUFFIX_LIMIT:]
            self._pending.clear()
            self._dropping = True

    def _release(self, out: list[bytes | LineTooLong]) -> None:
        """Ends the line that was held or dropped."""
        self._dropping = False
        line = bytes(self._pending)
        self._pending.clear()
        self._deliver(line, out)

    def _deliver(self, line: bytes, out: list[bytes | LineTooLong]) -> None:
        if line.endswith(b"\r"):
            line = line[:-1]
        if len(line) > self._max_line:
            out.append(self._too_long(line))
            self._tail = line[-SUFFIX_LIMIT:]
        elif line and not line.isspace():
            out.append(line)

    def _too_long(self, line: bytes | bytearray) -> LineTooLong:
        return LineTooLong(self._max_line, bytes(line[: min(PREFIX_LIMIT, self._max_line)]))


def encode_line(message: bytes) -> bytes:
    r"""Frames one message.

    Args:
        message: One encoded message. JSON encoders write line ends inside strings as escapes, so a raw one
            can only be whitespace between tokens.

    Returns:
        The message and a newline.

    Raises:
        ValueError: The message holds a `\n`, or a `\r`, which some readers take for a line end as well.
    """
    if b"\n" in message or b"\r" in message:
        raise ValueError("a message on a line transport must not contain a raw line end")
    return message + b"\n"
