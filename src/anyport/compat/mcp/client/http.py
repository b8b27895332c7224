"""`http_client`: the way to a server of Streamable HTTP, as two ends."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

from anyport.compat.mcp.client.ends import End, both_ends


def http_client(
    url: str, headers: Mapping[str, str] | None = None, timeout: float = 60.0
) -> AbstractAsyncContextManager[tuple[End, End]]:
    """Lead to a server of Streamable HTTP; to be entered with ``async with``, for ``(read, write)``.

    Args:
        url: URL of its endpoint.
        headers: Header fields of every request.
        timeout: Seconds that each request may take, unless it says otherwise.
    """
    return both_ends(url, {"transport": "http", "headers": headers, "timeout": timeout})
