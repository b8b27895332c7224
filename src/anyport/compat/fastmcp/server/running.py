"""How `FastMCP` is run: the words of `fastmcp` and `mcp`, as options of an anyport server."""

from __future__ import annotations

import contextlib
import importlib
import logging
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Final, cast

from anyport.app import Server
from anyport.compat.fastmcp.honesty import NotHonoured, refuse, warn
from anyport.compat.fastmcp.server.options import RUN_REFUSED, RunSettings
from anyport.serving.application import HttpOptions, RunOptions
from anyport.serving.run import chosen_transports

if TYPE_CHECKING:
    from anyport.serving.asgi import AsgiApp

_HTTP: Final = frozenset({"http", "sse"})
_MESSAGES: Final = "/messages"
_OWN: Final = RunOptions.__optional_keys__ - {"path"}


class SessionLife:
    """What `mcp` has for the lifespan of an outer application: ``async with mcp.session_manager.run()``.

    Args:
        app: The application whose lifespan it is.
    """

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Start the server, and end it in good order."""
        async with self._app.lifespan():
            yield


class Running(Server):
    """The running half of `FastMCP`.

    Attributes:
        settings: What the constructor said about running.
    """

    settings: RunSettings
    _app: AsgiApp | None = None

    def run(
        self, transport: str | Sequence[str] | None = None, show_banner: bool | None = None, **options: object
    ) -> None:
        """Serve until the client leaves or a signal ends the process; see `anyport.Server.run`.

        Args:
            transport: ``stdio`` (the default), ``http`` or ``streamable-http``, ``sse``, or several of them.
            show_banner: Makes no difference: there is none.
            **options: ``host``, ``port``, ``path``, ``mount_path``, ``log_level``, ``json_response``,
                ``stateless_http``, and what `anyport.Server.run` takes.

        Raises:
            ValueError: A transport is unknown; the message lists the known ones.
            NotHonoured: An option that is not here.
        """
        super().run(transport, **self._run_options(transport, options))

    async def run_async(
        self, transport: str | Sequence[str] | None = None, show_banner: bool | None = None, **options: object
    ) -> None:
        """Serve as `run` does, in an event loop that runs already."""
        await super().run_async(transport, **self._run_options(transport, options))

    async def run_stdio_async(self, show_banner: bool = True, **options: object) -> None:
        """Serve one client on the standard streams."""
        await self.run_async("stdio", None, **options)

    async def run_http_async(self, show_banner: bool = True, transport: str = "http", **options: object) -> None:
        """Serve Streamable HTTP, or HTTP+SSE."""
        await self.run_async(transport, None, **options)

    async def run_streamable_http_async(self, **options: object) -> None:
        """Serve Streamable HTTP."""
        await self.run_async("http", None, **options)

    async def run_sse_async(self, mount_path: str | None = None, **options: object) -> None:
        """Serve HTTP+SSE."""
        await self.run_async("sse", None, mount_path=mount_path, **options)

    def http_app(self, path: str | None = None, *, transport: str = "http", **options: object) -> AsgiApp:
        """Return an ASGI application; see `anyport.Server.asgi`. Its ``lifespan`` is for the application around it.

        Args:
            path: Path of the endpoint, or of the event stream of HTTP+SSE.
            transport: ``http``, ``streamable-http`` or ``sse``.
            **options: As for `run`, without an address.

        Raises:
            NotHonoured: An option that is not here.
        """
        given = self._run_options(transport, {"path": path, **options})
        kept = {name: value for name, value in given.items() if name in HttpOptions.__optional_keys__}
        module = importlib.import_module("anyport.serving.asgi")
        app: AsgiApp = module.AsgiApp(self, streamable=transport != "sse", sse=transport == "sse", **kept)
        self._app = app
        return app

    def streamable_http_app(self, path: str | None = None) -> AsgiApp:
        """Return an ASGI application that serves Streamable HTTP."""
        return self.http_app(path)

    def sse_app(self, mount_path: str | None = None, path: str | None = None) -> AsgiApp:
        """Return an ASGI application that serves HTTP+SSE."""
        return self.http_app(path, transport="sse", mount_path=mount_path)

    @property
    def session_manager(self) -> SessionLife:
        """For the lifespan of the application around what `streamable_http_app` returned.

        Raises:
            NotHonoured: There is no such application yet.
        """
        if self._app is None:
            raise NotHonoured("session_manager: call streamable_http_app() first, and mount what it returns")
        return SessionLife(self._app)

    # --- options ------------------------------------------------------------------------------------------------------

    def _run_options(self, transport: str | Sequence[str] | None, options: dict[str, object]) -> RunOptions:
        """Return what was said about running, here and in the constructor, as anyport says it."""
        names = chosen_transports(transport)
        given = {name: value for name, value in options.items() if value is not None}
        level = given.pop("log_level", None)
        if level is not None:
            logging.getLogger("anyport").setLevel(str(level).upper())
        found = {name: given.pop(name) for name in tuple(given) if name in _OWN}
        web = _HTTP.intersection(names)
        for name, value in self._web_options(given, names).items():
            if web:
                found.setdefault(name, value)
        refuse("run", given, RUN_REFUSED)
        return cast("RunOptions", found)

    def _web_options(self, given: dict[str, object], names: Sequence[str]) -> dict[str, object]:
        """Take what HTTP is told out of the options, and add what the constructor said."""
        settings = self.settings
        path = given.pop("path", None)
        if given.pop("stateless_http", settings.stateless_http) or given.pop("stateless", False):
            warn("stateless_http makes no difference: modern calls have no session, legacy sessions are in the store")
        found: dict[str, object] = {"host": settings.host, "port": settings.port}
        if "http" in names:
            found["path"] = path or settings.streamable_http_path
        if "sse" in names:
            found["sse_path"] = (path if "http" not in names else None) or settings.sse_path
            found["message_path"] = settings.message_path
            mounted = str(given.pop("mount_path", None) or settings.mount_path or "").strip("/")
            if mounted:
                found["message_url"] = f"/{mounted}{settings.message_path or _MESSAGES}"
        given.pop("mount_path", None)
        if given.pop("json_response", settings.json_response):
            found["json_only"] = True
        return {name: value for name, value in found.items() if value is not None}
