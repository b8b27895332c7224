"""What is served, and with which options: what the ways of serving have in common, without any of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from typing_extensions import TypedDict

from anyport.protocol.calls import Service
from anyport.protocol.changes import Changes
from anyport.protocol.limits import Limits
from anyport.server.lifespan import Lifespan

if TYPE_CHECKING:
    from anyport.stores.base import Store


class Application(Protocol):
    """What is served: a server, or whatever else is a service with a name, limits and a lifespan."""

    name: str
    service: Service
    limits: Limits
    lifespan: Lifespan

    @property
    def store(self) -> Store:
        """What outlives a request; it lives as long as the lifespan."""
        ...

    @property
    def subscriptions(self) -> Changes:
        """Who is told what changes."""
        ...

    def share(self, make: Callable[[Limits], Store]) -> bool:
        """Make ready for several processes, which are forked from this one.

        Args:
            make: Makes a store that they can share, with the bounds of these limits, where none was named.

        Returns:
            Whether the secret is random, and so ends with them.

        Raises:
            LocalProtocolError: The store that was named is of one process alone.
        """
        ...


class HttpOptions(TypedDict, total=False):
    """The options of an HTTP endpoint.

    Attributes:
        path: Path of the endpoint; default ``/mcp``. Both slash forms are served.
        sse: Serve HTTP+SSE of 2024-11-05 beside it; default no.
        sse_path: Path of its event stream; default ``/sse``.
        message_path: Path that its messages are posted to; default ``/messages``.
        message_url: What its clients are told in place of that path, for a proxy that rewrites paths.
        allowed_hosts: ``Host`` values served beside the local ones; see `HostGuard`.
        allowed_origins: ``Origin`` values that may call; see `HostGuard`.
        json_only: Every answer is one JSON body, as simple wrappers want it: what a tool says before its result is
            dropped, nothing can be asked, and there are no streams. Default: no.
    """

    path: str
    sse: bool
    sse_path: str
    message_path: str
    message_url: str | None
    allowed_hosts: Sequence[str]
    allowed_origins: Sequence[str]
    json_only: bool


class RunOptions(HttpOptions, total=False):
    """The options of `run`.

    Attributes:
        host: Address to bind; default ``127.0.0.1``, which nobody else can reach.
        port: Port to bind; default 8000, 0 for any that is free.
        sse_host: Address to bind for HTTP+SSE; default ``host``.
        sse_port: Port to bind for HTTP+SSE; default ``port``, where it shares the listener of Streamable HTTP.
        socket_path: File of a Unix socket, which only its owner may use.
        socket_host: Address to bind for a TCP socket; default ``127.0.0.1``.
        socket_port: Port to bind for a TCP socket.
        socket_remote: Other machines may connect to the TCP socket, which has no authentication; default no.
        plain_asgi: Serve HTTP through uvicorn's ASGI alone, without the edge: slower, and without deadlines for heads
            and bodies; default no.
        workers: Processes that serve Streamable HTTP, from 1, the default, to 64; on POSIX systems, and with ``http``
            alone. They share sessions, subscriptions and the answers of users by the server's store; where none is
            named it is a file that ends with the server. What the author's code keeps in memory is of each process
            alone; so are the limits of `Limits` that no store counts (``calls_per_address``,
            ``calls_per_principal``, ``http_connections``, ``listens``, ``parked``, threads, bytes in flight) and what
            the system limits for a process, such as open files: with N workers there is N times as much.
        strict_stdout: On stdio, a Python write to ``sys.stdout`` raises instead of going to stderr with a warning.
    """

    host: str
    port: int
    sse_host: str
    sse_port: int
    socket_path: str
    socket_host: str
    socket_port: int
    socket_remote: bool
    plain_asgi: bool
    workers: int
    strict_stdout: bool
