"""A raw driver for HTTP+SSE: one connection that holds the stream, one that posts."""

from __future__ import annotations

from typing import Self

import msgspec

from anyport.protocol.sse import EventDecoder, ServerSentEvent
from anyport.protocol.types.json import JsonValue
from tests.drivers.asgi import Headers
from tests.drivers.http_server import HttpAnswer, HttpPeer, head
from tests.drivers.stdio import Message


class SsePeer:
    """One conversation.

    Args:
        port: Where the server listens, on 127.0.0.1.
        path: Path of the stream.

    Attributes:
        url: Where messages are posted.
        stream: The connection of the stream.
        peer: The connection that posts.
    """

    def __init__(self, port: int, path: str = "/sse") -> None:
        self.stream, self.peer = HttpPeer(port), HttpPeer(port)
        self._decoder = EventDecoder(2**24)
        self._events: list[ServerSentEvent] = []
        fields = [("host", f"127.0.0.1:{port}"), ("accept", "text/event-stream")]
        self.stream.send(head("GET", path, fields))
        self.opened = self.stream.head()
        self.url = ""
        if self.opened.status == 200:
            event = self.event()
            assert event is not None
            assert event.event == "endpoint"
            self.url = event.text

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave."""
        self.stream.close()
        self.peer.close()

    def event(self) -> ServerSentEvent | None:
        """Wait for the next event; ``None`` at the end of the stream."""
        while not self._events:
            chunk = self.stream.chunk()
            if not chunk:
                return None
            self._events += [event for event in self._decoder.feed(chunk) if isinstance(event, ServerSentEvent)]
        return self._events.pop(0)

    def receive(self) -> Message:
        """Wait for the next message of the server."""
        event = self.event()
        assert event is not None, "the stream ended"
        assert event.event == "message"
        return msgspec.json.decode(event.data, type=Message)

    def post(self, message: JsonValue | bytes, headers: Headers | None = None) -> HttpAnswer:
        """Post a message and return the HTTP answer."""
        return self.peer.post(message, {"content-type": "application/json", **(headers or {})}, self.url)
