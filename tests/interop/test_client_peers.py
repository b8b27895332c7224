"""`Client` against servers made with `mcp` 1.x, `mcp` 2.x and `fastmcp` 4.x: all that they offer."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from anyport.protocol.errors import McpError
from anyport.protocol.revisions import Era
from tests.interop.serving_peers import PEERS, free_port, peer_command, served
from tests.interop.using import (
    Heard,
    answer_questions,
    give_up,
    hear_of_changes,
    use_prompts,
    use_resources,
    use_tools,
    watch_a_resource,
)
from tests.requirements import Environment

pytestmark = pytest.mark.needs_interop


@dataclass(frozen=True)
class Cell:
    """A server, what carries the messages, and the era that the client is to find or is told."""

    peer: Environment
    transport: Literal["stdio", "http", "sse"]
    era: Era
    pinned: bool = False

    def __str__(self) -> str:
        return f"{self.peer}-{self.transport}-{self.era}{'-pinned' if self.pinned else ''}"


CELLS = (
    Cell("mcp1", "stdio", "legacy"),
    Cell("mcp1", "http", "legacy"),
    Cell("mcp1", "sse", "legacy"),
    Cell("mcp2", "stdio", "modern"),
    Cell("mcp2", "stdio", "legacy", pinned=True),
    Cell("mcp2", "http", "modern"),
    Cell("mcp2", "http", "legacy", pinned=True),
    Cell("mcp2", "sse", "legacy", pinned=True),
    Cell("fastmcp4", "stdio", "modern"),
    Cell("fastmcp4", "stdio", "legacy", pinned=True),
    Cell("fastmcp4", "http", "modern"),
    Cell("fastmcp4", "http", "legacy", pinned=True),
    Cell("fastmcp4", "sse", "legacy", pinned=True),
)
RUNS_ON = {Cell("fastmcp4", "http", "modern")}
"""Where the library lets a call run on whose client has closed the stream (HTTP-10)."""
DEAF = {Cell("fastmcp4", "stdio", "modern"), Cell("fastmcp4", "http", "modern")}
"""Where the library declares `listChanged`, and does not know `subscriptions/listen`."""


@contextmanager
def target_of(cell: Cell) -> Generator[str | list[str]]:
    command = peer_command(cell.peer)
    if cell.transport == "stdio":
        yield command
        return
    port = free_port()
    with served([*command, cell.transport, str(port)], cell.transport, {}, port) as url:
        yield url


@pytest.fixture(name="served_cell")
def serve_cell(request: pytest.FixtureRequest) -> Generator[tuple[Cell, str | list[str]]]:
    """The server of a cell, started and ended outside the loop of the test."""
    cell: Cell = request.param
    with target_of(cell) as target:
        yield cell, target


@pytest.mark.parametrize("served_cell", CELLS, ids=str, indirect=True)
async def test_all_that_a_server_offers(served_cell: tuple[Cell, str | list[str]], tmp_path: Path) -> None:
    """S20, S31, D20: the client finds the transport and the era, and uses every feature."""
    heard = Heard()
    cell, target = served_cell
    async with heard.client(target, tmp_path, era=cell.era if cell.pinned else None) as client:
        assert client.era == cell.era
        assert client.server_info is not None
        assert (client.server_info.name, client.instructions) == ("peer", "Ask me.")
        tools = [tool.name for tool in await client.list_tools()]
        await use_tools(client, heard)
        await use_resources(client)
        await use_prompts(client)
        await answer_questions(client, heard, tmp_path, tools)
        if cell not in RUNS_ON:
            await give_up(client)
        if cell in DEAF:
            with pytest.raises(McpError):
                await hear_of_changes(client)
        else:
            await hear_of_changes(client)
        if "touch" in tools and cell.era == "modern":
            await watch_a_resource(client)


def test_every_server_is_used() -> None:
    assert {path.name for path in PEERS.glob("*_server.py")} == {f"{cell.peer}_server.py" for cell in CELLS}
