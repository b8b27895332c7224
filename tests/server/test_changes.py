"""What authors do that clients are told of: registering and removing while the server runs, and saying so."""

from __future__ import annotations

import asyncio
import threading
from typing import cast

import pytest

from anyport import Context, Server
from anyport.protocol.calls import Carrier
from anyport.protocol.changes import PROMPTS_CHANGED, RESOURCES_CHANGED, TOOLS_CHANGED, Change, resource_updated
from anyport.protocol.errors import LocalProtocolError
from anyport.protocol.revisions import LATEST_LEGACY, LATEST_MODERN, Revision
from anyport.protocol.types.json import JsonObject, JsonValue
from tests.server.calling import ask, call_tool, make_call
from tests.server.judging import items
from tests.server.listening import ACKNOWLEDGED, TOOLS, listening, turns

BOTH = pytest.mark.parametrize("revision", [LATEST_LEGACY, LATEST_MODERN], ids=lambda row: row.name)


class Watch:
    """A listener, and what every list says at the moment when it is told of a change."""

    def __init__(self, server: Server) -> None:
        self.changes: list[Change] = []
        self.detach = server.subscriptions.attach(self.changes.append)

    async def told(self) -> list[Change]:
        """What it was told, which it then forgets."""
        await turns()
        changes, self.changes[:] = self.changes[:], []
        return changes


def make_server() -> Server:
    server = Server("growing")

    @server.tool
    async def tool() -> str:
        return ""

    @server.prompt
    async def prompt() -> str:
        return ""

    @server.resource("test://one")
    async def one() -> str:
        return ""

    return server


@BOTH
async def test_registering_and_removing_while_the_server_runs(revision: Revision) -> None:
    """TOOL-01: each is told, and the list that a client then asks for is the new one; a name may come back."""
    server = make_server()
    watch = Watch(server)
    before = await items(server, "tools/list", revision)
    for _ in range(2):

        @server.tool
        async def another(text: str) -> str:
            return text

        assert await watch.told() == [TOOLS_CHANGED]
        listed = await items(server, "tools/list", revision)
        assert [tool["name"] for tool in listed] == ["tool", "another"]
        assert (await call_tool(server, "another", {"text": "x"}, revision=revision))["content"]
        server.tools.remove("another")
        assert await watch.told() == [TOOLS_CHANGED]
        assert await items(server, "tools/list", revision) == before
    watch.detach()


async def test_each_registry_tells_of_itself() -> None:
    server = make_server()
    watch = Watch(server)

    @server.resource("test://many/{number}")
    async def many(number: int) -> str:
        return str(number)

    assert await watch.told() == [RESOURCES_CHANGED]

    @server.prompt
    async def later() -> str:
        return ""

    assert await watch.told() == [PROMPTS_CHANGED]
    server.resources.remove("test://many/{number}")
    assert await watch.told() == [RESOURCES_CHANGED]
    server.prompts.remove("later")
    assert await watch.told() == [PROMPTS_CHANGED]
    for remove in (server.tools.remove, server.prompts.remove, server.resources.remove):
        with pytest.raises(LocalProtocolError):
            remove("nothing")
    assert await watch.told() == []
    watch.detach()


async def test_what_completed_a_prompt_goes_with_it() -> None:
    """TOOL-01: a prompt that comes back may have other completions, or none."""
    server = Server("growing")
    params = {"ref": {"type": "ref/prompt", "name": "advert"}, "argument": {"name": "item", "value": ""}}

    async def completed() -> JsonValue:
        return (await ask(server, make_call("completion/complete", params)))["completion"]

    def register() -> None:
        @server.prompt
        async def advert(item: str) -> str:
            return item

    for _ in range(2):
        register()
        assert await completed() == {"values": [], "total": 0, "hasMore": False}

        @server.completion("advert", argument="item")
        def items(typed: str) -> list[str]:
            return ["pen"]

        assert await completed() == {"values": ["pen"], "total": 1, "hasMore": False}
        server.prompts.remove("advert")


async def test_the_new_list_is_there_when_the_change_is_told() -> None:
    """A client that asks the moment it is told gets what it was told of."""
    server = make_server()
    found: list[list[str]] = []

    def look(change: Change) -> None:
        found.append([tool.definition.name for tool in server.tools])

    detach = server.subscriptions.attach(look)
    server.tools.remove("tool")
    await turns()
    assert found == [[]]
    detach()


