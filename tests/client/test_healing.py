"""A client whose server was gone: connected again once for everybody, and nothing done twice that must not be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from anyport import Client
from anyport.client.backoff import Backoff
from anyport.client.listening import ChangeEvent
from anyport.client.states import State, StateChange
from anyport.errors import ConnectError, ServerExited, Timeout
from tests.client.peers import (
    scripted,
)
from tests.client.ways import WAIT

_COUNT = """
from pathlib import Path
starts = Path({file!r})
number = len(starts.read_text()) if starts.exists() else 0
starts.write_text("x" * (number + 1))
"""


def counting(file: Path, body: str) -> list[str]:
    """Return the command of a server that knows how often it was started before: `number`."""
    return scripted(_COUNT.format(file=str(file)) + body)


async def reaches(client: Client, state: State) -> None:
    """Wait until a client is in a state that somebody else brings it into."""
    while client.state != state:  # noqa: ASYNC110 - the state is what is waited for, whoever sets it
        await asyncio.sleep(0)


def times(file: Path) -> int:
    """Return how often it was started."""
    return len(file.read_text())


_MORTAL = """
tools = [{"name": "die", "inputSchema": {"type": "object"}},
         {"name": "again", "inputSchema": {"type": "object"}, "annotations": {"idempotentHint": True}}]
for message in modern():
    if message["method"] == "tools/list":
        answer(message, {"tools": tools})
    elif message["params"]["name"] == "die" or (message["params"]["name"] == "again" and number == 0):
        os._exit(3)
    else:
        answer(message, text(str(number)))
"""


# --- stdio ------------------------------------------------------------------------------------------------------------


async def test_a_dead_server_is_started_again(tmp_path: Path) -> None:
    """STDIO-09: at the next call; what may have run is not repeated, and its caller is told."""
    changes: list[StateChange] = []
    file = tmp_path / "starts"
    async with Client(counting(file, _MORTAL), respawn=True, on_state=changes.append) as client:
        with pytest.raises(ServerExited, match="exit status 3"):
            await client.call_tool("die")
        assert client.state == "disconnected"
        assert (await client.call_tool("say")).text == "1"
        assert times(file) == 2
        assert client.state == "connected"
    states = [change.state for change in changes]
    assert states == ["connecting", "connected", "disconnected", "reconnecting", "connected", "closed"]
    assert isinstance(changes[2].error, ServerExited)


async def test_a_dead_server_stays_dead_by_default(tmp_path: Path) -> None:
    """Nobody asked for another process."""
    file = tmp_path / "starts"
    async with Client(counting(file, _MORTAL)) as client:
        for tool in ("die", "say"):
            with pytest.raises(ServerExited, match="exit status 3"):
                await client.call_tool(tool)
        assert times(file) == 1


async def test_what_may_be_done_twice_is(tmp_path: Path) -> None:
    """A tool that is marked idempotent, once its definition is known; a list, always."""
    file = tmp_path / "starts"
    async with Client(counting(file, _MORTAL), respawn=True) as client:
        await client.list_tools()
        assert (await client.call_tool("again")).text == "1"
        assert times(file) == 2
    file = tmp_path / "more"
    body = 'for message in modern():\n    os._exit(1) if number == 0 else answer(message, {"tools": []})'
    async with Client(counting(file, body), respawn=True) as client:
        assert await client.list_tools() == []
        assert times(file) == 2


async def test_everybody_waits_for_one_healing(tmp_path: Path) -> None:
    """Single flight."""
    file = tmp_path / "starts"
    async with Client(counting(file, _MORTAL), respawn=True) as client:
        with pytest.raises(ServerExited):
            await client.call_tool("die")
        said = await asyncio.gather(*(client.call_tool("say") for _ in range(20)))
        assert {answer.text for answer in said} == {"1"}
        assert times(file) == 2


async def test_a_server_that_does_not_come_back(tmp_path: Path) -> None:
    """The tries are bounded; each who waits has an error of its own, and the client may be closed."""
    file = tmp_path / "starts"
    body = f"if number: say('no more')\nif number: os._exit(9)\n{_MORTAL}"
    async with asyncio.timeout(30), Client(counting(file, body), respawn=True) as client:
        with pytest.raises(ServerExited):
            await client.call_tool("die")
        both = await asyncio.gather(client.call_tool("say"), client.call_tool("say"), return_exceptions=True)
        assert all(isinstance(each, ServerExited) and "exit status 9" in str(each) for each in both)
        assert both[0] is not both[1]
        assert client.state == "disconnected"
        # Each of the five tries asks in both eras, as the first question may be what a server dies of.
        assert times(file) <= 12


async def test_listening_goes_on(tmp_path: Path) -> None:
    """STDIO-09: the listen is sent again, by itself, and says that something may have been missed."""
    body = """
for message in modern():
    if message["method"] == "subscriptions/listen":
        meta = {"io.modelcontextprotocol/subscriptionId": message["id"]}
        granted = {"toolsListChanged": True}
        send({"method": "notifications/subscriptions/acknowledged",
              "params": {"_meta": meta, "notifications": granted}})
        if number:
            send({"method": "notifications/tools/list_changed", "params": {"_meta": meta}})
    else:
        os._exit(0)
