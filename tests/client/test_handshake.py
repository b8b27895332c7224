"""Which era a server speaks and how a client finds out (VER-02 to VER-08, LIFE-01 to LIFE-05)."""

from __future__ import annotations

import json
from typing import cast

import pytest

import anyport.transports.http.client as _http_client  # its import would count as a slow callback
from anyport import Client, __version__
from anyport.errors import (
    ConnectError,
    McpError,
    RemoteProtocolError,
    ServerExited,
    Timeout,
)
from anyport.protocol.types.json import JsonObject
from anyport.transports.stdio.client import StdioClient
from tests.client.peers import (
    scripted,
)

assert _http_client

ECHO_MODERN = """
for message in modern():
    answer(message, text(message))
"""
ECHO_LEGACY = """
for message in legacy():
    answer(message, text(message))
"""


@pytest.fixture(name="short_silence")
def shorten_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the silence short after which a stdio server counts as legacy."""
    monkeypatch.setattr(StdioClient, "probe_silence_s", 0.2)


async def seen_by(command: list[str]) -> JsonObject:
    """Return the request that a server gets for a call of a tool, as it says itself."""
    async with Client(command) as client:
        result = await client.call_tool("any", {"x": 1})
    return cast(JsonObject, json.loads(result.text))


async def test_what_a_modern_request_carries() -> None:
    """META-01, META-03: revision, capabilities and name with each request; a progress token only where it is wanted."""
    request = await seen_by(scripted(ECHO_MODERN))
    assert request["params"] == {
        "name": "any",
        "arguments": {"x": 1},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "anyport", "version": __version__},
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    }


async def test_what_a_legacy_request_carries() -> None:
    request = await seen_by(scripted(ECHO_LEGACY))
    assert request["params"] == {"name": "any", "arguments": {"x": 1}}


async def test_the_legacy_handshake() -> None:
    """LIFE-01, LIFE-03, LIFE-08, VER-04: probe, initialize, initialized, then the call; the probe is not cancelled."""
    body = """
seen = []
for message in messages():
    seen.append(message)
    if message["method"] == "server/discover":
        refuse(message, -32602)
    elif message["method"] == "initialize":
        answer(message, initialized())
    elif message["method"] == "tools/call":
        answer(message, text([[entry["method"], entry["params"]] for entry in seen]))
"""
    async with Client(scripted(body)) as client:
        assert client.revision == "2025-11-25"
        methods = cast(JsonObject, dict(json.loads((await client.call_tool("any")).text)))
    assert list(methods) == ["server/discover", "initialize", "notifications/initialized", "tools/call"]
    assert methods["initialize"] == {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "anyport", "version": __version__},
    }


@pytest.mark.parametrize("version", ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"])
async def test_a_server_that_chooses_an_older_revision(version: str) -> None:
    """LIFE-02: each revision that anyport knows will do."""
    async with Client(scripted(f"for message in legacy({version!r}): answer(message, text('fine'))")) as client:
        assert (client.revision, client.era) == (version, "legacy")
        assert (await client.call_tool("any")).data == "fine"


@pytest.mark.parametrize("version", ["2026-07-28", "1999-01-01"])
async def test_a_server_that_chooses_what_nobody_speaks(version: str) -> None:
    """LIFE-02: the client leaves, and says why."""
    with pytest.raises(ConnectError, match=f"wants to speak '{version}' after the handshake"):
        await Client(scripted(f"for message in legacy({version!r}): pass")).connect()


@pytest.mark.usefixtures("short_silence")
async def test_a_server_that_is_silent_until_it_is_initialized() -> None:
    """VER-05: silence is an answer too."""
    body = """
for message in messages():
    if message["method"] == "initialize":
        answer(message, initialized())
    elif message["method"] == "tools/call":
        answer(message, text("fine"))
"""
    async with Client(scripted(body)) as client:
        assert client.era == "legacy"
        assert (await client.call_tool("any")).data == "fine"


@pytest.mark.usefixtures("short_silence")
async def test_a_modern_server_that_is_slow_to_start() -> None:
    """VER-06, VER-09: it missed the probe and refuses initialize, so it is probed again."""
    body = """
missed = False
for message in messages():
    if message["method"] == "initialize":
        missed = True
        refuse(message, -32601, "supported: 2026-07-28")
    elif message["method"] == "server/discover" and missed:
        answer(message, DISCOVERED)
    elif message["method"] == "tools/call":
        answer(message, text("fine"))
"""
    async with Client(scripted(body)) as client:
        assert client.era == "modern"
        assert (await client.call_tool("any")).data == "fine"


async def test_a_modern_server_that_first_refuses_the_version() -> None:
    """VER-02: one more try in a version that it names."""
    body = """
