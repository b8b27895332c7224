"""Several transports at once: one process, one lifespan, one registry (S04, S06, S14, S16, S17)."""

from __future__ import annotations

import json
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from anyport.protocol.types.json import JsonObject, JsonValue
from tests.drivers.asgi import call as http_call
from tests.drivers.asgi import modern, text_of
from tests.drivers.http_server import HttpPeer, HttpProcess
from tests.drivers.lines import LinePeer
from tests.drivers.sse_wire import SsePeer
from tests.drivers.stdio import StdioProcess, call, environment, handshake, is_gone, request

SERVED = Path(__file__).with_name("served.py")
FIXTURE = Path(__file__).parent.parent / "conformance" / "server.py"


def given(on: Sequence[str] | str | None, *, drain_s: float = 10, fails: bool = False, **run: JsonValue) -> str:
    """Return the argument of the server."""
    return json.dumps({"on": on, "run": run, "limits": {"drain_s": drain_s}, "fails": fails})


def ports(said: str) -> dict[str, int]:
    """Return the port of each path that a server said it serves."""
    return {path: int(port) for port, path in re.findall(r"serves MCP at \w+://[^:]+:(\d+)(\S*)", said)}


def found(text: str) -> list[JsonValue]:
    return cast("list[JsonValue]", json.loads(text))


def test_four_transports_share_everything(tmp_path: Path) -> None:
    """S14, S16: one process, one lifespan, one state; what one client changes the others see."""
    path = str(tmp_path / "s.sock")
    options = given(["stdio", "http", "sse", "socket"], port=0, socket_path=path)
    with StdioProcess(SERVED, options) as server:
        server.says(f"serves MCP at unix:{path}")
        port = ports(server.stderr)["/mcp"]
        assert ports(server.stderr)["/sse"] == port
        with HttpPeer(port) as http, SsePeer(port) as sse, LinePeer(path) as line:
            answers: list[list[JsonValue]] = []
            server.send(call(1, "where"))
            answers.append(found(server.answer(1).text))
            answers.append(found(text_of(http.post(http_call("where")).json)))
            assert sse.post(call(2, "where")).status == 202
            answers.append(found(sse.receive().text))
            line.send(call(3, "where"))
            answers.append(found(line.receive().text))
            assert answers == [[name, server.pid, n] for n, name in enumerate(["stdio", "http", "sse", "socket"], 1)]
            line.send(call(4, "register"))
            assert line.receive().text == "registered"
            listed = cast("JsonObject", http.post(modern("tools/list")).json["result"])["tools"]
            assert "where_again" in [tool["name"] for tool in cast("list[JsonObject]", listed)]
        ended = server.end()
    assert ended.status == 0
    assert ended.stderr.count("[lifespan began]") == ended.stderr.count("[lifespan closed]") == 1
    assert ended.stderr.endswith("[lifespan closed]\n[run returned]\n")
    assert "Traceback" not in ended.stderr
    assert not Path(path).exists()


def test_the_lifespan_begins_before_anybody_is_let_in() -> None:
    with StdioProcess(SERVED, given(["stdio", "http", "sse"], port=0)) as server:
        server.says("/sse\n")
        assert server.stderr.startswith("[lifespan began]\nanyport: several serves MCP at http://127.0.0.1:")
        assert server.end().status == 0


def test_stdio_ends_the_others() -> None:
    """The server lives and dies with the client that started it; calls in flight of others are answered."""
    with StdioProcess(SERVED, given(["http", "stdio"], port=0)) as server:
        server.says("/mcp\n")
        with HttpPeer(ports(server.stderr)["/mcp"]) as http:
            http.begin(http_call("last", {"seconds": 0.3}))
            server.says("[began]")
            server.close_input()
            assert "result" in http.answer().json
            assert http.is_closed()
        assert server.end().status == 0


