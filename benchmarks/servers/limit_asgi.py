"""Limit: what uvicorn costs alone. It reads nothing and sends the one answer that the load expects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping

_JSON = (b"content-type", b"application/json")
_BODY = (
    b'{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[{"type":"text","text":"5"}],'
    b'"structuredContent":{"result":5},"isError":false}}'
)
_START = {"type": "http.response.start", "status": 200, "headers": [_JSON, (b"content-length", b"%d" % len(_BODY))]}
_END = {"type": "http.response.body", "body": _BODY}

Message = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def reply(scope: Message, _receive: Receive, send: Send) -> None:
    """Answer every HTTP request alike; uvicorn takes the error on `lifespan` as "not supported"."""
    if scope["type"] != "http":
        raise NotImplementedError
    await send(_START)
    await send(_END)


def app() -> Callable[[Message, Receive, Send], Awaitable[None]]:
    """Return the ASGI application."""
    return reply
