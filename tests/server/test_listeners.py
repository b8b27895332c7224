"""Many listeners, slow ones, broken ones, and those on other loops: what they cost and whom they hurt."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import tracemalloc

import pytest

from anyport import Server
from anyport.protocol.calls import Carrier
from anyport.protocol.changes import TOOLS_CHANGED, Change, resource_updated
from anyport.protocol.errors import Busy, InvalidParams
from anyport.protocol.jsonrpc import ResultLike
from anyport.protocol.limits import Limits
from anyport.transports.memory import MemoryReply
from tests.requirements import require_linux
from tests.server.calling import ask
from tests.server.listening import (
    ACKNOWLEDGED,
    ALL,
    PROMPTS,
    RESOURCES,
    TOOLS,
    UPDATED,
    Stream,
    change_everything,
    listen_call,
    listening,
    make_server,
    turns,
)

# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 3])
async def test_listens(limit: int) -> None:
    """D11: limit - 1, limit, limit + 1; whoever they belong to."""
    server = make_server(Limits(listens=limit))
    streams = [Stream(server, listen_call(ALL, number)) for number in range(limit)]
    await turns()
    with pytest.raises(Busy, match=f"{limit} listen streams .* listens"):
        await ask(server, listen_call(ALL, carrier=Carrier(transport="memory", principal="someone")))
    server.subscriptions.end()
    for stream in streams:
        await stream.result()
    async with listening(server, ALL):
        pass


@pytest.mark.parametrize("limit", [1, 3])
async def test_listens_per_principal(limit: int) -> None:
    """D11: one name uses up its own share only; who has no name has none."""
    server = make_server(Limits(listens_per_principal=limit))
    ann, bob = Carrier(transport="memory", principal="ann"), Carrier(transport="memory", principal="bob")
    streams = [Stream(server, listen_call(ALL, number, ann)) for number in range(limit)]
    await turns()
    with pytest.raises(Busy, match="listens_per_principal"):
        await ask(server, listen_call(ALL, carrier=ann))
    streams.append(Stream(server, listen_call(ALL, "bob", bob)))
    streams.extend(Stream(server, listen_call(ALL, f"nobody {number}")) for number in range(limit + 1))
    await turns()
    assert [stream.methods for stream in streams] == [[ACKNOWLEDGED]] * len(streams)
    server.subscriptions.end()
    for stream in streams:
        await stream.result()
    async with listening(server, ALL, carrier=ann) as again:
        assert again.methods == [ACKNOWLEDGED]


@pytest.mark.parametrize("offset", [-1, 0, 1])
async def test_resources_of_a_stream(offset: int) -> None:
    """D11: limit subscriptions_per_session."""
    limit = 120
    server = make_server(Limits(subscriptions_per_session=limit))
    uris = [f"test://many/{number}" for number in range(limit + offset)]
    if offset > 0:
        with pytest.raises(InvalidParams, match="subscriptions_per_session"):
            await ask(server, listen_call({"resourceSubscriptions": uris}))
        return
    async with listening(server, {"resourceSubscriptions": uris}) as stream:
        assert stream.granted == {"resourceSubscriptions": uris}


async def test_a_client_that_does_not_read_is_told_once_of_each() -> None:
    """D19: what waits for it is a set, however often things change."""
    server = make_server()
    async with (
        listening(server, {**ALL, "resourceSubscriptions": ["test://one"]}) as slow,
        listening(server, ALL) as quick,
    ):
        slow.gate.clear()
        server.notify_tools_changed()
        await quick.until_count(2)
        gc.collect()
        tracemalloc.start()
        for _ in range(1000):
            change_everything(server)
            await asyncio.sleep(0)
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(quick.messages) > 100
        slow.gate.set()
        await slow.until_count(6)
        await turns()
        # One that was under way, and then one of each.
        assert slow.methods == [ACKNOWLEDGED, TOOLS, TOOLS, PROMPTS, RESOURCES, UPDATED]
        assert grown < 1500 * len(quick.messages), "more than what the driver itself has kept"


async def test_ten_thousand_streams_keep_nobody_waiting() -> None:
    """D11, S30: one change for all of them comes in slices, between which the loop serves others.

    The same for the end of all of them.
    """
    count = 10_000
    server = make_server(Limits(listens=count))
    told, ended = 0, 0

    class Ear(MemoryReply):
        async def notify(self, method: str, params: ResultLike) -> None:
            nonlocal told
            told += method == TOOLS

    async def listen(number: int) -> None:
        nonlocal ended
        await server.service(listen_call({"toolsListChanged": True}, number), Ear())
        ended += 1

    tasks = [asyncio.ensure_future(listen(number)) for number in range(count)]
    await turns()
    server.notify_tools_changed()
    # Each turn of the loop is a chance for a call of somebody else.
    rounds, most, before = 0, 0, 0
    while told < count:
        await asyncio.sleep(0)
        rounds, most, before = rounds + 1, max(most, told - before), told
    assert told == count
    assert most <= 200, "so many were told in one turn"
    server.subscriptions.end()
    before = 0
    while ended < count:
        await asyncio.sleep(0)
        assert ended - before <= 200
        before = ended
    await asyncio.gather(*tasks)


async def test_what_an_idle_stream_costs() -> None:
    """D15: its part of the 25 KB that one may cost over HTTP; the call and its task are the transport's."""
    count = 1000
    server = make_server()
    calls = [listen_call({"toolsListChanged": True, "resourceSubscriptions": ["test://one"]}, n) for n in range(count)]
    gc.collect()
    tracemalloc.start()
    streams = [asyncio.ensure_future(ask(server, call)) for call in calls]
    await turns()
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown / count < 5000
    server.subscriptions.end()
    await asyncio.gather(*streams)


