"""uvicorn as the HTTP server: sockets, HTTP parsing and TLS are its; when to stop is ours."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator
from typing import cast

import uvicorn

from anyport.protocol.limits import Limits
from anyport.serving.application import Application, RunOptions
from anyport.serving.asgi import AsgiApp
from anyport.serving.signals import end_on_signals


class _Server(uvicorn.Server):
    """A uvicorn server that says where it listens and leaves without raising its signal again."""

    def __init__(self, config: uvicorn.Config, name: str, path: str, limits: Limits) -> None:
        super().__init__(config)
        self._name = name
        self._path = path
        self._limits = limits

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop on SIGINT and SIGTERM; the second one does not wait for calls in flight."""
        with end_on_signals(self._stop, self._limits.drain_s + 1):
            yield

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override] - uvicorn leaves the element type open
        """Bind and say so."""
        await super().startup(sockets)  # pyright: ignore[reportArgumentType] - see above
        for server in self.servers:
            for bound in server.sockets:
                host, port = cast("tuple[str, int]", bound.getsockname()[:2])
                shown = f"[{host}]" if ":" in host else host
                print(f"anyport: {self._name} serves MCP at http://{shown}:{port}{self._path}", file=sys.stderr, flush=True)

    def _stop(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def serve(application: Application, options: RunOptions) -> None:
    """Serve an application over HTTP until a signal ends it.

    Args:
        application: What is served; its limit ``drain_s`` is what calls in flight get at the end.
        options: ``host``, ``port`` and the options of `AsgiApp`.
    """
    host, port = options.pop("host", "127.0.0.1"), options.pop("port", 8000)
    options.pop("strict_stdout", None)
    limits, app = application.limits, AsgiApp(application, **options)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        lifespan="on",
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=max(1, round(limits.drain_s)),
    )
    _Server(config, application.name, app.path, limits).run()