"""
    command = counting(tmp_path / "starts", body)
    async with Client(command, respawn=True) as client, client.listen(tools=True) as listening:
        with pytest.raises(ServerExited):
            await client.call_tool("die")
        events = aiter(listening)
        async with asyncio.timeout(WAIT):
            assert [await anext(events), await anext(events)] == [
                ChangeEvent("tools", missed=True),
                ChangeEvent("tools"),
            ]


async def test_listening_to_a_server_that_stays_dead(tmp_path: Path) -> None:
    """Its end is the end of the loop, with the reason."""
    body = """
for message in legacy():
    os._exit(5) if message["method"] == "tools/call" else answer(message, {})
"""
    body = body.replace('"capabilities": {"tools": {}}', "")
    changing = 'def initialized(version="2025-11-25"):\n    return {"protocolVersion": version, "serverInfo": INFO,'
    changing += ' "capabilities": {"tools": {"listChanged": True}}}\n'
    async with Client(scripted(changing + body)) as client, client.listen(tools=True) as listening:
        with pytest.raises(ServerExited):
            await client.call_tool("die")
        with pytest.raises(ServerExited, match="exit status 5"):
            async with asyncio.timeout(WAIT):
                await anext(aiter(listening))


# --- closing ----------------------------------------------------------------------------------------------------------

_HANGS = f"if number:\n    for message in messages(): pass\n{_MORTAL}"


async def test_closing_while_it_heals(tmp_path: Path) -> None:
    """From another task: the call ends with a typed error, and not with a cancellation that nobody asked for."""
    file = tmp_path / "starts"
    client = Client(counting(file, _HANGS), respawn=True)
    await client.connect()
    with pytest.raises(ServerExited):
        await client.call_tool("die")
    calls = [asyncio.ensure_future(client.call_tool("say")) for _ in range(3)]
    async with asyncio.timeout(WAIT):
        await reaches(client, "reconnecting")
        await client.aclose()
        await client.aclose()
        said = await asyncio.gather(*calls, return_exceptions=True)
    assert [(type(each), str(each)) for each in said] == [(ConnectError, "The client was closed")] * 3
    assert client.state == "closed"


async def test_who_leaves_takes_nobody_along(tmp_path: Path) -> None:
    """A caller that is cancelled while the client heals ends its own call alone; the last one ends the healing."""
    file = tmp_path / "starts"
    async with Client(counting(file, _HANGS), respawn=True) as client:
        with pytest.raises(ServerExited):
            await client.call_tool("die")
        first, second = (asyncio.ensure_future(client.call_tool("say")) for _ in range(2))
        async with asyncio.timeout(WAIT):
            await reaches(client, "reconnecting")
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            assert not second.done()
            assert client.state == "reconnecting"
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
        assert client.state == "disconnected"


async def test_a_call_has_its_time_while_it_heals(tmp_path: Path) -> None:
    """LIFE-06: however long the healing may take."""
    async with Client(counting(tmp_path / "starts", _HANGS), respawn=True) as client:
        with pytest.raises(ServerExited):
            await client.call_tool("die")
        with pytest.raises(Timeout, match=r"gone and did not come back within 0\.3 s"):
            async with asyncio.timeout(WAIT):
                await client.call_tool("say", timeout=0.3)
        assert client.state == "disconnected"


async def test_closing_while_a_stream_begins() -> None:
    asked = asyncio.Event()

    def hear(line: str) -> None:
        asked.set()

    client = Client(scripted("for message in modern(): say('asked')"), on_stderr=hear)
    await client.connect()
    starting = asyncio.ensure_future(client.listen(tools=True).start())
    async with asyncio.timeout(WAIT):
        await asked.wait()
        await client.aclose()
        with pytest.raises(ConnectError, match="The client was closed"):
            await starting


async def test_closing_while_it_opens(tmp_path: Path) -> None:
    client = Client(scripted("for message in messages(): pass"))
    opening = asyncio.ensure_future(client.connect())
    async with asyncio.timeout(WAIT):
        await reaches(client, "connecting")
        await client.aclose()
        with pytest.raises(ConnectError, match="The client was closed"):
            await opening


async def test_two_open_once(tmp_path: Path) -> None:
    file = tmp_path / "starts"
    client = Client(counting(file, _MORTAL))
    await asyncio.gather(client.connect(), client.connect())
    await asyncio.gather(client.aclose(), client.aclose())
    assert times(file) == 1
    await client.connect()
    assert (await client.call_tool("say")).text == "1"
    await client.aclose()


def test_waits_grow_and_differ() -> None:
    """CCH-04: with jitter, up to a bound, and from the start again after what went well."""
    backoff = Backoff(first=0.1, longest=1.0)
    waits = [backoff.next() for _ in range(100)]
    for place, wait in enumerate(waits):
        most = min(1.0, 0.1 * 2**place)
        assert most / 2 <= wait <= most
    assert len({round(wait, 6) for wait in waits[10:]}) > 10
    backoff.reset()
    assert backoff.next() <= 0.1
