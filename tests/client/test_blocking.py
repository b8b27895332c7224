"""The blocking client: the same methods, from any thread, with a loop around it or without."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import get_type_hints

import pytest

from anyport import Client
from anyport.client.blocking import SyncClient
from anyport.client.client_options import ClientOptions
from anyport.client.listening import ChangeEvent
from anyport.client.loop_thread import LoopThread
from anyport.errors import ConnectError, LocalProtocolError, McpError, Timeout, ToolError
from anyport.protocol.types.json import JsonValue
from tests.client.peers import load_server, scripted
from tests.client.ways import FULL, WAIT


@pytest.fixture(name="client")
def open_client() -> Iterator[SyncClient]:
    with Client.sync(load_server(FULL), timeout=20, on_elicit=lambda question: {"item": "pen"}) as client:
        yield client


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "anyport-client"]


def test_everything_there_is(client: SyncClient) -> None:
    assert (client.state, client.era, client.revision, client.instructions) == (
        "connected",
        "modern",
        "2026-07-28",
        None,
    )
    assert client.server_info is not None
    assert client.capabilities.tools is not None
    assert "order" in [tool.name for tool in client.list_tools()]
    assert client.call_tool("order").data == "2 pen"
    assert client.call_tool("trickle", {"count": 0}, result_type=int).data == 0
    assert [found.uri for found in client.list_resources()] == ["shop://list"]
    assert len(client.list_resource_templates(cursor=None)) == 1
    assert client.read_resource("shop://items/pen")[0].text == "a pen"
    assert [found.name for found in client.list_prompts()] == ["greet"]
    assert len(client.get_prompt("greet", {"name": "Ada"}).messages) == 1
    assert client.complete("greet", "name", "A").values == ["Ada", "Alan"]
    client.ping()
    client.set_log_level("error")
    with pytest.raises(LocalProtocolError, match="roots="):
        client.notify_roots_changed()
    with pytest.raises(LocalProtocolError, match="on_change="):
        client.subscribe("shop://list")
    client.unsubscribe("shop://list")


def test_errors_are_the_same(client: SyncClient) -> None:
    with pytest.raises(McpError, match="Unknown tool"):
        client.call_tool("nothing")
    with pytest.raises(ToolError):
        client.call_tool("trickle", {"count": "many"})
    with pytest.raises(Timeout, match=r"within 0\.2 s"):
        client.call_tool("trickle", {"count": 100}, timeout=0.2)
    assert client.call_tool("meta", {"key": "x"}).data == "None"


def test_changes(client: SyncClient) -> None:
    """In a `with` block the server tells from its beginning on; a loop over it may be left and taken up again."""
    with client.listen(tools=True, prompts=True) as events:
        client.call_tool("change", {"what": "tools"})
        for event in events:
            assert event == ChangeEvent("tools")
            break
        client.call_tool("change", {"what": "prompts"})
        assert next(events) == ChangeEvent("prompts")
    assert list(events) == []
    with pytest.raises(LocalProtocolError, match="Nothing to listen to"):
        client.listen()


def _meta(client: SyncClient) -> JsonValue:
    return client.call_tool("meta", {"key": "x"}).data


def test_several_threads_share_it(client: SyncClient) -> None:
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(_meta, [client] * 40))
    assert results == ["None"] * 40


async def test_inside_a_loop_that_runs() -> None:
    """As in a notebook: the loop around it is blocked, and nothing else."""
    with Client.sync(load_server(FULL)) as client:
        assert client.call_tool("meta", {"key": "x"}).data == "None"
    assert asyncio.get_running_loop().is_running()


def test_it_leaves_no_thread() -> None:
    before = len(threads())
    client = Client.sync(load_server(FULL))
    assert client.state == "new"
    client.connect()
    assert len(threads()) == before + 1
    client.close()
    client.close()
    assert client.state == "closed"
    assert len(threads()) == before
    with pytest.raises(LocalProtocolError, match="not connected"):
        client.call_tool("meta", {"key": "x"})
    client.connect()
    assert client.call_tool("meta", {"key": "x"}).data == "None"
    client.close()
    assert len(threads()) == before


def test_a_client_that_is_forgotten_ends_its_thread() -> None:
    before = len(threads())
    client = Client.sync(load_server(FULL))
    client.connect()
    [thread] = threads()[before:]
    del client
    thread.join(WAIT)
    assert not thread.is_alive()


def test_closing_ends_a_call_of_another_thread() -> None:
    """It fails with a typed error, at once; closing is bounded."""
    client = Client.sync(scripted("for message in modern(): say('called')"), on_stderr=(called := _Called()))
    client.connect()
    failures: list[BaseException] = []

    def call() -> None:
        try:
            client.call_tool("x")
        except ConnectError as error:
            failures.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert called.event.wait(WAIT)
    client.close()
    thread.join(WAIT)
    assert [str(error) for error in failures] == ["The client was closed"]


class _Called:
    """Takes the lines of stderr."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def __call__(self, line: str) -> None:
        self.event.set()


def test_a_callback_cannot_call_the_client() -> None:
    """It would wait for itself: it is told so, and nothing hangs."""
    found: list[str] = []

    def think(request: object) -> str:
        with pytest.raises(LocalProtocolError, match="one of its own callbacks") as caught:
            client.ping()
        found.append(str(caught.value))
        return "thought"

    with Client.sync(load_server(FULL), on_sample=think) as client:
        assert client.call_tool("think").data == "thought"
    assert len(found) == 1


def test_stopping_cancels_the_work() -> None:
    """Whoever waits for it is told; nothing of it is left."""
    runner = LoopThread()
    began, cancelled = threading.Event(), threading.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(runner.run, work())
        assert began.wait(WAIT)
        runner.stop()
        with pytest.raises(ConnectError, match="The client was closed"):
            waiting.result(WAIT)
    assert cancelled.is_set()


_PROTOCOL = {"connect", "aclose", "listen", "sync"}


def test_the_signatures_are_the_same() -> None:
    """Whoever knows one knows the other."""
    methods = [name for name, _ in inspect.getmembers(Client, inspect.iscoroutinefunction) if name[0] != "_"]
    assert len(methods) > 10
    for name in methods:
        if name not in _PROTOCOL:
            ours, theirs = inspect.signature(getattr(SyncClient, name)), inspect.signature(getattr(Client, name))
            assert str(ours) == str(theirs), name
    listen = inspect.signature(SyncClient.listen)
    assert list(listen.parameters) == list(inspect.signature(Client.listen).parameters)
    properties = [name for name, value in inspect.getmembers(Client) if isinstance(value, property)]
    assert all(isinstance(getattr(SyncClient, name), property) for name in properties)


def test_the_options_are_those_of_the_client() -> None:
    parameters = inspect.signature(Client).parameters
    assert set(get_type_hints(ClientOptions)) == set(parameters) - {"target"}
