"""Host and Origin: who may call a local server (HTTP-02, LEG-02, HTTP-03, S59, D04; the fault "DNS rebinding").

40 hosts x 30 origins x three kinds of bind address, with nothing configured: no hostile pair gets through.
"""

from __future__ import annotations

import socket

import pytest

from anyport import Server
from anyport.errors import LocalProtocolError, McpError
from anyport.security.guards import HostGuard
from tests.drivers.asgi import call, post

BINDS = {"loopback": "127.0.0.1", "public": "192.0.2.7", "unknown": None}
OWN = socket.gethostname().lower()

HOSTILE_HOSTS = [
    "evil.example",
    "evil.example:8000",
    "EVIL.EXAMPLE:8000",
    "localhost.evil.example",
    "localhost.evil.example:8000",
    "127.0.0.1.evil.example",
    "127.0.0.1.nip.io:8000",
    "evil.localhost",
    "localhostevil",
    "notlocalhost:8000",
    "localhost@evil.example",
    "evil.example@localhost",
    "localhost:8000@evil.example",
    "evil.example#localhost",
    "evil.example/localhost",
    "evil.example?localhost",
    "evil.example\\localhost",
    "localhost,evil.example",
    "localhost evil.example",
    "localhost:",
    "localhost:port",
    "localhost:80:80",
    "localhost:99999",
    "localhost:8000.evil.example",
    "[evil.example]",
    "[::1",
    "[::1]evil",
    "[::1]:port",
    "[::1%evil.example]",
    "::1",
    "127.1",
    "0x7f000001",
    "2130706433",
    "0177.0.0.1",
    "0.0.0.0",
    "0.0.0.0:8000",
    "[::]",
    "[::ffff:0.0.0.0]",
    "\u2460.0.0.1",
    "",
]
HOSTILE_ORIGINS = [
    "http://evil.example",
    "https://evil.example",
    "http://evil.example:8000",
    "http://localhost.evil.example",
    "http://127.0.0.1.evil.example:8000",
    "http://evil.localhost",
    "http://localhost@evil.example",
    "http://evil.example@localhost",
    "http://evil.example#localhost",
    "http://evil.example/localhost",
    "http://localhost/evil",
    "http://localhost/",
    "http://localhost?x",
    "http://localhost http://evil.example",
    "http://localhost, http://evil.example",
    "http://localhost:port",
    "http://[::1",
    "http://127.1",
    "http://0x7f000001",
    "http://0.0.0.0:8000",
    "http://[::]:8000",
    "http://",
    "null",
    "file://",
    "chrome-extension://abcdef",
    "vscode-webview://localhost",
    "javascript:alert(1)",
    "localhost",
    "//localhost",
    "",
]
LOOPBACK_HOSTS = [
    "localhost",
    "LOCALHOST:8000",
    "127.0.0.1",
    "127.0.0.1:8000",
    "127.8.9.10:1",
    "[::1]",
    "[::1]:8000",
    "[::ffff:127.0.0.1]:8000",
]
LOOPBACK_ORIGINS = [
    "http://localhost:3000",
    "https://localhost",
    "http://127.0.0.1:6274",
    "http://[::1]:5173",
    "HTTP://LOCALHOST",
]


def verdict(guard: HostGuard, host: str | None, origin: str | None, local: str | None) -> int:
    """Return the HTTP status that a guard has for a request; 200 where it lets it through."""
    fields = {name: value for name, value in (("host", host), ("origin", origin)) if value is not None}
    try:
        guard.check(fields, local)
    except McpError as error:
        return error.http_status
    return 200


def test_the_tables_are_as_large_as_they_say() -> None:
    assert len(set(HOSTILE_HOSTS)) >= 40
    assert len(set(HOSTILE_ORIGINS)) >= 30


@pytest.mark.parametrize("bind", BINDS)
def test_no_hostile_pair_gets_through(bind: str) -> None:
    """Whatever the host, hostile or local, with a hostile origin; whatever the origin, with a hostile host."""
    guard, local = HostGuard(), BINDS[bind]
    for host in HOSTILE_HOSTS:
        assert verdict(guard, host, None, local) == 421, host
        for origin in HOSTILE_ORIGINS + LOOPBACK_ORIGINS:
            assert verdict(guard, host, origin, local) == 421, (host, origin)
    for host in LOOPBACK_HOSTS:
        for origin in HOSTILE_ORIGINS:
            assert verdict(guard, host, origin, local) == 403, (host, origin)


