"""Several processes that serve HTTP, as one server (D06): whichever of them gets a request."""

from __future__ import annotations

import os
import signal
import socket
import stat
from pathlib import Path
from typing import cast

import pytest

from anyport.protocol.calls import META_CLIENT_CAPABILITIES
from anyport.protocol.types.json import JsonObject
from anyport.serving.listening import listen, listen_each
from anyport.serving.supervisor import FIRST_PAUSE_S, LONGEST_PAUSE_S, SETTLED_S, Slot
from tests.drivers.asgi import call, legacy, text_of
from tests.drivers.http_server import HttpPeer, HttpProcess
from tests.drivers.workers import SERVED, events, given, open_session, peers, pid_of, serving
from tests.drivers.workers import listen as stand
from tests.requirements import require_linux

SIGNALS = "signals, processes"


@pytest.fixture(autouse=True)
def linux() -> None:
    require_linux(SIGNALS)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where temporary folders are made by what is started now."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


# --- one server -------------------------------------------------------------------------------------------------------


def test_calls_reach_every_worker(folders: Path) -> None:
    """Three processes, none of them the first; each has a lifespan of its own, and where they serve is said once."""
    with serving(workers=3) as (server, workers):
        pids = [pid for pid, _ in workers]
        assert len(set(pids)) == 3
        assert server.process.pid not in pids
        assert server.stderr.count("serves MCP at") == 1
        assert server.stderr.count("share a random secret, which ends with the server") == 1
        (folder,) = folders.iterdir()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        ended = server.ended(server.signal(signal.SIGTERM))
    assert ended.status == 0
    assert ended.stderr.count("[lifespan began]") == ended.stderr.count("[lifespan closed]") == 3
    # What stands below `run` runs once, in the first process.
    assert ended.stderr.count("[run returned]") == 1
    assert ended.stderr.endswith("[run returned]\n")
    assert "Traceback" not in ended.stderr
    assert not folder.exists()


def test_a_secret_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYPORT_SECRET", "s" * 32)
    with HttpProcess(SERVED, given()) as server:
        assert server.ended(server.signal(signal.SIGTERM)).status == 0
        assert "random secret" not in server.stderr


def test_a_legacy_session_at_any_worker() -> None:
    """Opened at one; called, answered and listened to at others; ended at one, and ended for all (SES-01)."""
    with serving() as (server, [(one_pid, one), (other_pid, other)]), HttpPeer(server.port) as third:
        session = open_session(one)
        for pid, peer in ((one_pid, one), (other_pid, other)):
            answer = peer.post(legacy("tools/call", {"name": "where", "arguments": {}}), session)
            assert f"{pid}" in text_of(answer.json)
        # A question of one, answered at the other.
        stream = {**session, "accept": "application/json, text/event-stream"}
        one.begin(legacy("tools/call", {"name": "ask", "arguments": {}}, request_id=7), stream)
        assert one.head().headers["content-type"] == "text/event-stream"
        said = events(one)
        question = next(message for message in said if message.get("method") == "elicitation/create")
        said_yes: JsonObject = {"action": "accept", "content": {"name": "Ann"}}
        assert other.post({"jsonrpc": "2.0", "id": question["id"], "result": said_yes}, session).status == 202
        result = next(said)
        assert (result["id"], text_of(result)) == (7, "accept")
        # The standing stream at the third connection tells what a call at each worker changed.
        stand(third, session)
        told = events(third)
        with peers(server.port) as fresh:
            for peer in fresh.values():
                assert text_of(peer.post(call("register")).json) == "registered"
                assert next(told)["method"] == "notifications/tools/list_changed"
        assert other.post(legacy("tools/call", {"name": "where", "arguments": {}}), session).status == 200


def ask(before: JsonObject | None = None) -> JsonObject:
    """Return a modern call of a client that can be asked, or its retry with an answer."""
    able: JsonObject = {META_CLIENT_CAPABILITIES: {"elicitation": {"form": {}}}}
    if before is None:
        return call("ask", _meta=able)
    key = next(iter(cast("JsonObject", before["inputRequests"])))
    answers: JsonObject = {key: {"action": "accept", "content": {"name": "Ann"}}}
    return call("ask", _meta=able, requestState=before["requestState"], inputResponses=answers)


