"""A client of HTTP+SSE against an ASGI application, in one process: its stream, and what it posts."""

from __future__ import annotations

import json
from typing import cast

from anyport.protocol.sse import EventDecoder, ServerSentEvent
from anyport.protocol.types.json import JsonObject, JsonValue
from tests.drivers.asgi import AsgiCallable, Exchange, Headers, initialize, legacy, post, start


class SseClient:
    """One conversation.

    Args:
        app: What serves it.
        headers: Changes to the usual header fields of the stream.
        path: Path of the stream.
        scope: Changes to the ASGI scope of every request.

    Attributes:
        stream: The request that opened the stream.
    """

    def __init__(
        self,
        app: AsgiCallable,
        headers: Headers | None = None,
        path: str = "/sse",
        scope: dict[str, object] | None = None,
    ) -> None:
        self._app = app
        self._scope = scope or {}
        self._decoder = EventDecoder()
        self._fed = 0
        self._events: list[ServerSentEvent] = []
        self.stream: Exchange = start(app, b"", headers, method="GET", path=path, scope=self._scope)

    async def endpoint(self) -> str:
        """Wait for the first event and return where messages are posted."""
        event = await self.event()
        assert event.event == "endpoint"
        self.url = event.text
        return self.url

    async def event(self) -> ServerSentEvent:
        """Wait for the next event."""
        await self.stream.until(self._has_event)
        return self._events.pop(0)

    async def message(self) -> JsonObject:
        """Wait for the next message of the server."""
        event = await self.event()
        assert event.event == "message"
        return cast("JsonObject", json.loads(event.data))

    async def post(self, message: JsonValue | bytes, headers: Headers | None = None, **changes: object) -> Exchange:
        """Post a message where the server said."""
        path, _, query = self.url.partition("?")
        return await post(
            self._app, message, headers, path=path, scope={**self._scope, "query_string": query.encode(), **changes}
        )

    async def ask(self, message: JsonObject) -> JsonObject:
        """Post a request and wait for the next message."""
        answer = await self.post(message)
        assert (answer.status, answer.body) == (202, b""), answer.body
        return await self.message()

    async def open(self, version: str = "2024-11-05") -> JsonObject:
        """Wait for the stream and open the session; returns what the server says of itself."""
        await self.endpoint()
        said = await self.ask(initialize(version))
        assert (await self.post(legacy("notifications/initialized", request_id=None))).status == 202
        return said

    async def leave(self) -> None:
        """Close the stream and wait until the server is done with it."""
        self.stream.disconnect()
        await self.stream.done()

    def _has_event(self) -> bool:
        chunks = self.stream.chunks[self._fed :]
        self._fed += len(chunks)
        for chunk in chunks:
            self._events += [event for event in self._decoder.feed(chunk) if isinstance(event, ServerSentEvent)]
        return bool(self._events)
