"""Every operation of a server, many times in one process, on every transport; says what each grew by. Linux only.

python -m tests.budgets.operations --count 10000 [--peer TEXT] [OPERATION...]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import sys
from collections.abc import Sequence
from typing import Final

import msgspec

from anyport.protocol.revisions import LATEST_LEGACY, LATEST_MODERN, V2025_03_26, Revision
from tests.behaviour.cells import MakePeer
from tests.behaviour.peers.channel import DuplexPeer
from tests.behaviour.peers.edge import EdgePeer
from tests.behaviour.peers.http import AsgiPeer
from tests.behaviour.peers.memory import MemoryPeer
from tests.behaviour.peers.socket import SocketPeer
from tests.behaviour.peers.sse import SsePeer
from tests.budgets.growth import Growth, measure
from tests.budgets.operation_table import client, make_operated_server, operations_of

BOTH: Final = (LATEST_MODERN, LATEST_LEGACY)
PEERS: Final[Sequence[tuple[MakePeer, Sequence[Revision]]]] = (
    (MemoryPeer, BOTH),
    (DuplexPeer, (LATEST_MODERN, V2025_03_26)),  # the one with batches
    (SocketPeer, BOTH),
    (AsgiPeer, BOTH),
    (EdgePeer, BOTH),
    (SsePeer, (LATEST_LEGACY,)),
)


async def run(count: int, which: str, names: Sequence[str]) -> list[Growth]:
    """Do every operation on every transport, in both eras."""
    server = make_operated_server()
    found: list[Growth] = []
    for make, revisions in PEERS:
        for revision in revisions:
            peer = make(server, revision, client())
            if which not in f"{peer.transport} {revision.name}":
                continue
            await peer.open()
            # What is there stays: no need to look at it in each collection.
            gc.collect()
            gc.freeze()
            for name, operation in operations_of(peer, server).items():
                if not names or name in names:
                    found.append(await measure(peer, name, operation, count))
            await peer.aclose()
    return found


def main() -> int:
    """Read the options, run, print each growth as a line of JSON; the status tells of leaks."""
    parser = argparse.ArgumentParser(description="Do every operation of a server many times; print what it leaves.")
    parser.add_argument("--count", type=int, default=10_000, help="default: 10000")
    parser.add_argument(
        "--peer", default="", help="part of a transport and revision, such as 'http 2025'; default: all"
    )
    parser.add_argument("names", nargs="*", help="which operations; default: all")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    found = asyncio.run(run(options.count, options.peer, options.names))
    for growth in found:
        print(msgspec.json.encode(growth).decode())
    leaks = [growth for growth in found if growth.is_leak]
    print(f"{len(found)} operations, each {options.count} times; {len(leaks)} left something", file=sys.stderr)
    return 1 if leaks else 0


if __name__ == "__main__":
    raise SystemExit(main())
