"""What looks on and leaves again leaves nothing behind, however often and in whatever way (D11)."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable

import pytest

from anyport import Server
from anyport.protocol.changes import Change
from anyport.protocol.errors import McpError
from anyport.server.prompts import PromptOptions
from tests.drivers.memory import GROWTH, growth_of
from tests.server.calling import Heard, ask
from tests.server.listening import ALL, change_everything, listen_call, make_server, turns

CYCLES = 4_000

Cycle = Callable[[Server, int], Awaitable[None]]


async def ended(server: Server, number: int) -> None:
    """A stream is told of something and ended by the server."""
    heard = Heard()
    wanted = {**ALL, "resourceSubscriptions": [f"test://many/{number}"]}
    stream = asyncio.ensure_future(ask(server, listen_call(wanted, number), heard))
    await turns(3)
    server.notify_resource_updated(f"test://many/{number}")
    server.subscriptions.end()
    await stream
    assert len(heard.notifications) == 2


async def left(server: Server, number: int) -> None:
    """A client leaves its stream, with a change on the way."""
    stream = asyncio.ensure_future(ask(server, listen_call({"resourceSubscriptions": [f"test://many/{number}"]})))
    await turns(3)
    server.notify_resource_updated(f"test://many/{number}")
    stream.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await stream


async def refused(server: Server, number: int) -> None:
    """A filter is malformed."""
    with contextlib.suppress(McpError):
        await ask(server, listen_call({"resourceSubscriptions": number}))
    await turns(1)


async def attached(server: Server, number: int) -> None:
    """A legacy session comes and goes."""
    heard: list[Change] = []
    detach = server.subscriptions.attach(heard.append)
    change_everything(server)
    await turns(3)
    assert len(heard) == 5
    detach()


async def registered(server: Server, number: int) -> None:
    """A prompt comes and goes."""
    server.prompts.add(_empty, _OPTIONS[number % 2])
    server.prompts.remove(_OPTIONS[number % 2].name or "")
    await turns(1)


async def _empty() -> str:
    return ""


_OPTIONS = [PromptOptions(name="even"), PromptOptions(name="odd")]


@pytest.mark.slow
@pytest.mark.parametrize("cycle", [ended, left, refused, attached, registered])
async def test_nothing_is_left_of_who_looked_on(cycle: Cycle) -> None:
    server = make_server()
    cycles = CYCLES // 10 if cycle is registered else CYCLES
    assert await growth_of(functools.partial(cycle, server), cycles) < GROWTH


async def test_what_is_left_is_seen() -> None:
    """The measurement itself: one small object of each round is a leak."""
    kept: list[object] = []

    async def keep(number: int) -> None:
        kept.append([number])

    assert await growth_of(keep, CYCLES // 10) > GROWTH
