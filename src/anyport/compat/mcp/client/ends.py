"""What stands for the two streams of `mcp`: where a session leads, said once for both."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from anyport.client.client import Client
from anyport.client.client_options import ClientOptions
from anyport.client.targets import Target


class End:
    """One end of a way to a server; the way is taken by the session that is made of it.

    Args:
        target: Where it leads.
        options: Options of the client that goes there.
    """

    def __init__(self, target: Target, options: ClientOptions) -> None:
        self.target = target
        self.options = options
        self.client: Client | None = None

    async def aclose(self) -> None:
        """Close the client that went this way."""
        client, self.client = self.client, None
        if client is not None:
            await client.aclose()


@asynccontextmanager
async def both_ends(target: Target, options: ClientOptions) -> AsyncGenerator[tuple[End, End]]:
    """Give the same end as `read` and `write`, and close it when the block is left."""
    end = End(target, options)
    try:
        yield end, end
    finally:
        await end.aclose()
