"""What `fastmcp` and `mcp` let a server, its tools and its transports be told, and what becomes of it here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from typing_extensions import TypedDict

from anyport.protocol.types.json import JsonObject

OnDuplicate: TypeAlias = Literal["error", "warn", "replace", "ignore"]
"""What becomes of a second tool, resource or prompt of one name: the last three take the new one, the new one without
a word, or the old one."""


class ComponentOptions(TypedDict, total=False):
    """The options of tools, resources and prompts.

    Attributes:
        name: Its name; default the function's.
        title: Name for people.
        description: What it is for; default the docstring.
        icons: Icons, as `mcp.types` or anyport has them.
        meta: Its ``_meta``.
        tags: Words that it is found by; they are in ``_meta`` under ``fastmcp``.
        version: Its version; there too.
        enabled: Whether it is there at all.
    """

    name: str | None
    title: str | None
    description: str | None
    icons: Sequence[object] | None
    meta: JsonObject | None
    tags: set[str] | None
    version: str | int | None
    enabled: bool | None
    auth: object
    task: object
    app: object


class ToolOptions(ComponentOptions, total=False):
    """The options of `FastMCP.tool`.

    Attributes:
        annotations: Hints, as a dictionary, or as `mcp.types` or anyport has them.
        output_schema: ``None`` for no ``outputSchema``; another one comes from the return annotation.
        structured_output: The same, as `mcp` says it.
        timeout: Seconds that a call may take.
        run_in_thread: Whether a plain ``def`` runs on a thread; else on the event loop, where it holds up everything.
        max_concurrency: As for `anyport.Server.tool`.
        resumable: As for `anyport.Server.tool`.
        input_schema: As for `anyport.Server.tool`.
    """

    annotations: object
    output_schema: object
    structured_output: bool | None
    timeout: float | None
    run_in_thread: bool
    max_concurrency: int | None
    resumable: bool
    input_schema: JsonObject
    exclude_args: Sequence[str] | None
    serializer: Callable[..., object] | None


class ResourceOptions(ComponentOptions, total=False):
    """The options of `FastMCP.resource`.

    Attributes:
        mime_type: Its MIME type.
        annotations: Audience, priority and time of change.
        size: As for `anyport.Server.resource`.
        cache_ttl: As for `anyport.Server.resource`.
        cache_scope: As for `anyport.Server.resource`.
    """

    mime_type: str | None
    annotations: object
    size: int
    cache_ttl: float
    cache_scope: Literal["private", "public"]
    security: object


@dataclass
class RunSettings:
    """What a constructor says about running, and code may change before it runs: ``mcp.settings.port = 9000``.

    Attributes:
        host: Address to bind.
        port: Port to bind.
        streamable_http_path: Path of Streamable HTTP.
        sse_path: Path of the event stream of HTTP+SSE.
        message_path: Path that its messages are posted to.
        mount_path: Path that a proxy has before it, as clients see it.
        json_response: Every answer is one JSON body.
        stateless_http: Said by a warning to make no difference: sessions are in the store, and modern calls have none.
        log_level: Least severity of the log ``anyport``.
    """

    host: str | None = None
    port: int | None = None
    streamable_http_path: str | None = None
    sse_path: str | None = None
    message_path: str | None = None
    mount_path: str | None = None
    json_response: bool = False
    stateless_http: bool = False
    log_level: str | None = None


SERVER_REFUSED: Final[Mapping[str, str]] = {
    "auth": "an application around server.asgi() authenticates, and says who calls under anyport.principal",
    "auth_server_provider": "an application around server.asgi() authenticates",
    "token_verifier": "an application around server.asgi() authenticates",
    "middleware": "@server.middleware, one function around every method",
    "providers": "server.mount(other), or tools that are registered when they are known",
    "transforms": "server.mount(other, namespace=), or another name where a tool is registered",
    "tool_transformations": "another name where a tool is registered",
    "tool_serializer": "return the text that the model is to read",
    "include_tags": "register what is to be served",
    "exclude_tags": "register what is to be served",
    "strict_input_validation": "Field(strict=True) where an argument is to be taken as it is",
    "resource_security": "paths that lead out of a directory are refused by server.add_directory",
    "request_state_security": "secret=, or ANYPORT_SECRET",
    "session_state_store": "store=, for sessions; state of your own is kept by your own code",
    "event_store": "store=, which keeps the streams of legacy sessions",
    "experimental_capabilities": "server.extension(id, settings=)",
    "client_log_level": "clients say which messages they want",
    "sampling_handler": "ctx.sample asks the client, or fails",
    "tasks": "long calls report progress; tasks are to come",
    "transport_security": "allowed_hosts= and allowed_origins= of run and asgi",
    "resource_prefix_format": "the path form is what mounted resources have",
    "retry_interval": "await ctx.close_stream(retry=seconds)",
    "session_idle_timeout": "Limits(session_idle_s=)",
    "max_sessions": "Limits(sessions=)",
    "max_request_body_size": "Limits(body_bytes=)",
}
"""Options of the constructor that are refused when they say something, and what takes their place."""

SERVER_IGNORED: Final[Mapping[str, str]] = {
    "dependencies": "what a server needs is installed by whoever installs it",
    "debug": "tracebacks are in the log anyport.server",
    "dereference_schemas": "schemas keep their $defs",
    "cache_expiration_seconds": "nothing that a mounted server says is kept",
}
"""Options of the constructor that make no difference, and why; a warning says so."""

COMPONENT_REFUSED: Final[Mapping[str, str]] = {
    "auth": "look at ctx.principal, and raise ToolError",
    "task": "long calls report progress; tasks are to come",
    "app": "return what the client is to show",
    "exclude_args": "Annotated[T, Depends(function)] gives a parameter that no model sees its value",
    "serializer": "return the text that the model is to read",
    "output_schema": "annotate what the function returns; None is for no schema",
    "security": "paths that lead out of a directory are refused by server.add_directory",
}
"""Options of tools, resources and prompts that are refused when they say something."""

RUN_REFUSED: Final[Mapping[str, str]] = {
    "uvicorn_config": "serve server.asgi() by a uvicorn of your own",
    "middleware": "put it around server.asgi()",
    "sockets": "serve server.asgi() by a uvicorn of your own",
    "event_store": "Server(store=), which keeps the streams of legacy sessions",
    "retry_interval": "await ctx.close_stream(retry=seconds)",
    "session_idle_timeout": "Limits(session_idle_s=)",
    "host_origin_protection": "allowed_hosts= and allowed_origins=",
    "reload": "run it under a watcher, such as watchfiles",
}
"""Options of running that are refused when they say something."""