def test_an_answer_at_another_worker() -> None:
    """MRTR-05: the call waits in one process, and its retry comes to the other, under a secret that nobody named."""
    with serving() as (server, [(_, one), (_, other)]):
        for here, there in ((one, other), (other, one)):
            asked = cast("JsonObject", here.post(ask()).json["result"])
            assert asked["resultType"] == "input_required"
            assert text_of(there.post(ask(asked)).json) == "accept"
        assert server.stderr.count("[began]") == 2
        assert "secret is not" not in server.stderr


MOUNTED = """
from anyport import Context, Server
from pydantic import BaseModel
class Name(BaseModel):
    name: str
inner, outer = Server("same"), Server("same")
@inner.tool
async def ask(ctx: Context) -> str:
    return (await ctx.elicit("Who?", Name)).action
@inner.tool
async def where() -> list[object]:
    import os
    return ["", os.getpid()]
outer.mount(inner)
if __name__ == "__main__":
    outer.run("http", port=0, workers=2)
"""


def test_what_is_mounted_asks_too(tmp_path: Path) -> None:
    """Its calls wait in its own registry; the bus is that of the server around it."""
    (script := tmp_path / "mounted.py").write_text(MOUNTED, "utf-8")
    with HttpProcess(script) as server, peers(server.port) as found:
        one, other = found.values()
        asked = cast("JsonObject", one.post(ask()).json["result"])
        assert text_of(other.post(ask(asked)).json) == "accept"
        assert server.ended(server.signal(signal.SIGTERM)).status == 0


TWICE = """
import os, signal, sys, threading
from anyport import Server
from anyport.stores import SqliteStore
server = Server("twice", store=SqliteStore(sys.argv[1]) if len(sys.argv) > 1 else None)
@server.tool
async def where() -> list[object]:
    return ["", os.getpid()]
@server.tool
def blocking() -> str:
    return threading.current_thread().name
import asyncio
asyncio.run(server.call_tool("blocking"))
server.run("http", port=0, workers=2)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.stderr.write("[once more]\\n")
server.run("http", port=0, workers=2)
"""


@pytest.mark.parametrize("named", [False, True])
def test_a_server_that_was_used_before(tmp_path: Path, named: bool) -> None:
    """Called in process, then run, then run again; with sync tools, whose threads no fork takes along."""
    (script := tmp_path / "twice.py").write_text(TWICE, "utf-8")
    with HttpProcess(script, *([str(tmp_path / "a.db")] if named else [])) as server:
        for times in (1, 2):
            server.says("serves MCP at", times)
            port = int(server.stderr.rpartition(":")[2].partition("/")[0])
            with peers(port) as found:
                for peer in found.values():
                    assert text_of(peer.post(call("blocking")).json).startswith("anyport-tool-")
                    open_session(peer)
            server.signal(signal.SIGTERM)
        ended = server.ended()
    assert (ended.status, "Traceback" in ended.stderr) == (0, False)
    assert "Threads" not in ended.stderr


THREADED = """
import threading
from anyport import Server
threading.Thread(target=threading.Event().wait, name="of-mine", daemon=True).start()
Server("threaded").run("http", port=0, workers=2)
"""


def test_threads_that_run_already_are_named(tmp_path: Path) -> None:
    (script := tmp_path / "threaded.py").write_text(THREADED, "utf-8")
    with HttpProcess(script) as server:
        assert "Threads that run before the workers are forked stay in the first process" in server.stderr
        assert ": of-mine. Start them in the lifespan" in server.stderr
        assert server.ended(server.signal(signal.SIGTERM)).status == 0


# --- sockets ----------------------------------------------------------------------------------------------------------


def test_connections_are_spread_and_none_is_lost() -> None:
    """Every socket of a port that was chosen once gets some of them."""
    sockets = listen_each("127.0.0.1", 0, 3)
    assert len({each.getsockname() for (each,) in sockets}) == 1
    address = sockets[0][0].getsockname()
    connections = [socket.create_connection(address, 10) for _ in range(60)]
    accepted: list[int] = []
    for (each,) in sockets:
        count = 0
        try:
            while True:
                each.accept()[0].close()
                count += 1
        except BlockingIOError:
            accepted.append(count)
    for each in (*connections, *(each for (each,) in sockets)):
        each.close()
    assert sum(accepted) == 60
    assert all(accepted)


@pytest.mark.parametrize("count", [1, 2])
def test_a_port_that_is_taken_by_workers(count: int) -> None:
    """The system would let the same user's sockets join: ours do not."""
    sockets = listen_each("127.0.0.1", 0, 2)
    port = sockets[0][0].getsockname()[1]
    with pytest.raises(OSError, match="Address already in use"):
        listen_each("127.0.0.1", port, count)
    for (each,) in sockets:
        each.close()
    for each in listen("127.0.0.1", port):
        each.close()


