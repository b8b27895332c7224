"""Run a server on a transport until the client leaves or a signal ends the process."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
from collections.abc import Callable, Generator
from typing import Final

from anyport.protocol.errors import LocalProtocolError
from anyport.serving.application import Application, RunOptions
from anyport.serving.settings import check_transport, complete, read_settings
from anyport.serving.signals import Heard, end_on_signals
from anyport.transports.stdio.process import ExitTimer, ParentWatch, end_descendants
from anyport.transports.stdio.server import StdioServer
from anyport.transports.stdio.stdout_guard import StdoutGuard

_EXIT_WITHIN_S: Final = 0.6

_instead: Callable[[Application], None] | None = None


def run(application: Application, transport: str | None, options: RunOptions) -> None:
    """Serve an application; what is not said here the environment may say (`anyport.serving.settings`).

    Args:
        application: What is served.
        transport: ``stdio`` (the default), ``http`` or ``streamable-http``.
        options: For HTTP: ``host``, ``port``, ``path``, ``allowed_hosts``, ``allowed_origins``.

    Raises:
        ValueError: The transport is unknown, or a setting of the environment is none.
        LocalProtocolError: An option does not go with the transport.
    """
    if _instead is not None:
        _instead(application)
        return
    settings = read_settings(os.environ)
    name = (settings.transport or "stdio") if transport is None else check_transport(transport)
    run_on(application, name, options if name == "stdio" else complete(options, settings))


@contextlib.contextmanager
def taken_over(serve: Callable[[Application], None]) -> Generator[None, None, None]:
    """Hand the application of each `run` to somebody else, who has loaded the file that calls it.

    Args:
        serve: Takes the application; `run` returns when it does.
    """
    global _instead
    _instead = serve
    try:
        yield
    finally:
        _instead = None


def run_on(application: Application, name: str, options: RunOptions) -> None:
    """Serve an application on one of `TRANSPORTS`, with these options and no others; see `run`."""
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
    """Serve one client on the standard streams; returns when it is served out.

    A signal, or the death of the parent, ends the process instead.
    """
    server = StdioServer(application.service, application.limits, guard)
    loops = importlib.import_module("anyport.serving.loops")

    def orphaned() -> None:
        ExitTimer(_EXIT_WITHIN_S, children=True)
        server.stop()

    with (
        ParentWatch(guard.parent, orphaned),
        end_on_signals(server.stop, _EXIT_WITHIN_S, children=True) as heard,
        contextlib.ExitStack() as closed,
        asyncio.Runner(loop_factory=loops.new_event_loop) as runner,
    ):
        runner.run(_serve_stdio(application, server, heard, closed))


async def _serve_stdio(
    application: Application, server: StdioServer, heard: Heard, closed: contextlib.ExitStack
) -> None:
    with heard():
        try:
            await server.serve(application.lifespan.start)
        finally:
            # The author's lifespan may never end, nor the author's threads, which the loop waits for when it is closed.
            closed.callback(ExitTimer(application.limits.drain_s, children=True).cancel)
            await application.lifespan.aclose()
            end_descendants()
            if server.stopped:
                closed.callback(ExitTimer(_EXIT_WITHIN_S, children=True).cancel)