@pytest.mark.parametrize("bind", BINDS)
def test_a_rebound_name_is_not_its_own_origin(bind: str) -> None:
    """The page and the request have the same name: the attacker's."""
    guard = HostGuard()
    for host in HOSTILE_HOSTS:
        assert verdict(guard, host, f"http://{host}", BINDS[bind]) == 421, host


@pytest.mark.parametrize("bind", BINDS)
def test_no_host_at_all(bind: str) -> None:
    assert verdict(HostGuard(), None, None, BINDS[bind]) == 421


@pytest.mark.parametrize("bind", BINDS)
def test_local_programs_get_through(bind: str) -> None:
    for host in LOOPBACK_HOSTS:
        assert verdict(HostGuard(), host, None, BINDS[bind]) == 200, host


@pytest.mark.parametrize("local", ["127.0.0.1", "127.0.0.53", "::1", "::ffff:127.0.0.1", None])
def test_local_pages_get_through_on_loopback(local: str | None) -> None:
    """That is how a local inspector works."""
    for host in LOOPBACK_HOSTS:
        for origin in LOOPBACK_ORIGINS:
            assert verdict(HostGuard(), host, origin, local) == 200, (host, origin)


@pytest.mark.parametrize(
    "local", ["192.0.2.7", "172.17.0.2", "10.0.0.1", "2001:db8::7", "fe80::1%eth0", "::ffff:192.0.2.7"]
)
def test_a_public_bind(local: str) -> None:
    """Addresses and the machine's own name work at once; a page must be the very host that was asked."""
    guard = HostGuard()
    for host in [
        "192.0.2.7",
        "192.0.2.7:8000",
        "10.0.0.1:1",
        "[2001:db8::7]",
        "[2001:db8::7]:8000",
        OWN,
        f"{OWN}:8000",
    ]:
        assert verdict(guard, host, None, local) == 200, host
        assert verdict(guard, host, f"http://{host}", local) == 200, host
        assert verdict(guard, host, f"https://{host.upper()}", local) == 200, host
        assert verdict(guard, host, "http://192.0.2.8", local) == 403, host
        assert verdict(guard, host, "http://localhost:3000", local) == 403, host
    for host in ["192.0.2.7", "[2001:db8::7]", "10.0.0.1:8000"]:
        for loopback in ("127.0.0.1", "::1", None):
            assert verdict(guard, host, None, loopback) == 421, (host, loopback)


ALLOWED = [
    ("mcp.example.com", "mcp.example.com", True),
    ("mcp.example.com", "MCP.example.com:8443", True),
    ("MCP.Example.com", "mcp.example.com", True),
    ("mcp.example.com", "mcp.example.com.evil.example", False),
    ("mcp.example.com", "amcp.example.com", False),
    ("mcp.example.com:8443", "mcp.example.com:8443", True),
    ("mcp.example.com:8443", "mcp.example.com", False),
    ("mcp.example.com:8443", "mcp.example.com:80", False),
    ("*.example.com", "a.example.com", True),
    ("*.example.com", "a.b.example.com:80", True),
    ("*.example.com", "example.com", False),
    ("*.example.com", "evil-example.com", False),
    ("*.example.com", "example.com.evil.example", False),
    ("192.0.2.9", "192.0.2.9:80", True),
    ("[2001:db8::9]", "[2001:db8::9]", True),
    ("[2001:db8::9]", "[2001:db8::9]:80", True),
    ("2001:db8::9", "[2001:db8::9]:80", True),
    ("*", "anything.example", True),
    ("*", "any thing", False),
]


@pytest.mark.parametrize(("allowed", "host", "passes"), ALLOWED)
def test_allowed_hosts(allowed: str, host: str, passes: bool) -> None:
    for local in BINDS.values():
        guard = HostGuard(allowed_hosts=[allowed])
        assert verdict(guard, host, None, local) == (200 if passes else 421)
        assert verdict(guard, "localhost:8000", None, local) == 200


def test_pages_of_an_allowed_host_may_call() -> None:
    guard = HostGuard(allowed_hosts=["mcp.example.com", "*.example.org"])
    for origin in ("https://mcp.example.com", "http://mcp.example.com:8080", "https://a.example.org"):
        assert verdict(guard, "mcp.example.com", origin, "192.0.2.7") == 200
    assert verdict(guard, "mcp.example.com", "https://evil.example", "192.0.2.7") == 403


