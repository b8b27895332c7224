"""Many servers at once: one that is dead costs the others nothing, and no name stands for two things."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyport import Client, ClientGroup, Server
from anyport.client.group import Names
from anyport.errors import ConfigError, ConnectError, LocalProtocolError, McpError, ServerExited
from anyport.protocol.types.json import JsonObject
from tests.client.peers import (
    EXAMPLE,
    Posted,
    answering,
    encoded,
    http_answer,
    http_peer,
    load_example,
    load_server,
    result,
    scripted,
    text_result,
)
from tests.client.ways import FULL


def named(name: str, *tools: str) -> Server:
    """Return a server whose tools say who they are."""
    server = Server(name)
    for tool in tools:

        def call(said: str = f"{name}.{tool}") -> str:
            return said

        server.tool(name=tool)(call)
    return server


async def test_servers_of_every_kind() -> None:
    """In memory, as a process, over HTTP; both eras; all opened at the same time."""
    answer: JsonObject = {"tools": [{"name": "add", "inputSchema": {"type": "object"}}]}

    def rest(posted: Posted) -> bytes:
        listing = posted.rpc_method == "tools/list"
        return http_answer(200, encoded(result(posted, answer if listing else text_result("remote"))))

    async with http_peer(answering("legacy", rest)) as peer:
        targets = {"near": load_example(), "child": [sys.executable, str(EXAMPLE)], "far": peer.url}
        async with ClientGroup(targets, timeout=20) as group:
            assert group.states == dict.fromkeys(targets, "connected")
            assert {name: client.era for name, client in group.items()} == {
                "near": "modern",
                "child": "modern",
                "far": "legacy",
            }
            names = [tool.name for tool in await group.list_tools()]
            assert {"near_add", "child_add", "far_add"} <= set(names)
            assert len(names) == len(set(names))
            assert (await group.call_tool("near_add", {"a": 1, "b": 2})).data == 3
            assert (await group.call_tool("child_add", {"a": 2, "b": 2}, timeout=10)).data == 4
            assert (await group.call_tool("far_add")).data == "remote"
            assert (await group["near"].call_tool("echo", {"text": "direct"})).data == "direct"
        assert set(group.states.values()) == {"closed"}


async def test_the_dead_cost_the_others_nothing() -> None:
    targets = {
        "good": named("good", "hello"),
        "dead": scripted("os._exit(3)"),
        "gone": "http://127.0.0.1:9/mcp",
        "typo": {"command": "x", "args": 7},
    }
    async with ClientGroup(targets, timeout=20) as group:
        assert group.states["good"] == "connected"
        kinds = {name: type(error) for name, error in group.errors.items()}
        assert kinds == {"dead": ServerExited, "gone": ConnectError, "typo": ConfigError}
        assert [tool.name for tool in await group.list_tools()] == ["good_hello"]
        assert (await group.call_tool("good_hello")).data == "good.hello"
        with pytest.raises(LocalProtocolError, match=r"has a tool 'dead_hello'; dead cannot be asked: .*exit status 3"):
            await group.call_tool("dead_hello")
        with pytest.raises(LocalProtocolError, match="not connected"):
            await group["dead"].call_tool("x")


async def test_one_that_dies_later() -> None:
    """Its tools are gone, its error is there; the others are listed."""
    body = """
for message in modern():
    os._exit(2)
"""
    async with ClientGroup({"good": named("good", "hello"), "frail": scripted(body)}) as group:
        assert group.errors == {}
        assert [tool.name for tool in await group.list_tools()] == ["good_hello"]
        assert isinstance(group.errors["frail"], ServerExited)
        assert group.states["frail"] == "disconnected"


async def test_connect_tries_the_missing_again(tmp_path: Path) -> None:
    late = tmp_path / "late.py"
    async with ClientGroup({"late": str(late), "good": named("good", "hello")}) as group:
        assert set(group.errors) == {"late"}
        late.write_text(
            "from anyport import Server\nserver = Server('late')\n@server.tool\ndef x() -> int:\n    return 1\n"
        )
        await group.connect()
        assert group.errors == {}
        assert (await group.call_tool("late_x")).data == 1


async def test_a_configuration(tmp_path: Path) -> None:
    """S25: a file, a dictionary of its form, or its entries alone; what is disabled is left out."""
    entries = {"one": {"command": sys.executable, "args": [str(EXAMPLE)]}, "off": {"command": "x", "disabled": True}}
    file = tmp_path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": entries}))
    for source in (str(file), file, {"mcpServers": entries}, entries):
        group = ClientGroup(source)
        assert list(group) == ["one"]
    async with ClientGroup(file, timeout=20) as group:
        assert (await group.call_tool("one_add", {"a": 1, "b": 1})).data == 2


async def test_clients_of_ones_own() -> None:
    """They keep their options, and are closed with the group."""
    client = Client(named("x", "hello"), era="legacy")
    async with ClientGroup({"own": client}) as group:
        assert group["own"] is client
        assert client.era == "legacy"
    assert client.state == "closed"


async def test_prompts_and_resources() -> None:
    async with ClientGroup({"a": load_server(FULL), "b": load_server(FULL)}) as group:
        assert [prompt.name for prompt in await group.list_prompts()] == ["a_greet", "b_greet"]
        assert len((await group.get_prompt("b_greet", {"name": "Ada"})).messages) == 1
        found = await group.list_resources()
        assert [resource.uri for resource in found["a"]] == ["shop://list"]
        assert (await group.read_resource("b", "shop://items/pen"))[0].text == "a pen"
        with pytest.raises(LocalProtocolError, match=r"no server 'c'; known are a, b"):
            await group.read_resource("c", "shop://list")
        with pytest.raises(LocalProtocolError, match=r"has a prompt 'c_greet'$"):
            await group.get_prompt("c_greet")
        with pytest.raises(McpError):
            await group.get_prompt("a_greet", {})


async def test_names_that_would_collide() -> None:
    """`a` with `b_c` and `a_b` with `c`: both are there, and each is called."""
    async with ClientGroup({"a": named("a", "b_c"), "a_b": named("a_b", "c")}) as group:
        tools = await group.list_tools()
        assert len({tool.name for tool in tools}) == 2
        said = [(await group.call_tool(tool.name)).data for tool in tools]
        assert said == ["a.b_c", "a_b.c"]
        assert [tool.name for tool in await group.list_tools()] == [tool.name for tool in tools]


_NAMES = st.text(st.sampled_from("ab_.é "), min_size=0, max_size=90)


@given(st.lists(st.tuples(_NAMES, _NAMES), max_size=30))
def test_no_name_stands_for_two(pairs: list[tuple[str, str]]) -> None:
    """Each name is different, stays as it is, fits what hosts and models take, and leads back."""
    names = Names()
    given_names = {pair: names.give(*pair) for pair in pairs}
    assert len(set(given_names.values())) == len(given_names)
    for pair, name in given_names.items():
        assert names.give(*pair) == name
        assert names.owner(name) == pair
        assert len(name) <= 64
        assert name.isascii()
        assert name.replace("_", "").replace("-", "").isalnum() or not name.replace("_", "").replace("-", "")
    assert names.owner("zzz") is None


async def test_a_group_of_nobody() -> None:
    async with ClientGroup({}) as group:
        assert await group.list_tools() == []
        assert len(group) == 0
