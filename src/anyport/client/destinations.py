"""Where a client goes: what its target was understood as. Plain data; nothing is opened here."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from anyport.client.in_memory import InProcess
from anyport.protocol.urls import cut, one_line, shown_url
from anyport.transports.calling import ClientTransport

Pin: TypeAlias = Literal["http", "sse"]
"""A transport that a URL is for: Streamable HTTP, or HTTP+SSE of 2024-11-05."""

_SECRET: Final = re.compile(r"(?i)(key|token|secret|passw|auth|credential|bearer|cookie)")
_NAMED: Final = re.compile(r"(?P<name>-{0,2}\w[\w.\-]*)(?P<sign>=|:\s)(?P<value>.*)\Z", re.DOTALL)
_HIDDEN: Final = "..."


class Command(Struct, frozen=True, kw_only=True):
    """A program that is started and speaks on its standard streams.

    Attributes:
        words: The program and its arguments; no shell reads them.
        env: Variables beside those that the client gives every child; ``None`` takes one away.
        cwd: Directory that it starts in; ``None`` for this process's own.
        same_python: It runs on the interpreter of this process, and has to find the same packages.
        label: What errors call it; ``""`` for the words.
    """

    words: tuple[str, ...]
    env: Mapping[str, str | None] = {}
    cwd: str | None = None
    same_python: bool = False
    label: str = ""

    @property
    def shown(self) -> str:
        """A short name without secrets."""
        return one_line(self.label) or shown_words(self.words)

    @property
    def fingerprint(self) -> str | None:
        """What is equal for targets that behave the same; ``None`` where nothing tells."""
        return _digest("stdio", self.words, self.cwd)


class Endpoint(Struct, frozen=True, kw_only=True):
    """A URL.

    Attributes:
        url: An http or https URL.
        transport: What it is for, where that was said.
        headers: Header fields of every request.
        label: What errors call it; ``""`` for the URL.
    """

    url: str
    transport: Pin | None = None
    headers: Mapping[str, str] = {}
    label: str = ""

    @property
    def shown(self) -> str:
        """A short name without secrets."""
        return one_line(self.label) or shown_url(self.url)

    @property
    def fingerprint(self) -> str | None:
        """What is equal for targets that behave the same."""
        return _digest("url", self.url, self.transport)


class SocketAddress(Struct, frozen=True, kw_only=True):
    """A socket that carries messages as lines, as stdio does.

    Attributes:
        path: File of a Unix socket; ``None`` for TCP.
        host: Host of a TCP socket.
        port: Its port.
    """

    path: str | None = None
    host: str = ""
    port: int = 0

    @property
    def shown(self) -> str:
        """A short name."""
        if self.path is not None:
            return one_line(f"unix:{self.path}")
        return f"tcp://[{self.host}]:{self.port}" if ":" in self.host else f"tcp://{self.host}:{self.port}"

    @property
    def fingerprint(self) -> str | None:
        """What is equal for targets that behave the same."""
        return _digest("socket", self.path, self.host, self.port)


class InMemory(Struct, frozen=True):
    """A server in this process.

    Attributes:
        server: The server.
    """

    server: InProcess

    @property
    def shown(self) -> str:
        """A short name."""
        return f"the server {getattr(self.server, 'name', '')}".rstrip()

    @property
    def fingerprint(self) -> str | None:
        """None: nothing has to be found out about it."""
        return None


class Custom(Struct, frozen=True):
    """A transport of the user's own.

    Attributes:
        transport: The transport.
    """

    transport: ClientTransport

    @property
    def shown(self) -> str:
        """A short name."""
        return f"the transport {type(self.transport).__name__}"

    @property
    def fingerprint(self) -> str | None:
        """None: nothing tells what it leads to."""
        return None


Destination: TypeAlias = Command | Endpoint | SocketAddress | InMemory | Custom


def shown_words(words: Sequence[str]) -> str:
    """Return a command in one short line, without what may be a secret.

    Left out are values of options, variables and header fields whose names say so (``--api-key x``, ``TOKEN=x``,
    ``Authorization: x``), and what a URL has beside its place.
    """
    return cut(" ".join(_without_secrets(words)))


def _without_secrets(words: Iterable[str]) -> Iterable[str]:
    hide = False
    for word in words:
        named = _NAMED.match(word)
        if hide and not word.startswith("-"):
            hide = False
            yield _HIDDEN
        elif named and _SECRET.search(named["name"]):
            yield f"{named['name']}{named['sign']}{_HIDDEN}"
        elif named and "://" in named["value"]:
            yield f"{named['name']}{named['sign']}{shown_url(named['value'])}"
        else:
            hide = word.startswith("-") and _SECRET.search(word) is not None
            yield shown_url(word) if "://" in word else " ".join(word.split())


def _digest(kind: str, *parts: object) -> str:
    # A digest, since a command or a URL may hold a secret.
    return f"{kind}:{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]}"
