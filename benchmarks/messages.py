"""The messages of the load, and what counts as a right answer to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from measure import BenchError

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
_CLIENT = {"name": "bench", "version": "1"}
_META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": _CLIENT,
    "io.modelcontextprotocol/clientCapabilities": {},
}
_ARGUMENTS = {"a": 2, "b": 3}
_SUM = "5"


def call(
    identifier: int,
    tool: str,
    arguments: Mapping[str, object] = _ARGUMENTS,
    *,
    modern: bool = True,
    token: int | None = None,
) -> bytes:
    """Encode a `tools/call`; a modern one says in `_meta` what a handshake would have said.

    Args:
        identifier: Id of the request.
        tool: Name of the tool.
        arguments: Its arguments; those of the sum by default.
        modern: Whether the revision is the modern one.
        token: Token for progress; `None` for no progress.
    """
    params: dict[str, object] = {"name": tool, "arguments": arguments}
    meta: dict[str, object] = dict(_META) if modern else {}
    if token is not None:
        meta["progressToken"] = token
    if meta:
        params["_meta"] = meta
    return _encode({"jsonrpc": "2.0", "id": identifier, "method": "tools/call", "params": params})


def listen(identifier: int) -> bytes:
    """Encode a modern `subscriptions/listen`, for changes of the tools."""
    params = {"notifications": {"toolsListChanged": True}, "_meta": _META}
    return _encode({"jsonrpc": "2.0", "id": identifier, "method": "subscriptions/listen", "params": params})


def initialize(identifier: int) -> bytes:
    """Encode the request that opens a legacy session."""
    params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": _CLIENT}
    return _encode({"jsonrpc": "2.0", "id": identifier, "method": "initialize", "params": params})


def initialized() -> bytes:
    """Encode the notification that completes the handshake."""
    return _encode({"jsonrpc": "2.0", "method": "notifications/initialized"})


def check(message: bytes) -> int:
    """Check that a message is the right answer to `call`.

    Args:
        message: One encoded JSON-RPC response.

    Returns:
        Its id.

    Raises:
        BenchError: It is anything else; the message shows it.
    """
    try:
        response = cast(dict[str, object], json.loads(message))
        result = cast(dict[str, object], response["result"])
        (content,) = cast(list[dict[str, object]], result["content"])
        if content["text"] == _SUM and not result.get("isError"):
            return cast(int, response["id"])
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    msg = f"a wrong answer: {message[:300]!r}"
    raise BenchError(msg)


def _encode(message: object) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()
