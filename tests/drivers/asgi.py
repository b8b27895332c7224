"""An ASGI server in miniature: one request at a time, its events visible, no sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Protocol, cast

from anyport.protocol.calls import META_CLIENT_CAPABILITIES, META_VERSION
from anyport.protocol.headers import build_headers
from anyport.protocol.sse import EventDecoder, ServerSentEvent
from anyport.protocol.types.json import JsonObject, JsonValue

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
WAIT = 30.0
"""Seconds for anything that should happen at once; a bound, not a pause."""

Event = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Headers = Mapping[str, str | None]
"""Changes to the usual header fields: a value replaces, ``None`` takes away."""


class AsgiCallable(Protocol):
    """An ASGI application."""

    def __call__(
        self,
        scope: MutableMapping[str, object],
        receive: Receive,
        send: Send,
        /,
    ) -> Awaitable[None]:
        """Serve."""
        ...


class Exchange:
    """One HTTP request that is being served.

    Attributes:
        status: Of the answer; 0 until its head is there.
        headers: Of the answer, names in lower case.
        chunks: Pieces of the body so far.
        complete: Whether the answer has ended.
        task: Where the application runs.
    """

    def __init__(self, app: AsgiCallable, scope: MutableMapping[str, object], body: Sequence[bytes]) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.chunks: list[bytes] = []
        self.complete = False
        self._given = asyncio.Event()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        for index, chunk in enumerate(body):
            self.give(chunk, more=index < len(body) - 1)
        self.task = asyncio.ensure_future(_run(app, scope, self._events.get, self._take))

    def give(self, chunk: bytes, *, more: bool = False) -> None:
        """Let a piece of the request's body arrive."""
        self._events.put_nowait({"type": "http.request", "body": chunk, "more_body": more})

    def disconnect(self) -> None:
        """Let the client leave."""
        self._events.put_nowait({"type": "http.disconnect"})

    @property
    def body(self) -> bytes:
        """What has come of the body."""
        return b"".join(self.chunks)

    @property
    def json(self) -> JsonObject:
        """The body as a JSON object."""
        return cast("JsonObject", json.loads(self.body))

    @property
    def text(self) -> str:
        """The text of a tool's result in the body."""
        return text_of(self.json)

    @property
    def error_code(self) -> JsonValue:
        """The JSON-RPC code of the body."""
        return cast("JsonObject", self.json["error"])["code"]

    @property
    def error_text(self) -> str:
        """The JSON-RPC message of an error in the body."""
        return str(cast("JsonObject", self.json["error"])["message"])

    @property
    def events(self) -> list[JsonObject]:
        """The messages of an event stream."""
        return [cast("JsonObject", json.loads(event.data)) for event in self.raw_events if event.data]

    @property
    def raw_events(self) -> list[ServerSentEvent]:
        """The events of an event stream, priming ones included."""
        return [event for event in EventDecoder().feed(self.body) if isinstance(event, ServerSentEvent)]

    async def done(self) -> Exchange:
        """Wait until the application has returned."""
        async with asyncio.timeout(WAIT):
            await self.task
        return self

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something has been sent that makes a condition true."""
        async with asyncio.timeout(WAIT):
            while not condition():
                self._given.clear()
                await self._given.wait()

    async def _take(self, event: Event) -> None:
        if event["type"] == "http.response.start":
            assert not self.status, "a second head was sent"
            self.status = cast("int", event["status"])
            fields = cast("list[tuple[bytes, bytes]]", event["headers"])
            self.headers = {name.decode(): value.decode() for name, value in fields}
        else:
            assert self.status, "a body was sent without a head"
            assert not self.complete, "something was sent after the end"
            self.chunks.append(cast("bytes", event.get("body", b"")))
            self.complete = not event.get("more_body", False)
        self._given.set()


def text_of(message: JsonObject) -> str:
    """Return the text of a tool's result."""
    content = cast("JsonObject", message["result"])["content"]
    return str(cast("list[JsonObject]", content)[0]["text"])


