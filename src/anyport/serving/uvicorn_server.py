"""uvicorn as the HTTP server: HTTP parsing and connections are its; which sockets, and when to stop, is ours."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Collection, Generator
from typing import ClassVar, Final, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from anyport.protocol.limits import Limits
from anyport.serving.application import Application, HttpOptions
from anyport.serving.asgi import AsgiApp
from anyport.serving.listening import listen_each, say, url_of
from anyport.serving.plan import HttpPlace
from anyport.transports.http.edge.edge import Edge
from anyport.transports.http.edge.seam import missing_of_seam

logger = logging.getLogger("anyport.serving")

_STEP_S: Final = 0.3
"""Seconds for each of the last steps of the end: answers by the calls themselves, answers without them, closing."""


class _PlainConnection(HttpToolsProtocol):
    """A connection of plain ASGI whose client has to read: an application cannot hang up (limit ``write_s``).

    Attributes:
        write_s: Seconds for which what was written may wait.
    """

    write_s: ClassVar[float]
    _unread: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """Give the client its time to read."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.write_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Take the limit back: the client reads."""
        super().resume_writing()
        self._forgive()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the limit back: the client is gone."""
        self._forgive()
        super().connection_lost(exc)

    def _forgive(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


class _Server(uvicorn.Server):
    """A uvicorn server that tells when it listens, and leaves signals to others."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals alone: one process may have several servers."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell."""
        await super().startup(sockets)
        self.listening.set()

    def cut(self) -> None:
        """Close every connection, and wait for no request any more."""
        self.should_exit = self.force_exit = True
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()


class HttpFront:
    """Streamable HTTP, HTTP+SSE or both, on one address; see `anyport.serving.several.Front`.

    Args:
        application: What is served.
        app: Its endpoints.
        plain_asgi: See `RunOptions`.
        quiet: Somebody else says where it is served.

    Attributes:
        sockets: What listens.
    """

    def __init__(
        self, application: Application, app: AsgiApp, *, plain_asgi: bool = False, quiet: bool = False
    ) -> None:
        self._name = application.name
        self._app = app
        self._quiet = quiet
        self.sockets: list[socket.socket] = []
        self._task: asyncio.Task[None] | None = None
        config = uvicorn.Config(
            app,
            http=_connections(app, application.limits, plain=plain_asgi),
            lifespan="off",
            ws="none",
            access_log=False,
            log_level="warning",
            server_header=False,
            # A number of seconds for `call_later`, whatever the annotation says.
            timeout_keep_alive=cast("int", application.limits.keep_alive_s),
        )
        self._server = _Server(config)

    @property
    def connections(self) -> Collection[asyncio.Protocol]:
        """Those that are open."""
        return cast("set[asyncio.Protocol]", self._server.server_state.connections)

    async def start(self) -> None:
        """Accept connections."""
        await self._app.start()
        self._task = asyncio.create_task(self._server.serve(self.sockets))
        listening = asyncio.create_task(self._server.listening.wait())
        await asyncio.wait((self._task, listening), return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if self._task.done():
            self._task.result()
        if not self._quiet:
            self.announce()

    def announce(self) -> None:
        """Say where it is served."""
        for listening in self.sockets:
            for path in self._app.paths:
                say(f"anyport: {self._name} serves MCP at {url_of(listening, path)}")

    async def ended(self) -> None:
        """Wait until uvicorn fails; it does not end by itself."""
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def drain(self, seconds: float) -> None:
        """Accept nothing more; let calls finish, and answer those that do not with an error.

        Args:
            seconds: How long they get.
        """
        if self._task is None:
            return
        self._app.set_draining(draining=True)
        self._server.should_exit = True
        streams = self._app.sse.drain(seconds) if self._app.sse is not None else _nothing()
        await asyncio.gather(self._drain_calls(self._task, seconds), streams)

    async def _drain_calls(self, served: asyncio.Task[None], seconds: float) -> None:
        if not await _is_done(served, seconds):
            self._app.endpoint.end_calls()
        if not await _is_done(served, _STEP_S):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STEP_S):
                    await self._app.endpoint.answer_calls()
        await _is_done(served, _STEP_S)

    async def aclose(self) -> None:
        """Close every connection."""
        self._server.cut()
        if self._task is not None and await _is_done(self._task, _STEP_S):
            self._task.result()


def make_front(
    application: Application, place: HttpPlace, options: HttpOptions, *, plain_asgi: bool = False, quiet: bool = False
) -> HttpFront:
    """Make what serves HTTP at an address, which is still to be bound.

    Args:
        application: What is served.
        place: Which transports.
        options: Those of the endpoints.
        plain_asgi: See `RunOptions`.
        quiet: See `HttpFront`.

    Raises:
        LocalProtocolError: An option makes no sense.
    """
    whole: HttpOptions = {**options}
    whole["sse"] = place.sse
    app = AsgiApp(application, streamable=place.streamable, **whole)
    return HttpFront(application, app, plain_asgi=plain_asgi, quiet=quiet)


@contextlib.contextmanager
def bind(
    application: Application, place: HttpPlace, options: HttpOptions, *, plain_asgi: bool = False
) -> Generator[HttpFront]:
    """Bind an address for HTTP; it listens until the context ends.

    Args:
        application: What is served.
        place: Where, and which transports.
        options: Those of the endpoints.
        plain_asgi: See `RunOptions`.

    Raises:
        SystemExit: With a line that says why the address cannot be listened on (status 1).
        LocalProtocolError: An option makes no sense.
    """
    front = make_front(application, place, options, plain_asgi=plain_asgi)
    with bound(place, 1) as (front.sockets,):
        yield front


@contextlib.contextmanager
def bound(place: HttpPlace, count: int) -> Generator[list[list[socket.socket]]]:
    """Listen at an address, for one process or several, until the context ends.

    Args:
        place: Where.
        count: How many processes; see `listen_each`.

    Yields:
        The sockets of each.

    Raises:
        SystemExit: With a line that says why the address cannot be listened on (status 1).
    """
    try:
        found = listen_each(place.host, place.port, count)
    except OSError as error:
        raise SystemExit(f"anyport: cannot listen on {place.host}:{place.port}: {error.strerror or error}") from None
    try:
        yield found
    finally:
        for sockets in found:
            for listening in sockets:
                listening.close()


def _connections(app: AsgiApp, limits: Limits, *, plain: bool) -> type[asyncio.Protocol]:
    """Return what makes connections: the edge, or plain ASGI where that is wanted or uvicorn offers nothing else."""
    missing = [] if plain else missing_of_seam()
    if missing:
        logger.error(
            "uvicorn %s lacks what the HTTP edge is built on (%s): serving plain ASGI, slower and without deadlines for"
            " heads and bodies; install another version of uvicorn, or say plain_asgi=True (--plain-asgi)",
            uvicorn.__version__,
            ", ".join(missing),
        )
    if plain or missing:
        return type("Connection", (_PlainConnection,), {"write_s": limits.write_s})
    # uvicorn calls it, whatever it is.
    return cast("type[asyncio.Protocol]", Edge(app.find, limits))


async def _is_done(task: asyncio.Task[None], seconds: float) -> bool:
    await asyncio.wait((task,), timeout=seconds)
    return task.done()


async def _nothing() -> None:
    return
