"""Event streams: encoder, and incremental decoder after the WHATWG HTML standard, section server-sent events.

Every stream transport of MCP uses these: Streamable HTTP (every revision) and HTTP+SSE (2024-11-05).
"""

from __future__ import annotations

from msgspec import Struct

MAX_RETRY = 10**15
"""Larger `retry` values, in milliseconds, are read as this one: nobody waits that long, and long integers cost time."""

_BOM = b"\xef\xbb\xbf"
_LF = 0x0A
_CR = 0x0D
_COLON = 0x3A


class ServerSentEvent(Struct, frozen=True):
    """One dispatched event.

    Attributes:
        data: The `data` lines, joined by newlines, as the bytes that came: a JSON decoder takes them without a
            copy and refuses bad UTF-8 by itself, which replacement characters would hide. Empty for an event
            with an empty `data` field, such as the priming event of revision 2025-11-25: skip that one, its id
            is in `id` and in the decoder's `last_event_id`.
        event: The event's type.
        id: The last event id of the stream when this event ended, whichever event set it.
        retry: The reconnection time in milliseconds that this event carried, if it did.
    """

    data: bytes
    event: str = "message"
    id: str = ""
    retry: int | None = None

    @property
    def text(self) -> str:
        """The data as WHATWG decodes it: bad UTF-8 becomes replacement characters."""
        return self.data.decode("utf-8", "replace")


class EventTooLarge(Struct, frozen=True):
    """Stands in the decoder's output for an event over the limit, which was thrown away.

    Attributes:
        limit: The limit that the event broke, in bytes.
    """

    limit: int


class EventDecoder:
    r"""Cuts an event stream into events; bounded, and linear in the bytes received however they are cut.

    Lines end with `\n`, `\r\n` or `\r`. A blank line dispatches the event. An event without a `data` field is
    not dispatched, but its `id` and `retry` count; one that the stream's end cuts off is dropped.

    The size of an event is that of its lines without their ends; comments are not counted and not kept. An event
    over the limit is reported once, as soon as that is known, and the rest of it is skipped. Fields before that
    point count, so a client does not resume in front of an event that it refuses (`encode_event` sends the id
    first).

    Args:
        max_event: Largest event in bytes. Default 1 MiB.

    Attributes:
        last_event_id: What to send as `Last-Event-ID` when reconnecting; empty if there is nothing to send.
        retry: The last reconnection time received, in milliseconds; none was received if `None`.

    Raises:
        ValueError: `max_event` is less than 1.
    """

    def __init__(self, max_event: int = 2**20) -> None:
        if max_event < 1:
            raise ValueError(f"max_event must be at least 1, not {max_event}")
        self.last_event_id = ""
        self.retry: int | None = None
        self._max_event = max_event
        self._begin_stream()

    def feed(self, data: bytes) -> list[ServerSentEvent | EventTooLarge]:
        """Takes the next bytes of the stream.

        Args:
            data: Any number of bytes, cut anywhere.

        Returns:
            The events that these bytes completed, in order.
        """
        out: list[ServerSentEvent | EventTooLarge] = []
        chunk = data if self._started else self._skip_bom(data)
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk[0] == _LF:
                chunk = chunk[1:]
        if not chunk:
            return out
        self._after_cr = chunk[-1] == _CR
        lines = chunk.splitlines()
        rest = b"" if chunk[-1] in (_LF, _CR) else lines.pop()
        if lines and (self._pending or self._dropping):
            self._take(self._release(lines.pop(0)), out)
        for line in lines:
            self._take(line, out)
        if rest:
            self._hold(rest, out)
        return out

    def close(self) -> None:
        """Ends the stream: an unfinished event is dropped.

        The decoder may then be fed the stream that resumes this one; `last_event_id` and `retry` are kept.
        """
        self._begin_stream()

    def _begin_stream(self) -> None:
        self._head = b""
        self._started = False
        self._after_cr = False
        # A bytearray grows in amortised constant time, and costs one byte per byte even when bytes arrive singly.
        self._pending = bytearray()
        self._dropping = False
        self._id = self.last_event_id
        self._begin_event()

    def _begin_event(self) -> None:
        self._size = 0
        self._skipping = False
        self._event = ""
        self._event_retry: int | None = None
        # Nearly every event has one data line: it is kept as it came, and only further ones are appended.
        self._data: bytes | None = None
        self._more_data = bytearray()

    def _skip_bom(self, data: bytes) -> bytes:
        """Holds the first bytes until they are known to be a byte order mark or not."""
        head = self._head + data
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._head = head
            return b""
        self._head = b""
        self._started = True
        return head.removeprefix(_BOM)

    def _hold(self, piece: bytes, out: list[ServerSentEvent | EventTooLarge]) -> None:
        """Keeps part of an unfinished line, unless nobody will need it."""
        if not self._pending and (self._skipping or piece[0] == _COLON):
            self._dropping = True
        if self._dropping:
            return
        if self._size + len(self._pending) + len(piece) > self._max_event:
            self._pending.clear()
            self._dropping = True
            self._refuse(out)
        else:
            self._pending += piece

    def _release(self, end: bytes) -> bytes | bytearray:
        """Puts an unfinished line and its end together, without a copy: it may be large."""
        if self._dropping:
            self._dropping = False
            return b":"  # stands for any line that is not blank and says nothing
        line, self._pending = self._pending, bytearray()
        line += end
        return line

    def _take(self, line: bytes | bytearray, out: list[ServerSentEvent | EventTooLarge]) -> None:
        if not line:
            self._dispatch(out)
        elif line[0] != _COLON and not self._skipping:
            self._size += len(line)
            if self._size > self._max_event:
                self._refuse(out)
            else:
                self._take_field(line)

    def _take_field(self, line: bytes | bytearray) -> None:
        colon = line.find(b":")
        name = line if colon < 0 else line[:colon]
        start = len(line) if colon < 0 else colon + 1 + line.startswith(b" ", colon + 1)
        value = line[start:] if isinstance(line, bytes) else bytes(memoryview(line)[start:])
        if name == b"data":
            if self._data is None:
                self._data = value
            else:
                self._more_data += b"\n"
                self._more_data += value
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"id":
            if b"\0" not in value:
                self._id = value.decode("utf-8", "replace")
        elif name == b"retry" and value.isdigit():
            self.retry = self._event_retry = _milliseconds(value)

    def _refuse(self, out: list[ServerSentEvent | EventTooLarge]) -> None:
        out.append(EventTooLarge(self._max_event))
        self._begin_event()
        self._skipping = True

    def _dispatch(self, out: list[ServerSentEvent | EventTooLarge]) -> None:
        self.last_event_id = self._id
        if self._data is not None:
            data = self._data + self._more_data if self._more_data else self._data
            out.append(ServerSentEvent(data, self._event or "message", self._id, self._event_retry))
        self._begin_event()


