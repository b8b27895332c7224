"""One fixture, `connect`, reaches a server on every transport in every revision."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager

import pytest

from anyport import Server
from tests.behaviour.cells import Cell, Connect, connect_here
from tests.behaviour.peers.peer import Asked, Peer
from tests.behaviour.processes import Processes


@pytest.fixture(scope="session")
def processes() -> Generator[Processes]:
    """The servers in processes of their own."""
    found = Processes()
    yield found
    found.close()


@pytest.fixture
def connect(processes: Processes) -> Connect:
    """Return what connects to a server by a cell of the table."""

    def to(server: Callable[[], Server], cell: Cell, asked: Asked | None = None) -> AbstractAsyncContextManager[Peer]:
        return processes.connect(cell, asked) if cell.is_process else connect_here(server(), cell, asked)

    return to