@pytest.mark.parametrize("count", [1, 2])
def test_a_second_server_on_the_same_port(count: int, folders: Path) -> None:
    with HttpProcess(SERVED, given()) as first:
        with HttpProcess(SERVED, given(port=first.port, workers=count), listens=False) as second:
            ended = second.ended()
        assert ended.status == 1
        assert f"anyport: cannot listen on 127.0.0.1:{first.port}: Address already in use\n" in ended.stderr
        assert "[lifespan began]" not in ended.stderr
        assert len(list(folders.iterdir())) == 1
        assert first.ended(first.signal(signal.SIGTERM)).status == 0


def test_a_port_of_a_single_server() -> None:
    with HttpProcess(SERVED, given(workers=1)) as first:
        with HttpProcess(SERVED, given(port=first.port), listens=False) as second:
            assert "Address already in use" in second.ended().stderr
        assert first.ended(first.signal(signal.SIGTERM)).status == 0


# --- starting ---------------------------------------------------------------------------------------------------------


def test_a_lifespan_that_fails(folders: Path) -> None:
    """As with one process: status 3, the reason, and nothing left."""
    with HttpProcess(SERVED, given(fails=True), listens=False) as server:
        ended = server.ended()
    assert ended.status == 3
    assert "the database is away" in ended.stderr
    assert "serves MCP" not in ended.stderr
    assert "[run returned]" not in ended.stderr
    assert list(folders.iterdir()) == []


DIES = """
import contextlib, os, pathlib, signal, sys
from anyport import Server
log = pathlib.Path(sys.argv[1])
@contextlib.asynccontextmanager
async def live(server):
    with log.open("a") as file:
        file.write("x")
        file.flush()
        number = file.tell()
    if number <= 4:
        os.kill(os.getpid(), signal.SIGKILL)
    yield
Server("dies", lifespan=live).run("http", port=0, workers=2)
"""


def test_workers_that_die_of_their_start(tmp_path: Path) -> None:
    """Replaced after a pause until they live; what is said names the signal."""
    (script := tmp_path / "dies.py").write_text(DIES, "utf-8")
    with HttpProcess(script, str(tmp_path / "log")) as server:
        ended = server.ended(server.signal(signal.SIGTERM))
    assert ended.status == 0
    assert (tmp_path / "log").read_text() == "x" * 6
    assert ended.stderr.count("was ended by SIGKILL: another takes its place in 0.1 s") >= 1
    assert ended.stderr.count("was ended by SIGKILL") == 4


def test_the_pause_grows_and_has_a_bound() -> None:
    slot = Slot(1, [])
    slot.since = float("inf")
    pauses = [slot.pause() for _ in range(100)]
    assert pauses[:3] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert max(pauses) == pauses[-1] == LONGEST_PAUSE_S
    slot.since = -SETTLED_S
    assert slot.pause() == 0
    slot.since = float("inf")
    assert slot.pause() == FIRST_PAUSE_S


def test_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """S15: `server.run()` and nothing more."""
    for name, value in (("MCP_TRANSPORT", "http"), ("MCP_PORT", "0"), ("ANYPORT_WORKERS", "2")):
        monkeypatch.setenv(name, value)
    with HttpProcess(SERVED, "{}") as server, peers(server.port) as found:
        assert server.process.pid not in found
        assert all(pid_of(peer) == pid for pid, peer in found.items())
        assert server.ended(server.signal(signal.SIGTERM)).status == 0


ONE_SOCKET = """
import runpy, sys
import anyport.serving.listening
anyport.serving.listening._beside = lambda first: None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_where_sockets_cannot_be_joined(tmp_path: Path) -> None:
    """All workers share one: whoever is awake takes what comes, and the next one where that is dead."""
    (script := tmp_path / "one.py").write_text(ONE_SOCKET, "utf-8")
    with HttpProcess(script, str(SERVED), given()) as server:
        seen: set[int] = set()
        for _ in range(3):
            with HttpPeer(server.port) as peer:
                pid = pid_of(peer)
                assert pid not in seen | {server.process.pid}
                seen.add(pid)
                os.kill(pid, signal.SIGKILL)
                assert peer.is_closed()
        server.says("another takes its place", 3)
        ended = server.ended(server.signal(signal.SIGTERM))
    assert (ended.status, "Traceback" in ended.stderr) == (0, False)