def test_a_dead_client_takes_the_server_with_it(tmp_path: Path) -> None:
    """kill -9 of whoever started it: nothing is left after two seconds, whatever is in flight."""
    starter = tmp_path / "starter.py"
    starter.write_text(
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, {str(SERVED)!r}, sys.argv[1]], stdin=subprocess.PIPE)\n"
        "print(child.pid, flush=True)\ntime.sleep(60)\n"
    )
    with HttpProcess(starter, given(["stdio", "http"], port=0)) as outer:
        with HttpPeer(outer.port) as http:
            pid = found(text_of(http.post(http_call("where")).json))[1]
            http.begin(http_call("last", {"seconds": 60}))
            outer.says("[began]")
            outer.process.kill()
            assert http.answer().code == -32603
        assert is_gone(cast("int", pid), 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_them_all(number: int, tmp_path: Path) -> None:
    path = str(tmp_path / "s.sock")
    with StdioProcess(SERVED, given(["stdio", "http", "sse", "socket"], port=0, socket_path=path)) as server:
        server.says("unix:")
        port = ports(server.stderr)["/mcp"]
        server.send(*handshake())
        assert server.answer("hello").result is not None
        with HttpPeer(port) as http, SsePeer(port) as sse, LinePeer(path) as line:
            assert http.post(http_call("where")).status == 200
            line.send(*handshake())
            assert line.receive().result is not None
            ended = server.signal(number)
            assert http.is_closed()
            assert sse.event() is None
            assert line.is_closed()
    assert (ended.status, ended.messages) == (0, [])
    assert ended.seconds < 1.5
    assert ended.stderr.endswith("[lifespan closed]\n[run returned]\n")
    assert not Path(path).exists()


def test_on_ports_of_their_own() -> None:
    """Each listener serves its own transport and nothing else; a port of 0 is a port of its own."""
    with HttpProcess(SERVED, given(["http", "sse"], port=0, sse_port=0)) as server:
        server.says("/sse\n")
        place = ports(server.stderr)
        assert place["/mcp"] != place["/sse"]
        with HttpPeer(place["/mcp"]) as http, SsePeer(place["/sse"]) as sse:
            assert http.post(http_call("where")).status == 200
            sse.post(call(1, "where"))
            assert found(sse.receive().text)[::2] == ["sse", 2]
        with SsePeer(place["/mcp"]) as nothing, HttpPeer(place["/sse"]) as http:
            assert nothing.opened.status == 404
            assert http.post(http_call("where")).status == 404
        assert server.ended(server.signal(signal.SIGTERM)).status == 0


@pytest.mark.parametrize("arguments", [["--port", "0", "--sse", "0"], ["--sse", "0"]])
def test_the_fixture_of_the_conformance_suite(arguments: list[str]) -> None:
    with HttpProcess(FIXTURE, *arguments) as server:
        server.says("/sse\n")
        with SsePeer(ports(server.stderr)["/sse"]) as sse:
            sse.post(request(1, "tools/list"))
            assert sse.receive().result is not None
        assert server.ended(server.signal(signal.SIGTERM)).status == 0


def test_sse_alone() -> None:
    """S04: `run(transport="sse", host=, port=)`."""
    with HttpProcess(SERVED, given("sse", host="127.0.0.2", port=0, sse_path="/events", message_path="/in")) as server:
        assert (server.host, server.path) == ("127.0.0.2", "/events")
        assert server.ended(server.signal(signal.SIGTERM)).status == 0


def test_one_transport_by_two_names() -> None:
    """S06: `http` and `streamable-http` are one, and one listener."""
    with HttpProcess(SERVED, given(["streamable-http", "HTTP"], port=0)) as server:
        assert server.stderr.count("serves MCP") == 1
        server.ended(server.signal(signal.SIGTERM))


@pytest.mark.parametrize("separator", [",", " + "])
def test_several_by_the_environment(separator: str) -> None:
    """S16: stdio and SSE at once, and nothing in the code says so."""
    variables = environment(MCP_TRANSPORT=separator.join(["stdio", "sse"]), MCP_PORT="0", ANYPORT_SSE_PATH="/v1")
    with StdioProcess(SERVED, given(None), env=variables) as server:
        server.says("/v1\n")
        server.send(request(1, "tools/list"))
        assert server.answer(1).result is not None
        with SsePeer(ports(server.stderr)["/v1"], "/v1") as sse:
            sse.post(call(1, "where"))
            assert found(sse.receive().text)[0] == "sse"
        assert server.end().status == 0


def test_the_place_of_a_socket_by_the_environment(tmp_path: Path) -> None:
    path = str(tmp_path / "s.sock")
    variables = environment(TRANSPORT="socket", ANYPORT_SOCKET=path)
    with StdioProcess(SERVED, given(None), env=variables) as server:
        server.says("unix:")
        with LinePeer(path) as line:
            line.send(call(1, "where"))
            assert found(line.receive().text)[0] == "socket"
        assert server.signal(signal.SIGTERM).status == 0


# --- what cannot be ---------------------------------------------------------------------------------------------------


def failure(options: str) -> tuple[int, list[str]]:
    with StdioProcess(SERVED, options) as server:
        ended = server.end()
    assert ended.messages == []
    return ended.status, ended.stderr.splitlines()


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """One line; nothing else is begun, and what was bound before is let go of."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        status, said = failure(given(["stdio", "http", "sse"], port=0, sse_port=port))
    assert (status, said) == (1, [f"anyport: cannot listen on 127.0.0.1:{port}: Address already in use"])


def test_a_lifespan_that_fails() -> None:
    status, said = failure(given(["stdio", "http"], port=0, fails=True))
    assert status == 3
    assert any("the database is away" in line for line in said)
    assert not any("serves MCP" in line or "[run returned]" in line for line in said)


def test_a_store_that_cannot_be_opened(tmp_path: Path) -> None:
    """One line that names the file, and no traceback."""
    script, file = tmp_path / "server.py", tmp_path / "nowhere" / "shop.db"
    script.write_text(
        "from anyport import Server\nfrom anyport.stores import SqliteStore\n"
        f"Server('shop', store=SqliteStore({str(file)!r})).run('http', port=0)\n",
        "utf-8",
    )
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=30, env=environment())
    assert ended.returncode == 3
    (said,) = ended.stderr.splitlines()
    assert said.startswith(f"The store of shop cannot be used: {file}: ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            given(["stdio", "carrier"]),
            "unknown transport 'carrier'; known are stdio, http, streamable-http, sse, socket",
        ),
        (given([]), "transport: an empty list; name one at least"),
        (given(["stdio", "sse"], path="/x"), "None of stdio, sse has path"),
        (given(["stdio", "socket"]), "The socket transport needs a place"),
        (given(["socket"], socket_path="/x", socket_port=1), "A socket has a socket_path or a socket_port, not both"),
        (given(["http", "socket"], port=0), "The socket transport needs a place"),
        (given(["http", "sse"], port=0, message_path="/mcp"), "message_path is '/mcp', which is another endpoint's"),
        (given(["socket"], host="0.0.0.0", port=0), "say socket_remote=True (--socket-remote)"),
        (given(["socket"], host="", port=0), "others can reach every address"),
    ],
)
def test_options_that_cannot_be(options: str, message: str) -> None:
    """S15: a ValueError that lists the known ones; the others name what to change."""
    status, said = failure(options)
    assert status == 1
    assert message in said[-1]


# --- sockets ----------------------------------------------------------------------------------------------------------


def test_a_tcp_socket() -> None:
    with StdioProcess(SERVED, given("socket", port=0)) as server:
        server.says("tcp://127.0.0.1:")
        port = ports(server.stderr)[""]
        with LinePeer(("127.0.0.1", port)) as line:
            line.send(call(1, "where"))
            assert found(line.receive().text)[0] == "socket"
        assert server.signal(signal.SIGTERM).status == 0


def test_a_tcp_socket_for_others() -> None:
    with StdioProcess(SERVED, given("socket", socket_host="0.0.0.0", socket_port=0, socket_remote=True)) as server:
        server.says("tcp://0.0.0.0:")
        assert server.signal(signal.SIGTERM).status == 0


def test_the_file_of_a_unix_socket(tmp_path: Path) -> None:
    """Its owner's alone; replaced where nobody listens, kept where somebody does or where it is no socket."""
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    options = given("socket", socket_path=str(path))
    with StdioProcess(SERVED, options) as server:
        server.says("unix:")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        status, said = failure(options)
        assert (status, said) == (1, [f"anyport: cannot listen on {path}: Address already in use"])
        with LinePeer(str(path)) as line:
            line.send(call(1, "where"))
            assert line.receive().result is not None
        assert server.signal(signal.SIGTERM).status == 0
    assert not path.exists()
    path.write_text("mine")
    status, said = failure(options)
    assert (status, said) == (1, [f"anyport: cannot listen on {path}: there is a file that is no socket"])
    assert path.read_text() == "mine"


def test_a_path_that_is_too_long(tmp_path: Path) -> None:
    path = str(tmp_path / ("x" * 200))
    status, said = failure(given("socket", socket_path=path))
    assert (status, said) == (1, [f"anyport: cannot listen on {path}: AF_UNIX path too long"])


def test_a_file_that_was_replaced_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with StdioProcess(SERVED, given("socket", socket_path=str(path))) as server:
        server.says("unix:")
        path.unlink()
        path.write_text("another's")
        assert server.signal(signal.SIGTERM).status == 0
    assert path.read_text() == "another's"
