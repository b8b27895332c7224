"""What is read at a time is taken from the allocator, and not from the system."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from anyport import Client
from anyport.transports.chunks import read_in_chunks
from tests.client.peers import scripted

CHUNK = 65536


class Sizes(asyncio.Protocol):
    """Takes bytes, and notes how many came at a time."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.sizes.append(len(data))

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


async def test_a_socket_is_read_in_chunks_of_64_kib() -> None:
    """asyncio's own loop would read up to four times as much at once."""
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * CHUNK)
    theirs.setblocking(False)
    sent = theirs.send(b"x" * 4 * CHUNK)
    assert sent > CHUNK
    transport, protocol = await asyncio.get_running_loop().connect_accepted_socket(Sizes, ours)
    read_in_chunks(transport)
    theirs.close()
    await asyncio.wait_for(protocol.ended.wait(), 5)
    assert sum(protocol.sizes) == sent
    assert max(protocol.sizes) <= CHUNK


def test_what_has_no_size_is_left_alone() -> None:
    read_in_chunks(None)
    read_in_chunks(asyncio.BaseTransport())


async def test_a_client_of_stdio_reads_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    original = os.read

    def read(descriptor: int, size: int) -> bytes:
        asked.append(size)
        return original(descriptor, size)

    monkeypatch.setattr(os, "read", read)
    async with Client(scripted("for message in modern(): answer(message, text('fine'))")) as client:
        asked.clear()
        assert (await client.call_tool("any")).data == "fine"
    assert CHUNK in asked
    assert all(size <= CHUNK for size in asked)
