"""The events of an answer that is an event stream."""

from __future__ import annotations

from anyport.protocol.sse import EventDecoder, EventTooLarge, ServerSentEvent
from anyport.transports.http11.connection import Answer


class Events:
    """Reads an answer event by event.

    Args:
        answer: The answer; who reads the events leaves it.
        decoder: Cuts it into events; it may have been fed a stream that this one resumes.
    """

    def __init__(self, answer: Answer, decoder: EventDecoder) -> None:
        self._answer = answer
        self._decoder = decoder
        self._ready: list[ServerSentEvent | EventTooLarge] = []

    async def next(self) -> ServerSentEvent | EventTooLarge | None:
        """Wait for the next event; ``None`` where the server ended the stream.

        Raises:
            ConnectError: The connection broke.
            RemoteProtocolError: What came is not HTTP.
        """
        while not self._ready:
            piece = await self._answer.piece()
            if not piece:
                return None
            self._ready = self._decoder.feed(piece)
            self._ready.reverse()
        return self._ready.pop()
