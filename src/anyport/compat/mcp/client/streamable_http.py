"""`streamablehttp_client` of `mcp`: the way to a server of Streamable HTTP, as two ends and the id of the session."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from anyport.compat.mcp.client.ends import End, both_ends


@asynccontextmanager
async def streamablehttp_client(
    url: str, headers: Mapping[str, str] | None = None, timeout: float | timedelta = 60.0
) -> AsyncGenerator[tuple[End, End, Callable[[], str | None]]]:
    """Lead to a server of Streamable HTTP, for ``(read, write, get_session_id)``.

    Args:
        url: URL of its endpoint.
        headers: Header fields of every request.
        timeout: Seconds that each request may take, unless it says otherwise.
    """
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    async with both_ends(url, {"transport": "http", "headers": headers, "timeout": seconds}) as (read, write):
        yield read, write, _no_session_id


def _no_session_id() -> str | None:
    """Return nothing: the session is the transport's own business, and changes when the connection heals."""
    return None
