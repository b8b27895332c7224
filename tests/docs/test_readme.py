"""Every snippet of the README runs as it stands there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import cast

from anyport import Server
from tests.drivers.http_server import HttpProcess
from tests.server.asking import SAID, Client, accept, value
from tests.server.calling import ask, make_call

ROOT = Path(__file__).parents[2]
WAIT = 30.0
_SNIPPET = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _snippets() -> list[str]:
    return _SNIPPET.findall((ROOT / "README.md").read_text(encoding="utf-8"))


def _anyport(*arguments: str) -> str:
    """Return what a command prints; it must succeed."""
    command = [sys.executable, "-m", "anyport", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=False, stdin=subprocess.DEVNULL)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_lengths_are_as_promised() -> None:
    """A server in ten lines, a client in five or so."""
    server, client, *_ = _snippets()
    assert len([line for line in server.splitlines() if line.strip()]) <= 10
    assert len([line for line in client.splitlines() if line.strip()]) <= 7


def test_server_and_commands(tmp_path: Path) -> None:
    """The first snippet, saved as server.py, listed and called as the README shows."""
    file = tmp_path / "server.py"
    file.write_text(_snippets()[0], encoding="utf-8")
    assert "price" in _anyport("list", str(file))
    assert "price" in _anyport("list", "--", sys.executable, str(file))
    assert "3.0" in _anyport("call", str(file), "price", "item=pen", "count=2")


def test_client(tmp_path: Path) -> None:
    """The second snippet, against the first one over HTTP."""
    server, client = tmp_path / "server.py", tmp_path / "client.py"
    source = _snippets()[0]
    assert "server.run()  #" in source
    server.write_text(source.replace("server.run()  #", "server.run('http', port=0)  #"), encoding="utf-8")
    with HttpProcess(server) as process:
        source = _snippets()[1]
        assert "http://127.0.0.1:8000/mcp" in source
        client.write_text(source.replace("127.0.0.1:8000", f"127.0.0.1:{process.port}"), encoding="utf-8")
        ended = subprocess.run([sys.executable, str(client)], capture_output=True, text=True, timeout=WAIT, check=False)
    assert (ended.returncode, ended.stdout) == (0, "3.0\n"), ended.stderr


async def test_resources_and_prompts(tmp_path: Path) -> None:
    names: dict[str, object] = {}
    exec(compile(_snippets()[3], "README.md", "exec"), names)
    server = names["server"]
    assert isinstance(server, Server)
    listed = await ask(server, make_call("resources/templates/list"))
    assert len(cast("list[object]", listed["resourceTemplates"])) == 2
    read = await ask(server, make_call("resources/read", {"uri": "shop://items/pen"}))
    assert json.loads(cast("list[dict[str, str]]", read["contents"])[0]["text"]) == {"name": "pen", "price": 1.5}
    params = {"ref": {"type": "ref/prompt", "name": "advert"}, "argument": {"name": "tone", "value": "l"}}
    assert cast("dict[str, object]", (await ask(server, make_call("completion/complete", params)))["completion"])[
        "values"
    ] == ["loud"]


async def test_asking_the_user() -> None:
    """Each tool of the snippet, from its question to its end."""
    names: dict[str, object] = {}
    exec(compile(_snippets()[4], "README.md", "exec"), names)
    server = names["server"]
    assert isinstance(server, Server)
    client = Client(server, "buy", {"item": "pens", "count": 2})
    await client.call()
    assert client.asked["sure"]["message"] == "Really buy 2 pens?"
    await client.answer(sure=value(True))
    assert client.text == "2 pens"
    client = Client(server, "send", {"item": "pen"})
    await client.call()
    for answer in (accept(street="Rue A"), SAID):
        await client.answer(**dict.fromkeys(client.asked, answer))
    assert client.text == "pen to Paris: Paris"
    client = Client(server, "order", {"item": "pen"})
    await client.call()
    await client.answer(**dict.fromkeys(client.asked, value("red")))
    assert client.text == "pen-1 in red"


def test_what_a_tool_can_be(tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text(_snippets()[2], encoding="utf-8")
    listed = _anyport("list", str(file))
    assert "order" in listed
    assert "picture" in listed
    assert "4.5" in _anyport("call", str(file), "order", "item=pen", "count=3")


async def test_servers_that_grow() -> None:
    names: dict[str, object] = {}
    exec(compile(_snippet_with("server.mount(billing"), "README.md", "exec"), names)
    server = names["server"]
    assert isinstance(server, Server)
    assert (await server.call_tool("quote", {"item": "pen", "count": 2})).structured_content == {"result": 3.0}
    assert [tool.name for tool in await server.list_tools()] == ["quote", "billing_invoice"]
    capabilities = (await ask(server, make_call("server/discover")))["capabilities"]
    assert cast("dict[str, object]", capabilities)["extensions"] == {"com.example/loyalty": {"tiers": 3}}


async def test_moving_from_fastmcp() -> None:
    names: dict[str, object] = {}
    exec(compile(_snippet_with("compat.fastmcp"), "README.md", "exec"), names)
    server = names["mcp"]
    assert isinstance(server, Server)
    assert (await server.call_tool("price", {"item": "pen"})).structured_content == {"result": 1.5}


def test_testing_your_server(tmp_path: Path) -> None:
    file = tmp_path / "test_shop.py"
    file.write_text(_snippet_with("async def test_price"), encoding="utf-8")
    ended = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=WAIT, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def _snippet_with(text: str) -> str:
    return next(snippet for snippet in _snippets() if text in snippet)
