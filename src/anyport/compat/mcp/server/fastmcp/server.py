"""`FastMCP` of `mcp` 1.x: that of `fastmcp`, where the two differ."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import ClassVar

from anyport.compat.fastmcp.server.context import Context as FastContext
from anyport.compat.fastmcp.server.server import FastMCP as FastServer
from anyport.protocol.types import LoggingLevel
from anyport.protocol.types.json import JsonValue


class Context(FastContext):
    """The call at hand, for servers written for `mcp` 1.x."""

    __slots__ = ()

    def log(  # pyright: ignore[reportIncompatibleMethodOverride] - the other library's order: the level comes first
        self, level: LoggingLevel, message: JsonValue, *, logger_name: str | None = None
    ) -> Awaitable[None]:
        """Send a log message; see `anyport.Context.log`."""
        return self._say(level, message, logger_name, None)


class FastMCP(FastServer):
    """An `anyport.Server` for code that was written for ``mcp.server.fastmcp``.

    Args:
        name: Name of the server.
        instructions: How to use it, for the model.
        website_url: Where to read more.
        icons: Icons, as `mcp.types` or anyport has them.
        lifespan: Takes the server; entered once per process, where `mcp` enters it for each session. What it yields
            is ``ctx.request_context.lifespan_context``.
        **options: ``host``, ``port``, ``sse_path``, ``message_path``, ``streamable_http_path``, ``mount_path``,
            ``json_response``, ``stateless_http``, ``log_level``, and what `anyport.compat.fastmcp.FastMCP` takes.

    Raises:
        NotHonoured: An option that is not here.
    """

    context_type = Context
    _second_wins: ClassVar[bool] = False

    def __init__(
        self,
        name: str | None = None,
        instructions: str | None = None,
        website_url: str | None = None,
        icons: Sequence[object] | None = None,
        *,
        lifespan: Callable[..., AbstractAsyncContextManager[object]] | None = None,
        **options: object,
    ) -> None:
        super().__init__(name, instructions, website_url=website_url, icons=icons, lifespan=lifespan, **options)  # pyright: ignore[reportArgumentType] - the rest of its options
