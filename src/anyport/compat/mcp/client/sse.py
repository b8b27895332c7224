"""`sse_client` of `mcp`: the way to a server of HTTP+SSE."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

from anyport.compat.mcp.client.ends import End, both_ends


def sse_client(
    url: str, headers: Mapping[str, str] | None = None, timeout: float = 60.0
) -> AbstractAsyncContextManager[tuple[End, End]]:
    """Lead to a server of HTTP+SSE; to be entered with ``async with``, for ``(read, write)``.

    Args:
        url: URL of its event stream.
        headers: Header fields of every request.
        timeout: Seconds that each request may take, unless it says otherwise.
    """
    return both_ends(url, {"transport": "sse", "headers": headers, "timeout": timeout})