@pytest.mark.parametrize("local", BINDS.values())
def test_any_host_is_not_any_origin(local: str | None) -> None:
    """Each check has its own switch."""
    guard = HostGuard(allowed_hosts=["*"])
    assert verdict(guard, "mcp.example.com", "https://evil.example", local) == 403
    assert verdict(guard, "localhost", "http://evil.example", local) == 403
    assert verdict(guard, "mcp.example.com", "https://mcp.example.com", local) == 200


def test_allowed_origins() -> None:
    guard = HostGuard(allowed_origins=["https://app.example.com", "vscode-webview://abc/", "https://other.example:444"])
    for origin in (
        "https://app.example.com",
        "HTTPS://APP.example.com",
        "vscode-webview://abc",
        "https://other.example:444",
    ):
        assert verdict(guard, "localhost", origin, "127.0.0.1") == 200, origin
    for origin in (
        "http://app.example.com",
        "https://app.example.com:444",
        "https://x.app.example.com",
        "https://other.example",
        "null",
    ):
        assert verdict(guard, "localhost", origin, "127.0.0.1") == 403, origin
    assert verdict(guard, "evil.example", "https://app.example.com", "127.0.0.1") == 421
    assert verdict(HostGuard(allowed_origins=["*"]), "localhost", "https://evil.example", None) == 200
    assert verdict(HostGuard(allowed_origins=["null"]), "localhost", "null", None) == 200


@pytest.mark.parametrize("entry", ["", "https://mcp.example.com", "mcp.example.com/mcp", "a b", "me@host"])
def test_hosts_that_could_never_match(entry: str) -> None:
    with pytest.raises(LocalProtocolError, match="allowed_hosts"):
        HostGuard(allowed_hosts=[entry])


@pytest.mark.parametrize("entry", ["app.example.com", "localhost:3000", ""])
def test_origins_that_could_never_match(entry: str) -> None:
    with pytest.raises(LocalProtocolError, match="allowed_origins"):
        HostGuard(allowed_origins=[entry])


def test_a_string_is_no_list() -> None:
    """Its letters would be taken one by one."""
    with pytest.raises(LocalProtocolError, match="list"):
        HostGuard(allowed_hosts="mcp.example.com")
    with pytest.raises(LocalProtocolError, match="list"):
        HostGuard(allowed_origins="*")


def test_remembering_is_bounded_and_changes_nothing() -> None:
    guard = HostGuard(allowed_hosts=["*"])
    for number in range(2000):
        assert verdict(guard, f"h{number}.example", None, "127.0.0.1") == 200
        assert verdict(guard, f"h{number}.example", "http://evil.example", "127.0.0.1") == 403
    assert verdict(guard, "h1.example", None, "127.0.0.1") == 200


@pytest.mark.parametrize(
    ("host", "origin", "status", "setting"),
    [("evil.example", None, 421, "allowed_hosts"), ("localhost", "http://evil.example", 403, "allowed_origins")],
)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "OPTIONS"])
async def test_the_refusal_names_the_culprit_and_the_setting(
    host: str, origin: str | None, status: int, setting: str, method: str
) -> None:
    """D04: JSON-RPC, no id, and what to do about it."""
    answer = await post(Server("guarded").asgi(), call("x"), {"host": host, "origin": origin}, method=method)
    assert (answer.status, answer.error_code, answer.json.get("id")) == (status, -32600, None)
    assert answer.headers["content-type"] == "application/json"
    assert "evil.example" in answer.error_text
    assert setting in answer.error_text


async def test_a_refusal_stays_short() -> None:
    answer = await post(Server("guarded").asgi(), call("x"), {"host": "e" * 9000})
    assert answer.status == 421
    assert len(answer.body) < 500


async def test_the_settings_reach_the_guard() -> None:
    server = Server("guarded")
    server.tool(name="y")(lambda: "")
    app = server.asgi(allowed_hosts=["mcp.example.com"], allowed_origins=["https://app.example.com"])
    fields = {"host": "mcp.example.com", "origin": "https://app.example.com"}
    assert (await post(app, call("x"), fields)).error_code == -32602
