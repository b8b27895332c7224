"""Every path that is served is guarded: 40 hosts x 30 origins on Streamable HTTP and both paths of HTTP+SSE.

HTTP-02, LEG-02, S59; the fault "DNS rebinding".
"""

from __future__ import annotations

import pytest

from anyport import Server
from tests.drivers.asgi import call, initialize, post
from tests.drivers.sse import SseClient
from tests.security.test_guards import HOSTILE_HOSTS, HOSTILE_ORIGINS, LOOPBACK_HOSTS, LOOPBACK_ORIGINS

HOSTS = [host for host in HOSTILE_HOSTS if host.isascii()]
"""What can be sent: a field of HTTP/1.1 has no other characters in practice, and the driver encodes no others."""


@pytest.mark.parametrize(("method", "path"), [("POST", "/mcp"), ("GET", "/sse"), ("POST", "/messages")])
async def test_no_hostile_pair_gets_through(method: str, path: str) -> None:
    """Nothing is opened, nothing is read: the refusal comes before a session is looked for."""
    app = Server("guarded").asgi(sse=True)
    body = call("x") if method == "POST" else b""
    for host in HOSTS:
        for origin in HOSTILE_ORIGINS + LOOPBACK_ORIGINS:
            answer = await post(app, body, {"host": host, "origin": origin}, method=method, path=path)
            assert (answer.status, answer.error_code) == (421, -32600), (host, origin)
    for host in LOOPBACK_HOSTS:
        for origin in HOSTILE_ORIGINS:
            answer = await post(app, body, {"host": host, "origin": origin}, method=method, path=path)
            assert (answer.status, answer.error_code) == (403, -32600), (host, origin)
    assert app.sse is not None
    assert len(app.sse) == 0


async def test_local_pages_hold_a_conversation() -> None:
    app = Server("guarded").asgi(sse=True)
    for host in LOOPBACK_HOSTS:
        for origin in LOOPBACK_ORIGINS:
            client = SseClient(app, {"host": host, "origin": origin})
            await client.endpoint()
            assert (await client.post(initialize(), {"host": host, "origin": origin})).status == 202
            assert (await client.message())["id"] == 0
            await client.leave()
