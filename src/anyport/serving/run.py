"""Run a server on a transport until the client leaves or a signal ends the process."""

from __future__ import annotations

import asyncio
import importlib
from typing import Final

from anyport.protocol.errors import LocalProtocolError
from anyport.serving.application import Application, RunOptions
from anyport.serving.signals import end_on_signals
from anyport.transports.stdio.process import end_descendants
from anyport.transports.stdio.server import StdioServer
from anyport.transports.stdio.stdout_guard import StdoutGuard

TRANSPORTS: Final = ("stdio", "http", "streamable-http")
_EXIT_WITHIN_S: Final = 0.8


def run(application: Application, transport: str | None, options: RunOptions) -> None:
    """Serve an application.

    Args:
        application: What is served.
        transport: ``stdio`` (the default), ``http`` or ``streamable-http``.
        options: For HTTP: ``host``, ``port``, ``path``, ``allowed_hosts``, ``allowed_origins``.

    Raises:
        ValueError: The transport is unknown.
        LocalProtocolError: An option does not go with the transport.
    """
    name = transport or "stdio"
    if name not in TRANSPORTS:
        raise ValueError(f"Unknown transport {name!r}; known are {', '.join(TRANSPORTS)}")
    if name == "stdio":
        strict = options.get("strict_stdout", False)
        foreign = sorted(set(options) - {"strict_stdout"})
        if foreign:
            raise LocalProtocolError(f"The stdio transport has no {', '.join(foreign)}")
        run_stdio(application, StdoutGuard.install(strict=strict))
    else:
        # uvicorn and the HTTP endpoint are loaded here and nowhere else: a stdio server never needs them.
        importlib.import_module("anyport.serving.uvicorn_server").serve(application, options)


def run_stdio(application: Application, guard: StdoutGuard) -> None:
    """Serve one client on the standard streams; returns when it is served out."""
    asyncio.run(_serve_stdio(application, guard))
    end_descendants()


async def _serve_stdio(application: Application, guard: StdoutGuard) -> None:
    await application.lifespan.start()
    try:
        server = StdioServer(application.service, application.limits, guard)
        loop = asyncio.get_running_loop()
        with end_on_signals(lambda: loop.call_soon_threadsafe(server.stop), _EXIT_WITHIN_S):
            await server.serve()
    finally:
        await application.lifespan.aclose()
