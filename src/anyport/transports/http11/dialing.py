"""A TCP connection to a host by name: its addresses are tried one after the other, without waiting long for one.

The event loops could do that too, but uvloop tries an address only when the one before has failed, and asyncio may
leave a socket open when it is cancelled (CPython 3.11).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

_ATTEMPT_S: Final = 0.25
"""Seconds after which the next address is tried beside the ones before (RFC 8305, 8)."""

Info: TypeAlias = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[object, ...]]


async def dial(host: str, port: int) -> socket.socket:
    """Connect to a host.

    Args:
        host: Name or address.
        port: TCP port.

    Returns:
        A connected socket that does not block.

    Raises:
        OSError: The host has no address, or none of its addresses takes a connection.
    """
    infos = await _resolve(host, port)
    if len(infos) == 1:
        return await _attempt(infos[0])
    tasks: list[asyncio.Task[socket.socket]] = []
    taken: asyncio.Task[socket.socket] | None = None
    try:
        taken = await _race(infos, tasks)
        return taken.result()
    finally:
        for task in tasks:
            if task is not taken:
                task.add_done_callback(_close)
                task.cancel()


async def _race(infos: Sequence[Info], tasks: list[asyncio.Task[socket.socket]]) -> asyncio.Task[socket.socket]:
    """Return the first attempt that is connected; puts every attempt into a list."""
    loop = asyncio.get_running_loop()
    running: set[asyncio.Task[socket.socket]] = set()
    failures: list[str] = []
    for number, info in enumerate(infos, 1):
        task = loop.create_task(_attempt(info))
        tasks.append(task)
        running.add(task)
        last = number == len(infos)
        while running:
            done, running = await asyncio.wait(
                running, timeout=None if last else _ATTEMPT_S, return_when=asyncio.FIRST_COMPLETED
            )
            for ended in done:
                error = ended.exception()
                if error is None:
                    return ended
                failures.append(str(error))
            if not last:
                break
    raise OSError("; ".join(failures))


async def _resolve(host: str, port: int) -> list[Info]:
    """Return the addresses of a host, families by turns (RFC 8305, 4)."""
    found: Iterable[Info] = []
    with contextlib.suppress(OSError):
        # What is an address already needs no thread.
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    infos = [*found] or await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    families: dict[int, list[Info]] = {}
    for info in infos:
        families.setdefault(info[0], []).append(info)
    turns = itertools.zip_longest(*families.values())
    return [info for turn in turns for info in turn if info is not None]


async def _attempt(info: Info) -> socket.socket:
    family, kind, protocol, _, address = info
    connection = socket.socket(family, kind, protocol)
    try:
        connection.settimeout(0)
        await asyncio.get_running_loop().sock_connect(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection


def _close(attempt: asyncio.Task[socket.socket]) -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()
