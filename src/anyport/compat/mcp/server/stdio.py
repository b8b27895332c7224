"""`stdio_server`, as code for `mcp` 1.x uses it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

from anyport.transports.stdio.stdout_guard import StdoutGuard


class StdioEnd:
    """One end of the standard streams: what `stdio_server` yields and `Server.run` takes, and nothing else.

    It cannot be read or written (adr/0040): the transport behind it is anyport's own.

    Attributes:
        guard: The standard streams.
        way: Which of the two this is, ``read`` or ``write``.
    """

    __slots__ = ("guard", "way")

    def __init__(self, guard: StdoutGuard, way: str) -> None:
        self.guard = guard
        self.way = way


@contextlib.asynccontextmanager
async def stdio_server() -> AsyncGenerator[tuple[StdioEnd, StdioEnd]]:
    """Take the standard streams for the protocol.

    From here on what is printed goes to stderr. The streams are given back to nobody: at the end the client sees that
    the server has left.

    Yields:
        What to pass to `Server.run`, in this order.

    Raises:
        LocalProtocolError: The process has no standard input or output.
    """
    guard = StdoutGuard.install()
    try:
        yield StdioEnd(guard, "read"), StdioEnd(guard, "write")
    finally:
        guard.close()