# --- listeners of transports ------------------------------------------------------------------------------------------


async def test_a_listener_is_told_what_was_declared_when_it_came() -> None:
    """S31: its client has read the capabilities of that time."""
    server = Server("growing")

    @server.tool
    async def first() -> str:
        return ""

    early: list[Change] = []
    detach = server.subscriptions.attach(early.append)

    @server.prompt
    async def hello() -> str:
        return ""

    late: list[Change] = []
    detach_late = server.subscriptions.attach(late.append)
    await turns()
    late.clear()
    change_everything(server)
    await turns()
    assert early == [TOOLS_CHANGED]
    assert [change.method for change in late] == [TOOLS, PROMPTS]
    detach()
    detach()
    change_everything(server)
    await turns()
    assert early == [TOOLS_CHANGED]
    assert len(late) == 4
    detach_late()


async def test_a_listener_that_fails_hurts_only_itself() -> None:
    server = make_server()
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context["exception"]))
    heard: list[Change] = []

    def fail(change: Change) -> None:
        raise OSError("broken")

    detaches = [server.subscriptions.attach(fail), server.subscriptions.attach(heard.append)]
    async with listening(server, ALL) as stream:
        server.notify_resource_updated("test://one")
        server.notify_tools_changed()
        await stream.until_count(2)
        assert heard == [resource_updated("test://one"), TOOLS_CHANGED]
        assert [str(problem) for problem in problems] == ["broken", "broken"]
    for detach in detaches:
        detach()


# --- loops and threads ------------------------------------------------------------------------------------------------


async def test_every_loop_is_told() -> None:
    """A server may be mounted in two applications on two threads."""
    server = make_server()
    ready, told = threading.Event(), threading.Event()

    async def elsewhere() -> None:
        async with listening(server, ALL, 2) as stream:
            ready.set()
            await stream.until_count(2)
            told.set()
            await stream.result()

    thread = threading.Thread(target=asyncio.run, args=[elsewhere()])
    thread.start()
    async with listening(server, ALL, 1) as stream:
        await asyncio.to_thread(ready.wait, 10)
        server.notify_tools_changed()
        await stream.until_count(2)
        await asyncio.to_thread(told.wait, 10)
        assert told.is_set()
        server.subscriptions.end()
        await stream.result()
        await asyncio.to_thread(thread.join, 10)
        assert not thread.is_alive()


def test_a_loop_that_has_ended_takes_its_listeners_along() -> None:
    server = make_server()
    heard: list[Change] = []

    async def attach() -> None:
        server.subscriptions.attach(heard.append)

    asyncio.run(attach())
    change_everything(server)
    server.subscriptions.end()

    async def again() -> None:
        async with listening(server, ALL) as stream:
            server.notify_tools_changed()
            assert await stream.until_count(2) == [ACKNOWLEDGED, TOOLS]

    asyncio.run(again())
    assert heard == []


async def test_from_a_signal_handler() -> None:
    """It may interrupt a change that is being published, and must neither wait for it nor get lost."""
    require_linux("timers that send signals")
    server = make_server()
    heard: list[Change] = []
    detach = server.subscriptions.attach(heard.append)
    interrupted = 0

    def handle(number: int, frame: object) -> None:
        nonlocal interrupted
        interrupted += 1
        server.notify_resource_updated(f"test://many/{interrupted}")

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        while interrupted < 200:
            for _ in range(100):
                server.notify_tools_changed()
            await asyncio.sleep(0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    await turns()
    told = {change.uri for change in heard if change.uri is not None}
    assert told == {f"test://many/{number}" for number in range(1, interrupted + 1)}
    detach()