asked = 0
for message in messages():
    asked += 1
    if asked == 1:
        refuse(message, -32022, "unsupported", supported=["2026-07-28"], requested="x")
    elif message["method"] == "server/discover":
        answer(message, DISCOVERED)
    else:
        answer(message, text(message["method"]))
"""
    async with Client(scripted(body)) as client:
        assert (client.era, (await client.call_tool("any")).data) == ("modern", "tools/call")


async def test_a_server_that_offers_only_older_versions() -> None:
    """VER-02: the version that both speak may be a legacy one."""
    body = """
for message in messages():
    if message["method"] == "server/discover":
        refuse(message, -32022, "unsupported", supported=["2025-06-18"], requested="x")
    elif message["method"] == "initialize":
        answer(message, initialized("2025-06-18"))
"""
    async with Client(scripted(body)) as client:
        assert client.revision == "2025-06-18"


async def test_no_version_in_common() -> None:
    """VER-06: a modern error is never answered with initialize."""
    body = """
for message in messages():
    if message["method"] == "initialize":
        os._exit(9)
    refuse(message, -32022, "unsupported", supported=["2030-01-01"], requested="x")
"""
    with pytest.raises(RemoteProtocolError, match=r"The server speaks .*2030-01-01"):
        await Client(scripted(body)).connect()


async def test_a_modern_server_that_refuses_discovery() -> None:
    """VER-06: another modern error is no reason to fall back."""
    with pytest.raises(McpError, match="needs more") as caught:
        await Client(scripted("for message in messages(): refuse(message, -32021, 'needs more')")).connect()
    assert caught.value.code == -32021


async def test_an_era_that_the_server_does_not_speak() -> None:
    """VER-11: a deterministic failure, each way."""
    with pytest.raises(ConnectError, match=r"no modern revision \(era='modern'\): server/discover: error -32601: no"):
        await Client(scripted(ECHO_LEGACY), era="modern").connect()
    body = "for message in messages(): refuse(message, -32601, 'supported: 2026-07-28')"
    with pytest.raises(McpError, match="supported: 2026-07-28"):
        await Client(scripted(body), era="legacy").connect()


@pytest.mark.parametrize(
    ("discovered", "what"),
    [
        ('{"supportedVersions": ["2026-07-28"]}', "missing required field `capabilities`"),
        ('{"supportedVersions": ["2026-07-28"], "capabilities": {"tools": 1}}', "capabilities"),
    ],
)
async def test_a_discovery_that_is_malformed(discovered: str, what: str) -> None:
    with pytest.raises(RemoteProtocolError, match=f"The answer to server/discover is malformed.*{what}"):
        await Client(scripted(f"for message in messages(): answer(message, {discovered})")).connect()


@pytest.mark.usefixtures("short_silence")
async def test_a_server_that_never_answers() -> None:
    """D01: the time that opening may take is the client's, and the process is gone afterwards."""
    with pytest.raises(Timeout, match=r"No connection to .* within 0\.6 s"):
        await Client(scripted("for message in messages(): pass"), timeout=0.6).connect()


async def test_a_server_that_dies_during_the_handshake() -> None:
    """D01: exit status and last words."""
    body = "say('no API key: set SHOP_KEY'); sys.exit(4)"
    with pytest.raises(ServerExited, match="exit status 4; it said:\nno API key: set SHOP_KEY") as caught:
        await Client(scripted(body)).connect()
    assert (caught.value.code, caught.value.stderr_tail) == (4, "no API key: set SHOP_KEY")


async def test_requests_of_a_legacy_server() -> None:
    """LIFE-05, LIFE-07: a ping is answered, what was not declared is refused."""
    body = """
for message in legacy():
    heard = []
    for number, method in enumerate(("ping", "sampling/createMessage")):
        send({"id": f"s{number}", "method": method, "params": {}})
        heard.append(json.loads(sys.stdin.readline()))
    answer(message, text(heard))
"""
    async with Client(scripted(body)) as client:
        heard = (await client.call_tool("any")).text
    assert '{"jsonrpc": "2.0", "id": "s0", "result": {}}' in heard
    assert '"id": "s1", "error": {"code": -32601' in heard


async def test_requests_of_a_modern_server_are_ignored(caplog: pytest.LogCaptureFixture) -> None:
    """RPC-13, STDIO-04: nothing is written but the client's own requests."""
    body = """
for message in modern():
    send({"id": "s", "method": "ping"})
    answer(message, text(message["method"]))
"""
    async with Client(scripted(body)) as client:
        for _ in range(2):
            assert (await client.call_tool("any")).data == "tools/call"
    assert "Ignored a request of the server" in caplog.text
