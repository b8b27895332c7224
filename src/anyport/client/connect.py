"""From a destination to the transports that may carry messages there."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from anyport.client.destinations import Command, Custom, Destination, Endpoint, InMemory, SocketAddress
from anyport.client.in_memory import MemoryClient
from anyport.protocol.errors import LocalProtocolError
from anyport.protocol.limits import Limits
from anyport.transports.calling import ClientTransport
from anyport.transports.sockets.client import SocketClient
from anyport.transports.stdio.child import Environment, child_environment
from anyport.transports.stdio.client import StdioClient
from anyport.transports.stdio.last_words import OnStderr

PinName: TypeAlias = Literal["stdio", "http", "streamable-http", "sse", "socket", "memory"]
"""Names of transports, as a user says them."""

PINS: Final[Mapping[str, str]] = {
    "stdio": "stdio",
    "http": "http",
    "streamable-http": "http",
    "sse": "sse",
    "socket": "socket",
    "memory": "memory",
}
_FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")


class Options(Struct, frozen=True):
    """What a user may say about the way to a target.

    Attributes:
        headers: Header fields of every HTTP request.
        environment: Environment of a child process.
        limits: Bounds on what the server may send.
        on_stderr: Who takes what a child process writes to stderr.
    """

    headers: Mapping[str, str]
    environment: Environment
    limits: Limits
    on_stderr: OnStderr = None


class Way:
    """One transport to a destination; it is made when it is first wanted.

    Args:
        name: Its name, as ``transport=`` has it.
        shown: Its name in errors.
        make: Makes it.
    """

    def __init__(self, name: str, shown: str, make: Callable[[], ClientTransport]) -> None:
        self.name = name
        self.shown = shown
        self._make = make
        self._made: ClientTransport | None = None

    def transport(self) -> ClientTransport:
        """Return the transport."""
        if self._made is None:
            self._made = self._make()
        return self._made


def make_ways(destination: Destination, options: Options, pin: PinName | None) -> Sequence[Way]:
    """Return the transports that may lead to a destination, in the order in which they are tried.

    Args:
        destination: Where the user's target leads.
        options: What else was said.
        pin: The only transport that will do.

    Raises:
        LocalProtocolError: An option, or the transport, does not go with it.
    """
    if pin is not None and pin not in PINS:
        raise LocalProtocolError(f"Unknown transport {pin!r}; known are {', '.join(PINS)}")
    if not isinstance(destination, Command):
        _refuse(options.environment != "minimal", "env", "a server that anyport starts")
        _refuse(options.on_stderr is not None, "on_stderr", "a server that anyport starts")
    if isinstance(destination, Endpoint):
        ways = _ways_to(destination, options)
        wanted = PINS[pin] if pin is not None else destination.transport
    else:
        _refuse(bool(options.headers), "headers", "an http or https URL")
        ways = [_way_to(destination, options)]
        wanted = None if pin is None else PINS[pin]
    found = [way for way in ways if wanted in (None, way.name)]
    if not found:
        known = " or ".join(repr(way.name) for way in ways)
        raise LocalProtocolError(f"transport={pin!r} does not lead to {destination.shown}: that takes {known}")
    return found


def _ways_to(endpoint: Endpoint, options: Options) -> list[Way]:
    headers = {**endpoint.headers, **options.headers}
    _check_headers(headers)

    def make_http() -> ClientTransport:
        # What speaks HTTP is loaded here and nowhere else: a client of stdio servers never needs it.
        module = importlib.import_module("anyport.transports.http.client")
        return module.HttpClient(endpoint.url, headers, options.limits)

    def make_sse() -> ClientTransport:
        module = importlib.import_module("anyport.transports.sse.client")
        return module.SseClient(endpoint.url, headers, options.limits)

    return [Way("http", "Streamable HTTP", make_http), Way("sse", "HTTP+SSE", make_sse)]


def _way_to(destination: Command | SocketAddress | InMemory | Custom, options: Options) -> Way:
    if isinstance(destination, InMemory):
        return Way("memory", "memory", lambda: MemoryClient(destination.server))
    if isinstance(destination, Custom):
        return Way("custom", "the transport", lambda: destination.transport)
    if isinstance(destination, SocketAddress):
        address = destination
        return Way(
            "socket",
            "socket",
            lambda: SocketClient(options.limits, path=address.path, host=address.host, port=address.port),
        )
    environment = command_environment(destination, options.environment)
    return Way(
        "stdio",
        "stdio",
        lambda: StdioClient(
            destination.words, environment, options.limits, cwd=destination.cwd, on_stderr=options.on_stderr
        ),
    )


def command_environment(command: Command, wanted: Environment) -> dict[str, str]:
    """Return the environment of a program: what it is given by every client, by its target, and by this one.

    Args:
        command: The program.
        wanted: What the user of the client said.
    """
    found = child_environment("minimal" if isinstance(wanted, Mapping) else wanted)
    if command.same_python and "PYTHONPATH" in os.environ:
        # The same interpreter finds the same packages.
        found.setdefault("PYTHONPATH", os.environ["PYTHONPATH"])
    for name, value in command.env.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = value
    return {**found, **wanted} if isinstance(wanted, Mapping) else found


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _FIELD_NAME.match(name) or not _FIELD_VALUE.match(value):
            raise LocalProtocolError(f"The header {name[:80]!r} has characters that HTTP does not allow")


def _refuse(given: bool, option: str, kind: str) -> None:
    if given:
        raise LocalProtocolError(f"{option}= goes with {kind}, not with this target")
