"""anyport with 1,000 tools: the benchmark's, and 999 that nobody calls."""

from __future__ import annotations

from anyport_server import server


def _register(number: int) -> None:
    @server.tool(name=f"other_{number}")
    async def other(a: int, b: int) -> int:
        """Add two integers, elsewhere."""
        return a + b


for count in range(998):
    _register(count)

app = server.asgi
