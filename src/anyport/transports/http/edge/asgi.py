"""Requests of a connection of ours that are not for MCP: uvicorn's own ASGI cycle answers them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.protocols.utils import is_ssl

from anyport.protocol.errors import McpError
from anyport.transports.http.edge.grounds import Grounds
from anyport.transports.http.edge.heads import Head, Route, Target, check_fields
from anyport.transports.http.edge.line import Line

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, HTTPScope


class AsgiLine(Line, Protocol):
    """A connection, as a request for an ASGI application sees it.

    Attributes:
        client: Address and port of the client; ``None`` for none.
        server: Address and port that it came in on; ``None`` where there is none.
    """

    client: tuple[str, int] | None
    server: tuple[str, int | None] | None


class AsgiRequest:
    """One request for the ASGI application.

    Args:
        line: The connection.
        app: The application.
        cycle: What carries the request to it, and its answer to the connection.
    """

    __slots__ = ("_app", "_begun", "_cycle", "_line", "_problem")

    def __init__(self, line: Line, app: ASGI3Application, cycle: RequestResponseCycle) -> None:
        self._line = line
        self._app = app
        self._cycle = cycle
        self._begun = False
        self._problem: McpError | None = None
        cycle.on_response = self._answered

    def begin(self) -> None:
        """See `Asked.begin`."""
        self._begun = True
        if self._problem is not None:
            self._line.refuse(self._problem)
            return
        if self._line.ending:
            self._cycle.keep_alive = False
        self._line.start(self._cycle.run_asgi(self._app))

    def feed(self, chunk: bytes) -> None:
        """See `Asked.feed`."""
        cycle = self._cycle
        if not cycle.response_complete:
            cycle.body += chunk
            if len(cycle.body) > HIGH_WATER_LIMIT:
                self._line.flow.pause_reading()
            cycle.message_event.set()

    def end(self) -> None:
        """See `Asked.end`."""
        self._cycle.more_body = False
        self._cycle.message_event.set()

    def fail(self, problem: McpError) -> None:
        """See `Asked.fail`; an application learns of it as of a client that left."""
        if not self._begun:
            self._problem = problem
            return
        started, self._cycle.response_started = self._cycle.response_started, True
        self.lost()
        if started:
            self._line.abort()
        else:
            self._line.refuse(problem)

    def lost(self) -> None:
        """See `Asked.lost`."""
        if not self._cycle.response_complete:
            self._cycle.disconnected = True
        self._cycle.message_event.set()

    def _answered(self) -> None:
        self._line.answered(close=not self._cycle.keep_alive)


def make_asgi_request(line: AsgiLine, grounds: Grounds, route: Route) -> AsgiRequest:
    """Return a request for the ASGI application.

    Args:
        line: The connection.
        grounds: What it has in common with others.
        route: What its head decides.

    Raises:
        RefusedRequest: See `check_fields`.
    """
    head = route.head
    check_fields(head, grounds.limits)
    cycle = RequestResponseCycle(
        scope=_scope(line, grounds, head, route.target),
        # What it writes is counted, and how it closes is bounded.
        transport=line,  # pyright: ignore[reportArgumentType] - it writes, asks whether this closes, and closes it
        flow=line.flow,
        logger=logging.getLogger("uvicorn.error"),
        access_logger=logging.getLogger("uvicorn.access"),
        access_log=False,
        default_headers=grounds.state.default_headers,
        message_event=asyncio.Event(),
        expect_100_continue=head.expecting,
        keep_alive=head.keep_alive,
        on_response=_ignore,
    )
    return AsgiRequest(line, grounds.app, cycle)


def _scope(line: AsgiLine, grounds: Grounds, head: Head, target: Target) -> HTTPScope:
    root = grounds.config.root_path
    return {
        "type": "http",
        "asgi": {"version": grounds.config.asgi_version, "spec_version": "2.3"},
        "http_version": head.version,
        "server": line.server,
        "client": line.client,
        "scheme": "https" if is_ssl(line.transport) else "http",
        "method": head.method,
        "root_path": root,
        "path": root + target.path,
        "raw_path": root.encode("ascii") + target.raw_path,
        "query_string": target.query,
        "headers": head.fields,
        "state": grounds.app_state.copy(),
    }


def _ignore() -> None:
    """Stand in for what a request is told until it says whom to tell."""
