"""A coroutine that is stepped once by hand, and awaited if it then waits: it never notices."""

from __future__ import annotations

import asyncio

import pytest

from anyport.transports.first_steps import step


async def test_what_waits_for_nothing_is_through() -> None:
    done: list[int] = []

    async def send() -> None:
        done.append(1)

    assert step(send()) is None
    assert done == [1]


async def test_what_waits_is_awaited_to_its_end() -> None:
    gate, done = asyncio.Event(), list[object]()

    async def send() -> None:
        task = asyncio.current_task()
        await asyncio.sleep(0)
        await gate.wait()
        await asyncio.sleep(0)
        done.append(asyncio.current_task() is task)

    rest = step(send())
    assert rest is not None
    asyncio.get_running_loop().call_soon(gate.set)
    async with asyncio.timeout(5):
        await rest
    assert done == [True]


async def test_errors_come_through() -> None:
    async def at_once() -> None:
        raise OSError("at once")

    async def later() -> None:
        await asyncio.sleep(0)
        raise OSError("later")

    with pytest.raises(OSError, match="at once"):
        step(at_once())
    rest = step(later())
    assert rest is not None
    with pytest.raises(OSError, match="later"):
        await rest


async def test_a_deadline_reaches_what_waits() -> None:
    """It is cancelled where it waits, and cleans up."""
    cleaned: list[str] = []

    async def send() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append("up")

    rest = step(send())
    assert rest is not None
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await rest
    assert cleaned == ["up"]


async def test_what_is_given_up_unawaited_is_closed() -> None:
    cleaned: list[str] = []

    async def send() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append("up")

    rest = step(send())
    assert rest is not None
    rest.close()
    assert cleaned == ["up"]
