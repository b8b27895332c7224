"""Limit: uvicorn, msgspec and pydantic-core, with nothing of MCP but the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping

import codec

_JSON = (b"content-type", b"application/json")

Message = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def _body(receive: Receive) -> bytes:
    message = await receive()
    chunk = message.get("body", b"")
    body = chunk if isinstance(chunk, bytes) else b""
    while message.get("more_body", False):
        message = await receive()
        chunk = message.get("body", b"")
        body += chunk if isinstance(chunk, bytes) else b""
    return body


async def reply(scope: Message, receive: Receive, send: Send) -> None:
    """Read the body, do the least work, answer; uvicorn takes the error on `lifespan` as "not supported"."""
    if scope["type"] != "http":
        raise NotImplementedError
    body = await codec.answer(await _body(receive))
    await send(
        {"type": "http.response.start", "status": 200, "headers": [_JSON, (b"content-length", b"%d" % len(body))]}
    )
    await send({"type": "http.response.body", "body": body})


def app() -> Callable[[Message, Receive, Send], Awaitable[None]]:
    """Return the ASGI application."""
    return reply
