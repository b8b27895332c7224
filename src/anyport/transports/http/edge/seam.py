"""What the edge uses of uvicorn beyond its documentation, by name: without it, plain ASGI is served instead."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Final

from uvicorn.config import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import Server, ServerState

METHODS: Final[dict[type, tuple[str, ...]]] = {
    FlowControl: ("pause_reading", "resume_reading", "pause_writing", "resume_writing", "drain"),
    HttpToolsProtocol: ("shutdown",),
    RequestResponseCycle: ("run_asgi",),
    Server: ("serve", "startup", "capture_signals"),
}
"""Methods that are called, or that are there to be called on our side."""

PARAMETERS: Final[dict[Callable[..., object], tuple[str, ...]]] = {
    Config: ("app", "http", "lifespan", "ws", "access_log", "log_level", "server_header", "timeout_keep_alive"),
    FlowControl: ("transport",),
    # What uvicorn makes its own connections with it makes ours with.
    HttpToolsProtocol: ("config", "server_state", "app_state", "_loop"),
    ProxyHeadersMiddleware: ("app", "trusted_hosts"),
    RequestResponseCycle: (
        "scope", "transport", "flow", "logger", "access_logger", "access_log", "default_headers", "message_event",
        "expect_100_continue", "keep_alive", "on_response",
    ),
}  # fmt: skip
"""Arguments that are given by name."""

ATTRIBUTES: Final[dict[type, tuple[str, ...]]] = {
    Config: ("root_path", "proxy_headers"),
    FlowControl: ("read_paused", "write_paused"),
    HttpToolsProtocol: ("transport",),
    RequestResponseCycle: (
        "body", "more_body", "message_event", "disconnected", "keep_alive", "on_response", "response_started",
        "response_complete",
    ),
    Server: ("should_exit", "force_exit"),
    ServerState: ("connections", "tasks", "default_headers", "total_requests"),
}  # fmt: skip
"""Attributes that instances get when they are made."""


def missing_of_seam() -> list[str]:
    """Return what the installed uvicorn lacks of what the edge uses; empty where it has everything."""
    gone = [f"{kind.__name__}.{name}()" for kind, names in METHODS.items() for name in names if not hasattr(kind, name)]
    for made, names in PARAMETERS.items():
        found = inspect.signature(made).parameters
        gone += [f"{made.__name__}({name}=)" for name in names if name not in found]
    for kind, names in ATTRIBUTES.items():
        assigned = kind.__init__.__code__.co_names
        gone += [f"{kind.__name__}.{name}" for name in names if name not in assigned]
    return gone
