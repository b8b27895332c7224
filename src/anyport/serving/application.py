"""What is served, and with which options: what the ways of serving have in common, without any of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from typing_extensions import TypedDict

from anyport.protocol.calls import Service
from anyport.protocol.limits import Limits
from anyport.server.lifespan import Lifespan


class Application(Protocol):
    """What is served: a server, or whatever else is a service with a name, limits and a lifespan."""

    name: str
    service: Service
    limits: Limits
    lifespan: Lifespan


class HttpOptions(TypedDict, total=False):
    """The options of an HTTP endpoint.

    Attributes:
        path: Path of the endpoint; default ``/mcp``. Both slash forms are served.
        allowed_hosts: ``Host`` values served beside the local ones; see `HostGuard`.
        allowed_origins: ``Origin`` values that may call; see `HostGuard`.
    """

    path: str
    allowed_hosts: Sequence[str]
    allowed_origins: Sequence[str]


class RunOptions(HttpOptions, total=False):
    """The options of `run`.

    Attributes:
        host: Address to bind; default ``127.0.0.1``, which nobody else can reach.
        port: Port to bind; default 8000, 0 for any that is free.
        strict_stdout: On stdio, a Python write to ``sys.stdout`` raises instead of going to stderr with a warning.
    """

    host: str
    port: int
    strict_stdout: bool
