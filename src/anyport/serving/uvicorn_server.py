"""uvicorn as the HTTP server: HTTP parsing and connections are its; which sockets, and when to stop, is ours."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Generator
from typing import cast

import uvicorn

from anyport.protocol.limits import Limits
from anyport.serving.application import Application, HttpOptions, RunOptions
from anyport.serving.asgi import AsgiApp
from anyport.serving.listening import listen, say, url_of
from anyport.serving.signals import end_on_signals


class _Server(uvicorn.Server):
    """A uvicorn server that says where it listens and leaves without raising its signal again."""

    def __init__(self, config: uvicorn.Config, app: AsgiApp, name: str, limits: Limits) -> None:
        super().__init__(config)
        self._app = app
        self._name = name
        self._limits = limits

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop on SIGINT and SIGTERM; the second one does not wait for calls in flight."""
        with end_on_signals(self._stop, self._limits.drain_s + 1):
            yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say where."""
        await super().startup(sockets)
        for listening in sockets or []:
            say(f"anyport: {self._name} serves MCP at {url_of(listening, self._app.path)}")

    def _stop(self) -> None:
        self._app.endpoint.draining = True
        self.force_exit = self.should_exit
        self.should_exit = True


def serve(application: Application, options: RunOptions) -> None:
    """Serve an application over HTTP until a signal ends it.

    Args:
        application: What is served; its limit ``drain_s`` is what calls in flight get at the end.
        options: ``host``, ``port`` and the options of `AsgiApp`.

    Raises:
        SystemExit: With a line that says why: the address cannot be listened on (status 1). With status 3: the
            lifespan failed.
        LocalProtocolError: An option makes no sense.
    """
    host, port = options.get("host", "127.0.0.1"), options.get("port", 8000)
    known = HttpOptions.__optional_keys__
    app = AsgiApp(application, **cast("HttpOptions", {key: value for key, value in options.items() if key in known}))
    try:
        sockets = listen(host, port)
    except OSError as error:
        raise SystemExit(f"anyport: cannot listen on {host}:{port}: {error.strerror or error}") from None
    config = uvicorn.Config(
        app,
        lifespan="on",
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=max(1, round(application.limits.drain_s)),
    )
    try:
        _Server(config, app, application.name, application.limits).run(sockets)
    finally:
        for listening in sockets:
            listening.close()