def encode_event(data: bytes, *, event: str | None = None, id: str | None = None, retry: int | None = None) -> bytes:  # noqa: A002 - the field's name
    r"""Writes one event.

    Args:
        data: The payload; may be empty (RES-01). Each line becomes a `data` field; a receiver joins them with
            `\n`, so `\r\n` and `\r` arrive as `\n`.
        event: The event's type; receivers take `message` where there is none.
        id: The event's id; an empty one resets what a client would send as `Last-Event-ID`.
        retry: How long to wait before reconnecting, in milliseconds.

    Returns:
        The event with its blank line.

    Raises:
        ValueError: `id` holds a line end or NUL, `event` a line end, either is not encodable as UTF-8, or `retry`
            is negative.
    """
    head = b""
    if id is not None:
        if "\0" in id:
            raise ValueError("an event id must not contain NUL")
        head += _field(b"id", id)
    if event is not None:
        head += _field(b"event", event)
    if retry is not None:
        if retry < 0:
            raise ValueError(f"retry must not be negative, not {retry}")
        head += b"retry: %d\n" % retry
    return b"%sdata: %s\n\n" % (head, b"\ndata: ".join(_lines(data)))


def encode_message(message: bytes, event_id: str | None = None) -> bytes:
    """Writes the event that holds one message.

    Args:
        message: JSON in one line.
        event_id: The event's id, made here: without line ends and NUL.

    Returns:
        The event with its blank line.
    """
    if event_id is None:
        return b"event: message\ndata: %b\n\n" % message
    return b"id: %b\nevent: message\ndata: %b\n\n" % (event_id.encode(), message)


def encode_priming(event_id: str) -> bytes:
    """Writes an event that gives the client an id to come back with, and nothing else (RES-01).

    Args:
        event_id: Made here: without line ends and NUL.

    Returns:
        The event with its blank line.
    """
    return b"id: %b\ndata: \n\n" % event_id.encode()


def encode_comment(text: str = "") -> bytes:
    """Writes a comment, which receivers ignore: a keep-alive (HTTP-09).

    Args:
        text: What to write; each of its lines becomes a comment line.

    Returns:
        The comment and a blank line, so that readers that wait for one see it too.
    """
    if not text:
        return b":\n\n"
    return b": %s\n\n" % b"\n: ".join(_lines(text.encode("utf-8", "replace")))


def _field(name: bytes, value: str) -> bytes:
    if "\n" in value or "\r" in value:
        raise ValueError(f"the {name.decode()} of an event must not contain a line end")
    return b"%s: %s\n" % (name, value.encode())


def _lines(data: bytes) -> list[bytes]:
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data.split(b"\n")


def _milliseconds(digits: bytes) -> int:
    # int() refuses very long strings of digits.
    significant = digits.lstrip(b"0") or b"0"
    return int(significant) if len(significant) < len(str(MAX_RETRY)) else MAX_RETRY
