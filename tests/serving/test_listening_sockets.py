"""What connections inherit from the socket that listens for them."""

from __future__ import annotations

import contextlib
import select
import socket

import pytest

from anyport.serving.listening import listen

PIECE = b"x" * 16 * 1024
ENOUGH = 16 * 2**20


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="this system takes what it likes")
def test_a_peer_that_does_not_read_costs_the_system_little() -> None:
    """Of its own accord it would take megabytes, and nobody who sends would notice for as long."""
    (listening,) = listen("127.0.0.1", 0)
    with contextlib.closing(listening), socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        client.connect(listening.getsockname())
        connection, _ = listening.accept()
        with connection:
            connection.setblocking(False)
            taken = 0
            # It gives way to the network, which is given a moment for it.
            while taken < ENOUGH and select.select((), (connection,), (), 0.3)[1]:
                taken += connection.send(PIECE)
    assert taken < 2**20