async def test_many_changes_in_one_turn_are_told_once() -> None:
    server = make_server()
    watch = Watch(server)
    for number in range(50):
        server.prompt(name=f"prompt {number}")(lambda: "")
        server.notify_tools_changed()
        server.notify_resource_updated("test://one")
    server.prompts.remove("prompt 7")
    assert await watch.told() == [PROMPTS_CHANGED, TOOLS_CHANGED, resource_updated("test://one")]
    watch.detach()


async def test_from_a_thread() -> None:
    server = make_server()
    watch = Watch(server)

    def work() -> None:
        server.prompt(name="late")(lambda: "")
        server.notify_tools_changed()
        server.notify_resource_updated("test://one")

    await asyncio.to_thread(work)
    assert await watch.told() == [PROMPTS_CHANGED, TOOLS_CHANGED, resource_updated("test://one")]
    watch.detach()


def test_before_any_loop_runs() -> None:
    server = make_server()
    server.notify_tools_changed()
    server.notify_prompts_changed()
    server.notify_resources_changed()
    server.notify_resource_updated("test://one")
    server.subscriptions.end()


async def test_nobody_is_told_of_what_was_before() -> None:
    server = make_server()
    server.notify_tools_changed()
    watch = Watch(server)
    assert await watch.told() == []
    watch.detach()


async def names_of_prompts(server: Server) -> list[JsonValue]:
    """Every name that the list has, page by page."""
    names: list[JsonValue] = []
    cursor: JsonObject = {}
    while True:
        page = await ask(server, make_call("prompts/list", cursor))
        names.extend(prompt["name"] for prompt in cast("list[JsonObject]", page["prompts"]))
        if "nextCursor" not in page:
            return names
        cursor = {"cursor": page["nextCursor"]}


async def test_threads_that_change_a_list_while_it_is_read() -> None:
    """PAG-01: every page is one that the list had at some time, and each reader sees what stayed all along."""
    server = Server("busy", page_size=50)
    for number in range(40):
        server.prompt(name=f"stays {number}")(lambda: "")
    watch = Watch(server)
    done = threading.Event()

    def churn(name: str) -> None:
        while not done.is_set():
            for number in range(20):
                server.prompt(name=f"{name} {number}")(lambda: "")
            for number in range(20):
                server.prompts.remove(f"{name} {number}")

    threads = [threading.Thread(target=churn, args=[name]) for name in "ab"]
    for thread in threads:
        thread.start()
    stayed = [f"stays {number}" for number in range(40)]
    try:
        for _ in range(300):
            assert set(stayed) <= set(await names_of_prompts(server))
            assert [prompt.definition.name for prompt in server.prompts][:40] == stayed
    finally:
        done.set()
        for thread in threads:
            await asyncio.to_thread(thread.join, 10)
    told = await watch.told()
    assert set(told) == {PROMPTS_CHANGED}
    watch.detach()


# --- from within a call -----------------------------------------------------------------------------------------------


def add_tellers(server: Server) -> None:
    """Add tools that tell of each kind of change, one awaiting and one not."""

    @server.tool
    async def tell(ctx: Context) -> str:
        await ctx.notify_tools_changed()
        await ctx.notify_prompts_changed()
        await ctx.notify_resources_changed()
        await ctx.notify_resource_updated("test://one")
        return "told"

    @server.tool
    def tell_plainly(ctx: Context) -> str:
        ctx.notify_tools_changed()
        ctx.notify_prompts_changed()
        ctx.notify_resources_changed()
        ctx.notify_resource_updated("test://one")
        return "told"


@BOTH
@pytest.mark.parametrize("tool", ["tell", "tell_plainly"])
async def test_telling_from_a_tool(tool: str, revision: Revision) -> None:
    """The change is told before the result of the call that made it: its client need not wait for it afterwards."""
    server = make_server()
    add_tellers(server)
    watch = Watch(server)
    await turns()
    await call_tool(server, tool, revision=revision)
    told = watch.changes[:]
    assert told == [TOOLS_CHANGED, PROMPTS_CHANGED, RESOURCES_CHANGED, resource_updated("test://one")]
    watch.detach()


async def test_a_change_that_another_session_makes() -> None:
    """S31: the stream of one connection is told of what the call of another does."""
    server = make_server()
    add_tellers(server)
    async with listening(server, {"toolsListChanged": True}, carrier=Carrier(transport="memory")) as stream:
        await call_tool(server, "tell")
        assert await stream.until_count(2) == [ACKNOWLEDGED, TOOLS]
