"""`check_transport`: hold your own client transport to the contract of `anyport.transports.calling`.

    async def test_my_transport() -> None:
        async with serve_somehow(make_server()) as address:
            await check_transport(lambda: MyTransport(address))

The server is that of `anyport.testing.transport_server`. From any test runner; each check makes transports of its own.
To see each check as a test, go through `TRANSPORT_CHECKS`::

    @pytest.mark.parametrize("era", ["modern", "legacy"])
    @pytest.mark.parametrize("check", TRANSPORT_CHECKS)
    async def test_my_transport(check: TransportCheck, era: Era) -> None:
        await check(TransportHarness(make), era)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from anyport.protocol.revisions import Era
from anyport.testing.transport_checks import CHECKS
from anyport.testing.transport_harness import TransportHarness
from anyport.testing.transport_server import make_server
from anyport.transports.calling import ClientTransport

__all__ = ["TRANSPORT_CHECKS", "TransportCheck", "TransportHarness", "check_transport", "make_server"]

TransportCheck = Callable[[TransportHarness, Era], Awaitable[None]]

TRANSPORT_CHECKS: tuple[TransportCheck, ...] = CHECKS
"""Every check, independent of the others."""


async def check_transport(
    make_transport: Callable[[], ClientTransport],
    *,
    sever: Callable[[], Awaitable[object]] | None = None,
    eras: tuple[Era, ...] = ("modern", "legacy"),
    remembers: tuple[Era, ...] = ("modern", "legacy"),
) -> None:
    """Check that a transport does what its contract says; the first thing that it does not do ends the check.

    Args:
        make_transport: Returns a transport that is not started and reaches a server made by `make_server`.
        sever: Cuts the connection of the transport that was started last; without it nothing is checked about losses.
        eras: What the transport carries.
        remembers: The eras in which a server remembers something of a connection, so that its loss has to be told.

    Raises:
        AssertionError: It does not; the message and a note say what and where.
    """
    harness = TransportHarness(make_transport, sever, eras, remembers)
    for era in eras:
        for check in TRANSPORT_CHECKS:
            try:
                await check(harness, era)
            except Exception as error:
                error.add_note(f"in {getattr(check, '__qualname__', check)} ({era}) of anyport.testing.transports")
                raise