async def _run(
    app: AsgiCallable,
    scope: MutableMapping[str, object],
    receive: Receive,
    send: Send,
) -> None:
    await app(scope, receive, send)


def modern(method: str, params: JsonObject | None = None, *, request_id: int | str | None = 1) -> JsonObject:
    """Return a modern message; a notification where there is no id."""
    meta: JsonObject = {META_VERSION: MODERN, META_CLIENT_CAPABILITIES: {}}
    given = params or {}
    own = given.get("_meta")
    message: JsonObject = {"jsonrpc": "2.0", "method": method}
    message["params"] = {**given, "_meta": {**meta, **(own if isinstance(own, dict) else {})}}
    return message if request_id is None else {"id": request_id, **message}


def call(
    tool: str, arguments: JsonObject | None = None, *, request_id: int | str = 1, **params: JsonValue
) -> JsonObject:
    """Return a modern ``tools/call``."""
    return modern("tools/call", {"name": tool, "arguments": arguments or {}, **params}, request_id=request_id)


def legacy(method: str, params: JsonObject | None = None, *, request_id: int | str | None = 1) -> JsonObject:
    """Return a legacy message."""
    message: JsonObject = {"jsonrpc": "2.0", "method": method, "params": params or {}}
    return message if request_id is None else {"id": request_id, **message}


def initialize(version: str = LEGACY) -> JsonObject:
    """Return the request that opens a legacy session."""
    client: JsonObject = {"name": "test", "version": "1"}
    params: JsonObject = {"protocolVersion": version, "capabilities": {}, "clientInfo": client}
    return legacy("initialize", params, request_id=0)


def usual_headers(message: JsonValue | bytes) -> dict[str, str]:
    """Return what a well-behaved client sends with a message."""
    found = {
        "host": "127.0.0.1:8000",
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
    }
    if isinstance(message, dict):
        method, params = message.get("method"), message.get("params")
        meta = params.get("_meta") if isinstance(params, dict) else None
        if isinstance(method, str) and isinstance(params, dict) and isinstance(meta, dict) and META_VERSION in meta:
            found |= build_headers(method, params)
    return found


def start(
    app: AsgiCallable,
    message: JsonValue | bytes,
    headers: Headers | None = None,
    *,
    method: str = "POST",
    path: str = "/mcp",
    chunks: Sequence[bytes] | None = None,
    scope: Mapping[str, object] | None = None,
) -> Exchange:
    """Begin a request.

    Args:
        app: What serves it.
        message: The body; what is not bytes is encoded.
        headers: Changes to the usual fields.
        method: HTTP method.
        path: Path of the URL.
        chunks: The body in pieces, instead of the message.
        scope: Changes to the ASGI scope.
    """
    fields = {**usual_headers(message), **(headers or {})}
    body = message if isinstance(message, bytes) else json.dumps(message, separators=(",", ":")).encode()
    raw = [(name.encode(), value.encode("latin-1")) for name, value in fields.items() if value is not None]
    whole: MutableMapping[str, object] = {
        "type": "http",
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": raw,
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        **(scope or {}),
    }
    return Exchange(app, whole, [body] if chunks is None else chunks)


async def post(
    app: AsgiCallable,
    message: JsonValue | bytes,
    headers: Headers | None = None,
    *,
    method: str = "POST",
    path: str = "/mcp",
    scope: Mapping[str, object] | None = None,
) -> Exchange:
    """Send a message and wait for the whole answer; see `start`."""
    return await start(app, message, headers, method=method, path=path, scope=scope).done()


async def open_session(app: AsgiCallable, version: str = LEGACY) -> dict[str, str]:
    """Open a legacy session and return the header fields that belong to it."""
    answer = await post(app, initialize(version))
    assert answer.status == 200, answer.body
    fields = {"mcp-session-id": answer.headers["mcp-session-id"], "mcp-protocol-version": version}
    confirmed = await post(app, legacy("notifications/initialized", request_id=None), fields)
    assert (confirmed.status, confirmed.body) == (202, b"")
    return fields
