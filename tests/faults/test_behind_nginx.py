"""The server behind a real nginx: the two agree on where each request ends, and streams come through.

The fault "request smuggling": what a proxy takes for one request the server must not take for two. The cases are those
of `transports/http/test_edge_smuggling.py`.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.drivers.asgi import call
from tests.drivers.edge import request_of
from tests.drivers.http_server import HttpPeer, HttpProcess
from tests.drivers.stdio import PATIENCE
from tests.requirements import require_nginx
from tests.transports.http.test_edge_smuggling import CASES

SERVER = Path(__file__).parent / "servers" / "over_http.py"
HIDDEN = request_of(call("last", {"seconds": 0}), path="/mcp?hidden")
SETTINGS = """
daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log errors.log;
events {{ worker_connections 512; }}
http {{
    log_format seen '$request_uri|$upstream_status'; access_log seen.log seen;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    upstream mcp {{ server 127.0.0.1:{upstream}; keepalive 1; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://mcp; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_set_header Host 127.0.0.1;
        }}
    }}
}}
"""


@contextmanager
def nginx_before(upstream: int, folder: Path) -> Generator[int]:
    """Run nginx; yields its port."""
    program = require_nginx()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    settings = folder / "nginx.conf"
    settings.write_text(SETTINGS.format(upstream=upstream, port=port))
    process = subprocess.Popen([program, "-p", folder, "-c", settings, "-e", folder / "errors.log"])
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "errors.log").read_text()
                assert time.monotonic() < deadline
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


def counted(peer: HttpPeer) -> int:
    """Return how many hidden requests the server has answered."""
    found = peer.post(call("count", {"what": "done"})).json["result"]
    assert isinstance(found, dict)
    content = found["structuredContent"]
    assert isinstance(content, dict)
    value = content["result"]
    assert isinstance(value, int)
    return value


def exchange(port: int, data: bytes) -> bytes:
    """Send bytes and return what comes back, until nothing does."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        client.sendall(data)
        client.settimeout(0.1)
        found = b""
        try:
            while chunk := client.recv(65536):
                found += chunk
        except (TimeoutError, ConnectionError):
            pass
        return found


def test_no_request_is_smuggled_past_nginx(tmp_path: Path) -> None:
    """Each hidden request that the server answered nginx knew of; a neighbour on the upstream gets its own answers."""
    with (
        HttpProcess(SERVER, "{}") as server,
        nginx_before(server.port, tmp_path) as port,
        HttpPeer(port) as neighbour,
        HttpPeer(server.port) as direct,
    ):
        for number, (case, text) in enumerate(CASES.items()):
            exchange(port, text % b"/mcp" + HIDDEN)
            answer = neighbour.post(call("add", {"a": number, "b": 1000}, request_id=number))
            assert (answer.status, answer.json["id"]) == (200, number), case
            assert str(number + 1000) in answer.body.decode(), case
        # It writes a line when a request is over, which for one that was given up takes a moment.
        deadline = time.monotonic() + PATIENCE
        while (known := (tmp_path / "seen.log").read_text().count("/mcp?hidden|")) < counted(direct):
            assert time.monotonic() < deadline, f"{counted(direct)} were answered, {known} of them known to nginx"
        assert (tmp_path / "seen.log").read_text().count("\n") > len(CASES)


def test_a_smuggled_request_would_be_seen(tmp_path: Path) -> None:
    """The measure itself: what nginx does let through is counted on both sides."""
    with HttpProcess(SERVER, "{}") as server, nginx_before(server.port, tmp_path) as port:
        assert b" 200 " in exchange(port, HIDDEN)
        with HttpPeer(server.port) as direct:
            assert counted(direct) == 1
        assert (tmp_path / "seen.log").read_text().splitlines() == ["/mcp?hidden|200"]


@pytest.mark.parametrize("size", [10, 200_000])
def test_calls_and_streams_through_nginx(tmp_path: Path, size: int) -> None:
    """Progress comes when it is sent (`X-Accel-Buffering: no`), and a body of any size."""
    with HttpProcess(SERVER, "{}") as server, nginx_before(server.port, tmp_path) as port, HttpPeer(port) as peer:
        answer = peer.post(call("echo", {"text": "x" * size}))
        assert json.loads(answer.body)["result"]["structuredContent"] == {"result": size}
        peer.begin(call("last", {"seconds": 0.3}, _meta={"progressToken": 1}))
        head = peer.head()
        assert head.headers["content-type"] == "text/event-stream"
        first = peer.chunk()
        assert b"progress" in first
        assert b"done" not in first
        rest = b""
        while chunk := peer.chunk():
            rest += chunk
        assert b"done" in rest
