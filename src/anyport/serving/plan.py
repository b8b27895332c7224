"""What a server is run on: the transports that were named, and where each of them is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

from msgspec import Struct

from anyport.protocol.errors import LocalProtocolError
from anyport.serving.application import HttpOptions, RunOptions
from anyport.serving.settings import MAX_WORKERS, Settings, check_port

_ADDRESS: Final = frozenset({"host", "port"})
_GUARDS: Final = frozenset({"allowed_hosts", "allowed_origins"})
_OPTIONS: Final[Mapping[str, frozenset[str]]] = {
    "stdio": frozenset({"strict_stdout"}),
    "http": _ADDRESS | _GUARDS | {"path", "json_only", "plain_asgi", "sse", "sse_path", "message_path", "message_url"},
    "sse": _ADDRESS | _GUARDS | {"plain_asgi", "sse_host", "sse_port", "sse_path", "message_path", "message_url"},
    "socket": _ADDRESS | {"socket_path", "socket_host", "socket_port", "socket_remote"},
}
"""Which options each transport has."""


class HttpPlace(Struct, frozen=True):
    """An address that HTTP is served on.

    Attributes:
        host: Address to bind.
        port: Port to bind.
        streamable: Streamable HTTP is served there.
        sse: HTTP+SSE is served there.
    """

    host: str
    port: int
    streamable: bool
    sse: bool


class SocketPlace(Struct, frozen=True):
    """Where a socket is found.

    Attributes:
        path: Path of a Unix socket; ``None`` for TCP.
        host: Address to bind, for TCP.
        port: Port to bind, for TCP.
        remote: Other machines may connect.
    """

    path: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    remote: bool = False


class Plan(Struct, frozen=True):
    """What a server is run on, all at once.

    Attributes:
        stdio: One client on the standard streams.
        strict_stdout: See `RunOptions`.
        http: Addresses that HTTP is served on.
        socket: A Unix or TCP socket.
        options: Options of the HTTP endpoints.
        plain_asgi: See `RunOptions`.
        workers: Processes that serve it.
    """

    stdio: bool = False
    strict_stdout: bool = False
    http: tuple[HttpPlace, ...] = ()
    socket: SocketPlace | None = None
    options: HttpOptions = HttpOptions()
    plain_asgi: bool = False
    workers: int = 1

    @property
    def is_stdio_alone(self) -> bool:
        """Whether nothing but stdio is served."""
        return self.stdio and not self.http and self.socket is None


def make_plan(names: Sequence[str], options: RunOptions, settings: Settings | None = None) -> Plan:
    """Return the plan for some transports.

    Args:
        names: Transports, by the names that `anyport.serving.settings.check_transport` returns.
        options: What was said about them.
        settings: What the environment says where the options say nothing.

    Raises:
        LocalProtocolError: An option goes with none of the transports, or a place is missing.
    """
    workers = _workers(names, options, settings)
    known = frozenset[str]().union(*(_OPTIONS[name] for name in names))
    foreign = sorted(set(options) - known - {"workers"})
    if foreign:
        said = f"The {names[0]} transport has no" if len(names) == 1 else f"None of {', '.join(names)} has"
        raise LocalProtocolError(f"{said} {', '.join(foreign)}")
    given = {**_from_settings(settings, known), **options}
    whole = cast("RunOptions", given)
    kept = {name: value for name, value in given.items() if name in HttpOptions.__optional_keys__}
    return Plan(
        stdio="stdio" in names,
        strict_stdout=whole.get("strict_stdout", False),
        http=_http_places(names, whole),
        socket=_socket_place(names, whole) if "socket" in names else None,
        options=cast("HttpOptions", {name: value for name, value in kept.items() if name != "sse"}),
        plain_asgi=whole.get("plain_asgi", False),
        workers=workers,
    )


def _workers(names: Sequence[str], options: RunOptions, settings: Settings | None) -> int:
    """Return how many processes there are to be.

    Raises:
        LocalProtocolError: There is no such number, or it does not go with the transports.
    """
    workers = options.get("workers")
    if workers is None and settings is not None and {"http", "sse"} & set(names):
        # What the environment says of HTTP is not about a server without it.
        workers = settings.workers
    if workers is None:
        return 1
    if type(workers) is not int or not 1 <= workers <= MAX_WORKERS:
        raise LocalProtocolError(f"workers must be a number of processes from 1 to {MAX_WORKERS}; it is {workers!r}")
    if workers > 1:
        several = f"workers={workers} (--workers, ANYPORT_WORKERS)"
        if "sse" in names or options.get("sse"):
            raise LocalProtocolError(
                f"{several} does not go with HTTP+SSE: a conversation is held by the process that has its stream, and"
                " what its client posts may reach another one; serve http alone, or with one worker"
            )
        if others := [name for name in names if name != "http"]:
            raise LocalProtocolError(
                f"{several} goes with http alone, not with {' and '.join(others)}, which one process serves: run that"
                " apart, or all of them with one worker"
            )
    return workers


def _from_settings(settings: Settings | None, known: frozenset[str]) -> dict[str, object]:
    if settings is None:
        return {}
    found: dict[str, object] = {
        "host": settings.host,
        "port": settings.port,
        "path": settings.path,
        "sse_path": settings.sse_path,
        "message_path": settings.message_path,
        "message_url": settings.message_url,
        "allowed_hosts": settings.allowed_hosts or None,
        "allowed_origins": settings.allowed_origins or None,
        "json_only": settings.json_only,
        "plain_asgi": settings.plain_asgi,
        **(socket_options(settings.socket, "ANYPORT_SOCKET") if settings.socket else {}),
    }
    return {name: value for name, value in found.items() if value is not None and name in known}


def socket_options(text: str, origin: str) -> RunOptions:
    """Return the options that a place stands for: ``PATH``, ``PORT`` or ``HOST:PORT``.

    Args:
        text: As it was given.
        origin: Where it was given, for the message.

    Raises:
        SettingError: The port is none.
    """
    host, colon, port = text.rpartition(":")
    if "/" in text or "\\" in text or not (colon or text.isdigit()):
        return {"socket_path": text}
    found: RunOptions = {"socket_port": check_port(port, origin)}
    if host:
        found["socket_host"] = host
    return found


def _http_places(names: Sequence[str], options: RunOptions) -> tuple[HttpPlace, ...]:
    host, port = options.get("host", "127.0.0.1"), options.get("port", 8000)
    if "sse" not in names:
        return (HttpPlace(host, port, streamable=True, sse=options.get("sse", False)),) if "http" in names else ()
    sse_host, sse_port = options.get("sse_host", host), options.get("sse_port", port)
    if "http" not in names:
        return (HttpPlace(sse_host, sse_port, streamable=False, sse=True),)
    apart = "sse_port" in options and (sse_port == 0 or sse_port != port)
    if sse_host == host and not apart:
        return (HttpPlace(host, port, streamable=True, sse=True),)
    return (
        HttpPlace(host, port, streamable=True, sse=False),
        HttpPlace(sse_host, sse_port, streamable=False, sse=True),
    )


def _socket_place(names: Sequence[str], options: RunOptions) -> SocketPlace:
    path, port = options.get("socket_path"), options.get("socket_port")
    if path is not None and port is not None:
        raise LocalProtocolError("A socket has a socket_path or a socket_port, not both")
    if path is not None:
        return SocketPlace(path)
    host = options.get("socket_host")
    if {"http", "sse"}.isdisjoint(names):
        # Nothing else that they could be about.
        host = options.get("host") if host is None else host
        port = options.get("port") if port is None else port
    if port is None:
        raise LocalProtocolError(
            "The socket transport needs a place: socket_path for a Unix socket, or socket_port (--socket PATH or"
            " [HOST:]PORT)"
        )
    return SocketPlace(None, "127.0.0.1" if host is None else host, port, remote=options.get("socket_remote", False))
