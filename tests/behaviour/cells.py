"""The table of the behaviour suite: each transport in each revision that it can carry, and how it is connected.

A new transport is a module in `peers/` and an entry in `IN_PROCESS`; `test_cells.py` fails while it has no cell.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from anyport import Server
from anyport.protocol.revisions import LEGACY, REVISIONS, Revision
from tests.behaviour.peers.channel import DuplexPeer
from tests.behaviour.peers.http import AsgiPeer
from tests.behaviour.peers.memory import MemoryPeer
from tests.behaviour.peers.peer import Asked, Peer
from tests.behaviour.peers.socket import SocketPeer
from tests.behaviour.peers.sse import SsePeer


@dataclass(frozen=True)
class Cell:
    """A transport in a revision.

    Attributes:
        transport: Name of the transport; with ` process`, a server in a process of its own.
        revision: What is spoken on it.
    """

    transport: str
    revision: Revision

    @property
    def modern(self) -> bool:
        """Whether the revision is."""
        return self.revision.modern

    @property
    def is_process(self) -> bool:
        """Whether the server is a process of its own, shared by the tests of the suite."""
        return self.transport.endswith(" process")

    def __str__(self) -> str:
        return f"{self.transport}-{self.revision.name}"


def mirrors(cell: Cell) -> bool:
    """Tell whether requests repeat parts of their body in HTTP headers."""
    return cell.modern and cell.transport.startswith("http")


class MakePeer(Protocol):
    """Connects to a server in this process."""

    def __call__(self, server: Server, revision: Revision, asked: Asked | None = None, /) -> Peer:
        """Return a peer, not open yet."""
        ...


class Connect(Protocol):
    """What the fixture `connect` is."""

    def __call__(
        self, server: Callable[[], Server], cell: Cell, asked: Asked | None = None, /
    ) -> AbstractAsyncContextManager[Peer]:
        """Return a peer in a context, open.

        Args:
            server: Makes the server; a process has one of its own, that of `fixture.py`.
            cell: How to reach it.
            asked: How questions of the server are answered.
        """
        ...


IN_PROCESS: Final[dict[str, tuple[MakePeer, Sequence[Revision]]]] = {
    "memory": (MemoryPeer, REVISIONS),
    "stdio": (DuplexPeer, REVISIONS),
    "http": (AsgiPeer, REVISIONS),
    "socket": (SocketPeer, REVISIONS),
    # Clients that speak a newer revision over it are served in it, but none of the modern era: that is newer.
    "sse": (SsePeer, LEGACY),
}

CELLS: Final = [Cell(name, revision) for name, (_, revisions) in IN_PROCESS.items() for revision in revisions]
PROCESS_CELLS: Final = [
    Cell("stdio process", REVISIONS[-1]),
    Cell("stdio process", LEGACY[-1]),
    Cell("http process", REVISIONS[-1]),
    *(Cell("http process", revision) for revision in LEGACY),
    Cell("socket process", REVISIONS[-1]),
    Cell("socket process", LEGACY[-1]),
]
ALL_CELLS: Final = [*CELLS, *PROCESS_CELLS]
WIRE_CELLS: Final = [cell for cell in ALL_CELLS if cell.transport != "memory"]


@asynccontextmanager
async def connect_here(server: Server, cell: Cell, asked: Asked | None = None) -> AsyncGenerator[Peer]:
    """Connect to a server in this process."""
    make, _ = IN_PROCESS[cell.transport]
    peer = make(server, cell.revision, asked)
    try:
        await peer.open()
        yield peer
    finally:
        await peer.aclose()
