"""Legacy sessions over the endpoint: handshake, ids, versions, end.

SES-01, SES-02, SES-03, SES-04, LEG-04, LEG-08, LIFE-01, LIFE-02, S06; the limit sessions.
"""

from __future__ import annotations

import asyncio

import pytest

from anyport import Context, Server
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject
from tests.drivers.asgi import LEGACY, MODERN, initialize, legacy, open_session, post, start


def make_server(limits: Limits | None = None) -> Server:
    """Return a server with a tool that tells its session."""
    server = Server("sessions", limits=limits or Limits())

    @server.tool
    async def session(ctx: Context) -> str:
        return f"{ctx.session_id} {ctx.revision}"

    return server


SESSION_CALL = legacy("tools/call", {"name": "session"})


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_the_life_of_a_session(version: str) -> None:
    """SES-01 to SES-04, LIFE-01, LIFE-02."""
    app = make_server().asgi()
    session = await open_session(app, version)
    answer = await post(app, SESSION_CALL, session)
    assert answer.text == f"{session['mcp-session-id']} {version}"
    assert "mcp-session-id" not in answer.headers
    ended = await post(app, b"", session, method="DELETE")
    assert (ended.status, ended.body) == (204, b"")
    for message in (
        SESSION_CALL,
        legacy("ping"),
        legacy("notifications/initialized", request_id=None),
        initialize(version),
    ):
        gone = await post(app, message, session)
        assert (gone.status, gone.error_code, gone.json.get("id")) == (404, -32600, message.get("id"))
    again = await post(app, b"", session, method="DELETE")
    assert again.status == 404


@pytest.mark.parametrize(
    ("asked", "given"), [(MODERN, LEGACY), ("2099-01-01", LEGACY), ("", LEGACY), ("x" * 9999, LEGACY)]
)
async def test_a_version_that_no_session_has(asked: str, given: str) -> None:
    answer = await post(make_server().asgi(), initialize(asked))
    result = answer.json["result"]
    assert isinstance(result, dict)
    assert result["protocolVersion"] == given


@pytest.mark.parametrize(
    ("version", "status"),
    [(None, 200), ("2024-11-05", 200), (LEGACY, 200), (MODERN, 400), ("2025-13-99", 400), ("", 400), ("1", 400)],
)
async def test_the_version_header_within_a_session(version: str | None, status: int) -> None:
    """LEG-08: what is missing is assumed, what is unknown is refused, at every kind of message."""
    app = make_server().asgi()
    session = await open_session(app)
    fields = {**session, "mcp-protocol-version": version}
    assert (await post(app, legacy("ping"), fields)).status == status
    notified = await post(app, legacy("notifications/initialized", request_id=None), fields)
    assert notified.status == (202 if status == 200 else 400)
    assert (await post(app, b"", fields, method="DELETE")).status == (204 if status == 200 else 400)


@pytest.mark.parametrize("session_id", ["", " ", "made-up", "../../etc", "\xe9", "x" * 4000])
async def test_sessions_that_nobody_opened(session_id: str) -> None:
    app = make_server().asgi()
    answer = await post(app, SESSION_CALL, {"mcp-session-id": session_id})
    assert (answer.status, answer.error_code, answer.json["id"]) == (404, -32600, 1)
    assert (await post(app, b"", {"mcp-session-id": session_id}, method="DELETE")).status == 404


async def test_delete_needs_a_session() -> None:
    answer = await post(make_server().asgi(), b"", method="DELETE")
    assert (answer.status, answer.error_code) == (400, -32600)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"protocolVersion": 1, "capabilities": {}, "clientInfo": {}},
        {"protocolVersion": LEGACY, "clientInfo": {}},
        {"protocolVersion": LEGACY, "capabilities": [], "clientInfo": {}},
        {"protocolVersion": LEGACY, "capabilities": {}},
        {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": "me"},
    ],
)
async def test_a_handshake_that_fails_opens_nothing(params: JsonObject) -> None:
    app = make_server(Limits(sessions=1)).asgi()
    answer = await post(app, legacy("initialize", params, request_id="i"))
    assert (answer.status, answer.error_code, answer.json["id"]) == (200, -32602, "i")
    assert "mcp-session-id" not in answer.headers
    await open_session(app)


async def test_a_second_handshake_is_refused() -> None:
    app = make_server().asgi()
    session = await open_session(app)
    answer = await post(app, initialize(), session)
    assert (answer.status, answer.error_code, answer.json["id"]) == (400, -32600, 0)
    assert (await post(app, legacy("ping"), session)).status == 200


async def test_an_id_that_is_in_use() -> None:
    """RPC-03: the second request is refused, the first goes on."""
    server = make_server()
    go, inside = asyncio.Event(), asyncio.Event()

    @server.tool
    async def wait() -> str:
        inside.set()
        await go.wait()
        return "done"

    app = server.asgi()
    session, other = await open_session(app), await open_session(app)
    first = start(app, legacy("tools/call", {"name": "wait"}), session)
    async with asyncio.timeout(10):
        await inside.wait()
    second = await post(app, legacy("ping"), session)
    assert (second.status, second.error_code, second.json["id"]) == (400, -32600, 1)
    assert (await post(app, legacy("ping"), other)).status == 200
    go.set()
    assert (await first.done()).text == "done"
    assert (await post(app, legacy("ping"), session)).status == 200


async def test_the_limit_of_sessions_is_an_answer() -> None:
    app = make_server(Limits(sessions=2)).asgi()
    sessions = [await open_session(app), await open_session(app)]
    refused = await post(app, initialize())
    assert (refused.status, refused.error_code, refused.json["id"]) == (429, 429, 0)
    assert refused.headers["retry-after"] == "1"
    assert "limit sessions" in refused.error_text
    await post(app, b"", sessions[0], method="DELETE")
    await open_session(app)


async def test_a_draining_server_takes_no_new_requests() -> None:
    """D10: what ends a call is still welcome."""
    app = make_server().asgi()
    session = await open_session(app)
    app.endpoint.draining = True
    for message, fields in ((initialize(), {}), (legacy("ping"), session)):
        answer = await post(app, message, fields)
        assert (answer.status, answer.error_code, answer.json["id"]) == (503, 503, message["id"])
        assert answer.headers["retry-after"] == "5"
    cancelled = await post(app, legacy("notifications/cancelled", {"requestId": 1}, request_id=None), session)
    assert cancelled.status == 202
