"""Calls that come together: those that are through in their first step share a task, and nobody can tell (ADR 0048)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

from anyport.protocol.calls import Call, Reply
from anyport.protocol.errors import InternalError
from anyport.protocol.jsonrpc import ResultLike
from tests.budgets.call_meter import counted_tasks
from tests.drivers.duplex import Wire, codes
from tests.drivers.stdio import cancel, request

Method = Callable[[Call, Reply], Awaitable[ResultLike]]

found: ContextVar[object] = ContextVar("found", default=None)


def wired(**methods: Method) -> Wire:
    wire = Wire()
    wire.methods |= methods
    return wire


async def test_calls_that_wait_for_nothing_share_a_task() -> None:
    wire = Wire()
    with counted_tasks() as tasks:
        wire.feed(*(request(number, "any") for number in range(20)))
        answers = await wire.settle()
    assert codes(answers) == [(number, 0) for number in range(20)]
    assert tasks == ["Duplex._serve_in_turn"]


async def test_a_call_that_waits_keeps_nobody() -> None:
    """Those behind it are served in the same turn of the loop, each in a task of its own, in the order they came in."""
    wire = Wire()
    with counted_tasks() as tasks:
        wire.feed(request(1, "any"), request(2, "wait"), request(3, "any"), request(4, "wait"), request(5, "any"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert wire.started == [1, 2, 3, 4, 5]
        assert codes(await wire.settle()) == [(1, 0), (3, 0), (5, 0)]
        wire.gate.set()
        assert codes(await wire.settle()) == [(2, 0), (4, 0)]
    assert tasks == ["Duplex._serve_in_turn", "Duplex.serve", "Duplex.serve", "Duplex.serve"]


async def test_context_variables_are_a_calls_own() -> None:
    seen: list[object] = []

    async def leave(call: Call, reply: Reply) -> ResultLike:
        seen.append(found.get())
        found.set(call.id)
        return {}

    async def tidy(call: Call, reply: Reply) -> ResultLike:
        seen.append(found.get())
        token = found.set(call.id)
        found.reset(token)
        return {}

    wire = wired(leave=leave, tidy=tidy)
    wire.feed(*(request(number, ("tidy", "leave")[number % 2]) for number in range(8)))
    assert len(await wire.settle()) == 8
    assert seen == [None] * 8


async def test_a_timeout_in_the_first_step_is_the_calls_own() -> None:
    """`asyncio.timeout` and task groups hold on to the task that they are entered in: it stays that of the call."""
    tasks: list[tuple[object, object]] = []
    done = asyncio.Event()

    async def bounded(call: Call, reply: Reply) -> ResultLike:
        before = asyncio.current_task()
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            tasks.append((before, asyncio.current_task()))
            if len(tasks) == 2:
                done.set()
            return {}
        raise AssertionError("it waits for ever")

    wire = wired(bounded=bounded)
    wire.feed(request(1, "any"), request(2, "bounded"), request(3, "bounded"), request(4, "any"))
    async with asyncio.timeout(10):
        await done.wait()
    assert sorted(codes(await wire.settle())) == [(1, 0), (2, 0), (3, 0), (4, 0)]
    assert all(before is after for before, after in tasks)
    assert tasks[0][0] is not tasks[1][0]


async def test_a_call_that_cancels_its_task_cancels_no_other() -> None:
    """Also where it does so and returns: the cancellation is due at the next wait, which would be that of another."""

    async def rash(call: Call, reply: Reply) -> ResultLike:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        return {}

    wire = wired(rash=rash)
    wire.feed(request(1, "rash"), request(2, "wait"), request(3, "rash"), request(4, "any"))
    assert codes(await wire.settle()) == [(1, 0), (3, 0), (4, 0)]
    wire.gate.set()
    assert codes(await wire.settle()) == [(2, 0)]


async def test_a_call_that_waits_its_turn_can_be_cancelled() -> None:
    """CAN-02: with the notification in the same chunk the service never sees the call, and the next ones go on."""
    wire = Wire()
    wire.feed(request(1, "wait"), request(2, "any"), cancel(2), request(3, "any"))
    assert codes(await wire.settle()) == [(3, 0)]
    assert wire.started == [1, 3]
    wire.feed(cancel(1), request(2, "any"))
    assert codes(await wire.settle()) == [(2, 0)]


async def test_a_call_that_ends_all_of_them() -> None:
    """Every one is answered once, also those that have not begun."""
    wire = Wire()

    async def end(call: Call, reply: Reply) -> ResultLike:
        wire.duplex.end_calls(InternalError("over"))
        return {}

    wire.methods["end"] = end
    wire.feed(request(1, "wait"), request(2, "end"), request(3, "any"), request(4, "wait"))
    assert codes(await wire.settle()) == [(1, -32603), (2, -32603), (3, -32603), (4, -32603)]
    wire.feed(request(1, "any"), request(3, "wait"))
    assert codes(await wire.settle()) == [(1, 0)]
    wire.gate.set()
    assert codes(await wire.settle()) == [(3, 0)]


async def test_an_exception_that_ends_the_task_ends_no_other_call() -> None:
    """What is no error of the protocol is a bug of the service: its call is answered, and so are those behind it."""
    wire, problems = Wire(), list[str]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(str(context["exception"])))
    wire.feed(request(1, "any"), request(2, "break"), request(3, "any"), request(4, "break"), request(5, "any"))
    assert codes(await wire.settle()) == [(1, 0), (2, -32603), (3, 0), (4, -32603), (5, 0)]


async def test_draining_waits_for_calls_that_have_not_begun() -> None:
    wire = Wire()
    wire.feed(request(1, "any"), request(2, "wait"), request(3, "any"))
    asyncio.get_running_loop().call_later(0.05, wire.gate.set)
    await wire.duplex.drain(10)
    assert codes(await wire.settle()) == [(1, 0), (3, 0), (2, 0)]


async def test_an_end_without_a_turn_in_between() -> None:
    """What has not begun is given up like the rest, and cleaned up before the channel is closed."""
    wire = Wire()
    wire.feed(request(1, "wait"), request(2, "any"), request(3, "any"))
    await wire.duplex.aclose(10)
    assert await wire.settle() == []
    assert wire.started == []
